#include "stream_network.h"

#include <string.h>

#define LINES 4u
#define STRIP_BYTES (STREAM_STRIP_ROWS * STREAM_ROW_BYTES)
#define COMMANDS_PER_STRIP 16u /* At least as many as a strip takes. */

unsigned stream_failing_strip = 99u;

/* Whole tensors, or rings in their first bytes; apart from each other, so that a write beyond either is found. */
static int8_t input_memory[STREAM_BYTES];
static int8_t output_memory[STREAM_BYTES];
/* Input rows 2s - 1 to 2s + 2 while strip s is computed. */
static int8_t lines[LINES * STREAM_ROW_BYTES];
static int8_t blurred[STRIP_BYTES];
static int8_t marked[STRIP_BYTES];
/* A constant that the DMA brings: the strip fails where it has not come. */
static const int8_t constant_source[4] = {11, 22, 33, 44};
static int8_t constant[4];

static ta_step steps[STREAM_STEPS];
static ta_command commands[STREAM_STRIPS * COMMANDS_PER_STRIP];
static uint32_t command_count;
static ta_network network;

static uint32_t line_byte(uint32_t row, uint32_t strip, uint32_t at) {
    /* Rows count from 1 here: row 0 and the one behind the last are outside. */
    if (row == 0u || row > STREAM_HEIGHT) {
        return 0;
    }
    return (uint8_t)lines[(row - strip * STREAM_STRIP_ROWS) * STREAM_ROW_BYTES + at];
}

static ta_status run_blur(uint16_t strip) {
    if (strip == stream_failing_strip) {
        return TA_ERROR_KERNEL;
    }
    for (uint32_t i = 0; i < STRIP_BYTES; i++) {
        const uint32_t row = strip * STREAM_STRIP_ROWS + i / STREAM_ROW_BYTES + 1u;
        const uint32_t at = i % STREAM_ROW_BYTES;
        const uint32_t sum =
            line_byte(row - 1u, strip, at) + 2u * line_byte(row, strip, at) + line_byte(row + 1u, strip, at);
        blurred[i] = (int8_t)(uint8_t)(sum & 0xFFu);
    }
    return TA_OK;
}

static ta_status run_mark(uint16_t strip) {
    if (memcmp(constant, constant_source, sizeof constant) != 0) {
        return TA_ERROR_KERNEL;
    }
    memset(constant, 0, sizeof constant);
    for (uint32_t i = 0; i < STRIP_BYTES; i++) {
        marked[i] = (int8_t)(uint8_t)(((uint8_t)blurred[i] ^ (strip * STRIP_BYTES + i)) & 0xFFu);
    }
    return TA_OK;
}

static void put(ta_command command) {
    commands[command_count++] = command;
}

/* Input rows [row, row + rows) to line `line`. */
static void put_input(uint32_t row, uint32_t rows, uint32_t line) {
    int8_t *target = lines + line * STREAM_ROW_BYTES;
    const uint32_t bytes = rows * STREAM_ROW_BYTES;
    if (network.input.window_bytes > 0u) {
        put((ta_command){.kind = TA_COMMAND_RECEIVE, .target = target, .bytes = bytes});
    } else {
        const int8_t *source = input_memory + row * STREAM_ROW_BYTES;
        put((ta_command){.kind = TA_COMMAND_CLEAN, .source = source, .bytes = bytes});
        put((ta_command){.kind = TA_COMMAND_START, .channel = 2, .target = target, .source = source, .bytes = bytes});
        put((ta_command){.kind = TA_COMMAND_WAIT, .channel = 2});
    }
}

static void put_output(uint16_t strip) {
    if (network.output.window_bytes > 0u) {
        put((ta_command){.kind = TA_COMMAND_SEND, .source = marked, .bytes = STRIP_BYTES});
    } else {
        int8_t *target = output_memory + strip * STRIP_BYTES;
        put((ta_command){
            .kind = TA_COMMAND_START, .channel = 2, .target = target, .source = marked, .bytes = STRIP_BYTES});
        put((ta_command){.kind = TA_COMMAND_WAIT, .channel = 2});
        put((ta_command){.kind = TA_COMMAND_INVALIDATE, .target = target, .bytes = STRIP_BYTES});
    }
}

