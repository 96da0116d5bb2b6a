#include "ta_gemm_store.h"

#include <stdbool.h>

#include "ta_gemm_s16.h"
#include "ta_gemm_words.h"
#include "ta_naked.h"
#include "tinyanime/fast_code.h"

#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FEATURE_SIMD32) && defined(__thumb2__)

/* What a pass through a pair of columns finds in memory, as all registers are taken. */
typedef struct {
    const uint32_t *columns_end; /* Behind the last column and the one word that is read ahead. */
    uint32_t entry;              /* Set by the function that reads it. */
    const uint32_t *weights;
    const uint32_t *weights_compared; /* What the weight pointer is in the last pass where it is compared. */
    int8_t *output;
    uint32_t pixel_bytes;
    uint32_t minimums, maximums; /* In every byte. */
    int32_t biases[TA_PANEL_CHANNELS][TA_PANEL_COLUMNS];
    struct {
        int32_t multiplier, rounding, shift;
    } scales[TA_PANEL_CHANNELS];
} pair_constants;

/* clang-format off */
#define AT(offset) "[sp, #(36 + " #offset ")]" /* Behind the saved registers. */
#define COLUMNS_END AT(0)
#define ENTRY AT(4)
#define WEIGHTS_BEGIN AT(8)
#define WEIGHTS_COMPARED AT(12)
#define OUTPUT AT(16)
#define PIXEL_BYTES AT(20)
#define LIMITS AT(24)
#define BIASES(channel) AT(32 + 8 * channel)
#define MULTIPLIER(channel) AT(64 + 12 * channel)
#define ROUNDING(channel) AT(68 + 12 * channel)
#define SHIFT(channel) AT(72 + 12 * channel)
#define CLAMP                                                                                                          \
    "ldrd r8, r9, " LIMITS "\n"                                                                                        \
    "ssub8 r6, r4, r8\n sel r4, r4, r8\n"                                                                              \
    "ssub8 r6, r5, r8\n sel r5, r5, r8\n"                                                                              \
    "ssub8 r6, r9, r4\n sel r4, r4, r9\n"                                                                              \
    "ssub8 r6, r9, r5\n sel r5, r5, r9\n"

/* The sums of a pair of columns, r4 to r11, become two words, whose bytes are the four channels. A result takes seven
 * steps, each of which needs the one before two or three cycles earlier on a Cortex-M7: so those of neighbouring
 * channels stand between each other. A cycle has room for one shift: sums are doubled by
 * additions. r2 and r3, the next pair's first word, are loaded again at the end. The
 * second column is stored first: where pixel_bytes is 0, only the first one remains. */
