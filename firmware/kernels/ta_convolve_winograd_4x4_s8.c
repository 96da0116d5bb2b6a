#include "ta_convolution.h"
#include "ta_tiles.h"
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

TA_FAST_CODE(ta_winograd_4x4_inputs)
static void transform_inputs(const ta_tile_inputs *tile, uint32_t *panels, uint32_t input_stride) {
    static const uint8_t row_order[INPUTS] = {0, 5, 1, 2, 3, 4};
    const uint32_t offset = ((uint32_t)tile->in_offset << 16) | UNSIGNED;
    const uint32_t surplus = 36u * (uint32_t)(UNSIGNED - (uint32_t)tile->in_offset) & 0xFFFFu;
    for (uint32_t quad = 0; quad < tile->quads; quad++) {
        uint32_t rows[INPUTS][INPUTS][TA_QUAD_WORDS];
        const int8_t *top = tile->first + quad * TA_QUAD;
#pragma GCC unroll 1
        for (uint32_t column = 0; column < INPUTS; column++) {
            const uint32_t late = column < 4u ? offset : offset | CARRY;
            uint32_t even[INPUTS], odd[INPUTS];
            const int8_t *pixel = top;
            for (uint32_t row = 0; row < INPUTS; row++) {
                const uint32_t bytes = ta_load_word(pixel);
                even[row] = ta_widen_even(row < 4u ? offset : late, bytes);
                odd[row] = ta_widen_odd(row < 4u ? offset : late, bytes);
                pixel += tile->row_bytes;
            }
            const six first = spread(even[0], even[1], even[2], even[3], even[4], even[5]);
            const six second = spread(odd[0], odd[1], odd[2], odd[3], odd[4], odd[5]);
            for (uint32_t row = 0; row < INPUTS; row++) {
                rows[row][column][0] = first.v[row];
                rows[row][column][1] = second.v[row];
            }
            top += tile->pixel_bytes;
        }
        uint32_t *word = panels + quad * TA_QUAD_WORDS * TA_PANEL_COLUMNS;
#pragma GCC unroll 1
        for (uint32_t half = 0; half < TA_QUAD_WORDS; half++) {
            uint32_t *input = word;
#pragma GCC unroll 1
            for (uint32_t place = 0; place < INPUTS; place++) {
                const uint32_t(*row)[TA_QUAD_WORDS] = rows[row_order[place]];
                const six line =
                    spread(row[0][half], row[1][half], row[2][half], row[3][half], row[4][half], row[5][half]);
                for (uint32_t column = 0; column < INPUTS; column++) {
                    *input = line.v[column] ^ CARRY;
                    input += input_stride;
                }
            }
            /* Only the product of both rows (-4, -4, 1, 1) notices a constant in all inputs. */
            uint32_t *noticed = word + (2u * INPUTS + 1u) * input_stride;
            *noticed = ta_subtract_lanes(*noticed, surplus);
            word += TA_PANEL_COLUMNS;
        }
    }
}

/* Lanes of twice and four times the lanes of `x`. */
static inline uint32_t twice(uint32_t x) {
    return ta_add_lanes(x, x);
}

/* The six u of three taps, to panels that follow each other. */
static inline void store_six(uint32_t g0, uint32_t g1, uint32_t g2, uint32_t *panel, uint32_t panel_stride) {
    const uint32_t ends = ta_add_lanes(g0, g2), wide = ta_add_lanes(g0, twice(twice(g2))), middle = twice(g1);
    panel[0] = g0;
    panel[panel_stride] = ta_add_lanes(ends, g1);
    panel[2u * panel_stride] = ta_subtract_lanes(ends, g1);
    panel += 3u * panel_stride;
    panel[0] = ta_add_lanes(wide, middle);
    panel[panel_stride] = ta_subtract_lanes(wide, middle);
    panel[2u * panel_stride] = g2;
}

static inline uint32_t widen(const int8_t *tap, uint32_t half) {
    return half == 0u ? ta_widen_even(0, ta_load_word(tap)) : ta_widen_odd(0, ta_load_word(tap));
}