static void put_blur(uint16_t strip) {
    const uint32_t row = strip * STREAM_STRIP_ROWS;
    if (strip == 0u) {
        put_input(0, 1, 1);
    } else {
        const int8_t *kept = lines + 2u * STREAM_ROW_BYTES;
        put((ta_command){.kind = TA_COMMAND_MOVE, .target = lines, .source = kept, .bytes = 2u * STREAM_ROW_BYTES});
    }
    const uint32_t left = STREAM_HEIGHT - row - 1u;
    put_input(row + 1u, left < 2u ? left : 2u, 2);
    /* Still under way when the step ends: the next one waits for it. */
    put((ta_command){
        .kind = TA_COMMAND_START, .channel = 1, .target = constant, .source = constant_source, .bytes = 4});
    put((ta_command){.kind = TA_COMMAND_CALL, .run = run_blur, .call = strip});
}

static void put_step(uint16_t strip, uint16_t layer, const int8_t *output, uint32_t first_command) {
    const uint16_t begin = (uint16_t)(strip * STREAM_STRIP_ROWS);
    steps[2u * strip + layer] = (ta_step){
        .output = output,
        .output_bytes = STRIP_BYTES,
        .first_command = first_command,
        .command_count = (uint16_t)(command_count - first_command),
        .layer = layer,
        .band = strip,
        .row_begin = begin,
        .row_end = (uint16_t)(begin + STREAM_STRIP_ROWS),
    };
}

#ifdef STREAM_WINDOW_BYTES
/* The network of a program; its self-check makes its commands. */
#define STREAM_FRAME ta_network_instance
static ta_status check_scratch(void) {
    (void)stream_network(STREAM_WINDOW_BYTES, STREAM_WINDOW_BYTES);
    return TA_OK;
}
#else
#define STREAM_WINDOW_BYTES 0u
#define STREAM_FRAME stream_frame
extern const ta_network stream_frame;
static ta_status check_scratch(void) {
    return TA_OK;
}
#endif

static const ta_layer layers[2] = {
    {"blur", STREAM_HEIGHT, STREAM_ROW_BYTES},
    {"mark", STREAM_HEIGHT, STREAM_ROW_BYTES},
};

const ta_network STREAM_FRAME = {
    .model_name = "stream",
    .board_name = "posix",
    .kernels = "by hand",
    .manifest_sha256 = {0x77, 0x88, 0x99},
    .model_sha256 = {0xAA, 0xBB, 0xCC},
    .picture_black = -1.0f,
    .picture_white = 1.0f,
    .input = {input_memory, STREAM_BYTES, STREAM_WINDOW_BYTES, STREAM_HEIGHT, STREAM_ROW_BYTES / 3u, 3, -1, 0.0078125f},
    .output = {output_memory, STREAM_BYTES, STREAM_WINDOW_BYTES, STREAM_HEIGHT, STREAM_ROW_BYTES / 3u, 3, 2, 0.015625f},
    .layers = layers,
    .steps = steps,
    .commands = commands,
    .layer_count = 2,
    .step_count = STREAM_STEPS,
    .free_bytes = 54321,
    .check_scratch = check_scratch,
};

const ta_network *stream_network(uint32_t input_window_bytes, uint32_t output_window_bytes) {
    network = STREAM_FRAME;
    network.input.window_bytes = input_window_bytes;
    network.output.window_bytes = output_window_bytes;
    command_count = 0;
    for (uint16_t strip = 0; strip < STREAM_STRIPS; strip++) {
        const uint32_t blur = command_count;
        put_blur(strip);
        put_step(strip, 0, blurred, blur);
        const uint32_t mark = command_count;
        put((ta_command){.kind = TA_COMMAND_WAIT, .channel = 1});
        put((ta_command){.kind = TA_COMMAND_NONE});
        put((ta_command){.kind = TA_COMMAND_CALL, .run = run_mark, .call = strip});
        put_output(strip);
        put_step(strip, 1, marked, mark);
    }
    return &network;
}
