#include "ta_tiles.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "ta_convolution.h"
#include "tinyanime/fast_code.h"
#include "tinyanime/share.h"

/* Work of a call in tiles, and the parts of the working memory, which all cores of a team share. */
typedef struct {
    const ta_tile_kind *kind;
    const ta_convolution *layer;
    const ta_rows *rows;
    int32_t first_row, first_column;
    uint32_t tile_columns; /* Tiles in a row of tiles. */
    uint32_t rows_above;   /* Output rows of the first row of tiles that are not computed. */
    uint32_t quads, words;
    uint32_t pairs; /* Of tiles, in the current block. */
    uint32_t *inputs;
    uint32_t *weights;
    int32_t *sums;
    int32_t *surplus; /* [tiles of a block][out_size * out_size] */
} tile_work;

enum {
    KERNEL_SIZE = 3,
    GROUP = TA_TILE_PAIRS * TA_PANEL_COLUMNS,
    PAIR_SUMS = TA_PANEL_COLUMNS * TA_PANEL_CHANNELS,
    SAFE_RUN = 127 /* Quads whose sums of two bytes fit int16. */
};

static uint32_t quads_of(const ta_convolution *layer) {
    return ((uint32_t)layer->in_channels + TA_QUAD - 1u) / TA_QUAD;
}

static uint32_t tiles_along(uint32_t outputs, uint32_t size) {
    return (outputs + size - 1u) / size;
}

static uint32_t sum_words(const ta_tile_kind *kind, uint32_t block) {
    return (block + GROUP - 1u) / GROUP * kind->products * TA_TILE_SUMS;
}

static uint32_t surplus_words(const ta_tile_kind *kind, uint32_t block) {
    return kind->find_surplus == NULL ? 0u : block * kind->out_size * kind->out_size;
}

uint32_t ta_tiles_scratch_bytes(const ta_tile_kind *kind, const ta_convolution *layer) {
    const uint64_t words = (uint64_t)TA_QUAD_WORDS * quads_of(layer);
    const uint64_t inputs = (uint64_t)kind->inputs * layer->block * words;
    const uint64_t weights = (uint64_t)kind->panels * TA_PANEL_CHANNELS * words;
    const uint64_t sums = sum_words(kind, layer->block) + surplus_words(kind, layer->block);
    const uint64_t bytes = (inputs + weights + sums) * sizeof(uint32_t);
    return bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)bytes;
}

/* Output rows of the first tile row that lie above the call's. */
static uint32_t rows_above(const ta_tile_kind *kind, const ta_rows *rows) {
    return kind->row_multiple > 1u ? (uint32_t)rows->out_row_begin % kind->row_multiple : 0u;
}

/* Tiles of a call. */
static uint32_t tile_count(const ta_tile_kind *kind, const ta_convolution *layer, const ta_rows *rows) {
    const uint32_t height = (uint32_t)(rows->out_row_end - rows->out_row_begin) + rows_above(kind, rows);
    return tiles_along(layer->out_width, kind->out_size) * tiles_along(height, kind->out_size);
}

ta_status ta_tiles_check(const ta_tile_kind *kind, const ta_convolution *layer, const ta_rows *rows,
                         const ta_weights *weights, uint32_t scratch_bytes) {
    if (!ta_convolution_is_valid(layer) || !ta_rows_are_valid(layer, rows) || !ta_weights_are_valid(layer, weights) ||
        layer->kernel_height != KERNEL_SIZE || layer->kernel_width != KERNEL_SIZE || layer->dilation_height != 1u ||
        layer->dilation_width != 1u || rows->packed > (tile_count(kind, layer, rows) <= layer->block ? 1u : 0u)) {
        return TA_ERROR_ARGUMENT;
    }
    return scratch_bytes < ta_tiles_scratch_bytes(kind, layer) ? TA_ERROR_SCRATCH : TA_OK;
}

