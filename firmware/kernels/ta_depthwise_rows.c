#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "tinyanime/fast_code.h"

#include "ta_bytes.h"
#include "ta_depthwise.h"
#include "ta_lanes.h"

#define CHANNELS TA_DEPTHWISE_CHANNELS
#define TILE TA_DEPTHWISE_TILE

/* Without optimisation (-O0) GCC finds no registers for so many operands of assembly: portable C stands in there. */
#if defined(TA_HAS_BYTE_LANES) && defined(__thumb2__) && defined(__OPTIMIZE__)
#define IN_ASSEMBLY 1
#endif

/* Requantizes the (doubled) sums of a tile and stores them 4 bytes apart; returns where the next tile goes. */
#if defined(IN_ASSEMBLY)

/* As ta_doubled_value and a clamp to int8, the four of them interleaved: no result is waited for. */
static inline int8_t *stage_tile(const uint32_t sums[TILE], const ta_channel *channel, const ta_convolution *layer,
                                 int8_t *stage) {
    uint32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3], a, b;
    (void)layer;
    __asm volatile(
        "add.w %[a], %[rounding], %[s0], asr #31\n"
        "add.w %[b], %[rounding], %[s1], asr #31\n"
        "smmlar %[s0], %[s0], %[multiplier], %[a]\n add.w %[a], %[rounding], %[s2], asr #31\n"
        "smmlar %[s1], %[s1], %[multiplier], %[b]\n add.w %[b], %[rounding], %[s3], asr #31\n"
        "smmlar %[s2], %[s2], %[multiplier], %[a]\n asr.w %[s0], %[s0], %[shift]\n"
        "smmlar %[s3], %[s3], %[multiplier], %[b]\n asr.w %[s1], %[s1], %[shift]\n"
        "ssat %[s0], #8, %[s0]\n asr.w %[s2], %[s2], %[shift]\n"
        "ssat %[s1], #8, %[s1]\n asr.w %[s3], %[s3], %[shift]\n"
        "ssat %[s2], #8, %[s2]\n strb %[s0], [%[stage]], #4\n"
        "ssat %[s3], #8, %[s3]\n strb %[s1], [%[stage]], #4\n"
        "strb %[s2], [%[stage]], #4\n strb %[s3], [%[stage]], #4\n"
        :
        [s0] "+&r"(s0), [s1] "+&r"(s1), [s2] "+&r"(s2), [s3] "+&r"(s3), [a] "=&r"(a), [b] "=&r"(b), [stage] "+&r"(stage)
        : [rounding] "r"(channel->rounding), [multiplier] "r"(channel->multiplier), [shift] "r"(channel->shift)
        : "memory");
    return stage;
}

#else

static inline int8_t *stage_tile(const uint32_t sums[TILE], const ta_channel *channel, const ta_convolution *layer,
                                 int8_t *stage) {
    for (uint32_t output = 0; output < TILE; output++) {
        *stage = ta_clamped(ta_doubled_value(channel, (int32_t)sums[output]), layer->minimum, layer->maximum);
        stage += CHANNELS;
    }
    return stage;
}

#endif

static inline uint32_t multiply_accumulate(uint32_t sum, uint32_t x, uint32_t w) {
#if defined(__ARM_FEATURE_SIMD32)
    return (uint32_t)__smlad((int16x2_t)x, (int16x2_t)w, (int32_t)sum);
#else
    return sum + (uint32_t)((int16_t)(x & 0xFFFFu) * (int16_t)(w & 0xFFFFu)) +
           (uint32_t)((int16_t)(x >> 16) * (int16_t)(w >> 16));
#endif
}

/* Where a tile begins in slots 0 and 1 of the ring, one channel. */
typedef struct {
    const uint32_t *upper, *lower;
} tile_start;

/* Sums of one channel of a tile, which all are `bias` before; moves `at` to the next tile. Sizes are constants wherever
 * it is inlined, so that every input and every tap of a pair of kernel rows is loaded once. */
