#include <string.h>

#include "tinyanime/convolve.h"
#include "tinyanime/fast_code.h"

#include "ta_convolution.h"
#include "ta_lanes.h"

/* Four channels at a time: the input rows are widened into words of two rows of one channel, so that one dual
 * multiply-accumulate takes two taps of a kernel column. Row v of the padded map (v = input row + pad_top) is half of
 * pair v / 2; the pairs of a window lie in a ring of panels. An output row reads the whole ring from slot 0 on; the
 * taps are rotated instead, which costs nothing: they stand in memory twice, one behind the other, for windows that
 * begin in an even row and for those that begin in an odd one. Taps are widened to twice the weights, since the
 * requantization begins with a doubling. */
#define CHANNELS 4u  /* at a time */
#define TILE 4u      /* output pixels at a time */
#define MAX_SIDE 255 /* of kernel and stride; keeps sizes within 32 bits */

/* Sizes in words. */
typedef struct {
    uint32_t pairs;    /* in the ring: what a window touches at most */
    uint32_t panel;    /* of one pair: [input columns of a block][4 channels] */
    uint32_t rotation; /* [pairs][kernel columns][4 channels] */
    uint32_t stage;    /* output pixels of a block, whole tiles */
} depthwise_sizes;

/* The part of the map that is in work: `lanes` channels, `columns` output columns. Of the `widened` input columns that
 * they need, those from `inside` to `inside_end` lie in the map. */
typedef struct {
    const ta_convolution *layer;
    depthwise_sizes sizes;
    uint32_t *panels; /* Working memory: [pairs] panels. */
    uint32_t *taps;   /* [even, odd][2] rotations. */
    uint32_t *stage;  /* [columns]: 4 channels of an output pixel. */
    const ta_channel *channels;
    const int8_t *source; /* The pixel of column `inside` in the first readable row. */
    uint32_t source_row;  /* Number of that row in the padded map. */
    uint32_t source_rows; /* Readable rows; none where no column lies inside. */
    uint32_t lanes;
    uint32_t columns, inside, inside_end, widened;
} depthwise_part;

static inline uint32_t at_least(uint32_t value, uint32_t least) {
    return value < least ? least : value;
}

static inline uint32_t at_most(uint32_t value, uint32_t most) {
    return value > most ? most : value;
}

static uint32_t rounded_up(uint32_t value, uint32_t step) {
    return (value + step - 1u) / step * step;
}

static depthwise_sizes sizes_of(const ta_convolution *layer) {
    const uint32_t outputs = rounded_up(layer->block, TILE);
    const uint32_t pairs = layer->kernel_height / 2u + 1u;
    return (depthwise_sizes){.pairs = pairs,
                             .panel = CHANNELS * ((outputs - 1u) * layer->stride_width + layer->kernel_width),
                             .rotation = CHANNELS * pairs * layer->kernel_width,
                             .stage = outputs};
}

uint32_t ta_depthwise_s8_scratch_bytes(const ta_convolution *layer) {
    const depthwise_sizes sizes = sizes_of(layer);
    return 4u * (sizes.pairs * sizes.panel + 4u * sizes.rotation + sizes.stage);
}

/* The first `count` bytes at `bytes`, then zeros. */
static inline uint32_t load_bytes(const int8_t *bytes, uint32_t count) {
    uint32_t word = (uint8_t)bytes[0];
    if (count > 1) {
        word |= (uint32_t)(uint8_t)bytes[1] << 8;
    }
    if (count > 2) {
        word |= (uint32_t)(uint8_t)bytes[2] << 16;
    }
    if (count > 3) {
        word |= (uint32_t)(uint8_t)bytes[3] << 24;
    }
    return word;
}

/* The first `count` bytes of `word`. */
static inline void store_bytes(int8_t *to, uint32_t word, uint32_t count) {
    to[0] = (int8_t)(uint8_t)word;
    if (count > 1) {
        to[1] = (int8_t)(uint8_t)(word >> 8);
    }
    if (count > 2) {
        to[2] = (int8_t)(uint8_t)(word >> 16);
    }
    if (count > 3) {
        to[3] = (int8_t)(uint8_t)(word >> 24);
    }
}

