/* In one dimension, with the inputs x0..x3 of which x1 and x2 are repeated, and the taps w0..w2, the outputs at the
 * repeated inputs are
 *   y0 = w0 x0 + (w1 + w2) x1    y1 = (w0 + w1) x1 + w2 x2    y2 = w0 x1 + (w1 + w2) x2    y3 = (w0 + w1) x2 + w2 x3
 * Five products make all four:
 *   p0 = w0 (x0 - x2)    p1 = w1 (x1 - x2)    p2 = w2 (x3 - x1)    p3 = (w0 + w1 + w2) (x1 + x2)
 *   p4 = (w0 - w2) (x1 - x2)
 *   2 y0 = p3 + p1 - p4 + 2 p0    2 y1 = p3 + p1 + p4    2 y2 = p3 - p1 + p4    2 y3 = p3 - p1 - p4 + 2 p2
 * Rows and columns one after the other: 25 products of 16 transformed inputs (at most 4 * 255) and 25 transformed
 * weights (at most 9 * 127) make 4 times the 16 sums of a tile. Padding the upsampled map by 1 is padding the map
 * before the upsampling by 1: of the two rows or columns that this would become, windows meet the inner one. */
#include <stdbool.h>
#include <stddef.h>

#include "tinyanime/convolve.h"
#include "tinyanime/fast_code.h"

#include "ta_bytes.h"
#include "ta_convolution.h"
#include "ta_tiles.h"
#include "ta_upsample_weights.h"

enum { TILE = 4, PRODUCTS_ALONG = TA_UPSAMPLE_PRODUCTS_ALONG }; /* Outputs along a side of a tile, and inputs. */

typedef struct {
    size_t row_bytes, pixel_bytes;
    bool odd;
} pixel_words;

static inline uint32_t pixel_word(const int8_t *row, size_t column, const pixel_words *of) {
    return ta_widened(row + (column == 3 ? ta_opaque(3 * of->pixel_bytes) : column * ta_opaque(of->pixel_bytes)),
                      of->odd);
}

static inline void widen_row(uint32_t x[4], const int8_t *row, const pixel_words *of) {
    for (size_t column = 0; column < 4; column++) {
        x[column] = pixel_word(row, column, of);
    }
}

/* x1 + x2, x1 - x2, x0 - x2, x3 - x1 of a row, plus `offset` for the first, `stride` bytes apart at `to`; returns the
 * place of the next row. */
static inline uint32_t *store_inputs(uint32_t *to, size_t stride, const uint32_t x[4], uint32_t offset) {
    const uint32_t sum = ta_add_numbers(x[1], x[2]);
    *to = ta_lanes_of(offset == 0 ? sum : ta_add_numbers(sum, offset));
    *ta_word_at(to, 1, stride) = ta_lanes_of(ta_subtract_numbers(x[1], x[2]));
    *ta_word_at(to, 2, stride) = ta_lanes_of(ta_subtract_numbers(x[0], x[2]));
    to = ta_word_at(to, 2, stride);
    *ta_word_at(to, 1, stride) = ta_lanes_of(ta_subtract_numbers(x[3], x[1]));
    return ta_word_at(to, 2, stride);
}

/* One word of a tile's 16 transformed inputs, `stride` bytes apart at `to`; rows in the order x0 - x2, x3 - x1,
 * x1 + x2, x1 - x2, of which only one input needs the zero point: it gets it from `four_offsets`. */
static inline __attribute__((always_inline)) void transform_pixels(const int8_t *pixels, const pixel_words *of,
                                                                   uint32_t four_offsets, uint32_t *to, size_t stride) {
    uint32_t upper[4], lower[4], row[4];
    widen_row(lower, pixels + 2 * ta_opaque(of->row_bytes), of);
    for (size_t column = 0; column < 4; column++) {
        row[column] = ta_subtract_numbers(pixel_word(pixels, column, of), lower[column]);
    }
    to = store_inputs(to, stride, row, 0);
    ta_keep_order();
    widen_row(upper, pixels + ta_opaque(of->row_bytes), of);
    for (size_t column = 0; column < 4; column++) {
        row[column] = ta_subtract_numbers(pixel_word(pixels + ta_opaque(3 * of->row_bytes), column, of), upper[column]);
    }
    to = store_inputs(to, stride, row, 0);
    ta_keep_order();
    for (size_t column = 0; column < 4; column++) {
        row[column] = ta_add_numbers(upper[column], lower[column]);
    }
    to = store_inputs(to, stride, row, four_offsets);
    ta_keep_order();
    for (size_t column = 0; column < 4; column++) {
        row[column] = ta_subtract_numbers(upper[column], lower[column]);
    }
    store_inputs(to, stride, row, 0);
}