static inline __attribute__((always_inline)) void sum_tile(uint32_t sums[TILE], uint32_t bias, tile_start *at,
                                                           const uint32_t *taps, uint32_t pairs, uint32_t kernel_width,
                                                           uint32_t stride) {
    const ptrdiff_t panel = at->lower - at->upper;
    const uint32_t *pixels = at->upper;
    for (uint32_t output = 0; output < TILE; output++) {
        sums[output] = bias;
    }
    for (uint32_t pair = 0; pair < pairs; pair++) {
#pragma GCC unroll 11
        for (uint32_t column = 0; column < kernel_width + (TILE - 1u) * stride; column++) {
            const uint32_t x = pixels[CHANNELS * column];
#pragma GCC unroll 4
            for (uint32_t output = 0; output < TILE; output++) {
                if (column >= output * stride && column - output * stride < kernel_width) {
                    sums[output] = multiply_accumulate(sums[output], x, taps[CHANNELS * (column - output * stride)]);
                }
            }
        }
        pixels += panel;
        taps += CHANNELS * kernel_width;
    }
    at->upper += CHANNELS * TILE * stride;
    at->lower += CHANNELS * TILE * stride;
}

static inline void sum_tile_any(uint32_t sums[TILE], uint32_t bias, const ta_depthwise_part *part, tile_start *at,
                                const uint32_t *taps) {
    const uint32_t kernel_width = part->layer->kernel_width, step = CHANNELS * part->layer->stride_width;
    const uint32_t *row = at->upper;
    uint32_t sum[TILE] = {bias, bias, bias, bias};
    for (uint32_t pair = 0; pair < part->sizes.pairs; pair++) {
        const uint32_t *pixels = row;
        for (uint32_t column = 0; column < kernel_width; column++) {
            const uint32_t tap = *taps;
            sum[0] = multiply_accumulate(sum[0], pixels[0], tap);
            sum[1] = multiply_accumulate(sum[1], pixels[step], tap);
            sum[2] = multiply_accumulate(sum[2], pixels[2u * step], tap);
            sum[3] = multiply_accumulate(sum[3], pixels[3u * step], tap);
            pixels += CHANNELS;
            taps += CHANNELS;
        }
        row += part->sizes.panel;
    }
    memcpy(sums, sum, sizeof sum);
    at->upper += TILE * step;
}

#if defined(IN_ASSEMBLY)

/* 3x3, 2 pairs of rows. On a Cortex-M7 every load stands behind a multiplication that it issues together with, and is
 * used two cycles later at the earliest: a pair takes 12 cycles. a and b hold the inputs in turn, s3 comes in as the
 * bias. */
#define SUM_OPERANDS                                                                                                   \
    [s0] "=&r"(sums[0]), [s1] "=&r"(sums[1]), [s2] "=&r"(sums[2]), [s3] "+&r"(s3), [w0] "=&r"(w0), [w1] "=&r"(w1),     \
        [w2] "=&r"(w2), [a] "=&r"(a), [b] "=&r"(b), [upper] "+&r"(at->upper),                                          \
        [lower] "+&r"(at->lower) : [taps] "r"(taps) : "memory"