/* Four channels of a pixel in two rows, from the bytes of each row. */
static inline void widen_pixel(uint32_t *to, uint32_t offsets, uint32_t upper, uint32_t lower) {
    const uint32_t front = ta_low_lanes(upper, lower), back = ta_high_lanes(upper, lower);
    to[0] = ta_widen_even(offsets, front);
    to[1] = ta_widen_odd(offsets, front);
    to[2] = ta_widen_even(offsets, back);
    to[3] = ta_widen_odd(offsets, back);
}

/* Widens pair `pair` of the padded map's rows. A row outside of the map is one pixel of zero points that is read again
 * and again. */
TA_FAST_CODE(ta_depthwise_widen)
static __attribute__((noinline)) void widen_pair(const depthwise_part *part, uint32_t pair, uint32_t *to) {
    const ta_convolution *layer = part->layer;
    const uint32_t zero_points = (uint32_t)(uint8_t)-layer->in_offset * 0x01010101u;
    const uint32_t offsets = ((uint32_t)layer->in_offset & 0xFFFFu) * 0x00010001u;
    const uint32_t channels = layer->in_channels, row_bytes = channels * layer->in_width;
    const uint32_t row = 2u * pair - part->source_row;
    const int8_t *upper = (const int8_t *)&zero_points, *lower = upper;
    uint32_t upper_step = 0, lower_step = 0;
    if (row < part->source_rows) {
        upper = part->source + row * row_bytes;
        upper_step = channels;
    }
    if (row + 1u < part->source_rows) {
        lower = part->source + (row + 1u) * row_bytes;
        lower_step = channels;
    }
    uint32_t count = part->inside_end - part->inside;
    to += CHANNELS * part->inside;
    if (part->lanes == CHANNELS && (((uintptr_t)part->source | channels) & 3u) == 0) {
        if (count % 2u != 0) {
            widen_pixel(to, offsets, ta_load_word(upper), ta_load_word(lower));
            upper += upper_step;
            lower += lower_step;
            to += CHANNELS;
        }
        for (count /= 2u; count > 0; count--) {
            widen_pixel(to, offsets, ta_load_word(upper), ta_load_word(lower));
            widen_pixel(to + CHANNELS, offsets, ta_load_word(upper + upper_step), ta_load_word(lower + lower_step));
            upper += 2u * upper_step;
            lower += 2u * lower_step;
            to += 2u * CHANNELS;
        }
    }
    for (; count > 0; count--) {
        widen_pixel(to, offsets, load_bytes(upper, part->lanes), load_bytes(lower, part->lanes));
        upper += upper_step;
        lower += lower_step;
        to += CHANNELS;
    }
}

static void clear_columns(uint32_t *to, uint32_t columns) {
    for (uint32_t word = 0; word < CHANNELS * columns; word++) {
        to[word] = 0;
    }
}

/* Input columns outside of the map are zeros in all panels. */
static void clear_outside(const depthwise_part *part) {
    uint32_t *panel = part->panels;
    for (uint32_t pair = 0; pair < part->sizes.pairs; pair++) {
        clear_columns(panel, part->inside);
        clear_columns(panel + CHANNELS * part->inside_end, part->widened - part->inside_end);
        panel += part->sizes.panel;
    }
}

/* Two rotations of the taps for windows that begin in an even (odd == 0) or odd row. A row outside of the kernel is one
 * tap of zeros that is read again and again. */
