#include "ta_tiles.h"
#include "tinyanime/fast_code.h"

/* F(2x2, 3x3) in integers. One dimension, with inputs d[4], weights g[3], outputs y[2]:
 *     v = d0 - d2, d1 + d2, d2 - d1, d1 - d3
 *     u = g0, g0 + g1 + g2, g0 - g1 + g2, g2
 *     m = u * v
 *     2 y0 = 2m0 + m1 + m2, 2 y1 = m1 - m2 - 2m3
 * In two dimensions |v| <= 4 * 255 and |u| <= 9 * 128, and the outputs are 4 times the sums: exact modulo 2^32 where
 * |sum + bias| < 2^29. Source: Lavin and Gray, "Fast algorithms for convolutional neural networks", section 4.1. */
enum { TAPS = 3, INPUTS = 4, OUTPUTS = 2, PRODUCTS = INPUTS * INPUTS };

typedef struct {
    uint32_t numbers[INPUTS];
} four;

static inline uint32_t widen(const int8_t *bytes, uint32_t half, uint32_t number) {
    return half == 0u ? ta_number_even(number, ta_load_word(bytes)) : ta_number_odd(number, ta_load_word(bytes));
}

static inline four load_row(const int8_t *row, uint32_t pixel_bytes, uint32_t half, uint32_t offset) {
    const int8_t *later = row + 2u * pixel_bytes;
    return (four){{widen(row, half, offset), widen(row + pixel_bytes, half, offset), widen(later, half, offset),
                   widen(later + pixel_bytes, half, offset)}};
}

static inline four added(four a, four b) {
    return (four){{ta_add_numbers(a.numbers[0], b.numbers[0]), ta_add_numbers(a.numbers[1], b.numbers[1]),
                   ta_add_numbers(a.numbers[2], b.numbers[2]), ta_add_numbers(a.numbers[3], b.numbers[3])}};
}

static inline four subtracted(four a, four b) {
    return (four){{ta_subtract_numbers(a.numbers[0], b.numbers[0]), ta_subtract_numbers(a.numbers[1], b.numbers[1]),
                   ta_subtract_numbers(a.numbers[2], b.numbers[2]), ta_subtract_numbers(a.numbers[3], b.numbers[3])}};
}

/* The v of a row, to inputs from `input` on; returns the place of the next row. */
static inline uint32_t *store_inputs(four d, uint32_t *input, uint32_t input_stride) {
    uint32_t *later = ta_steps_behind(input, 2, input_stride);
    *input = ta_lanes_of(ta_subtract_numbers(d.numbers[0], d.numbers[2]));
    *ta_steps_behind(input, 1, input_stride) = ta_lanes_of(ta_add_numbers(d.numbers[1], d.numbers[2]));
    *later = ta_lanes_of(ta_subtract_numbers(d.numbers[2], d.numbers[1]));
    *ta_steps_behind(later, 1, input_stride) = ta_lanes_of(ta_subtract_numbers(d.numbers[1], d.numbers[3]));
    return ta_steps_behind(later, 2, input_stride);
}

/* One word of all 16 inputs. */
static inline void transform_half(const ta_tile_inputs *tile, const int8_t *top, uint32_t half, uint32_t *input,
                                  uint32_t input_stride) {
    const uint32_t offset = ta_number_of(tile->in_offset), row = tile->row_bytes;
    const four upper = load_row(top + row, tile->pixel_bytes, half, offset);
    const four lower = load_row(top + 2u * row, tile->pixel_bytes, half, offset);
    input = store_inputs(subtracted(load_row(top, tile->pixel_bytes, half, offset), lower), input, input_stride);
    input = store_inputs(added(upper, lower), input, input_stride);
    input = store_inputs(subtracted(lower, upper), input, input_stride);
    store_inputs(subtracted(upper, load_row(top + 3u * row, tile->pixel_bytes, half, offset)), input, input_stride);
}

TA_FAST_CODE(ta_winograd_2x2_inputs)
static void transform_inputs(const ta_tile_inputs *tile, uint32_t *panels, uint32_t input_stride) {
    const ta_tile_inputs from = *tile;
    const int8_t *top = from.first;
    for (uint32_t quad = 0; quad < from.quads; quad++) {
        transform_half(&from, top, 0, panels, input_stride);
        transform_half(&from, top, 1, panels + TA_PANEL_COLUMNS, input_stride);
        panels += TA_QUAD_WORDS * TA_PANEL_COLUMNS;
        top += TA_QUAD;
    }
}

/* The u of a row of taps, to panels from `panel` on; returns the place of the next row. */
static inline uint32_t *store_weights(uint32_t g0, uint32_t g1, uint32_t g2, uint32_t *panel, uint32_t panel_stride) {
    const uint32_t outer = ta_add_numbers(g0, g2);
    uint32_t *later = ta_steps_behind(panel, 2, panel_stride);
    *panel = ta_lanes_of(g0);
    *ta_steps_behind(panel, 1, panel_stride) = ta_lanes_of(ta_add_numbers(outer, g1));
    *later = ta_lanes_of(ta_subtract_numbers(outer, g1));
    *ta_steps_behind(later, 1, panel_stride) = ta_lanes_of(g2);
    return ta_steps_behind(later, 2, panel_stride);
}

