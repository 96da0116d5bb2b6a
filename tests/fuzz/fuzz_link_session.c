/* libFuzzer target: the input is a script of requests that always get past COBS and CRC, so that the fuzzer
 * reaches the session. One entry: opcode u8, then what the opcode takes; a script that ends early ends the run.
 *   0x00..0x7F  a request of that type: payload length u8, payload
 *   0x80        executes one step of a run
 *   0x81        all of the input by BEGIN, DATA, END: transfer u8, pattern u8
 *   0x82        a request of type u8 with payload length u16 (up to 1040), filled with u8
 *   0x83        a frame of version u8 and type u8
 *   0x84        the step (of the streamed network: the strip) that fails from now on: u8
 *   0x85        as 0x81, with the announced CRC xor u8, in DATA of 256 + u16 (up to 1024) bytes, none shortened
 *   0x86        resets the device, which has the streamed network then: size of the input's window u8, the output's u8
 *   0x87        an exchange of what the device waits for: pattern u8
 *   else        resets the device, which has the test network then */
#include <string.h>

#include "fuzz_device.h"

typedef struct {
    const uint8_t *bytes;
    size_t count;
} script;

static uint8_t next(script *rest) {
    if (rest->count == 0u) {
        return 0;
    }
    rest->count--;
    return *rest->bytes++;
}

static void put_u32(uint8_t *bytes, uint32_t value) {
    for (unsigned i = 0; i < 4u; i++) {
        bytes[i] = (uint8_t)((value >> (8u * i)) & 0xFFu);
    }
}

/* Sends a whole picture of `pattern` in DATA of `chunk` bytes; the last one goes beyond the input's end
 * unless `chunk` divides it or `clip`. */
static void send_picture(uint8_t transfer, uint8_t pattern, uint32_t crc_damage, uint32_t chunk, bool clip) {
    static uint8_t picture[TEST_BYTES];
    uint8_t payload[TA_LINK_MAX_PAYLOAD];
    memset(picture, pattern, sizeof picture);
    put_u32(payload, transfer);
    put_u32(payload + 4, TEST_BYTES);
    put_u32(payload + 8, ta_crc32(0, picture, TEST_BYTES) ^ crc_damage);
    fuzz_request(TA_LINK_VERSION, TA_LINK_BEGIN, payload, 12);
    for (uint32_t offset = 0; offset < TEST_BYTES; offset += chunk) {
        const uint32_t left = TEST_BYTES - offset;
        const uint32_t count = clip && left < chunk ? left : chunk;
        put_u32(payload + 4, offset);
        memset(payload + 8, pattern, count);
        fuzz_request(TA_LINK_VERSION, TA_LINK_DATA, payload, 8u + count);
    }
    fuzz_request(TA_LINK_VERSION, TA_LINK_END, payload, 4);
}

/* Two rows at least, 255: the tensor lies whole. */
static uint32_t window(uint8_t size) {
    return size == 255u ? 0u : 288u + 16u * size;
}

/* One DATA, READ_OUTPUT and TAKE each of what the device can exchange now, and a step of a stepwise run. */
static void exchange(uint8_t pattern) {
    uint8_t payload[TA_LINK_MAX_PAYLOAD];
    const ta_link *session = fuzz_session();
    const uint32_t left = TEST_BYTES - session->next_offset;
    const uint32_t count = left < TA_LINK_CHUNK ? left : TA_LINK_CHUNK;
    if (count > 0u) {
        put_u32(payload, session->transfer);
        put_u32(payload + 4, session->next_offset);
        memset(payload + 8, pattern, count);
        fuzz_request(TA_LINK_VERSION, TA_LINK_DATA, payload, 8u + count);
    }
    put_u32(payload, session->run);
    put_u32(payload + 4, session->executor.taken);
    payload[8] = 100;
    payload[9] = 0;
    fuzz_request(TA_LINK_VERSION, TA_LINK_READ_OUTPUT, payload, 10);
    put_u32(payload + 4, session->executor.produced);
    fuzz_request(TA_LINK_VERSION, TA_LINK_TAKE, payload, 8);
    payload[4] = (uint8_t)(session->executor.next_step & 0xFFu);
    payload[5] = 0;
    if (session->stepwise) {
        fuzz_request(TA_LINK_VERSION, TA_LINK_STEP, payload, 6);
    }
}

static void play(script *rest) {
    uint8_t payload[TA_LINK_MAX_PAYLOAD] = {0};
    const uint8_t opcode = next(rest);
    if (opcode < 0x80u) {
        const uint32_t count = next(rest);
        for (uint32_t i = 0; i < count; i++) {
            payload[i] = next(rest);
        }
        fuzz_request(TA_LINK_VERSION, opcode, payload, count);
    } else if (opcode == 0x80u) {
        (void)fuzz_work();
    } else if (opcode == 0x81u) {
        const uint8_t transfer = next(rest);
        send_picture(transfer, next(rest), 0, TA_LINK_CHUNK, true);
    } else if (opcode == 0x82u) {
        const uint8_t type = next(rest);
        const uint32_t low = next(rest);
        const uint32_t count = (low | ((uint32_t)next(rest) << 8)) % (TA_LINK_MAX_PAYLOAD + 1u);
        memset(payload, next(rest), sizeof payload);
        fuzz_request(TA_LINK_VERSION, type, payload, count);
    } else if (opcode == 0x83u) {
        const uint8_t version = next(rest);
        fuzz_request(version, next(rest), payload, 0);
    } else if (opcode == 0x84u) {
        test_failing_step = next(rest);
        stream_failing_strip = test_failing_step;
    } else if (opcode == 0x85u) {
        const uint8_t transfer = next(rest);
        const uint8_t pattern = next(rest);
        const uint32_t damage = next(rest);
        const uint32_t low = next(rest);
        /* Smaller DATA would only make the fuzzer slow. */
        const uint32_t chunk = 256u + (low | ((uint32_t)next(rest) << 8)) % (TA_LINK_CHUNK - 255u);
        send_picture(transfer, pattern, damage, chunk, false);
    } else if (opcode == 0x86u) {
        const uint32_t input_window = window(next(rest));
        fuzz_boot_streamed(input_window, window(next(rest)));
    } else if (opcode == 0x87u) {
        exchange(next(rest));
    } else {
        fuzz_boot();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    script rest = {data, size};
    fuzz_boot();
    while (rest.count > 0u) {
        play(&rest);
    }
    fuzz_finish();
    return 0;
}