static inline __attribute__((always_inline)) void
sum_tile_3x3(uint32_t sums[TILE], uint32_t bias, const ta_depthwise_part *part, tile_start *at, const uint32_t *taps) {
    (void)part;
    uint32_t s3 = bias, w0, w1, w2, a, b;
    __asm volatile("ldr.w %[w0], [%[taps]]\n ldr.w %[a], [%[upper]]\n"
                   "ldr.w %[w1], [%[taps], #16]\n ldr.w %[b], [%[upper], #16]\n"
                   "smlad %[s0], %[a], %[w0], %[s3]\n ldr.w %[a], [%[upper], #32]\n"
                   "smlad %[s1], %[b], %[w0], %[s3]\n ldr.w %[w2], [%[taps], #32]\n"
                   "smlad %[s0], %[b], %[w1], %[s0]\n ldr.w %[b], [%[upper], #48]\n"
                   "smlad %[s2], %[a], %[w0], %[s3]\n"
                   "smlad %[s1], %[a], %[w1], %[s1]\n"
                   "smlad %[s0], %[a], %[w2], %[s0]\n ldr.w %[a], [%[upper], #64]!\n"
                   "smlad %[s3], %[b], %[w0], %[s3]\n ldr.w %[w0], [%[taps], #48]\n"
                   "smlad %[s2], %[b], %[w1], %[s2]\n"
                   "smlad %[s1], %[b], %[w2], %[s1]\n ldr.w %[b], [%[upper], #16]\n"
                   "smlad %[s3], %[a], %[w1], %[s3]\n ldr.w %[w1], [%[taps], #64]\n"
                   "smlad %[s2], %[a], %[w2], %[s2]\n ldr.w %[a], [%[lower]]\n"
                   "smlad %[s3], %[b], %[w2], %[s3]\n ldr.w %[b], [%[lower], #16]\n"
                   "smlad %[s0], %[a], %[w0], %[s0]\n ldr.w %[a], [%[lower], #32]\n"
                   "smlad %[s1], %[b], %[w0], %[s1]\n ldr.w %[w2], [%[taps], #80]\n"
                   "smlad %[s0], %[b], %[w1], %[s0]\n ldr.w %[b], [%[lower], #48]\n"
                   "smlad %[s2], %[a], %[w0], %[s2]\n"
                   "smlad %[s1], %[a], %[w1], %[s1]\n"
                   "smlad %[s0], %[a], %[w2], %[s0]\n ldr.w %[a], [%[lower], #64]!\n"
                   "smlad %[s3], %[b], %[w0], %[s3]\n"
                   "smlad %[s2], %[b], %[w1], %[s2]\n"
                   "smlad %[s1], %[b], %[w2], %[s1]\n ldr.w %[b], [%[lower], #16]\n"
                   "smlad %[s3], %[a], %[w1], %[s3]\n"
                   "smlad %[s2], %[a], %[w2], %[s2]\n"
                   "smlad %[s3], %[b], %[w2], %[s3]\n"
                   : SUM_OPERANDS);
    sums[3] = s3;
}

static inline __attribute__((always_inline)) void sum_tile_3x3_stride_2(uint32_t sums[TILE], uint32_t bias,
                                                                        const ta_depthwise_part *part, tile_start *at,
                                                                        const uint32_t *taps) {
    (void)part;
    uint32_t s3 = bias, w0, w1, w2, a, b;
    __asm volatile("ldr.w %[w0], [%[taps]]\n ldr.w %[a], [%[upper]]\n"
                   "ldr.w %[w1], [%[taps], #16]\n ldr.w %[b], [%[upper], #16]\n"
                   "smlad %[s0], %[a], %[w0], %[s3]\n ldr.w %[a], [%[upper], #32]\n"
                   "smlad %[s0], %[b], %[w1], %[s0]\n ldr.w %[w2], [%[taps], #32]\n"
                   "smlad %[s1], %[a], %[w0], %[s3]\n ldr.w %[b], [%[upper], #48]\n"
                   "smlad %[s0], %[a], %[w2], %[s0]\n ldr.w %[a], [%[upper], #64]\n"
                   "smlad %[s1], %[b], %[w1], %[s1]\n ldr.w %[b], [%[upper], #80]\n"
                   "smlad %[s2], %[a], %[w0], %[s3]\n"
                   "smlad %[s1], %[a], %[w2], %[s1]\n ldr.w %[a], [%[upper], #96]\n"
                   "smlad %[s2], %[b], %[w1], %[s2]\n ldr.w %[b], [%[upper], #112]\n"
                   "smlad %[s3], %[a], %[w0], %[s3]\n ldr.w %[w0], [%[taps], #48]\n"
                   "smlad %[s2], %[a], %[w2], %[s2]\n ldr.w %[a], [%[upper], #128]!\n"
                   "smlad %[s3], %[b], %[w1], %[s3]\n ldr.w %[b], [%[lower]]\n"
                   "smlad %[s3], %[a], %[w2], %[s3]\n ldr.w %[a], [%[lower], #16]\n"
                   "ldr.w %[w1], [%[taps], #64]\n"
                   "smlad %[s0], %[b], %[w0], %[s0]\n ldr.w %[b], [%[lower], #32]\n"
                   "smlad %[s0], %[a], %[w1], %[s0]\n ldr.w %[w2], [%[taps], #80]\n"
                   "smlad %[s1], %[b], %[w0], %[s1]\n ldr.w %[a], [%[lower], #48]\n"
                   "smlad %[s0], %[b], %[w2], %[s0]\n ldr.w %[b], [%[lower], #64]\n"
                   "smlad %[s1], %[a], %[w1], %[s1]\n ldr.w %[a], [%[lower], #80]\n"
                   "smlad %[s2], %[b], %[w0], %[s2]\n"
                   "smlad %[s1], %[b], %[w2], %[s1]\n ldr.w %[b], [%[lower], #96]\n"
                   "smlad %[s2], %[a], %[w1], %[s2]\n ldr.w %[a], [%[lower], #112]\n"
                   "smlad %[s3], %[b], %[w0], %[s3]\n"
                   "smlad %[s2], %[b], %[w2], %[s2]\n ldr.w %[b], [%[lower], #128]!\n"
                   "smlad %[s3], %[a], %[w1], %[s3]\n"
                   "smlad %[s3], %[b], %[w2], %[s3]\n"
                   : SUM_OPERANDS);
    sums[3] = s3;
}

