#include "ta_depthwise_3x3.h"
#include "ta_lanes.h"
#include "ta_naked.h"
#include "tinyanime/fast_code.h"

#if defined(__ARM_FEATURE_SIMD32) && defined(__thumb2__)

#pragma GCC diagnostic ignored "-Wunused-parameter" /* Naked functions take them from registers and stack. */

/* 4 positions of a channel per pass. On a Cortex-M7 every load stands behind a multiplication that it issues together
 * with, and is used two cycles later at the earliest.
 * r0 upper, r1 lower, r2 constants, r3 results, r4 to r7 sums, r8 and r9 inputs in turn, r10 to r12 taps. At the end of
 * a pass r10 to r12 are rounding, multiplier and shift; the next pass finds its first input and tap in r8 and r10 and
 * the bias in lr. Results are the first bytes of words. */
/* clang-format off */
#define RESULTS_END "[sp, #36]"
#define RESULTS_REWIND "[sp, #40]"
#define PANEL_REWIND "[sp, #44]"
#define CONSTANTS_END "[sp, #48]"
#define SUMS_STRIDE_1                                                                                                  \
    "ldr.w r9, [r0, #16]\n ldr.w r11, [r2, #4]\n"                                                                      \
    "smlad r4, r8, r10, lr\n ldr.w r8, [r0, #32]\n"                                                                    \
    "smlad r5, r9, r10, lr\n ldr.w r12, [r2, #8]\n"                                                                    \
    "smlad r4, r9, r11, r4\n ldr.w r9, [r0, #48]\n"                                                                    \
    "smlad r6, r8, r10, lr\n"                                                                                          \
    "smlad r5, r8, r11, r5\n"                                                                                          \
    "smlad r4, r8, r12, r4\n ldr.w r8, [r0, #64]!\n"                                                                   \
    "smlad r7, r9, r10, lr\n ldr.w r10, [r2, #12]\n"                                                                   \
    "smlad r6, r9, r11, r6\n"                                                                                          \
    "smlad r5, r9, r12, r5\n ldr.w r9, [r0, #16]\n"                                                                    \
    "smlad r7, r8, r11, r7\n ldr.w r11, [r2, #16]\n"                                                                   \
    "smlad r6, r8, r12, r6\n ldr.w r8, [r1]\n"                                                                         \
    "smlad r7, r9, r12, r7\n ldr.w r9, [r1, #16]\n"                                                                    \
    "smlad r4, r8, r10, r4\n ldr.w r8, [r1, #32]\n"                                                                    \
    "smlad r5, r9, r10, r5\n ldr.w r12, [r2, #20]\n"                                                                   \
    "smlad r4, r9, r11, r4\n ldr.w r9, [r1, #48]\n"                                                                    \
    "smlad r6, r8, r10, r6\n"                                                                                          \
    "smlad r5, r8, r11, r5\n"                                                                                          \
    "smlad r4, r8, r12, r4\n ldr.w r8, [r1, #64]!\n"                                                                   \
    "smlad r7, r9, r10, r7\n ldr.w r10, [r2, #32]\n"                                                                   \
    "smlad r6, r9, r11, r6\n"                                                                                          \
    "smlad r5, r9, r12, r5\n ldr.w r9, [r1, #16]\n"                                                                    \
    "smlad r7, r8, r11, r7\n ldr.w r11, [r2, #28]\n"                                                                   \
    "smlad r6, r8, r12, r6\n add.w lr, r10, r4, asr #31\n"                                                             \
    "smlad r7, r9, r12, r7\n add.w r8, r10, r5, asr #31\n"
