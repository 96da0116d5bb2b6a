/* Exact algebra of ta_upsample_convolve_s8.c: a tile of 4x4 outputs from 4x4 inputs. Private to firmware/kernels.
 *
 * In one dimension, with the inputs x0..x3 of which x1 and x2 are repeated, and the taps w0..w2, the outputs at the
 * repeated inputs are
 *   y0 = w0 x0 + (w1 + w2) x1    y1 = (w0 + w1) x1 + w2 x2    y2 = w0 x1 + (w1 + w2) x2    y3 = (w0 + w1) x2 + w2 x3
 * Five products make all four:
 *   p0 = w0 (x0 - x2)    p1 = w1 (x1 - x2)    p2 = w2 (x3 - x1)    p3 = (w0 + w1 + w2) (x1 + x2)
 *   p4 = (w0 - w2) (x1 - x2)
 *   2 y0 = p3 + p1 - p4 + 2 p0    2 y1 = p3 + p1 + p4    2 y2 = p3 - p1 + p4    2 y3 = p3 - p1 - p4 + 2 p2
 * Rows and columns one after the other: 25 products of 16 transformed inputs (at most 4 * 255) and 25 transformed
 * weights (at most 9 * 127) make 4 times the 16 sums.
 *
 * Words hold two input channels in int16 lanes: channels 0 and 2, then 1 and 3, of each four. */
#ifndef TA_UPSAMPLE_TILE_H
#define TA_UPSAMPLE_TILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ta_lanes.h"

enum {
    TA_UPSAMPLE_INPUTS = 16,   /* Transformed inputs: x1 + x2, x1 - x2, x0 - x2, x3 - x1 in rows and columns. */
    TA_UPSAMPLE_PRODUCTS = 25, /* p0 to p4 in rows and columns. */
    TA_UPSAMPLE_PAIRS = 4,     /* Most pairs of tiles whose sums are kept at a time. */
    TA_UPSAMPLE_STRIDE = 8 * TA_UPSAMPLE_PAIRS /* Words from the sums of one product to those of the next. */
};

/* For each row (or column) of products the row of transformed inputs it takes. */
static const uint8_t ta_upsample_input_of[5] = {2, 1, 3, 0, 1};

/* `size`, of which the compiler does not know whence it comes: it would else keep a pointer for each of many addresses
 * that a single base and one shifted register reach. */
static inline size_t ta_opaque(size_t size) {
    __asm("" : "+r"(size));
    return size;
}

/* Keeps the compiler from working on what comes before and behind at the same time: registers are too few for that. */
static inline void ta_keep_order(void) {
    __asm volatile("" : : : "memory");
}

/* The word `steps` strides of `stride` bytes behind `base`. */
static inline uint32_t *ta_word_at(uint32_t *base, size_t steps, size_t stride) {
    return (uint32_t *)(void *)((char *)base + steps * ta_opaque(stride));
}

/* The lanes of channels 0 and 2 (or 1 and 3) of the four bytes at `bytes`, plus `lanes`. */
static inline uint32_t ta_widened(const int8_t *bytes, uint32_t lanes, bool odd) {
    const uint32_t word = ta_load_word(bytes);
    return odd ? ta_widen_odd(lanes, word) : ta_widen_even(lanes, word);
}

static inline void ta_widen_row(uint32_t x[4], const int8_t *pixels, size_t pixel_bytes, uint32_t lanes, bool odd) {
    x[0] = ta_widened(pixels, lanes, odd);
    x[1] = ta_widened(pixels + ta_opaque(pixel_bytes), lanes, odd);
    x[2] = ta_widened(pixels + 2 * ta_opaque(pixel_bytes), lanes, odd);
    x[3] = ta_widened(pixels + ta_opaque(3 * pixel_bytes), lanes, odd);
}

/* One row of transformed inputs, `stride` bytes apart at `to`; returns the place of the next row. */
static inline uint32_t *ta_store_inputs(uint32_t *to, size_t stride, const uint32_t x[4]) {
    *to = ta_add_lanes(x[1], x[2]);
    *ta_word_at(to, 1, stride) = ta_subtract_lanes(x[1], x[2]);
    *ta_word_at(to, 2, stride) = ta_subtract_lanes(x[0], x[2]);
    to = ta_word_at(to, 2, stride);
    *ta_word_at(to, 1, stride) = ta_subtract_lanes(x[3], x[1]);
    return ta_word_at(to, 2, stride);
}

/* One word of a tile's 16 transformed inputs, `stride` bytes apart at `to`, from the pixels at `pixels`; returns the
 * place behind the last one. */
static inline uint32_t *ta_transform_inputs(const int8_t *pixels, size_t row_bytes, size_t pixel_bytes, uint32_t lanes,
                                            bool odd, uint32_t *to, size_t stride) {
    uint32_t upper[4], lower[4], row[4];
    ta_widen_row(upper, pixels + ta_opaque(row_bytes), pixel_bytes, lanes, odd);
    ta_widen_row(lower, pixels + 2 * ta_opaque(row_bytes), pixel_bytes, lanes, odd);
    for (size_t column = 0; column < 4; column++) {
        row[column] = ta_add_lanes(upper[column], lower[column]);
    }
    to = ta_store_inputs(to, stride, row);
    for (size_t column = 0; column < 4; column++) {
        row[column] = ta_subtract_lanes(upper[column], lower[column]);
    }
    to = ta_store_inputs(to, stride, row);
    ta_widen_row(row, pixels, pixel_bytes, lanes, odd);
    for (size_t column = 0; column < 4; column++) {
        row[column] = ta_subtract_lanes(row[column], lower[column]);
    }
    to = ta_store_inputs(to, stride, row);
    ta_widen_row(row, pixels + ta_opaque(3 * row_bytes), pixel_bytes, lanes, odd);
    for (size_t column = 0; column < 4; column++) {
        row[column] = ta_subtract_lanes(row[column], upper[column]);
    }
    return ta_store_inputs(to, stride, row);
}