/* Copies the inputs of a tile whose first one is at (row, column) to a dense patch, of whole quads of channels each. */
TA_FAST_CODE(ta_tiles_gather)
static void gather_inputs(const tile_work *work, int32_t row, int32_t column, int8_t *patch) {
    const ta_convolution *layer = work->layer;
    const uint32_t channels = layer->in_channels, pixel_bytes = work->quads * TA_QUAD;
    const int32_t zero_point = -(int32_t)layer->in_offset;
    const int32_t row_begin = work->rows->in_row_begin, row_end = row_begin + work->rows->in_rows;
    for (int32_t y = row; y < row + work->kind->in_size; y++) {
        for (int32_t x = column; x < column + work->kind->in_size; x++, patch += pixel_bytes) {
            uint32_t copied = 0;
            if (y >= row_begin && y < row_end && x >= 0 && x < (int32_t)layer->in_width) {
                const uint32_t pixel = (uint32_t)(y - row_begin) * layer->in_width + (uint32_t)x;
                memcpy(patch, work->rows->input + (size_t)pixel * channels, channels);
                copied = channels;
            }
            memset(patch + copied, zero_point, pixel_bytes - copied);
        }
    }
}

static int is_inside(const tile_work *work, int32_t row, int32_t column) {
    const int32_t size = work->kind->in_size, row_begin = work->rows->in_row_begin;
    return row >= row_begin && row + size <= row_begin + work->rows->in_rows && column >= 0 &&
           column + size <= work->layer->in_width;
}

/* The sum of bytes 0 and 1 of `quads` words, at most SAFE_RUN. */
static inline int32_t low_lanes(const int8_t *bytes, uint32_t quads) {
    uint32_t lanes = 0;
    if (quads % 2u != 0u) {
        const uint32_t word = ta_load_word(bytes);
        lanes = ta_widen_odd(ta_widen_even(0, word), word);
        bytes += TA_QUAD;
    }
    for (quads /= 2u; quads != 0u; quads--) {
        const uint32_t word = ta_load_word(bytes), next = ta_load_word(bytes + TA_QUAD);
        lanes = ta_widen_odd(ta_widen_even(lanes, word), word);
        lanes = ta_widen_odd(ta_widen_even(lanes, next), next);
        bytes += 2u * TA_QUAD;
    }
    return (int16_t)(lanes & 0xFFFFu);
}

/* The sums of the low lanes (bytes 0 and 1 of every quad) of each of size x size inputs, minus the zero point. */
TA_FAST_CODE(ta_tiles_sum)
static void sum_inputs(const ta_tile_inputs *tile, uint32_t size, int32_t *sums) {
    const ta_tile_inputs from = *tile;
    for (uint32_t index = 0; index < size * size; index++) {
        sums[index] = (int32_t)(TA_QUAD_WORDS * from.quads) * from.in_offset;
    }
    for (uint32_t begin = 0; begin < from.quads; begin += SAFE_RUN) {
        const uint32_t run = from.quads - begin < SAFE_RUN ? from.quads - begin : SAFE_RUN;
        const int8_t *row = from.first + begin * TA_QUAD;
        int32_t *sum = sums;
        for (uint32_t y = 0; y < size; y++) {
            const int8_t *pixel = row;
            for (const int32_t *end = sum + size; sum != end; sum++) {
                *sum += low_lanes(pixel, run);
                pixel += from.pixel_bytes;
            }
            row += from.row_bytes;
        }
    }
}

