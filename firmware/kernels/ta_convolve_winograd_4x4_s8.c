#include "ta_tiles.h"
#include "ta_winograd_4x4_weights.h"
#include "tinyanime/fast_code.h"

/* F(4x4, 3x3) in integers. One dimension, with inputs d[6], weights g[3], outputs y[4]:
 *     v = 4d0 - 5d2 + d4, -4d1 - 4d2 + d3 + d4, 4d1 - 4d2 - d3 + d4, -2d1 - d2 + 2d3 + d4, 2d1 - d2 - 2d3 + d4,
 *         4d1 - 5d3 + d5
 *     u = g0, g0 + g1 + g2, g0 - g1 + g2, g0 + 2g1 + 4g2, g0 - 2g1 + 4g2, g2
 *     m = u * v
 *     24 y0 = 6m0 - 4m1 - 4m2 + m3 + m4, 12 y1 = -2m1 + 2m2 + m3 - m4, 6 y2 = -m1 - m2 + m3 + m4,
 *      6 y3 = -m1 + m2 + 2m3 - 2m4 + 6m5
 * In two dimensions |v| <= 100 * 255 and |u| <= 49 * 128, both fit int16, and the outputs are 9 * 2^k times the sums
 * with k <= 6: exact modulo 2^32 where |sum| < 2^25. Source: Lavin and Gray, "Fast algorithms for convolutional neural
 * networks", section 4, with other factors per row.
 *
 * Products, inputs and weights are in the order of their rows {0, 5, 1, 2, 3, 4}: those of a round come of the same
 * sums of weights. */
enum { INPUTS = 6, OUTPUTS = 4, ROUNDS = 3, ROUND_PRODUCTS = 2 * INPUTS, PRODUCTS = INPUTS * INPUTS };

/* Two int16 lanes as one number, high * 2^16 + low with a signed low one: sums and multiples of such numbers are those
 * of both lanes, in one instruction each, with shifts for free. Lanes become such a number by being positive, and a
 * number becomes lanes by adding CARRY (so that the low one is positive) and flipping its bit. */
#define CARRY 0x8000u
#define UNSIGNED 128u /* Makes an int8 positive. */

typedef struct {
    uint32_t v[INPUTS];
} six;

/* v of numbers; d4 and d5 have CARRY in them, and so has every result. */
static inline six spread(uint32_t d0, uint32_t d1, uint32_t d2, uint32_t d3, uint32_t d4, uint32_t d5) {
    const uint32_t even = d4 - (d2 << 2), odd = d3 - (d1 << 2);
    const uint32_t narrow_even = d4 - d2, narrow_odd = d3 - d1;
    return (six){{narrow_even + ((d0 - d2) << 2), even + odd, even - odd, narrow_even + (narrow_odd << 1),
                  narrow_even - (narrow_odd << 1), (d5 - d3) - (narrow_odd << 2)}};
}

/* One dimension of half a quad: the six v of each column of inputs. */
static inline void spread_columns(const ta_tile_inputs *tile, const int8_t *top, uint32_t half,
                                  uint32_t columns[INPUTS][INPUTS]) {
    const uint32_t offset = ((uint32_t)tile->in_offset << 16) | UNSIGNED;
    const uint32_t row = tile->row_bytes, three_rows = 3u * row;
    uint32_t late = offset;
#pragma GCC unroll 1
    for (uint32_t column = 0; column < INPUTS; column++) {
        if (column == 4u) {
            late |= CARRY;
        }
        const int8_t *below = top + three_rows;
        const uint32_t d[INPUTS] = {ta_load_word(top),   ta_load_word(top + row),   ta_load_word(top + 2u * row),
                                    ta_load_word(below), ta_load_word(below + row), ta_load_word(below + 2u * row)};
        const six v =
            half == 0u ? spread(ta_widen_even(offset, d[0]), ta_widen_even(offset, d[1]), ta_widen_even(offset, d[2]),
                                ta_widen_even(offset, d[3]), ta_widen_even(late, d[4]), ta_widen_even(late, d[5]))
                       : spread(ta_widen_odd(offset, d[0]), ta_widen_odd(offset, d[1]), ta_widen_odd(offset, d[2]),
                                ta_widen_odd(offset, d[3]), ta_widen_odd(late, d[4]), ta_widen_odd(late, d[5]));
        *(six *)columns[column] = v;
        ta_finish(columns);
        top += tile->pixel_bytes;
    }
}