/* One row of transformed weights, `stride` bytes apart at `to`; returns the place of the next row. */
static inline uint32_t *ta_store_weights(uint32_t *to, size_t stride, const uint32_t w[3]) {
    *to = w[0];
    *ta_word_at(to, 1, stride) = w[1];
    *ta_word_at(to, 2, stride) = w[2];
    *ta_word_at(to, 4, stride) = ta_subtract_lanes(w[0], w[2]);
    to = ta_word_at(to, 1, stride);
    *ta_word_at(to, 2, stride) = ta_add_lanes(ta_add_lanes(w[0], w[1]), w[2]);
    return ta_word_at(to, 4, stride);
}

static inline void ta_widen_taps(uint32_t w[3], const int8_t *taps, bool odd) {
    for (size_t column = 0; column < 3; column++) {
        w[column] = ta_widened(taps + 4 * column, 0, odd);
    }
}

/* One word of the 25 transformed weights, `stride` bytes apart at `to`, of 9 taps of four input channels each. */
static inline void ta_transform_weights(const int8_t *taps, bool odd, uint32_t *to, size_t stride) {
    uint32_t first[3], sum[3], row[3];
    ta_widen_taps(first, taps, odd);
    to = ta_store_weights(to, stride, first);
    ta_widen_taps(row, taps + 12, odd);
    to = ta_store_weights(to, stride, row);
    for (size_t column = 0; column < 3; column++) {
        sum[column] = ta_add_lanes(first[column], row[column]);
    }
    ta_widen_taps(row, taps + 24, odd);
    to = ta_store_weights(to, stride, row);
    for (size_t column = 0; column < 3; column++) {
        sum[column] = ta_add_lanes(sum[column], row[column]);
        first[column] = ta_subtract_lanes(first[column], row[column]);
    }
    to = ta_store_weights(to, stride, sum);
    ta_store_weights(to, stride, first);
}

/* The int8 value of 4 times a sum (with bias), before the clamp to a layer's range; |sum| < 2^29. */
static inline uint8_t ta_quarter_value(const ta_channel *channel, uint32_t four_sums) {
    const int32_t value = ta_doubled_value(channel, (int32_t)four_sums >> 1);
#if defined(__ARM_FEATURE_SAT)
    return (uint8_t)__ssat(value, 8);
#else
    return (uint8_t)ta_clamped(value, INT8_MIN, INT8_MAX);
#endif
}

/* Each of the 4 signed bytes of `word` clamped to the range between those of `minimum` and `maximum`. */
static inline uint32_t ta_clamp_bytes(uint32_t word, uint32_t minimum, uint32_t maximum) {
#if defined(__ARM_FEATURE_SIMD32)
    uint32_t difference;
    __asm("ssub8 %1, %0, %2\n\tsel %0, %0, %2\n\tssub8 %1, %3, %0\n\tsel %0, %0, %3"
          : "+r"(word), "=&r"(difference)
          : "r"(minimum), "r"(maximum)
          : "cc");
    return word;
#else
    uint32_t result = 0;
    for (uint32_t shift = 0; shift < 32; shift += 8) {
        const int8_t value = ta_clamped((int8_t)(word >> shift), (int8_t)(minimum & 0xFFu), (int8_t)(maximum & 0xFFu));
        result |= (uint32_t)(uint8_t)value << shift;
    }
    return result;
#endif
}

/* One row of outputs, 4 bytes apart, from the 5 products of each of its sums. */
static inline void ta_store_outputs(uint8_t *to, const ta_channel *channel, const uint32_t p[5]) {
    const uint32_t left = p[3] + p[1], right = p[3] - p[1];
    to[0] = ta_quarter_value(channel, left - p[4] + (p[0] << 1));
    to[4] = ta_quarter_value(channel, left + p[4]);
    to[8] = ta_quarter_value(channel, right + p[4]);
    to[12] = ta_quarter_value(channel, right - p[4] + (p[2] << 1));
}

/* The sum of product (row, column) of a tile. */
static inline uint32_t ta_product(const int32_t *sums, size_t row, size_t column) {
    return (uint32_t)sums[(5 * row + column) * TA_UPSAMPLE_STRIDE];
}

/* The 4x4 outputs of one channel, 4 bytes apart, from the sums of its products. */
static inline void ta_transform_outputs(const int32_t *sums, const ta_channel *channel, uint8_t *to) {
    const uint32_t four_biases = (uint32_t)channel->bias << 2; /* Onto the product that is in every output once. */
    uint32_t first[5], second[5];
    for (size_t column = 0; column < 5; column++) {
        const uint32_t p3 = ta_product(sums, 3, column) + (column == 3 ? four_biases : 0);
        const uint32_t p4 = ta_product(sums, 4, column), upper = p3 + ta_product(sums, 1, column);
        first[column] = upper - p4 + (ta_product(sums, 0, column) << 1);
        second[column] = upper + p4;
    }
    ta_store_outputs(to, channel, first);
    ta_store_outputs(to + 16, channel, second);
    for (size_t column = 0; column < 5; column++) {
        const uint32_t p3 = ta_product(sums, 3, column) + (column == 3 ? four_biases : 0);
        const uint32_t p4 = ta_product(sums, 4, column), lower = p3 - ta_product(sums, 1, column);
        first[column] = lower + p4;
        second[column] = lower - p4 + (ta_product(sums, 2, column) << 1);
    }
    ta_store_outputs(to + 32, channel, first);
    ta_store_outputs(to + 48, channel, second);
}

#endif
