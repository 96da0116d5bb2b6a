/* Convolutions by tiles: the order of work that Winograd's algorithms and their relatives share. Private to
 * firmware/kernels.
 *
 * The outputs of a call are cut into tiles of out_size x out_size, row of tiles by row of tiles, from out_row_begin on;
 * those at the right and bottom may be cut. A tile's in_size x in_size inputs become `inputs` transformed ones, the
 * 3x3 weights of an output channel become transformed ones, `products` pairs of them are multiplied and summed over the
 * input channels, and the products' sums become the outputs. Per block of tiles (`layer->block` of them, neighbours in
 * the order above):
 *
 *     transform the inputs of all tiles into panels V[inputs][pairs of tiles][words][2 tiles];
 *     for each 4 output channels:
 *         for each round: transform their weights into panels U[panels][words][4 channels],
 *                         sums[product] = V[product.input] * U[product.weight] for the round's products;
 *         transform sums[groups of 8 tiles][products][4 pairs of tiles][4 channels][2 tiles] into outputs.
 *
 * A team of cores shares V, U and sums: it divides the tiles for their inputs and outputs, the input channels for the
 * weights, the tiles or the products for these, and meets behind each of these parts.
 *
 * Rounds keep U small: one holds the weights of some of the products. A word is two input channels of a group of four
 * (a *quad*): 0 (low) and 2, or 1 (low) and 3, in this order; weights are [quads][9 taps][4]. */
#ifndef TA_TILES_H
#define TA_TILES_H

#include <stdint.h>

#include "ta_gemm_s16.h"
#include "ta_lanes.h"
#include "tinyanime/convolve.h"

#define TA_TAPS 9u
#define TA_QUAD 4u
#define TA_QUAD_WORDS 2u

/* The inputs of one tile, 4 bytes of channels at a time: pixel (row, column) of quad q is the word at
 * first + row * row_bytes + column * pixel_bytes + q * TA_QUAD, aligned to 4 bytes. */
typedef struct {
    const int8_t *first;
    uint32_t row_bytes, pixel_bytes;
    uint32_t quads;
    int32_t in_offset;
} ta_tile_inputs;

#define TA_TILE_PAIRS 4u /* Of a group: the distance between sums of two products is a constant, as loads want it. */
#define TA_TILE_SUMS (TA_TILE_PAIRS * TA_PANEL_COLUMNS * TA_PANEL_CHANNELS)

/* Where the outputs of one tile go, and from which sums: product p of channel c is at
 * sums[p * TA_TILE_SUMS + c * TA_PANEL_COLUMNS]. The pixel (row, column) of channel c goes to
 * output[row * row_bytes + column * pixel_bytes + c]. `surplus` [out_size * out_size] is for kinds with `find_surplus`.
 */
typedef struct {
    const int32_t *sums;
    const int32_t *surplus;
    const ta_channel *channels;
    uint32_t channel_count; /* 1 to TA_PANEL_CHANNELS. */
    int8_t *output;
    uint32_t row_bytes, pixel_bytes;
    int32_t minimum, maximum;
} ta_tile_outputs;

typedef struct {
    uint8_t input;  /* Index into V. */
    uint8_t weight; /* Index into U of the round. */
} ta_tile_product;

/* One algorithm. */
typedef struct {
    uint8_t out_size;     /* Output rows and columns of a tile. */
    uint8_t in_size;      /* Input rows and columns it reads, at most TA_TILE_MOST_INPUTS. */
    uint8_t in_step;      /* Input rows and columns from one tile to the next. */
    uint8_t row_multiple; /* 0, or tiles begin at the last output row up to out_row_begin that is a multiple of it. */
    uint8_t inputs;       /* Transformed inputs of a tile. */
    uint8_t products;
    uint8_t rounds;
    uint8_t panels;                      /* The largest number of transformed weights of a round, >= in_size^2 / 4. */
    const uint8_t *round_ends;           /* [rounds]: the index behind the round's last product. */
    const ta_tile_product *product_list; /* [products] */
    /* Writes the word w of input i to panels[i * input_stride + w * TA_PANEL_COLUMNS], for all quads. */
    void (*transform_inputs)(const ta_tile_inputs *tile, uint32_t *panels, uint32_t input_stride);
    /* Writes the word w of panel p to panels[p * panel_stride + w * TA_PANEL_CHANNELS], from the weights of one output
     * channel. */
    void (*transform_weights)(uint32_t round, const int8_t *weights, uint32_t quads, uint32_t *panels,
                              uint32_t panel_stride);
    /* Requantizes and stores. */
    void (*transform_outputs)(const ta_tile_outputs *tile);
    /* NULL, or for kinds that add constants to the weights of low lanes: what takes them off the outputs of a tile,
     * from the sums over low lanes of each of its inputs. */
    void (*find_surplus)(const int32_t *input_sums, int32_t *surplus);
} ta_tile_kind;

#define TA_TILE_MOST_INPUTS 6u
#define TA_TILE_MOST_OUTPUTS 4u

/* Bytes of working memory: V, U, sums, surpluses. UINT32_MAX where it is more. */
uint32_t ta_tiles_scratch_bytes(const ta_tile_kind *kind, const ta_convolution *layer);

/* What all kinds refuse: what ta_convolution.h does, another kernel than 3x3, dilation, too little working memory. */
ta_status ta_tiles_check(const ta_tile_kind *kind, const ta_convolution *layer, const ta_rows *rows,
                         const ta_weights *weights, uint32_t scratch_bytes);

/* Computes a call that was checked. The first input of the first tile is at (first_row, first_column) of the input map;
 * inputs outside of the map and rows that are not readable count as the zero point. */
void ta_tiles_convolve(const ta_tile_kind *kind, const ta_convolution *layer, const ta_rows *rows,
                       const ta_weights *weights, int32_t first_row, int32_t first_column, uint32_t *scratch);

/* A whole call of a kind whose tiles begin at out_row_begin, for a convolution of stride `stride`. */
ta_status ta_tiles_convolve_strided(const ta_tile_kind *kind, uint32_t stride, const ta_convolution *layer,
                                    const ta_rows *rows, const ta_weights *weights, void *scratch,
                                    uint32_t scratch_bytes);

/* The word `steps` strides of `stride` words behind `place`. The compiler must not know that addresses differ by
 * multiples of one stride: it else keeps all of them in memory. */
static inline uint32_t *ta_steps_behind(uint32_t *place, uint32_t steps, uint32_t stride) {
    __asm("" : "+r"(stride));
    return place + steps * stride;
}

/* Limits the stored outputs of a tile of out_size x out_size to its range. */
void ta_tiles_clamp(const ta_tile_outputs *tile, uint32_t out_size);

static inline int ta_tile_is_clamped(const ta_tile_outputs *tile) {
    return tile->minimum > INT8_MIN || tile->maximum < INT8_MAX;
}

/* The int8 value of `doubled`, twice a sum with its bias; see ta_doubled_value. */
static inline int32_t ta_tile_value(const ta_channel *channel, int32_t doubled) {
    int32_t value = ta_doubled_value(channel, doubled);
#if defined(__ARM_FEATURE_SAT)
    __asm("ssat %0, #8, %0" : "+r"(value));
    return value;
#else
    return ta_clamped(value, INT8_MIN, INT8_MAX);
#endif
}

#endif