/* The other dimension: row `row` of products, to inputs from `input` on. */
static inline uint32_t *spread_row(uint32_t columns[INPUTS][INPUTS], uint32_t row, uint32_t *input,
                                   uint32_t input_stride) {
    const six v =
        spread(columns[0][row], columns[1][row], columns[2][row], columns[3][row], columns[4][row], columns[5][row]);
    __asm("" : "+r"(input), "+r"(input_stride)); /* Else every one of the 36 addresses is kept in memory. */
    uint32_t *later = input + 3u * input_stride;
    input[0] = v.v[0] ^ CARRY;
    input[input_stride] = v.v[1] ^ CARRY;
    input[2u * input_stride] = v.v[2] ^ CARRY;
    later[0] = v.v[3] ^ CARRY;
    later[input_stride] = v.v[4] ^ CARRY;
    later[2u * input_stride] = v.v[5] ^ CARRY;
    ta_finish(columns);
    return later + 3u * input_stride;
}

/* One word of all 36 inputs. */
static inline void transform_half(const ta_tile_inputs *tile, const int8_t *top, uint32_t half, uint32_t *input,
                                  uint32_t input_stride) {
    uint32_t columns[INPUTS][INPUTS];
    spread_columns(tile, top, half, columns);
    input = spread_row(columns, 0, input, input_stride);
    input = spread_row(columns, 5, input, input_stride);
    /* A constant in all inputs shows in this one only, times 36. */
    uint32_t *constant = input + input_stride;
    input = spread_row(columns, 1, input, input_stride);
    *constant = ta_subtract_lanes(*constant, 36u * (UNSIGNED - (uint32_t)tile->in_offset) & 0xFFFFu);
    input = spread_row(columns, 2, input, input_stride);
    input = spread_row(columns, 3, input, input_stride);
    spread_row(columns, 4, input, input_stride);
}

TA_FAST_CODE(ta_winograd_4x4_inputs)
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

typedef struct {
    uint32_t y[OUTPUTS];
} four;

/* 24 y0, 12 y1, 6 y2, 6 y3. */
static inline four gather(uint32_t m0, uint32_t m1, uint32_t m2, uint32_t m3, uint32_t m4, uint32_t m5) {
    const uint32_t near = m1 + m2, near_difference = m1 - m2, far = m3 + m4, far_difference = m3 - m4;
    return (four){{far - 4u * near + 6u * m0, far_difference - 2u * near_difference, far - near,
                   2u * far_difference - near_difference + 6u * m5}};
}

#define INVERSE_OF_9 0x38E38E39u /* Modulo 2^32. */

/* Outputs are 9 * 2^(SHIFTS[row] + SHIFTS[column]) times too large. */
static const uint8_t SHIFTS[OUTPUTS] = {3, 2, 1, 1};

/* Requantizes row `y` of outputs. */
static inline void store_row(const uint32_t *m, const int32_t *surplus, const ta_channel *channel, uint32_t y,
                             int8_t *pixel, uint32_t pixel_bytes) {
    const four line = gather(m[0], m[1], m[2], m[3], m[4], m[5]);
#pragma GCC unroll 4
    for (uint32_t x = 0; x < OUTPUTS; x++) {
        const uint32_t multiple = line.y[x] * INVERSE_OF_9 + (uint32_t)surplus[OUTPUTS * y + x];
        *pixel = (int8_t)ta_tile_value(channel, (int32_t)multiple >> (SHIFTS[y] + SHIFTS[x] - 1));
        ta_finish(pixel);
        pixel += pixel_bytes;
    }
}