TA_FAST_CODE(ta_upsample_inputs)
static void transform_inputs(const ta_tile_inputs *tile, uint32_t *panels, uint32_t input_stride) {
    const uint32_t four_offsets = ta_number_of(4 * tile->in_offset);
    const pixel_words even = {tile->row_bytes, tile->pixel_bytes, false};
    const pixel_words odd = {tile->row_bytes, tile->pixel_bytes, true};
    const size_t stride = (size_t)input_stride * sizeof *panels;
    const int8_t *pixels = tile->first;
    for (uint32_t quad = 0; quad < tile->quads; quad++) {
        transform_pixels(pixels, &even, four_offsets, panels, stride);
        ta_keep_order();
        transform_pixels(pixels, &odd, four_offsets, panels + TA_PANEL_COLUMNS, stride);
        panels += TA_QUAD_WORDS * TA_PANEL_COLUMNS;
        pixels += TA_QUAD;
    }
}

/* One row of outputs, 4 bytes apart, from the 5 products of each of its sums. */
static inline void store_row(uint8_t *to, const ta_channel *channel, const uint32_t p[5]) {
    const uint32_t left = p[3] + p[1], right = p[3] - p[1];
    const uint32_t four_sums[4] = {left - p[4] + (p[0] << 1), left + p[4], right + p[4], right - p[4] + (p[2] << 1)};
    for (size_t column = 0; column < 4; column++) {
        to[4 * column] = (uint8_t)ta_tile_value(channel, (int32_t)four_sums[column] >> 1);
    }
}

static inline uint32_t product(const int32_t *sums, size_t row, size_t column) {
    return (uint32_t)sums[(PRODUCTS_ALONG * row + column) * TA_TILE_SUMS];
}

/* The 4x4 outputs of one channel, 4 bytes apart at `to`. */
static inline void transform_sums(const int32_t *sums, const ta_channel *channel, uint8_t *to) {
    const uint32_t four_biases = (uint32_t)channel->bias << 2; /* Onto the product that is in every output once. */
    uint32_t first[PRODUCTS_ALONG], second[PRODUCTS_ALONG];
    for (size_t column = 0; column < PRODUCTS_ALONG; column++) {
        const uint32_t p3 = product(sums, 3, column) + (column == 3 ? four_biases : 0);
        const uint32_t p4 = product(sums, 4, column), upper = p3 + product(sums, 1, column);
        first[column] = upper - p4 + (product(sums, 0, column) << 1);
        second[column] = upper + p4;
    }
    store_row(to, channel, first);
    store_row(to + 16, channel, second);
    ta_keep_order();
    for (size_t column = 0; column < PRODUCTS_ALONG; column++) {
        const uint32_t p3 = product(sums, 3, column) + (column == 3 ? four_biases : 0);
        const uint32_t p4 = product(sums, 4, column), lower = p3 - product(sums, 1, column);
        first[column] = lower + p4;
        second[column] = lower - p4 + (product(sums, 2, column) << 1);
    }
    store_row(to + 32, channel, first);
    store_row(to + 48, channel, second);
}

/* Clamps the 16 words of 4 channels each at `values` to the layer's range. */
static void clamp_tile(const ta_tile_outputs *tile, uint32_t *values) {
    for (uint32_t pixel = 0; pixel < TILE * TILE; pixel++) {
#if defined(TA_HAS_BYTE_LANES)
        const uint32_t least = ta_four_bytes((int8_t)tile->minimum), most = ta_four_bytes((int8_t)tile->maximum);
        values[pixel] = ta_clamped_bytes(values[pixel], least, most);
#else
        int8_t *bytes = (int8_t *)&values[pixel];
        for (uint32_t channel = 0; channel < TA_PANEL_CHANNELS; channel++) {
            bytes[channel] = ta_clamped(bytes[channel], tile->minimum, tile->maximum);
        }
#endif
    }
}

static inline void store_words(const ta_tile_outputs *tile, const uint32_t *values) {
    int8_t *row = tile->output;
    for (uint32_t y = 0; y < TILE; y++) {
        int8_t *pixel = row;
        for (uint32_t x = 0; x < TILE; x++) {
            memcpy(__builtin_assume_aligned(pixel, 4), values, sizeof *values);
            pixel += tile->pixel_bytes;
            values++;
        }
        row += tile->row_bytes;
    }
}

static void store_bytes(const ta_tile_outputs *tile, const uint32_t *values) {
    for (uint32_t pixel = 0; pixel < TILE * TILE; pixel++) {
        const size_t place = pixel / TILE * (size_t)tile->row_bytes + pixel % TILE * (size_t)tile->pixel_bytes;
        memcpy(tile->output + place, &values[pixel], tile->channel_count);
    }
}