#else

static inline void sum_tile_3x3(uint32_t sums[TILE], uint32_t bias, const ta_depthwise_part *part, tile_start *at,
                                const uint32_t *taps) {
    (void)part;
    sum_tile(sums, bias, at, taps, 2, 3, 1);
}

static inline void sum_tile_3x3_stride_2(uint32_t sums[TILE], uint32_t bias, const ta_depthwise_part *part,
                                         tile_start *at, const uint32_t *taps) {
    (void)part;
    sum_tile(sums, bias, at, taps, 2, 3, 2);
}

#endif

static inline void sum_tile_5x5(uint32_t sums[TILE], uint32_t bias, const ta_depthwise_part *part, tile_start *at,
                                const uint32_t *taps) {
    (void)part;
    sum_tile(sums, bias, at, taps, 3, 5, 1);
}

static inline void sum_tile_5x5_stride_2(uint32_t sums[TILE], uint32_t bias, const ta_depthwise_part *part,
                                         tile_start *at, const uint32_t *taps) {
    (void)part;
    sum_tile(sums, bias, at, taps, 3, 5, 2);
}

typedef void sum_function(uint32_t sums[TILE], uint32_t bias, const ta_depthwise_part *part, tile_start *at,
                          const uint32_t *taps);

/* Stages one output row of a part; `taps` are those of slot 0. */
static inline __attribute__((always_inline)) void compute_row(const ta_depthwise_part *part, const uint32_t *taps,
                                                              sum_function *sum) {
    for (uint32_t lane = 0; lane < part->lanes; lane++) {
        const ta_channel channel = part->channels[lane];
        const uint32_t bias = (uint32_t)channel.bias << 1;
        tile_start at = {part->panels + lane, part->panels + part->sizes.panel + lane};
        int8_t *stage = (int8_t *)part->stage + lane;
        const int8_t *const end = stage + CHANNELS * part->columns;
        while (stage < end) {
            uint32_t sums[TILE];
            sum(sums, bias, part, &at, taps);
            stage = stage_tile(sums, &channel, part->layer, stage);
        }
        taps++;
    }
}

#define COMPUTE_ROW(name)                                                                                              \
    TA_FAST_CODE(ta_depthwise_##name)                                                                                  \
    static __attribute__((noinline)) void compute_##name(const ta_depthwise_part *part, const uint32_t *taps) {        \
        compute_row(part, taps, sum_tile_##name);                                                                      \
    }

COMPUTE_ROW(3x3)
COMPUTE_ROW(3x3_stride_2)
COMPUTE_ROW(5x5)
COMPUTE_ROW(5x5_stride_2)
COMPUTE_ROW(any)

ta_depthwise_row *ta_depthwise_row_for(const ta_depthwise_part *part) {
    static ta_depthwise_row *const rows[2][2] = {{compute_3x3, compute_3x3_stride_2},
                                                 {compute_5x5, compute_5x5_stride_2}};
    const uint32_t pairs = part->sizes.pairs, width = part->layer->kernel_width, stride = part->layer->stride_width;
    const bool known = (pairs == 2 && width == 3) || (pairs == 3 && width == 5);
    return known && stride <= 2 ? rows[pairs - 2u][stride - 1u] : compute_any;
}