/* Transforms the inputs of one tile into its column of the panels. */
TA_FAST_CODE(ta_tiles_inputs)
static void transform_tile(const tile_work *work, uint32_t tile, uint32_t column_in_block) {
    const ta_tile_kind *kind = work->kind;
    const uint32_t channels = work->layer->in_channels;
    const int32_t row = work->first_row + (int32_t)(tile / work->tile_columns * kind->in_step);
    const int32_t column = work->first_column + (int32_t)(tile % work->tile_columns * kind->in_step);
    uint32_t *panels = work->inputs + column_in_block / TA_PANEL_COLUMNS * TA_PANEL_COLUMNS * work->words +
                       column_in_block % TA_PANEL_COLUMNS;
    ta_tile_inputs inputs = {.quads = work->quads, .in_offset = work->layer->in_offset};
    if (is_inside(work, row, column) && channels % TA_QUAD == 0u) {
        const uint32_t pixel = (uint32_t)(row - work->rows->in_row_begin) * work->layer->in_width + (uint32_t)column;
        inputs.first = work->rows->input + (size_t)pixel * channels;
        inputs.row_bytes = channels * work->layer->in_width;
        inputs.pixel_bytes = channels;
    } else {
        /* The weights' room, not in use now, holds two patches at least: see `panels`. */
        inputs.pixel_bytes = work->quads * TA_QUAD;
        inputs.row_bytes = kind->in_size * inputs.pixel_bytes;
        int8_t *patch = (int8_t *)work->weights + ta_team_rank() * kind->in_size * inputs.row_bytes;
        gather_inputs(work, row, column, patch);
        inputs.first = patch;
    }
    kind->transform_inputs(&inputs, panels, TA_PANEL_COLUMNS * work->pairs * work->words);
    if (kind->find_surplus != NULL) {
        int32_t input_sums[TA_TILE_MOST_INPUTS * TA_TILE_MOST_INPUTS];
        sum_inputs(&inputs, kind->in_size, input_sums);
        kind->find_surplus(input_sums, work->surplus + column_in_block * kind->out_size * kind->out_size);
    }
}

TA_FAST_CODE(ta_tiles_clamp)
void ta_tiles_clamp(const ta_tile_outputs *tile, uint32_t out_size) {
    for (uint32_t y = 0; y < out_size; y++) {
        for (uint32_t x = 0; x < out_size; x++) {
            int8_t *pixel = tile->output + y * tile->row_bytes + x * tile->pixel_bytes;
            for (uint32_t channel = 0; channel < tile->channel_count; channel++) {
                pixel[channel] = ta_clamped(pixel[channel], tile->minimum, tile->maximum);
            }
        }
    }
}

/* Transforms the weights of `count` output channels for a round: the calling core's share of the input channels. */
static inline void transform_weights(const tile_work *work, uint32_t round, const int8_t *weights, uint32_t count) {
    const uint32_t weight_words = TA_PANEL_CHANNELS * work->words;
    const uint32_t channel_bytes = work->quads * TA_TAPS * TA_QUAD;
    const ta_share quads = ta_share_of(work->quads, 1);
    uint32_t *panels = work->weights + quads.begin * TA_QUAD_WORDS * TA_PANEL_CHANNELS;
    weights += quads.begin * TA_TAPS * TA_QUAD;
    if (TA_CORES > 1 && ta_share_count(quads) == 0u) {
        return;
    }
    for (uint32_t channel = 0; channel < count; channel++) {
        work->kind->transform_weights(round, weights + channel * channel_bytes, ta_share_count(quads), panels + channel,
                                      weight_words);
    }
}

/* One product of some pairs of tiles; `columns` and `sums` are those of pair 0. */
static inline void multiply_pairs(const uint32_t *columns, const uint32_t *panel, uint32_t words, ta_share pairs,
                                  int32_t *sums, uint32_t group_sums) {
    uint32_t left = ta_share_count(pairs), ahead = pairs.begin % TA_TILE_PAIRS;
    columns += TA_PANEL_COLUMNS * pairs.begin * words;
    sums += pairs.begin / TA_TILE_PAIRS * group_sums;
    for (; left > TA_TILE_PAIRS - ahead; ahead = 0) {
        const uint32_t run = TA_TILE_PAIRS - ahead;
        ta_gemm_s16(columns, panel, words, run, sums + ahead * PAIR_SUMS);
        columns += TA_PANEL_COLUMNS * run * words;
        sums += group_sums;
        left -= run;
    }
    ta_gemm_s16(columns, panel, words, left, sums + ahead * PAIR_SUMS);
}