TA_FAST_CODE(ta_upsample_channel)
static __attribute__((noinline)) void transform_channel(const int32_t *sums, const ta_channel *channel, uint8_t *to) {
    const ta_channel copy = *channel;
    transform_sums(sums, &copy, to);
}

TA_FAST_CODE(ta_upsample_outputs)
static void transform_outputs(const ta_tile_outputs *tile) {
    uint32_t values[TILE * TILE];
    if (tile->channel_count < TA_PANEL_CHANNELS) {
        memset(values, 0, sizeof values);
    }
    for (uint32_t channel = 0; channel < tile->channel_count; channel++) {
        transform_channel(tile->sums + TA_PANEL_COLUMNS * channel, &tile->channels[channel],
                          (uint8_t *)values + channel);
    }
    if (tile->minimum != INT8_MIN || tile->maximum != INT8_MAX) {
        clamp_tile(tile, values);
    }
    if (tile->channel_count == TA_PANEL_CHANNELS &&
        (((uintptr_t)tile->output | tile->pixel_bytes | tile->row_bytes) & 3u) == 0) {
        store_words(tile, values);
    } else {
        store_bytes(tile, values);
    }
}

/* Products p0 to p4 of a row take the inputs 2, 1, 3, 0, 1 of it; rows of products the rows 0, 3, 1, 2, 3. */
#define ROW_OF_PRODUCTS(row, weight)                                                                                   \
    {4 * (row) + 2, weight}, {4 * (row) + 1, (weight) + 1}, {4 * (row) + 3, (weight) + 2}, {4 * (row), (weight) + 3},  \
    {                                                                                                                  \
        4 * (row) + 1, (weight) + 4                                                                                    \
    }

static const ta_tile_product products[PRODUCTS_ALONG * PRODUCTS_ALONG] = {
    ROW_OF_PRODUCTS(0, 0),  ROW_OF_PRODUCTS(3, 5),  ROW_OF_PRODUCTS(1, 10),
    ROW_OF_PRODUCTS(2, 15), ROW_OF_PRODUCTS(3, 20),
};

static const uint8_t round_ends[] = {PRODUCTS_ALONG * PRODUCTS_ALONG};

static const ta_tile_kind upsampling = {
    .out_size = TILE,
    .in_size = TILE,
    .in_step = TILE / 2,
    .row_multiple = 2,
    .inputs = TILE * TILE,
    .products = PRODUCTS_ALONG * PRODUCTS_ALONG,
    .rounds = 1,
    .panels = PRODUCTS_ALONG * PRODUCTS_ALONG,
    .round_ends = round_ends,
    .product_list = products,
    .transform_inputs = transform_inputs,
    .transform_weights = ta_upsample_weights,
    .transform_outputs = transform_outputs,
};

static bool sizes_are_valid(const ta_convolution *layer) {
    return layer->out_height == 2u * layer->in_height && layer->out_width == 2u * layer->in_width &&
           layer->stride_height == 1 && layer->stride_width == 1 && layer->pad_top == 1 && layer->pad_left == 1;
}

/* Whether the rows that the computed ones need are readable. */
static bool rows_are_readable(const ta_convolution *layer, const ta_rows *rows) {
    const uint32_t begin = rows->out_row_begin, end = rows->out_row_end;
    const uint32_t first = begin == 0 ? 0 : (begin - 1u) / 2u;
    const uint32_t behind = end / 2u + 1u < layer->in_height ? end / 2u + 1u : layer->in_height;
    return begin == end || (rows->in_row_begin <= first && (uint32_t)rows->in_row_begin + rows->in_rows >= behind);
}

uint32_t ta_upsample_convolve_s8_scratch_bytes(const ta_convolution *layer) {
    return ta_tiles_scratch_bytes(&upsampling, layer);
}

ta_status ta_upsample_convolve_s8(const ta_convolution *layer, const ta_rows *rows, const ta_weights *weights,
                                  void *scratch, uint32_t scratch_bytes) {
    const ta_status status = ta_tiles_check(&upsampling, layer, rows, weights, scratch_bytes);
    if (status == TA_ERROR_ARGUMENT || !sizes_are_valid(layer) || !rows_are_readable(layer, rows)) {
        return TA_ERROR_ARGUMENT;
    }
    if (status == TA_OK) {
        ta_tiles_convolve(&upsampling, layer, rows, weights, (int32_t)(rows->out_row_begin / 2u) - 1, -1, scratch);
    }
    return status;
}