TA_FAST_CODE(ta_winograd_4x4_weights)
static void transform_weights(uint32_t round, const int8_t *weights, uint32_t quads, uint32_t *panels,
                              uint32_t panel_stride) {
    for (uint32_t quad = 0; quad < quads; quad++) {
        for (uint32_t half = 0; half < TA_QUAD_WORDS; half++) {
            uint32_t first[3], second[3];
            for (uint32_t column = 0; column < 3u; column++) {
                const int8_t *tap = weights + column * TA_QUAD;
                const uint32_t g0 = widen(tap, half), g2 = widen(tap + 6u * TA_QUAD, half);
                first[column] = g0;
                second[column] = g2;
                if (round == 1u) {
                    const uint32_t g1 = widen(tap + 3u * TA_QUAD, half), ends = ta_add_lanes(g0, g2);
                    first[column] = ta_add_lanes(ends, g1);
                    second[column] = ta_subtract_lanes(ends, g1);
                } else if (round == 2u) {
                    const uint32_t middle = twice(widen(tap + 3u * TA_QUAD, half));
                    const uint32_t wide = ta_add_lanes(g0, twice(twice(g2)));
                    first[column] = ta_add_lanes(wide, middle);
                    second[column] = ta_subtract_lanes(wide, middle);
                }
            }
            store_six(first[0], first[1], first[2], panels, panel_stride);
            store_six(second[0], second[1], second[2], panels + INPUTS * panel_stride, panel_stride);
            panels += TA_PANEL_CHANNELS;
        }
        weights += TA_TAPS * TA_QUAD;
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

TA_FAST_CODE(ta_winograd_4x4_outputs)
static void transform_outputs(const ta_tile_outputs *tile) {
    static const uint8_t shifts[OUTPUTS] = {3, 2, 1, 1}; /* The sums are 3 * 2^shift times the outputs. */
    const int clamps = tile->minimum > INT8_MIN || tile->maximum < INT8_MAX;
    const uint32_t stride = tile->product_stride, row = INPUTS * stride;
    for (uint32_t index = 0; index < tile->channel_count; index++) {
        const ta_channel *channel = tile->channels + index;
        uint32_t rows[OUTPUTS][INPUTS];
        const int32_t *sums = tile->sums + index * TA_PANEL_COLUMNS;
#pragma GCC unroll 1
        for (uint32_t column = 0; column < INPUTS; column++) {
            const int32_t *far = sums + row;
            const uint32_t m0 = (uint32_t)sums[0], m5 = (uint32_t)far[0];
            uint32_t m1 = (uint32_t)sums[2u * row];
            const uint32_t m2 = (uint32_t)far[2u * row], m3 = (uint32_t)sums[4u * row], m4 = (uint32_t)far[4u * row];
            if (column == 1u) {
                m1 += 36u * (uint32_t)channel->bias; /* This product is in every output, times 16. */
            }
            const four gathered = gather(m0, m1, m2, m3, m4, m5);
            for (uint32_t y = 0; y < OUTPUTS; y++) {
                rows[y][column] = gathered.y[y];
            }
            sums += stride;
        }
        int8_t *output = tile->output + index;
#pragma GCC unroll 1
        for (uint32_t y = 0; y < OUTPUTS; y++) {
            const uint32_t *m = rows[y];
            const four line = gather(m[0], m[1], m[2], m[3], m[4], m[5]);
            int8_t *pixel = output;
            for (uint32_t x = 0; x < OUTPUTS; x++) {
                const int32_t doubled = (int32_t)(line.y[x] * INVERSE_OF_9) >> (shifts[y] + shifts[x] - 1);
                int32_t value = ta_tile_value(channel, doubled);
                if (clamps) {
                    value = ta_clamped(value, tile->minimum, tile->maximum);
                }
                *pixel = (int8_t)value;
                pixel += tile->pixel_bytes;
            }
            output += tile->row_bytes;
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
                                  .transform_weights = transform_weights,
                                  .transform_outputs = transform_outputs};

uint32_t ta_convolve_winograd_4x4_s8_scratch_bytes(const ta_convolution *layer) {
    return ta_tiles_scratch_bytes(&kind, layer);
}

ta_status ta_convolve_winograd_4x4_s8(const ta_convolution *layer, const ta_rows *rows, const ta_weights *weights,
                                      void *scratch, uint32_t scratch_bytes) {
    const ta_status status = ta_tiles_check(&kind, layer, rows, weights, scratch_bytes);
    if (status != TA_OK) {
        return status;
    }
    if (layer->stride_height != 1u || layer->stride_width != 1u || !ta_windows_are_readable(layer, rows)) {
        return TA_ERROR_ARGUMENT;
    }
    ta_tiles_convolve(&kind, layer, rows, weights, ta_input_row(layer, rows->out_row_begin, 0),
                      -(int32_t)layer->pad_left, scratch);
    return TA_OK;
}