static void widen_taps(const depthwise_part *part, const int8_t *weights, uint32_t odd) {
    const ta_convolution *layer = part->layer;
    const uint32_t lanes = part->lanes, rotation = part->sizes.rotation;
    const uint32_t row_bytes = lanes * layer->kernel_width;
    const bool whole = lanes == CHANNELS && ((uintptr_t)weights & 3u) == 0;
    const uint32_t zeros = 0;
    uint32_t *to = part->taps + 2u * odd * rotation;
    for (uint32_t pair = 0; pair < part->sizes.pairs; pair++) {
        const uint32_t row = 2u * pair - odd;
        const uint32_t upper_step = row < layer->kernel_height ? lanes : 0;
        const uint32_t lower_step = row + 1u < layer->kernel_height ? lanes : 0;
        const int8_t *upper = upper_step != 0 ? weights + row * row_bytes : (const int8_t *)&zeros;
        const int8_t *lower = lower_step != 0 ? weights + (row + 1u) * row_bytes : (const int8_t *)&zeros;
        for (uint32_t column = 0; column < layer->kernel_width; column++) {
            const uint32_t high = whole ? ta_load_word(upper) : load_bytes(upper, lanes);
            const uint32_t low = whole ? ta_load_word(lower) : load_bytes(lower, lanes);
            const uint32_t front = ta_low_lanes(high, low), back = ta_high_lanes(high, low);
            to[0] = to[rotation] = ta_widen_even(ta_widen_even(0, front), front);
            to[1] = to[rotation + 1u] = ta_widen_odd(ta_widen_odd(0, front), front);
            to[2] = to[rotation + 2u] = ta_widen_even(ta_widen_even(0, back), back);
            to[3] = to[rotation + 3u] = ta_widen_odd(ta_widen_odd(0, back), back);
            upper += upper_step;
            lower += lower_step;
            to += CHANNELS;
        }
    }
}

/* Where the clamp to the layer's range takes place: on four bytes at a time where there are instructions for that. */
#if defined(__ARM_FEATURE_SIMD32)
static inline int8_t staged(int32_t value, const ta_convolution *layer) {
    (void)layer;
    __asm("ssat %0, #8, %0" : "+r"(value));
    return (int8_t)value;
}

static inline uint32_t finished(uint32_t bytes, uint32_t minimums, uint32_t maximums) {
    (void)__ssub8((int8x4_t)bytes, (int8x4_t)minimums);
    bytes = (uint32_t)__sel((uint8x4_t)bytes, (uint8x4_t)minimums);
    (void)__ssub8((int8x4_t)maximums, (int8x4_t)bytes);
    return (uint32_t)__sel((uint8x4_t)bytes, (uint8x4_t)maximums);
}
#else
static inline int8_t staged(int32_t value, const ta_convolution *layer) {
    return ta_clamped(value, layer->minimum, layer->maximum);
}

static inline uint32_t finished(uint32_t bytes, uint32_t minimums, uint32_t maximums) {
    (void)minimums;
    (void)maximums;
    return bytes;
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
static inline __attribute__((always_inline)) void sum_tile(uint32_t sums[TILE], uint32_t bias,
                                                           const depthwise_part *part, tile_start *at,
                                                           const uint32_t *taps, uint32_t pairs, uint32_t kernel_width,
                                                           uint32_t stride) {
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
        pixels += part->sizes.panel;
        taps += CHANNELS * kernel_width;
    }
    at->upper += CHANNELS * TILE * stride;
}

static inline void sum_tile_any(uint32_t sums[TILE], uint32_t bias, const depthwise_part *part, tile_start *at,
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

#if defined(__ARM_FEATURE_SIMD32) && defined(__thumb2__)

/* 3x3, 2 pairs of rows. On a Cortex-M7 every load stands behind a multiplication that it issues together with, and is
 * used two cycles later at the earliest: a pair takes 12 cycles. a and b hold the inputs in turn, s3 comes in as the
 * bias. */
#define SUM_OPERANDS                                                                                                   \
    [s0] "=&r"(sums[0]), [s1] "=&r"(sums[1]), [s2] "=&r"(sums[2]), [s3] "+&r"(s3), [w0] "=&r"(w0), [w1] "=&r"(w1),     \
        [w2] "=&r"(w2), [a] "=&r"(a), [b] "=&r"(b), [upper] "+&r"(at->upper),                                          \
        [lower] "+&r"(at->lower) : [taps] "r"(taps) : "memory"

static inline __attribute__((always_inline)) void
sum_tile_3x3(uint32_t sums[TILE], uint32_t bias, const depthwise_part *part, tile_start *at, const uint32_t *taps) {
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
                                                                        const depthwise_part *part, tile_start *at,
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

static inline void sum_tile_3x3(uint32_t sums[TILE], uint32_t bias, const depthwise_part *part, tile_start *at,
                                const uint32_t *taps) {
    sum_tile(sums, bias, part, at, taps, 2, 3, 1);
}

static inline void sum_tile_3x3_stride_2(uint32_t sums[TILE], uint32_t bias, const depthwise_part *part, tile_start *at,
                                         const uint32_t *taps) {
    sum_tile(sums, bias, part, at, taps, 2, 3, 2);
}

#endif

static inline void sum_tile_5x5(uint32_t sums[TILE], uint32_t bias, const depthwise_part *part, tile_start *at,
                                const uint32_t *taps) {
    sum_tile(sums, bias, part, at, taps, 3, 5, 1);
}

static inline void sum_tile_5x5_stride_2(uint32_t sums[TILE], uint32_t bias, const depthwise_part *part, tile_start *at,
                                         const uint32_t *taps) {
    sum_tile(sums, bias, part, at, taps, 3, 5, 2);
}

typedef void sum_function(uint32_t sums[TILE], uint32_t bias, const depthwise_part *part, tile_start *at,
                          const uint32_t *taps);

/* Stages one output row of a part; `taps` are those of slot 0. */
static inline __attribute__((always_inline)) void compute_row(const depthwise_part *part, const uint32_t *taps,
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
            for (uint32_t output = 0; output < TILE; output++) {
                *stage = staged(ta_doubled_value(&channel, (int32_t)sums[output]), part->layer);
                stage += CHANNELS;
            }
        }
        taps++;
    }
}

