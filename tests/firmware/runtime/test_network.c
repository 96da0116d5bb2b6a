#include "test_network.h"

#define TEST_ROW_BYTES (TEST_WIDTH * TEST_CHANNELS)
#define TEST_BAND_ROWS (TEST_HEIGHT / 2u)
#define TEST_BAND_BYTES (TEST_BAND_ROWS * TEST_ROW_BYTES)

unsigned test_failing_step = 99u;
ta_status test_scratch_status = TA_OK;

/* Input and output share memory, as planned networks do: a run destroys its input. */
static int8_t picture[TEST_BYTES];
static int8_t middle[TEST_BYTES];

/* middle[i] = input[i] xor 0x55, in two bands of 20 rows. */
static ta_status run_flip(uint16_t band) {
    const uint32_t begin = band * TEST_BAND_BYTES;
    if (test_failing_step == band) {
        return TA_ERROR_KERNEL;
    }
    for (uint32_t i = begin; i < begin + TEST_BAND_BYTES; i++) {
        middle[i] = (int8_t)(picture[i] ^ 0x55);
    }
    return TA_OK;
}

/* output[i] = middle[last - i] plus i, modulo 256. */
static ta_status run_reverse(uint16_t band) {
    (void)band;
    if (test_failing_step == 2u) {
        return TA_ERROR_KERNEL;
    }
    for (uint32_t i = 0; i < TEST_BYTES; i++) {
        picture[i] = (int8_t)(uint8_t)(((uint32_t)(uint8_t)middle[TEST_BYTES - 1u - i] + i) & 0xFFu);
    }
    return TA_OK;
}

static ta_status check_scratch(void) {
    return test_scratch_status;
}

static const ta_layer layers[2] = {
    {"flip", TEST_HEIGHT, TEST_ROW_BYTES},
    {"reverse", TEST_HEIGHT, TEST_ROW_BYTES},
};

static const ta_command commands[3] = {
    {.kind = TA_COMMAND_CALL, .call = 0, .run = run_flip},
    {.kind = TA_COMMAND_CALL, .call = 1, .run = run_flip},
    {.kind = TA_COMMAND_CALL, .call = 0, .run = run_reverse},
};

static const ta_step steps[3] = {
    {middle, TEST_BAND_BYTES, 0, 1, 0, 0, 0, TEST_BAND_ROWS},
    {middle + TEST_BAND_BYTES, TEST_BAND_BYTES, 1, 1, 0, 1, TEST_BAND_ROWS, TEST_HEIGHT},
    {picture, TEST_BYTES, 2, 1, 1, 0, 0, TEST_HEIGHT},
};

const ta_network ta_network_instance = {
    .model_name = "test",
    .board_name = "posix",
    .kernels = "by hand",
    .manifest_sha256 = {0x11, 0x22, 0x33},
    .model_sha256 = {0x44, 0x55, 0x66},
    .picture_black = -1.0f,
    .picture_white = 1.0f,
    .input = {picture, TEST_BYTES, 0, TEST_HEIGHT, TEST_WIDTH, TEST_CHANNELS, -1, 0.0078125f},
    .output = {picture, TEST_BYTES, 0, TEST_HEIGHT, TEST_WIDTH, TEST_CHANNELS, 2, 0.015625f},
    .layers = layers,
    .steps = steps,
    .commands = commands,
    .layer_count = 2,
    .step_count = 3,
    .free_bytes = 12345,
    .check_scratch = check_scratch,
};
