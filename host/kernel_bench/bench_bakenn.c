/* Runs a network that the bakenn compiler generated on a bare core. The emulator tells its layers apart by where the
 * kernels return to. */
#include <string.h>

#include "bknn_network.h"

#include "bench.h"

#define ARENA_BYTES (BKNN_NETWORK_ARENA_SIZE > 0u ? BKNN_NETWORK_ARENA_SIZE : 1u)

static uint8_t arena[ARENA_BYTES] __attribute__((section(".arena." BENCH_BANK), aligned(BKNN_NETWORK_ARENA_ALIGNMENT)));
static int8_t input[BKNN_NETWORK_INPUT_BYTES] __attribute__((section(".arena." BENCH_BANK), aligned(32)));
static int8_t output[BKNN_NETWORK_OUTPUT_BYTES] __attribute__((section(".arena." BENCH_BANK), aligned(32)));

void bench_run(void) {
    BENCH_SECTION = BENCH_EXCHANGE;
    memcpy(input, BENCH_INPUT, sizeof input);
    BENCH_SECTION = 0;
    bknn_network_infer(BKNN_NETWORK_ARENA_SIZE > 0u ? arena : NULL, input, output);
    BENCH_SECTION = BENCH_EXCHANGE;
    memcpy(BENCH_OUTPUT, output, sizeof output);
}