#define COMPUTE_ROW(name)                                                                                              \
    TA_FAST_CODE(ta_depthwise_##name)                                                                                  \
    static __attribute__((noinline)) void compute_##name(const depthwise_part *part, const uint32_t *taps) {           \
        compute_row(part, taps, sum_tile_##name);                                                                      \
    }

COMPUTE_ROW(3x3)
COMPUTE_ROW(3x3_stride_2)
COMPUTE_ROW(5x5)
COMPUTE_ROW(5x5_stride_2)
COMPUTE_ROW(any)

typedef void compute_function(const depthwise_part *part, const uint32_t *taps);

static compute_function *function_for(const ta_convolution *layer, uint32_t pairs) {
    static compute_function *const functions[2][2] = {{compute_3x3, compute_3x3_stride_2},
                                                      {compute_5x5, compute_5x5_stride_2}};
    const uint32_t width = layer->kernel_width, stride = layer->stride_width;
    const bool known = (pairs == 2 && width == 3) || (pairs == 3 && width == 5);
    return known && stride <= 2 ? functions[pairs - 2u][stride - 1u] : compute_any;
}

/* Copies a row of staged pixels to the output; `to` points at the first channel of the first pixel. */
TA_FAST_CODE(ta_depthwise_store)
static __attribute__((noinline)) void store_row(const depthwise_part *part, int8_t *to) {
    const ta_convolution *layer = part->layer;
    const uint32_t minimums = (uint32_t)(uint8_t)layer->minimum * 0x01010101u;
    const uint32_t maximums = (uint32_t)(uint8_t)layer->maximum * 0x01010101u;
    const size_t step = layer->out_channels;
    const bool words = part->lanes == CHANNELS && (((uintptr_t)to | step) & 3u) == 0;
    const uint32_t *stage = part->stage, *const end = stage + part->columns;
    if (words && layer->minimum == INT8_MIN && layer->maximum == INT8_MAX) {
#pragma GCC unroll 4
        for (; stage != end; stage++) {
            memcpy(__builtin_assume_aligned(to, 4), stage, sizeof *stage);
            to += step;
        }
    } else if (words) {
        for (; stage != end; stage++) {
            const uint32_t bytes = finished(*stage, minimums, maximums);
            memcpy(__builtin_assume_aligned(to, 4), &bytes, sizeof bytes);
            to += step;
        }
    } else {
        for (; stage != end; stage++) {
            const uint32_t bytes = finished(*stage, minimums, maximums);
            store_bytes(to, bytes, part->lanes);
            to += step;
        }
    }
}

/* All output rows of a part; `to` points at its first output. */
static void compute_part(const depthwise_part *part, uint32_t out_row_begin, uint32_t out_row_end, int8_t *to) {
    const ta_convolution *layer = part->layer;
    const depthwise_sizes *sizes = &part->sizes;
    compute_function *const compute = function_for(layer, sizes->pairs);
    clear_outside(part);
    uint32_t next = 0; /* Pairs below are in the ring, or no longer wanted. */
    uint32_t slot = 0; /* Where `next` goes. */
    for (uint32_t y = out_row_begin; y < out_row_end; y++) {
        const uint32_t window = y * layer->stride_height, first = window / 2u;
        for (next = at_least(next, first); next < first + sizes->pairs; next++) {
            widen_pair(part, next, part->panels + slot * sizes->panel);
            slot = slot + 1u == sizes->pairs ? 0 : slot + 1u;
        }
        /* The oldest pair, the first one of the window, lies at `slot`: taps of slot 0 are as many pairs further. */
        const uint32_t turned = slot == 0 ? 0 : sizes->pairs - slot;
        compute(part, part->taps + 2u * (window % 2u) * sizes->rotation + CHANNELS * turned * layer->kernel_width);
        store_row(part, to);
        to += (size_t)layer->out_width * layer->out_channels;
    }
}

/* Places `part` at the channels from `channel` and the output columns from `column` on. */
static void place(depthwise_part *part, const ta_rows *rows, uint32_t channel, uint32_t column) {
    const ta_convolution *layer = part->layer;
    const uint32_t begin = column * layer->stride_width; /* Columns of the padded map. */
    const uint32_t map_begin = layer->pad_left, map_end = map_begin + layer->in_width;
    part->columns = at_most(layer->out_width - column, layer->block);
    part->widened = (part->columns - 1u) * layer->stride_width + layer->kernel_width;
    part->inside = at_most(at_least(begin, map_begin) - begin, part->widened);
    part->inside_end = at_least(at_most(at_least(map_end, begin) - begin, part->widened), part->inside);
    part->source_row = (uint32_t)layer->pad_top + rows->in_row_begin;
    part->source_rows = part->inside < part->inside_end ? rows->in_rows : 0;
    part->source = rows->input;
    if (part->source_rows != 0) {
        part->source += (size_t)(begin + part->inside - map_begin) * layer->in_channels + channel;
    }
    part->channels = layer->channels + channel;
}

/* Weights lie in groups of 4 channels: only the last ones of the layer can be less than a group. No packed inputs of
 * other channels can be used. */
static bool is_depthwise(const ta_convolution *layer, const ta_rows *rows, const ta_weights *weights) {
    const uint32_t end = (uint32_t)weights->first_channel + weights->channels;
    return rows->packed == 0 && (weights->channels % CHANNELS == 0 || end == layer->out_channels) &&
           layer->out_channels == layer->in_channels && layer->kernel_height <= MAX_SIDE &&
           layer->kernel_width <= MAX_SIDE && layer->stride_height <= MAX_SIDE && layer->stride_width <= MAX_SIDE &&
           layer->dilation_height == 1 && layer->dilation_width == 1;
}

ta_status ta_depthwise_s8(const ta_convolution *layer, const ta_rows *rows, const ta_weights *weights, void *scratch,
                          uint32_t scratch_bytes) {
    if (!ta_convolution_is_valid(layer) || !is_depthwise(layer, rows, weights) || !ta_rows_are_valid(layer, rows) ||
        !ta_weights_are_valid(layer, weights) || !ta_windows_are_readable(layer, rows)) {
        return TA_ERROR_ARGUMENT;
    }
    if (scratch_bytes < ta_depthwise_s8_scratch_bytes(layer)) {
        return TA_ERROR_SCRATCH;
    }
    depthwise_part part = {.layer = layer, .sizes = sizes_of(layer), .panels = scratch};
    part.taps = part.panels + part.sizes.pairs * part.sizes.panel;
    part.stage = part.taps + 4u * part.sizes.rotation;
    const int8_t *taps = weights->data;
    for (uint32_t done = 0; done < weights->channels; done += CHANNELS) {
        const uint32_t channel = weights->first_channel + done;
        part.lanes = at_most(weights->channels - done, CHANNELS);
        widen_taps(&part, taps, 0);
        if (layer->stride_height % 2u != 0) { /* Else all windows begin in even rows. */
            widen_taps(&part, taps, 1);
        }
        taps += CHANNELS * (uint32_t)layer->kernel_height * layer->kernel_width;
        for (uint32_t column = 0; column < layer->out_width; column += layer->block) {
            place(&part, rows, channel, column);
            compute_part(&part, rows->out_row_begin, rows->out_row_end,
                         rows->output + (size_t)column * layer->out_channels + channel);
        }
    }
    return TA_OK;
}