/* All products of `count` output channels whose weights begin at `weights`. The cores of a team deal out the products
 * of a round, and divide the pairs of tiles of what is left over. */
TA_FAST_CODE(ta_tiles_products)
static void multiply(const tile_work *work, const int8_t *weights, uint32_t count) {
    const ta_tile_kind *kind = work->kind;
    const uint32_t input_words = TA_PANEL_COLUMNS * work->pairs * work->words;
    const uint32_t weight_words = TA_PANEL_CHANNELS * work->words;
    const uint32_t words = work->words, group_sums = kind->products * TA_TILE_SUMS;
    const bool alone = ta_team_size() == 1u;
    const uint32_t rank = ta_team_rank();
    const ta_share left_over = ta_share_of(work->pairs, 1);
    const ta_tile_product *product = kind->product_list;
    int32_t *sums = work->sums;
    for (uint32_t round = 0; round < kind->rounds; round++) {
        transform_weights(work, round, weights, count);
        ta_team_meet();
        const ta_tile_product *end = kind->product_list + kind->round_ends[round];
        const ta_tile_product *dealt_end = product + (uint32_t)(end - product) / TA_CORES * TA_CORES;
        for (uint32_t turn = 0; product != end; product++, turn++, sums += TA_TILE_SUMS) {
            ta_share pairs = {0, work->pairs};
            if (TA_CORES > 1 && product >= dealt_end) {
                pairs = left_over;
            } else if (TA_CORES > 1 && !alone && turn % TA_CORES != rank) {
                continue;
            }
            if (TA_CORES == 1 || ta_share_count(pairs) != 0u) {
                multiply_pairs(work->inputs + product->input * input_words,
                               work->weights + product->weight * weight_words, words, pairs, sums, group_sums);
            }
        }
        ta_team_meet();
    }
}

/* The outputs of one tile at its place in the map; those behind the last row or column are dropped. */
TA_FAST_CODE(ta_tiles_outputs)
static void store_tile(const tile_work *work, uint32_t tile, ta_tile_outputs *outputs, uint32_t first_channel) {
    const uint32_t size = work->kind->out_size, channels = work->layer->out_channels, width = work->layer->out_width;
    const uint32_t row = tile / work->tile_columns * size, column = tile % work->tile_columns * size;
    const uint32_t first = row == 0u ? work->rows_above : 0u, row_in_band = row + first - work->rows_above;
    const uint32_t rows_left = (uint32_t)(work->rows->out_row_end - work->rows->out_row_begin) - row_in_band + first;
    const uint32_t columns_left = width - column;
    int8_t *place = work->rows->output + ((size_t)row_in_band * width + column) * channels + first_channel;
    if (first == 0u && rows_left >= size && columns_left >= size) {
        outputs->output = place;
        outputs->row_bytes = width * channels;
        outputs->pixel_bytes = channels;
        work->kind->transform_outputs(outputs);
        return;
    }
    int8_t whole[TA_TILE_MOST_OUTPUTS * TA_TILE_MOST_OUTPUTS * TA_PANEL_CHANNELS];
    outputs->output = whole;
    outputs->row_bytes = size * TA_PANEL_CHANNELS;
    outputs->pixel_bytes = TA_PANEL_CHANNELS;
    work->kind->transform_outputs(outputs);
    for (uint32_t y = first; y < size && y < rows_left; y++) {
        for (uint32_t x = 0; x < size && x < columns_left; x++) {
            memcpy(place + ((size_t)(y - first) * width + x) * channels, whole + (y * size + x) * TA_PANEL_CHANNELS,
                   outputs->channel_count);
        }
    }
}

/* One block: `count` tiles from `first` on, whose inputs are transformed; the calling core's share of all channels of
 * `weights`. */