#define SUMS_STRIDE_2                                                                                                  \
    "ldr.w r9, [r0, #16]\n ldr.w r11, [r2, #4]\n"                                                                      \
    "smlad r4, r8, r10, lr\n ldr.w r8, [r0, #32]\n"                                                                    \
    "ldr.w r12, [r2, #8]\n"                                                                                            \
    "smlad r4, r9, r11, r4\n ldr.w r9, [r0, #48]\n"                                                                    \
    "smlad r5, r8, r10, lr\n"                                                                                          \
    "smlad r4, r8, r12, r4\n ldr.w r8, [r0, #64]\n"                                                                    \
    "smlad r5, r9, r11, r5\n ldr.w r9, [r0, #80]\n"                                                                    \
    "smlad r6, r8, r10, lr\n"                                                                                          \
    "smlad r5, r8, r12, r5\n ldr.w r8, [r0, #96]\n"                                                                    \
    "smlad r6, r9, r11, r6\n ldr.w r9, [r0, #112]\n"                                                                   \
    "smlad r7, r8, r10, lr\n ldr.w r10, [r2, #12]\n"                                                                   \
    "smlad r6, r8, r12, r6\n ldr.w r8, [r0, #128]!\n"                                                                  \
    "smlad r7, r9, r11, r7\n ldr.w r9, [r1]\n"                                                                         \
    "ldr.w r11, [r2, #16]\n"                                                                                           \
    "smlad r7, r8, r12, r7\n ldr.w r8, [r1, #16]\n"                                                                    \
    "smlad r4, r9, r10, r4\n ldr.w r9, [r1, #32]\n"                                                                    \
    "ldr.w r12, [r2, #20]\n"                                                                                           \
    "smlad r4, r8, r11, r4\n ldr.w r8, [r1, #48]\n"                                                                    \
    "smlad r5, r9, r10, r5\n"                                                                                          \
    "smlad r4, r9, r12, r4\n ldr.w r9, [r1, #64]\n"                                                                    \
    "smlad r5, r8, r11, r5\n ldr.w r8, [r1, #80]\n"                                                                    \
    "smlad r6, r9, r10, r6\n"                                                                                          \
    "smlad r5, r9, r12, r5\n ldr.w r9, [r1, #96]\n"                                                                    \
    "smlad r6, r8, r11, r6\n ldr.w r8, [r1, #112]\n"                                                                   \
    "smlad r7, r9, r10, r7\n ldr.w r10, [r2, #32]\n"                                                                   \
    "smlad r6, r9, r12, r6\n ldr.w r9, [r1, #128]!\n"                                                                  \
    "smlad r7, r8, r11, r7\n ldr.w r11, [r2, #28]\n"                                                                   \
    "add.w lr, r10, r4, asr #31\n"                                                                                     \
    "smlad r7, r9, r12, r7\n add.w r8, r10, r5, asr #31\n"
#define COMPUTE_LANES(sums)                                                                                            \
    "push {r4-r11, lr}\n"                                                                                              \
    "ldr.w r8, [r0]\n"                                                                                                 \
    "ldr.w r10, [r2]\n"                                                                                                \
    "ldr.w lr, [r2, #24]\n"                                                                                            \
    ".balign 8\n"                                                                                                      \
    "1:\n"                                                                                                             \
    sums                                                                                                               \
    "smmlar r4, r4, r11, lr\n ldr.w r12, [r2, #36]\n"                                                                  \
    "smmlar r5, r5, r11, r8\n add.w lr, r10, r6, asr #31\n"                                                            \
    "smmlar r6, r6, r11, lr\n add.w r8, r10, r7, asr #31\n"                                                            \
    "asr.w r4, r4, r12\n ldr.w r9, " RESULTS_END "\n"                                                                  \
    "smmlar r7, r7, r11, r8\n asr.w r5, r5, r12\n"                                                                     \
    "ssat r4, #8, r4\n asr.w r6, r6, r12\n"                                                                            \
    "ssat r5, #8, r5\n ldr.w r8, [r0]\n"                                                                               \
    "ssat r6, #8, r6\n asr.w r7, r7, r12\n"                                                                            \
    "ldr.w r10, [r2]\n strb r4, [r3], #16\n"                                                                           \
    "ssat r7, #8, r7\n strb r5, [r3, #-12]\n"                                                                          \
    "cmp.w r3, r9\n strb r6, [r3, #-8]\n"                                                                              \
    "ldr.w lr, [r2, #24]\n strb r7, [r3, #-4]\n"                                                                       \
    "bne.w 1b\n"                                                                                                       \
    "ldr.w r4, " CONSTANTS_END "\n"                                                                                    \
    "adds r2, #40\n"                                                                                                   \
    "ldr.w r5, " PANEL_REWIND "\n"                                                                                     \
    "cmp.w r2, r4\n ldr.w r6, " RESULTS_REWIND "\n"                                                                    \
    "add.w r9, r9, #1\n ldr.w r10, [r2]\n"                                                                             \
    "sub.w r0, r0, r5\n ldr.w lr, [r2, #24]\n"                                                                         \
    "sub.w r1, r1, r5\n"                                                                                               \
    "sub.w r3, r3, r6\n"                                                                                               \
    "str.w r9, " RESULTS_END "\n ldr.w r8, [r0]\n"                                                                     \
    "bne.w 1b\n"                                                                                                       \
    "pop {r4-r11, pc}\n"