#define STORE_PAIRS(clamp)                                                                                             \
    "push {r4-r11, lr}\n"                                                                                              \
    "rsb r4, r2, #0\n"                                                                                                 \
    "and r4, r4, #15\n"                                                                                                \
    "movs r5, #" TA_GEMM_WORD_BYTES "\n"                                                                               \
    "adr.w r6, 2f\n"                                                                                                   \
    "mla r4, r4, r5, r6\n"                                                                                             \
    "orr lr, r4, #1\n" /* Thumb */                                                                                     \
    "str.w lr, " ENTRY "\n"                                                                                            \
    "ldr.w r2, [r0], #4\n"                                                                                             \
    "ldr.w r3, [r0], #4\n"                                                                                             \
    ".balign 8\n"                                                                                                      \
    "1:\n" /* one pair of columns: r1 is the begin of the weights, lr the entry */                                     \
    "ldr.w r12, [r1], #4\n"                                                                                            \
    "ldrd r4, r5, " BIASES(0) "\n"                                                                                     \
    "ldrd r6, r7, " BIASES(1) "\n"                                                                                     \
    "ldrd r8, r9, " BIASES(2) "\n"                                                                                     \
    "ldrd r10, r11, " BIASES(3) "\n"                                                                                   \
    "bx lr\n"                                                                                                          \
    ".balign 8\n"                                                                                                      \
    "2:\n" TA_GEMM_WORDS(WEIGHTS_COMPARED)                                                                             \
    "bne.w 2b\n"                                                                                                       \
    "ldr.w r2, " ROUNDING(0) "\n add.w r4, r4, r4\n"                                                                   \
    "ldr.w r1, " MULTIPLIER(0) "\n add.w r5, r5, r5\n"                                                                 \
    "ldr.w lr, " ROUNDING(1) "\n add.w r6, r6, r6\n"                                                                   \
    "add.w r3, r2, r4, asr #31\n ldr.w r12, " MULTIPLIER(1) "\n"                                                       \
    "smmlar r4, r4, r1, r3\n add.w r2, r2, r5, asr #31\n"                                                              \
    "add.w r3, lr, r6, asr #31\n add.w r7, r7, r7\n"                                                                   \
    "smmlar r5, r5, r1, r2\n ldr.w r2, " SHIFT(0) "\n"                                                                 \
    "smmlar r6, r6, r12, r3\n add.w lr, lr, r7, asr #31\n"                                                             \
    "ldr.w r3, " SHIFT(1) "\n add.w r8, r8, r8\n"                                                                      \
    "smmlar r7, r7, r12, lr\n asr.w r4, r4, r2\n"                                                                      \
    "ldr.w r1, " ROUNDING(2) "\n asr.w r5, r5, r2\n"                                                                   \
    "ssat r4, #8, r4\n ldr.w r12, " MULTIPLIER(2) "\n"                                                                 \
    "ssat r5, #8, r5\n asr.w r6, r6, r3\n"                                                                             \
    "add.w r2, r1, r8, asr #31\n ldr.w lr, " ROUNDING(3) "\n"                                                          \
    "smmlar r8, r8, r12, r2\n add.w r9, r9, r9\n"                                                                      \
    "add.w r1, r1, r9, asr #31\n ldr.w r2, " MULTIPLIER(3) "\n"                                                        \
    "smmlar r9, r9, r12, r1\n asr.w r7, r7, r3\n"                                                                      \
    "ssat r6, #8, r6\n add.w r10, r10, r10\n"                                                                          \
    "add.w r3, lr, r10, asr #31\n ldr.w r12, " SHIFT(2) "\n"                                                           \
    "smmlar r10, r10, r2, r3\n add.w r11, r11, r11\n"                                                                  \
    "ssat r7, #8, r7\n ldr.w r3, " SHIFT(3) "\n"                                                                       \
    "add.w lr, lr, r11, asr #31\n ldr.w r1, " PIXEL_BYTES "\n"                                                         \
    "smmlar r11, r11, r2, lr\n asr.w r8, r8, r12\n"                                                                    \
    "bfi r4, r6, #8, #8\n asr.w r9, r9, r12\n"                                                                         \
    "ssat r8, #8, r8\n asr.w r10, r10, r3\n"                                                                           \
    "bfi r5, r7, #8, #8\n ldr.w r12, " OUTPUT "\n"                                                                     \
    "ssat r9, #8, r9\n asr.w r11, r11, r3\n"                                                                           \
    "ssat r10, #8, r10\n ldr.w lr, " COLUMNS_END "\n"                                                                  \
    "bfi r4, r8, #16, #8\n ldr r2, [r0, #-8]\n"                                                                        \
    "ssat r11, #8, r11\n ldr r3, [r0, #-4]\n"                                                                          \
    "bfi r5, r9, #16, #8\n cmp.w r0, lr\n"                                                                             \
    "bfi r4, r10, #24, #8\n ldr.w lr, " ENTRY "\n"                                                                     \
    "bfi r5, r11, #24, #8\n"                                                                                           \
    clamp                                                                                                              \
    "str.w r5, [r12, r1]\n"                                                                                            \
    "str.w r4, [r12]\n add.w r12, r12, r1, lsl #1\n"                                                                   \
    "str.w r12, " OUTPUT "\n ldr.w r1, " WEIGHTS_BEGIN "\n"                                                            \
    "bne.w 1b\n"                                                                                                       \
    "pop {r4-r11, pc}\n"
