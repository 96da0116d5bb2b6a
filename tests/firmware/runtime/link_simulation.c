/* The link in a shared library, driven call by call from Python (tests/support/simulated_device.py): time
 * stands still between calls, what is sent waits in a buffer. */
#include <string.h>

#include "lazy_dma.h"
#include "stream_network.h"
#include "test_network.h"
#include "tinyanime/link.h"
#include "tinyanime/port.h"

#define SENT_BYTES (1u << 20)

static uint8_t sent[SENT_BYTES];
static uint32_t sent_count;
static uint32_t boots;
static uint32_t milliseconds;
static uint32_t cycle_counter;
static uint32_t cycles_per_step = 1000;
static ta_link session;
static ta_link_device device;
static const ta_network *network = &ta_network_instance;

static void keep(void *context, const uint8_t *bytes, uint32_t count) {
    (void)context;
    if (count <= SENT_BYTES - sent_count) {
        memcpy(sent + sent_count, bytes, count);
        sent_count += count;
    }
}

static uint32_t now_ms(void *context) {
    (void)context;
    return milliseconds;
}

static uint32_t no_stack_figure(void *context) {
    (void)context;
    return UINT32_MAX;
}

void simulation_boot(void);

static void restart(void *context) {
    (void)context;
    simulation_boot();
}

/* Starts the device as after power-up or a reset; what was sent before stays on its way. */
void simulation_boot(void) {
    boots++;
    milliseconds = 0;
    const ta_port_tensor *input = &network->input;
    memset(input->data, 0x5A, input->window_bytes > 0u ? input->window_bytes : input->bytes);
    lazy_dma_reset();
    device = (ta_link_device){
        .network = network,
        .firmware_version = "0.1.0",
        .boot_id = 1000u + boots,
        .clock_hz = 480000000u,
        .unique_id = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
        .self_check = network->check_scratch(),
        .write = keep,
        .millis = now_ms,
        .stack_free_bytes = no_stack_figure,
        .reset = restart,
    };
    ta_link_init(&session, &device);
}

/* Next boot gets boot id 1001, as in a new process. */
void simulation_forget(void) {
    boots = 0;
    sent_count = 0;
    cycle_counter = 0;
    cycles_per_step = 1000;
    test_failing_step = 99u;
    stream_failing_strip = 99u;
    network = &ta_network_instance;
    test_scratch_status = TA_OK;
}

/* From the next boot on the device runs the streamed network with windows of these sizes (0: whole). */
void simulation_stream(uint32_t input_window_bytes, uint32_t output_window_bytes) {
    network = stream_network(input_window_bytes, output_window_bytes);
}

/* Hands bytes to the link; steps run only in simulation_work. */
void simulation_receive(const uint8_t *bytes, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        (void)ta_link_receive(&session, bytes[i]);
    }
}

bool simulation_work(void) {
    return ta_link_work(&session);
}

void simulation_advance(uint32_t ms) {
    milliseconds += ms;
}

void simulation_fail_step(uint32_t step) {
    test_failing_step = step;
    stream_failing_strip = step;
}

void simulation_fail_scratch(void) {
    test_scratch_status = TA_ERROR_SCRATCH;
}

/* Moves at most `room` sent bytes to `bytes`; how many. */
uint32_t simulation_take(uint8_t *bytes, uint32_t room) {
    const uint32_t count = sent_count < room ? sent_count : room;
    memcpy(bytes, sent, count);
    memmove(sent, sent + count, sent_count - count);
    sent_count -= count;
    return count;
}

void simulation_take_cycles(uint32_t cycles) {
    cycles_per_step = cycles;
}

uint32_t ta_port_cycles(void) {
    cycle_counter += cycles_per_step;
    return cycle_counter;
}

uint32_t ta_port_millis(void) {
    return milliseconds;
}

uint32_t ta_port_clock_hz(void) {
    return 480000000u;
}

void ta_port_watchdog_feed(void) {
    /* Each step takes 60 ms. */
    milliseconds += 60u;
}
