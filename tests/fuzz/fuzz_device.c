#include "fuzz_device.h"

#include <stdlib.h>
#include <string.h>

#include "lazy_dma.h"
#include "tinyanime/port.h"

#define UNTOUCHED 0x5A /* What lies behind a window and must stay. */

#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

static ta_link session;
static ta_link_device device;
static const ta_network *network;
static ta_frame_reader answers; /* Reads what the device sends. */
static uint32_t milliseconds;
static uint32_t replies; /* Replies and errors since the last request. */
static uint16_t reply_sequence;
static uint16_t sequence;

/* Byte `index` of a tensor, which lies whole or in its window. */
static uint8_t tensor_byte(const ta_port_tensor *tensor, uint32_t index) {
    return (uint8_t)tensor->data[tensor->window_bytes > 0u ? index % tensor->window_bytes : index];
}

static void check_output(const ta_frame *frame) {
    const ta_port_tensor *output = &network->output;
    const uint32_t offset = ta_read_u32(frame->payload + 4);
    const uint32_t count = frame->payload_bytes - 8u;
    REQUIRE(offset + count <= output->bytes);
    if (output->window_bytes > 0u) {
        REQUIRE(offset >= session.executor.taken && offset + count <= session.executor.produced);
    }
    for (uint32_t i = 0; i < count; i++) {
        REQUIRE(frame->payload[8u + i] == tensor_byte(output, offset + i));
    }
}

/* CRC of the whole output of a run that has ended. */
static uint32_t output_crc(void) {
    const ta_port_tensor *output = &network->output;
    if (output->window_bytes > 0u) {
        REQUIRE(session.summed_bytes == output->bytes);
        return session.summed_crc;
    }
    return ta_crc32(0, (const uint8_t *)output->data, output->bytes);
}

/* What READ and STEP say about the memory they read must be true. */
static void check_result(const ta_frame *frame) {
    if (frame->type == (TA_LINK_READ_OUTPUT | TA_LINK_REPLY)) {
        check_output(frame);
    } else if (frame->type == (TA_LINK_STEP | TA_LINK_REPLY)) {
        const ta_step *step = &network->steps[ta_read_u16(frame->payload + 4)];
        REQUIRE(ta_read_u32(frame->payload + 6) == step->output_bytes);
        REQUIRE(ta_read_u32(frame->payload + 10) == ta_crc32(0, (const uint8_t *)step->output, step->output_bytes));
    } else if (frame->type == TA_LINK_DONE && frame->payload[4] == TA_OK) {
        REQUIRE(ta_read_u32(frame->payload + 15) == output_crc());
    }
}

/* Everything the device sends must be good frames of reply and event types. */
static void check_sent(void *context, const uint8_t *bytes, uint32_t count) {
    (void)context;
    REQUIRE(count >= 1u);
    for (uint32_t i = 0; i < count; i++) {
        ta_frame frame;
        if (!ta_frame_reader_put(&answers, bytes[i], &frame)) {
            continue;
        }
        REQUIRE(frame.version == TA_LINK_VERSION && frame.type >= TA_LINK_REPLY);
        check_result(&frame);
        if (frame.type < TA_LINK_PROGRESS || frame.type == TA_LINK_ERROR) {
            replies++;
            reply_sequence = frame.sequence;
        }
    }
    REQUIRE(answers.dropped == 0u);
}

static uint32_t now_ms(void *context) {
    (void)context;
    return milliseconds;
}

static uint32_t stack_free(void *context) {
    (void)context;
    return 1234;
}

static void restart(void *context) {
    (void)context;
    device.boot_id++;
    lazy_dma_reset();
}