static inline void transform_taps(const int8_t *weights, uint32_t half, uint32_t *panel, uint32_t panel_stride) {
    uint32_t first[TAPS], sum[TAPS], difference[TAPS], last[TAPS];
    for (uint32_t column = 0; column < TAPS; column++) {
        const int8_t *tap = weights + column * TA_QUAD;
        const uint32_t middle = widen(tap + TAPS * TA_QUAD, half, 0);
        first[column] = widen(tap, half, 0);
        last[column] = widen(tap + 2u * TAPS * TA_QUAD, half, 0);
        const uint32_t outer = ta_add_numbers(first[column], last[column]);
        sum[column] = ta_add_numbers(outer, middle);
        difference[column] = ta_subtract_numbers(outer, middle);
    }
    panel = store_weights(first[0], first[1], first[2], panel, panel_stride);
    panel = store_weights(sum[0], sum[1], sum[2], panel, panel_stride);
    panel = store_weights(difference[0], difference[1], difference[2], panel, panel_stride);
    store_weights(last[0], last[1], last[2], panel, panel_stride);
}

TA_FAST_CODE(ta_winograd_2x2_weights)
static void transform_weights(uint32_t round, const int8_t *weights, uint32_t quads, uint32_t *panels,
                              uint32_t panel_stride) {
    (void)round;
    for (uint32_t quad = 0; quad < quads; quad++) {
        transform_taps(weights, 0, panels, panel_stride);
        transform_taps(weights, 1, panels + TA_PANEL_CHANNELS, panel_stride);
        panels += TA_QUAD_WORDS * TA_PANEL_CHANNELS;
        weights += TA_TAPS * TA_QUAD;
    }
}

static inline uint32_t sum_at(const int32_t *sums, uint32_t row, uint32_t column) {
    return (uint32_t)sums[(row * INPUTS + column) * TA_TILE_SUMS];
}

typedef struct {
    int32_t values[OUTPUTS];
} two;

/* Both outputs of a row of m, all of them twice the outputs already. */
static inline two requantized(const uint32_t *m, const ta_channel *channel) {
    return (two){{ta_tile_value(channel, (int32_t)(2u * m[0] + m[1] + m[2]) >> 1),
                  ta_tile_value(channel, (int32_t)(m[1] - m[2] - 2u * m[3]) >> 1)}};
}

TA_FAST_CODE(ta_winograd_2x2_outputs)
static void transform_outputs(const ta_tile_outputs *tile) {
    const ta_tile_outputs to = *tile;
    const int32_t *sums = to.sums;
    int8_t *output = to.output;
    for (uint32_t index = 0; index < to.channel_count; index++) {
        const ta_channel channel = to.channels[index];
        uint32_t upper[INPUTS], lower[INPUTS];
        for (uint32_t column = 0; column < INPUTS; column++) {
            uint32_t m1 = sum_at(sums, 1, column);
            const uint32_t m2 = sum_at(sums, 2, column);
            if (column == 1u) {
                m1 += 4u * (uint32_t)channel.bias; /* This product is in every output. */
            }
            upper[column] = 2u * sum_at(sums, 0, column) + m1 + m2;
            lower[column] = m1 - m2 - 2u * sum_at(sums, 3, column);
        }
        const two above = requantized(upper, &channel), below = requantized(lower, &channel);
        output[0] = (int8_t)above.values[0];
        output[to.pixel_bytes] = (int8_t)above.values[1];
        output[to.row_bytes] = (int8_t)below.values[0];
        output[to.row_bytes + to.pixel_bytes] = (int8_t)below.values[1];
        sums += TA_PANEL_COLUMNS;
        output++;
    }
    if (ta_tile_is_clamped(&to)) {
        ta_tiles_clamp(&to, OUTPUTS);
    }
}

static const uint8_t round_ends[] = {PRODUCTS};

#define ROW(row)                                                                                                       \
    {4 * (row), 4 * (row)}, {4 * (row) + 1, 4 * (row) + 1}, {4 * (row) + 2, 4 * (row) + 2}, {                          \
        4 * (row) + 3, 4 * (row) + 3                                                                                   \
    }
static const ta_tile_product product_list[PRODUCTS] = {ROW(0), ROW(1), ROW(2), ROW(3)};

static const ta_tile_kind kind = {.out_size = OUTPUTS,
                                  .in_size = INPUTS,
                                  .in_step = OUTPUTS,
                                  .inputs = PRODUCTS,
                                  .products = PRODUCTS,
                                  .rounds = 1,
                                  .panels = PRODUCTS,
                                  .round_ends = round_ends,
                                  .product_list = product_list,
                                  .transform_inputs = transform_inputs,
                                  .transform_weights = transform_weights,
                                  .transform_outputs = transform_outputs};

uint32_t ta_convolve_winograd_2x2_s8_scratch_bytes(const ta_convolution *layer) {
    return ta_tiles_scratch_bytes(&kind, layer);
}

ta_status ta_convolve_winograd_2x2_s8(const ta_convolution *layer, const ta_rows *rows, const ta_weights *weights,
                                      void *scratch, uint32_t scratch_bytes) {
    return ta_tiles_convolve_strided(&kind, 1, layer, rows, weights, scratch, scratch_bytes);
}
