#include "ta_tiles.h"
#include "ta_winograd_4x4_inputs.h"
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
    int32_t values[OUTPUTS]; /* Side by side: each is a chain of instructions that wait for one another. */
#pragma GCC unroll 4
    for (uint32_t x = 0; x < OUTPUTS; x++) {
        const uint32_t multiple = line.y[x] * INVERSE_OF_9 + (uint32_t)surplus[OUTPUTS * y + x];
        values[x] = ta_tile_value(channel, (int32_t)multiple >> (SHIFTS[y] + SHIFTS[x] - 1));
    }
#pragma GCC unroll 4
    for (uint32_t x = 0; x < OUTPUTS; x++) {
        *pixel = (int8_t)values[x];
        pixel += pixel_bytes;
    }
    ta_finish(pixel);
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
    if (ta_tile_is_clamped(&to)) {
        ta_tiles_clamp(&to, OUTPUTS);
    }
}

/* What takes the outputs of the constants in the weights' low lanes off their multiples. */
static void find_surplus(const int32_t *input_sums, int32_t *surplus) {
    int32_t rows[INPUTS][OUTPUTS];
    for (uint32_t y = 0; y < INPUTS; y++) {
        for (uint32_t x = 0; x < OUTPUTS; x++) {
            const int32_t *sums = input_sums + y * INPUTS + x;
            rows[y][x] = 2 * (sums[0] + sums[2]) + sums[1];
        }
    }
    for (uint32_t y = 0; y < OUTPUTS; y++) {
        for (uint32_t x = 0; x < OUTPUTS; x++) {
            const int32_t sum = 2 * (rows[y][x] + rows[y + 2u][x]) + rows[y + 1u][x];
            *surplus++ = (int32_t)(TA_WINOGRAD_4X4_UNIT * (0u - (uint32_t)sum) << (SHIFTS[y] + SHIFTS[x]));
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
                                  .transform_inputs = ta_winograd_4x4_inputs,
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