/* clang-format on */

/* `tiled` results of 4 channels, whole tiles, into the bytes of words: the first four arguments are of the first
 * channel; rewinds are the bytes from a channel's end back to the next one's begin. */
TA_NAKED
TA_FAST_CODE(ta_depthwise_3x3_lanes)
static void compute_lanes_stride_1(const uint32_t *upper, const uint32_t *lower, const ta_depthwise_3x3_lane *constants,
                                   int8_t *results, const int8_t *results_end, uint32_t results_rewind,
                                   uint32_t panel_rewind, const ta_depthwise_3x3_lane *constants_end) {
    __asm volatile(COMPUTE_LANES(SUMS_STRIDE_1));
}

TA_NAKED
TA_FAST_CODE(ta_depthwise_3x3_lanes_stride_2)
static void compute_lanes_stride_2(const uint32_t *upper, const uint32_t *lower, const ta_depthwise_3x3_lane *constants,
                                   int8_t *results, const int8_t *results_end, uint32_t results_rewind,
                                   uint32_t panel_rewind, const ta_depthwise_3x3_lane *constants_end) {
    __asm volatile(COMPUTE_LANES(SUMS_STRIDE_2));
}

void ta_depthwise_3x3_compute_lanes(const ta_depthwise_3x3_call *call, uint32_t tiled) {
    const uint32_t stride = call->layer->stride_width, word = (uint32_t)sizeof(uint32_t);
    const uint32_t *lower = call->panel + CHANNELS * call->sizes.lower * call->sizes.pitch;
    const uint32_t bytes = word * tiled, rewind = CHANNELS * stride * bytes - word;
    int8_t *results = (int8_t *)call->stage;
    const ta_depthwise_3x3_lane *end = call->constants + CHANNELS;
    if (stride == 1) {
        compute_lanes_stride_1(call->panel, lower, call->constants, results, results + bytes, bytes - 1u, rewind, end);
    } else {
        compute_lanes_stride_2(call->panel, lower, call->constants, results, results + bytes, bytes - 1u, rewind, end);
    }
}

#else

static inline uint32_t products(uint32_t x, uint32_t w) {
    return (uint32_t)((int16_t)(x & 0xFFFFu) * (int16_t)(w & 0xFFFFu)) +
           (uint32_t)((int16_t)(x >> 16) * (int16_t)(w >> 16));
}

static void compute_lane(const ta_depthwise_3x3_call *call, uint32_t lane, uint32_t tiled) {
    const ta_depthwise_3x3_lane *constants = &call->constants[lane];
    const uint32_t *upper = call->panel + lane, *lower = upper + CHANNELS * call->sizes.lower * call->sizes.pitch;
    int8_t *results = (int8_t *)call->stage + lane;
    const ta_channel channel = {
        .multiplier = constants->multiplier, .rounding = constants->rounding, .shift = constants->shift};
    for (; tiled != 0; tiled--) {
        uint32_t sum = (uint32_t)constants->doubled_bias;
        for (uint32_t column = 0; column < SIDE; column++) {
            sum += products(upper[CHANNELS * column], constants->taps[column]);
            sum += products(lower[CHANNELS * column], constants->taps[SIDE + column]);
        }
        *results = ta_clamped(ta_doubled_value(&channel, (int32_t)sum), INT8_MIN, INT8_MAX);
        upper += call->layer->stride_width * CHANNELS;
        lower += call->layer->stride_width * CHANNELS;
        results += CHANNELS;
    }
}

void ta_depthwise_3x3_compute_lanes(const ta_depthwise_3x3_call *call, uint32_t tiled) {
    for (uint32_t lane = 0; lane < CHANNELS; lane++) {
        compute_lane(call, lane, tiled);
    }
}

#endif