/* clang-format on */

#pragma GCC diagnostic ignored "-Wunused-parameter" /* Naked functions take them from registers and stack. */

/* `unused` takes the fourth register, so that all constants lie on the stack. */
TA_NAKED __attribute__((aligned(16)))
TA_FAST_CODE(ta_gemm_store_pairs) static void store_pairs(const uint32_t *columns, const uint32_t *weights,
                                                          uint32_t words, uint32_t unused, pair_constants constants) {
    __asm volatile(STORE_PAIRS(""));
}

/* The same within limits. */
TA_NAKED __attribute__((aligned(16)))
TA_FAST_CODE(ta_gemm_store_clamped_pairs) static void store_clamped_pairs(const uint32_t *columns,
                                                                          const uint32_t *weights, uint32_t words,
                                                                          uint32_t unused, pair_constants constants) {
    __asm volatile(STORE_PAIRS(CLAMP));
}

static uint32_t in_every_byte(int8_t value) {
    return (uint8_t)value * 0x01010101u;
}

static void store(const ta_gemm_operands *operands, uint32_t first, uint32_t pairs, pair_constants *constants) {
    const uint32_t *columns = operands->columns + operands->words * first;
    constants->columns_end = columns + operands->words * pairs * TA_PANEL_COLUMNS + TA_PANEL_COLUMNS;
    if (constants->minimums == in_every_byte(INT8_MIN) && constants->maximums == in_every_byte(INT8_MAX)) {
        store_pairs(columns, operands->weights, operands->words, 0, *constants);
    } else {
        store_clamped_pairs(columns, operands->weights, operands->words, 0, *constants);
    }
}

/* Whether it stored the panel. */
static bool store_whole(const ta_gemm_operands *operands, const ta_panel_channels *panel, int8_t *output,
                        uint32_t pixel_bytes) {
    if (panel->count != TA_PANEL_CHANNELS) {
        return false;
    }
    pair_constants constants = {.weights = operands->weights,
                                .weights_compared = operands->weights + TA_PANEL_CHANNELS * operands->words - 3,
                                .output = output,
                                .pixel_bytes = pixel_bytes,
                                .minimums = in_every_byte(panel->minimum),
                                .maximums = in_every_byte(panel->maximum)};
    for (uint32_t channel = 0; channel < TA_PANEL_CHANNELS; channel++) {
        const ta_channel *fields = &panel->channels[channel];
        constants.biases[channel][0] = constants.biases[channel][1] = fields->bias;
        constants.scales[channel].multiplier = fields->multiplier;
        constants.scales[channel].rounding = fields->rounding;
        constants.scales[channel].shift = fields->shift;
    }
    const uint32_t pairs = operands->count / TA_PANEL_COLUMNS, done = pairs * TA_PANEL_COLUMNS;
    if (pairs != 0) {
        store(operands, 0, pairs, &constants);
    }
    if (done != operands->count) {
        constants.output = output + done * pixel_bytes;
        constants.pixel_bytes = 0;
        store(operands, done, 1, &constants);
    }
    return true;
}

#else

static bool store_whole(const ta_gemm_operands *operands, const ta_panel_channels *panel, int8_t *output,
                        uint32_t pixel_bytes) {
    (void)operands;
    (void)panel;
    (void)output;
    (void)pixel_bytes;
    return false;
}

#endif

void ta_gemm_store(const ta_gemm_operands *operands, const ta_panel_channels *panel, int8_t *output,
                   uint32_t pixel_bytes) {
    if (!store_whole(operands, panel, output, pixel_bytes)) {
        const uint32_t pairs = (operands->count + TA_PANEL_COLUMNS - 1) / TA_PANEL_COLUMNS;
        ta_gemm_s16(operands->columns, operands->weights, operands->words, pairs, operands->sums);
        ta_store_sums(operands->sums, operands->count, panel, output, pixel_bytes);
    }
}
