#include "ta_tiles.h"
#include "ta_winograd_4x4_inputs.h"
#include "ta_winograd_4x4_outputs.h"
#include "ta_winograd_4x4_weights.h"

/* F(4x4, 3x3) in integers. One dimension, with inputs d[6], weights g[3], outputs y[4]:
 *     v = 4d0 - 5d2 + d4, -4d1 - 4d2 + d3 + d4, 4d1 - 4d2 - d3 + d4, -2d1 - d2 + 2d3 + d4, 2d1 - d2 - 2d3 + d4,
 *         4d1 - 5d3 + d5
 *     u = g0, g0 + g1 + g2, g0 - g1 + g2, g0 + 2g1 + 4g2, g0 - 2g1 + 4g2, g2
 *     m = u * v
 *     24 y0 = 6m0 - 4m1 - 4m2 + m3 + m4, 12 y1 = -2m1 + 2m2 + m3 - m4, 6 y2 = -m1 - m2 + m3 + m4,
 *      6 y3 = -m1 + m2 + 2m3 - 2m4 + 6m5
 * In two dimensions |v| <= 100 * 255 and |u| <= 49 * 128, both fit int16, and the outputs are 9 * 2^k times the sums
 * with k <= 6: exact modulo 2^32 where |sum + bias| < 2^25. Source: Lavin and Gray, "Fast algorithms for convolutional
 * neural networks", section 4, with other factors per row.
 *
 * Products, inputs and weights are in the order of their rows {0, 5, 1, 2, 3, 4}: those of a round come of the same
 * sums of weights. */
enum { INPUTS = 6, OUTPUTS = 4, ROUNDS = 3, ROUND_PRODUCTS = 2 * INPUTS, PRODUCTS = INPUTS * INPUTS };

/* The constants in the weights are those of a separable kernel. */
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
            *surplus++ = ta_winograd_4x4_surplus(y, x, TA_WINOGRAD_4X4_UNIT * (uint32_t)sum);
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
                                  .transform_outputs = ta_winograd_4x4_outputs,
                                  .find_surplus = find_surplus};

uint32_t ta_convolve_winograd_4x4_s8_scratch_bytes(const ta_convolution *layer) {
    return ta_tiles_scratch_bytes(&kind, layer);
}

ta_status ta_convolve_winograd_4x4_s8(const ta_convolution *layer, const ta_rows *rows, const ta_weights *weights,
                                      void *scratch, uint32_t scratch_bytes) {
    return ta_tiles_convolve_strided(&kind, 1, layer, rows, weights, scratch, scratch_bytes);
}