static void boot(const ta_network *booted) {
    network = booted;
    test_failing_step = 99u;
    stream_failing_strip = 99u;
    lazy_dma_reset();
    memset(&answers, 0, sizeof answers);
    memset(network->input.data, UNTOUCHED, network->input.bytes);
    memset(network->output.data, UNTOUCHED, network->output.bytes);
    device = (ta_link_device){
        .network = network,
        .firmware_version = "fuzz",
        .boot_id = 1, /* So that RESET can be guessed. */
        .clock_hz = 1000000,
        .self_check = TA_OK,
        .write = check_sent,
        .millis = now_ms,
        .stack_free_bytes = stack_free,
        .reset = restart,
    };
    ta_link_init(&session, &device);
}

void fuzz_boot(void) {
    boot(&ta_network_instance);
}

void fuzz_boot_streamed(uint32_t input_window_bytes, uint32_t output_window_bytes) {
    boot(stream_network(input_window_bytes, output_window_bytes));
}

const ta_link *fuzz_session(void) {
    return &session;
}

/* A tensor in a window of `bytes` leaves the memory behind it alone, and nothing in it is overwritten too early. */
static void check_window(const ta_port_tensor *tensor, uint32_t begin, uint32_t end) {
    REQUIRE(begin <= end && end <= tensor->bytes && end - begin <= tensor->window_bytes);
    REQUIRE(tensor->window_bytes == tensor->bytes || tensor->data[tensor->window_bytes] == UNTOUCHED);
}

static void check_streams(void) {
    const ta_executor *executor = &session.executor;
    const bool goes_on = session.state == TA_LINK_STATE_RUNNING || session.state == TA_LINK_STATE_WAITING ||
                         session.state == TA_LINK_STATE_STEPPING;
    if (network->input.window_bytes > 0u && goes_on) {
        REQUIRE(executor->received == session.next_offset);
        check_window(&network->input, executor->consumed, session.next_offset);
    }
    if (network->output.window_bytes > 0u && goes_on) {
        REQUIRE(session.summed_bytes == executor->produced);
        check_window(&network->output, executor->taken, executor->produced);
    }
}

static void check_state(void) {
    const uint32_t size = network->input.bytes;
    REQUIRE(session.state <= TA_LINK_STATE_WAITING);
    check_streams();
    REQUIRE(session.reader.count <= TA_FRAME_ENCODED_BYTES);
    REQUIRE(session.next_offset <= size);
    REQUIRE(session.state != TA_LINK_STATE_READY || session.next_offset == size);
    REQUIRE(session.executor.next_step <= network->step_count);
    if (session.state == TA_LINK_STATE_READY && network->input.window_bytes == 0u) {
        const uint8_t *input = (const uint8_t *)network->input.data;
        REQUIRE(ta_crc32(0, input, size) == session.transfer_crc);
    }
}

bool fuzz_receive(uint8_t byte) {
    const bool handled = ta_link_receive(&session, byte);
    if (handled) {
        check_state();
    }
    return handled;
}

bool fuzz_work(void) {
    const bool more = ta_link_work(&session);
    milliseconds += 30u;
    check_state();
    return more;
}

static void put_byte(void *context, const uint8_t *bytes, uint32_t count) {
    (void)context;
    for (uint32_t i = 0; i < count; i++) {
        (void)fuzz_receive(bytes[i]);
    }
}

void fuzz_request(uint8_t version, uint8_t type, const uint8_t *payload, uint32_t count) {
    static ta_frame_writer writer;
    sequence++;
    replies = 0;
    ta_frame_start(&writer, type, sequence);
    writer.content[0] = version;
    ta_frame_bytes(&writer, payload, count);
    ta_frame_send(&writer, put_byte, NULL);
    REQUIRE(replies == (type < TA_LINK_REPLY ? 1u : 0u));
    REQUIRE(replies == 0u || reply_sequence == sequence);
}

void fuzz_finish(void) {
    uint32_t steps = 0;
    while (fuzz_work()) {
        steps++;
        REQUIRE(steps <= network->step_count);
    }
}

uint32_t ta_port_cycles(void) {
    return milliseconds * 1000u;
}

uint32_t ta_port_millis(void) {
    return milliseconds;
}

uint32_t ta_port_clock_hz(void) {
    return 1000000u;
}

void ta_port_watchdog_feed(void) {
}