/* One channel of a tile. */
static inline void store_channel(const int32_t *sums, const int32_t *surplus, const ta_channel *channel, int8_t *output,
                                 uint32_t row_bytes, uint32_t pixel_bytes) {
    uint32_t rows[OUTPUTS][INPUTS];
#pragma GCC unroll 6
    for (uint32_t column = 0; column < INPUTS; column++) {
        uint32_t m[INPUTS];
        for (uint32_t row = 0; row < INPUTS; row++) {
            m[row] = (uint32_t)sums[(row * INPUTS + column) * TA_TILE_SUMS];
        }
        if (column == 1u) {
            m[2] += 36u * (uint32_t)channel->bias; /* This product is in every output. */
        }
        const four gathered = gather(m[0], m[2], m[3], m[4], m[5], m[1]);
        for (uint32_t y = 0; y < OUTPUTS; y++) {
            rows[y][column] = gathered.y[y];
        }
        ta_finish(rows);
    }
#pragma GCC unroll 4
    for (uint32_t y = 0; y < OUTPUTS; y++) {
        store_row(rows[y], surplus, channel, y, output, pixel_bytes);
        output += row_bytes;
    }
}

TA_FAST_CODE(ta_winograd_4x4_outputs)
static void transform_outputs(const ta_tile_outputs *tile) {
    const ta_tile_outputs to = *tile;
    for (uint32_t index = 0; index < to.channel_count; index++) {
        const ta_channel channel = to.channels[index];
        store_channel(to.sums + index * TA_PANEL_COLUMNS, to.surplus, &channel, to.output + index, to.row_bytes,
                      to.pixel_bytes);
    }
    ta_tiles_clamp(tile, OUTPUTS);
}

/* What takes the outputs of the constants in the weights' low lanes off their multiples. */
static void find_surplus(const int32_t *input_sums, int32_t *surplus) {
    static const int32_t k[3] = {2, 1, 2};
    for (uint32_t y = 0; y < OUTPUTS; y++) {
        for (uint32_t x = 0; x < OUTPUTS; x++) {
            uint32_t sum = 0;
            for (uint32_t row = 0; row < 3u; row++) {
                for (uint32_t column = 0; column < 3u; column++) {
                    sum -= (uint32_t)(k[row] * k[column] * input_sums[(y + row) * INPUTS + x + column]);
                }
            }
            *surplus++ = (int32_t)((TA_WINOGRAD_4X4_UNIT * sum) << (SHIFTS[y] + SHIFTS[x]));
        }
    }
}

static const uint8_t round_ends[ROUNDS] = {ROUND_PRODUCTS, 2 * ROUND_PRODUCTS, PRODUCTS};

#define PAIR(row, column)                                                                                              \
    { 6 * (row) + (column), 6 * ((row) % 2) + (column) }
#define ROW(row) PAIR(row, 0), PAIR(row, 1), PAIR(row, 2), PAIR(row, 3), PAIR(row, 4), PAIR(row, 5)
static const ta_tile_product product_list[PRODUCTS] = {ROW(0), ROW(1), ROW(2), ROW(3), ROW(4), ROW(5)};

static const ta_tile_kind kind = {.out_size = OUTPUTS,
                                  .in_size = INPUTS,
                                  .in_step = OUTPUTS,
                                  .inputs = PRODUCTS,
                                  .products = PRODUCTS,
                                  .rounds = ROUNDS,
                                  .panels = ROUND_PRODUCTS,
                                  .round_ends = round_ends,
                                  .product_list = product_list,
                                  .transform_inputs = transform_inputs,
                                  .transform_weights = ta_winograd_4x4_weights,
                                  .transform_outputs = transform_outputs,
                                  .find_surplus = find_surplus};

uint32_t ta_convolve_winograd_4x4_s8_scratch_bytes(const ta_convolution *layer) {
    return ta_tiles_scratch_bytes(&kind, layer);
}

ta_status ta_convolve_winograd_4x4_s8(const ta_convolution *layer, const ta_rows *rows, const ta_weights *weights,
                                      void *scratch, uint32_t scratch_bytes) {
    return ta_tiles_convolve_strided(&kind, 1, layer, rows, weights, scratch, scratch_bytes);
}