TA_FAST_CODE(ta_tiles_block)
static void convolve_block(const tile_work *work, const ta_weights *weights, uint32_t first, uint32_t count) {
    const uint32_t channel_bytes = work->quads * TA_TAPS * TA_QUAD;
    for (uint32_t channel = 0; channel < weights->channels; channel += TA_PANEL_CHANNELS) {
        const uint32_t left = weights->channels - channel;
        const uint32_t channels = left < TA_PANEL_CHANNELS ? left : TA_PANEL_CHANNELS;
        const uint32_t first_channel = weights->first_channel + channel;
        multiply(work, weights->data + (size_t)channel * channel_bytes, channels);
        ta_tile_outputs outputs = {.channels = work->layer->channels + first_channel,
                                   .channel_count = channels,
                                   .minimum = work->layer->minimum,
                                   .maximum = work->layer->maximum};
        for (uint32_t tile = ta_team_rank(); tile < count; tile += ta_team_size()) {
            const uint32_t in_group = tile % GROUP;
            outputs.sums = work->sums + tile / GROUP * work->kind->products * TA_TILE_SUMS +
                           in_group / TA_PANEL_COLUMNS * TA_PANEL_COLUMNS * TA_PANEL_CHANNELS +
                           in_group % TA_PANEL_COLUMNS;
            if (work->surplus != NULL) {
                outputs.surplus = work->surplus + tile * work->kind->out_size * work->kind->out_size;
            }
            store_tile(work, first + tile, &outputs, first_channel);
        }
    }
}

TA_FAST_CODE(ta_tiles_convolve)
void ta_tiles_convolve(const ta_tile_kind *kind, const ta_convolution *layer, const ta_rows *rows,
                       const ta_weights *weights, int32_t first_row, int32_t first_column, uint32_t *scratch) {
    const uint32_t words = TA_QUAD_WORDS * quads_of(layer);
    const uint32_t tile_columns = tiles_along(layer->out_width, kind->out_size);
    const uint32_t tiles = tile_count(kind, layer, rows);
    uint32_t *panels = scratch + (size_t)kind->inputs * layer->block * words;
    int32_t *sums = (int32_t *)(panels + (size_t)kind->panels * TA_PANEL_CHANNELS * words);
    tile_work work = {.kind = kind,
                      .layer = layer,
                      .rows = rows,
                      .first_row = first_row,
                      .first_column = first_column,
                      .tile_columns = tile_columns,
                      .rows_above = rows_above(kind, rows),
                      .quads = words / TA_QUAD_WORDS,
                      .words = words,
                      .inputs = scratch,
                      .weights = panels,
                      .sums = sums,
                      .surplus = kind->find_surplus == NULL ? NULL : sums + sum_words(kind, layer->block)};
    for (uint32_t first = 0; first < tiles; first += layer->block) {
        const uint32_t left = tiles - first, count = left < layer->block ? left : layer->block;
        work.pairs = (count + TA_PANEL_COLUMNS - 1u) / TA_PANEL_COLUMNS;
        if (TA_CORES > 1 && first != 0u) {
            ta_team_meet(); /* Nobody needs the last block's surpluses any more. */
        }
        /* Tiles at the edges take longer: dealt out one by one they are shared evenly. */
        for (uint32_t tile = ta_team_rank(); rows->packed == 0u && tile < count; tile += ta_team_size()) {
            transform_tile(&work, first + tile, tile);
        }
        ta_team_meet();
        convolve_block(&work, weights, first, count);
    }
}

ta_status ta_tiles_convolve_strided(const ta_tile_kind *kind, uint32_t stride, const ta_convolution *layer,
                                    const ta_rows *rows, const ta_weights *weights, void *scratch,
                                    uint32_t scratch_bytes) {
    const ta_status status = ta_tiles_check(kind, layer, rows, weights, scratch_bytes);
    if (status == TA_ERROR_ARGUMENT || layer->stride_height != stride || layer->stride_width != stride ||
        !ta_windows_are_readable(layer, rows)) {
        return TA_ERROR_ARGUMENT;
    }
    if (status == TA_OK) {
        ta_tiles_convolve(kind, layer, rows, weights, ta_input_row(layer, rows->out_row_begin, 0),
                          -(int32_t)layer->pad_left, scratch);
    }
    return status;
}
