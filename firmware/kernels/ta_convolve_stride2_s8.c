#include "ta_stride2_inputs.h"
#include "ta_stride2_outputs.h"
#include "ta_tiles.h"
#include "tinyanime/fast_code.h"

/* 3x3, stride 2, by even and odd rows and columns. One dimension, with inputs d[5], weights g[3], outputs y[2]:
 *     v = d0 - d2, d2, d2 - d4, d1, d3
 *     u = g0, g0 + g2, g2, g1, g1
 *     m = u * v
 *     y0 = m0 + m1 + m3, y1 = m1 - m2 + m4
 * Even inputs meet g0 and g2 (F(2, 2), 3 multiplications), odd ones g1. In two dimensions |v| <= 4 * 255 and
 * |u| <= 4 * 128; only 16 of the 25 u differ. */
enum { TAPS = 3, INPUTS = 5, OUTPUTS = 2, IN_STEP = 4, PRODUCTS = INPUTS * INPUTS, PANELS = 16 };

static inline uint32_t widen(const int8_t *bytes, uint32_t half) {
    return half == 0u ? ta_number_even(0, ta_load_word(bytes)) : ta_number_odd(0, ta_load_word(bytes));
}

/* The u of a row of taps, to panels from `panel` on; returns the place of the next row. */
static inline uint32_t *store_weights(uint32_t g0, uint32_t g1, uint32_t g2, uint32_t *panel, uint32_t panel_stride) {
    uint32_t *later = ta_steps_behind(panel, 2, panel_stride);
    *panel = ta_lanes_of(g0);
    *ta_steps_behind(panel, 1, panel_stride) = ta_lanes_of(ta_add_numbers(g0, g2));
    *later = ta_lanes_of(g2);
    *ta_steps_behind(later, 1, panel_stride) = ta_lanes_of(g1);
    return ta_steps_behind(later, 2, panel_stride);
}

static inline void transform_taps(const int8_t *weights, uint32_t half, uint32_t *panel, uint32_t panel_stride) {
    uint32_t g[TAPS][TAPS];
    for (uint32_t row = 0; row < TAPS; row++) {
        for (uint32_t column = 0; column < TAPS; column++) {
            g[row][column] = widen(weights + (row * TAPS + column) * TA_QUAD, half);
        }
    }
    panel = store_weights(g[0][0], g[0][1], g[0][2], panel, panel_stride);
    panel = store_weights(ta_add_numbers(g[0][0], g[2][0]), ta_add_numbers(g[0][1], g[2][1]),
                          ta_add_numbers(g[0][2], g[2][2]), panel, panel_stride);
    panel = store_weights(g[2][0], g[2][1], g[2][2], panel, panel_stride);
    store_weights(g[1][0], g[1][1], g[1][2], panel, panel_stride);
}

TA_FAST_CODE(ta_stride2_weights)
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

static const uint8_t round_ends[] = {PRODUCTS};

#define ROW(row, panel)                                                                                                \
    {5 * (row), 4 * (panel)}, {5 * (row) + 1, 4 * (panel) + 1}, {5 * (row) + 2, 4 * (panel) + 2},                      \
        {5 * (row) + 3, 4 * (panel) + 3}, {                                                                            \
        5 * (row) + 4, 4 * (panel) + 3                                                                                 \
    }
static const ta_tile_product product_list[PRODUCTS] = {ROW(0, 0), ROW(1, 1), ROW(2, 2), ROW(3, 3), ROW(4, 3)};

static const ta_tile_kind kind = {.out_size = OUTPUTS,
                                  .in_size = INPUTS,
                                  .in_step = IN_STEP,
                                  .inputs = PRODUCTS,
                                  .products = PRODUCTS,
                                  .rounds = 1,
                                  .panels = PANELS,
                                  .round_ends = round_ends,
                                  .product_list = product_list,
                                  .transform_inputs = ta_stride2_inputs,
                                  .transform_weights = transform_weights,
                                  .transform_outputs = ta_stride2_outputs};

uint32_t ta_convolve_stride2_s8_scratch_bytes(const ta_convolution *layer) {
    return ta_tiles_scratch_bytes(&kind, layer);
}

ta_status ta_convolve_stride2_s8(const ta_convolution *layer, const ta_rows *rows, const ta_weights *weights,
                                 void *scratch, uint32_t scratch_bytes) {
    return ta_tiles_convolve_strided(&kind, 2, layer, rows, weights, scratch, scratch_bytes);
}
