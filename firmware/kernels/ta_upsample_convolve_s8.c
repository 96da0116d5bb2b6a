#include "tinyanime/convolve.h"
#include "tinyanime/fast_code.h"

#include "ta_gemm_s16.h"
#include "ta_upsample_tile.h"

/* Panels, working memory and geometry of one call. Tiles are numbered along rows of tiles. */
typedef struct {
    const ta_convolution *layer;
    const ta_rows *rows;
    const ta_weights *weights;
    uint32_t words;                /* Words of a column: input channels rounded up to a multiple of 4, halved. */
    uint32_t tiles_per_row, tiles; /* Of the call. */
    uint32_t *inputs;              /* [16][pairs][words][2] */
    uint32_t *filter;              /* [25][words][4] */
    int32_t *sums;                 /* [25][TA_UPSAMPLE_PAIRS][4][2] */
    int8_t *patch;                 /* [4][4][2 * words] */
} upsampling;

/* Tiles [first, first + count) of the call. */
typedef struct {
    uint32_t first, count;
} tile_range;

static uint32_t words_of(const ta_convolution *layer) {
    return 2u * ((layer->in_channels + 3u) / 4u);
}

static uint32_t input_words(const ta_convolution *layer) {
    return TA_UPSAMPLE_INPUTS * layer->block * words_of(layer) + TA_PANEL_OVERREAD / 4u;
}

static uint32_t filter_words(const ta_convolution *layer) {
    return TA_UPSAMPLE_PRODUCTS * TA_PANEL_CHANNELS * words_of(layer) + TA_PANEL_OVERREAD / 4u;
}

enum { SUM_WORDS = TA_UPSAMPLE_PRODUCTS * TA_UPSAMPLE_STRIDE };

uint32_t ta_upsample_convolve_s8_scratch_bytes(const ta_convolution *layer) {
    const uint32_t patch_bytes = 16u * 2u * words_of(layer);
    return 4u * (input_words(layer) + filter_words(layer) + SUM_WORDS) + patch_bytes;
}

static bool layer_is_valid(const ta_convolution *p) {
    return p->in_height != 0 && p->in_width != 0 && p->in_channels != 0 && p->out_channels != 0 &&
           p->out_height == 2u * p->in_height && p->out_width == 2u * p->in_width && p->kernel_height == 3 &&
           p->kernel_width == 3 && p->stride_height == 1 && p->stride_width == 1 && p->dilation_height == 1 &&
           p->dilation_width == 1 && p->pad_top == 1 && p->pad_left == 1 && p->block >= 2 && p->block <= 1024 &&
           p->block % 2u == 0 && p->in_offset >= -127 && p->in_offset <= 128 && p->minimum <= p->maximum;
}

/* Whether the rows that the computed ones need are readable. */
static bool rows_are_valid(const ta_convolution *p, const ta_rows *rows) {
    const uint32_t begin = rows->out_row_begin, end = rows->out_row_end;
    const uint32_t first = begin == 0 ? 0 : (begin - 1u) / 2u;
    const uint32_t behind = end / 2u + 1u < p->in_height ? end / 2u + 1u : p->in_height;
    return begin % 2u == 0 && begin < end && end <= p->out_height && rows->in_row_begin <= first &&
           (uint32_t)rows->in_row_begin + rows->in_rows >= behind;
}

static bool weights_are_valid(const ta_convolution *p, const ta_weights *weights) {
    return weights->channels != 0 && weights->first_channel % 4u == 0 &&
           (uint32_t)weights->first_channel + weights->channels <= p->out_channels;
}

/* Copies what a tile reads: `size` bytes of every pixel, zero points outside of the map and behind the last channel. */
static void gather_patch(const upsampling *u, int32_t row, int32_t column) {
    const ta_convolution *p = u->layer;
    const uint32_t pixel_bytes = 2u * u->words;
    const int32_t readable = (int32_t)u->rows->in_row_begin + u->rows->in_rows;
    const int32_t end = readable < p->in_height ? readable : p->in_height;
    memset(u->patch, -p->in_offset, 16u * (size_t)pixel_bytes);
    for (int32_t pixel = 0; pixel < 16; pixel++) {
        const int32_t y = row + pixel / 4, x = column + pixel % 4;
        if (y >= u->rows->in_row_begin && y < end && x >= 0 && x < p->in_width) {
            const size_t at = (size_t)(y - u->rows->in_row_begin) * p->in_width + (size_t)x;
            memcpy(u->patch + (size_t)pixel * pixel_bytes, u->rows->input + at * p->in_channels, p->in_channels);
        }
    }
}

/* `pixels` points at the tile's upper left input, `to` at its first word; `stride` is in bytes. */
TA_FAST_CODE(ta_upsample_inputs)
static __attribute__((noinline)) void transform_tile(const int8_t *pixels, size_t row_bytes, size_t pixel_bytes,
                                                     uint32_t offset, uint32_t words, uint32_t *to, size_t stride) {
    for (uint32_t word = 0; word < words; word += 2) {
        ta_transform_inputs(pixels, row_bytes, pixel_bytes, offset, false, to, stride);
        to += TA_PANEL_COLUMNS;
        ta_keep_order();
        ta_transform_inputs(pixels, row_bytes, pixel_bytes, offset, true, to, stride);
        to += TA_PANEL_COLUMNS;
        pixels += 4;
    }
}

static void pack_inputs(const upsampling *u, tile_range tiles) {
    const ta_convolution *p = u->layer;
    const uint32_t offset = ((uint32_t)p->in_offset & 0xFFFFu) * 0x10001u;
    const size_t stride = (tiles.count + 1u) / 2u * u->words * TA_PANEL_COLUMNS * 4u;
    const bool aligned = p->in_channels % 4u == 0 && (uintptr_t)u->rows->input % 4u == 0;
    const size_t row_bytes = (size_t)p->in_width * p->in_channels;
    const int32_t first_row = u->rows->in_row_begin;
    for (uint32_t index = 0; index < tiles.count; index++) {
        const uint32_t tile = tiles.first + index;
        const int32_t row = (int32_t)(u->rows->out_row_begin / 2u + tile / u->tiles_per_row * 2u) - 1;
        const int32_t column = (int32_t)(tile % u->tiles_per_row * 2u) - 1;
        uint32_t *to = u->inputs + (size_t)(index / 2u) * u->words * TA_PANEL_COLUMNS + index % 2u;
        const bool inside = row >= first_row && row + 4 <= first_row + u->rows->in_rows && row + 4 <= p->in_height &&
                            column >= 0 && column + 4 <= p->in_width;
        if (aligned && inside) {
            const int8_t *pixels =
                u->rows->input + (size_t)(row - first_row) * row_bytes + (size_t)column * p->in_channels;
            transform_tile(pixels, row_bytes, p->in_channels, offset, u->words, to, stride);
        } else {
            gather_patch(u, row, column);
            transform_tile(u->patch, 8u * u->words, 2u * u->words, offset, u->words, to, stride);
        }
    }
}

/* Transforms the weights of one output channel; `to` is its place in the panel. */
TA_FAST_CODE(ta_upsample_weights)
static __attribute__((noinline)) void transform_channel(const int8_t *taps, uint32_t words, uint32_t *to) {
    const size_t stride = (size_t)words * TA_PANEL_CHANNELS * 4u;
    for (uint32_t word = 0; word < words; word += 2) {
        ta_transform_weights(taps, false, to, stride);
        ta_keep_order();
        ta_transform_weights(taps, true, to + TA_PANEL_CHANNELS, stride);
        taps += 36;
        to += 2 * TA_PANEL_CHANNELS;
    }
}

static void multiply(const upsampling *u, uint32_t panel_pairs, uint32_t pair, uint32_t pairs) {
    const size_t pair_words = (size_t)u->words * TA_PANEL_COLUMNS;
    for (uint32_t row = 0; row < 5; row++) {
        for (uint32_t column = 0; column < 5; column++) {
            const uint32_t product = 5u * row + column,
                           input = 4u * ta_upsample_input_of[row] + ta_upsample_input_of[column];
            ta_gemm_s16(u->inputs + (input * panel_pairs + pair) * pair_words,
                        u->filter + (size_t)product * u->words * TA_PANEL_CHANNELS, u->words, pairs,
                        u->sums + product * TA_UPSAMPLE_STRIDE);
        }
    }
}

/* Where the outputs of a tile go, cut at the ends of the map and of the call's rows. */
typedef struct {
    int8_t *output; /* First channel of the upper left output. */
    uint32_t height, width;
} tile_place;

static tile_place place_of(const upsampling *u, uint32_t tile, uint32_t channel) {
    const ta_convolution *p = u->layer;
    const uint32_t row = tile / u->tiles_per_row * 4u, column = tile % u->tiles_per_row * 4u;
    const uint32_t band = (uint32_t)u->rows->out_row_end - u->rows->out_row_begin;
    return (tile_place){.output = u->rows->output + ((size_t)row * p->out_width + column) * p->out_channels + channel,
                        .height = band - row < 4u ? band - row : 4u,
                        .width = p->out_width - column < 4u ? p->out_width - column : 4u};
}

/* Stores `channels` bytes of each of a tile's 16 words of 4 channels. */
static void store_bytes(const upsampling *u, tile_place to, const uint32_t *values, uint32_t channels) {
    const ta_convolution *p = u->layer;
    for (uint32_t y = 0; y < to.height; y++) {
        for (uint32_t x = 0; x < to.width; x++) {
            int8_t *pixel = to.output + ((size_t)y * p->out_width + x) * p->out_channels;
            const int8_t *from = (const int8_t *)&values[4u * y + x];
            for (uint32_t c = 0; c < channels; c++) {
                pixel[c] = ta_clamped(from[c], p->minimum, p->maximum);
            }
        }
    }
}

/* The same for all 4 channels, whose places are aligned to 4 bytes, of a whole tile. */
static void store_words(const upsampling *u, int8_t *output, const uint32_t *values) {
    const ta_convolution *p = u->layer;
    const uint32_t minimum = (uint8_t)p->minimum * 0x01010101u, maximum = (uint8_t)p->maximum * 0x01010101u;
    const bool clamps = p->minimum != INT8_MIN || p->maximum != INT8_MAX;
    for (uint32_t y = 0; y < 4; y++) {
        int8_t *pixel = output;
        for (uint32_t x = 0; x < 4; x++) {
            const uint32_t value = clamps ? ta_clamp_bytes(*values, minimum, maximum) : *values;
            memcpy(__builtin_assume_aligned(pixel, 4), &value, sizeof value);
            pixel += p->out_channels;
            values++;
        }
        output += (size_t)p->out_width * p->out_channels;
    }
}

TA_FAST_CODE(ta_upsample_outputs)
static __attribute__((noinline)) void transform_channel_outputs(const int32_t *sums, const ta_channel *channel,
                                                                uint8_t *to) {
    const ta_channel copy = *channel;
    ta_transform_outputs(sums, &copy, to);
}

static void finish(const upsampling *u, uint32_t channel, uint32_t channels, tile_range tiles) {
    const bool words = channels == 4u && u->layer->out_channels % 4u == 0 && (uintptr_t)u->rows->output % 4u == 0;
    uint32_t values[16] = {0};
    for (uint32_t index = 0; index < tiles.count; index++) {
        const int32_t *sums = u->sums + index / 2u * 8u + index % 2u;
        for (uint32_t c = 0; c < channels; c++) {
            transform_channel_outputs(sums + TA_PANEL_COLUMNS * c, u->layer->channels + channel + c,
                                      (uint8_t *)values + c);
        }
        const tile_place to = place_of(u, tiles.first + index, channel);
        if (words && to.height == 4u && to.width == 4u) {
            store_words(u, to.output, values);
        } else {
            store_bytes(u, to, values, channels);
        }
    }
}

static void compute_block(const upsampling *u, tile_range tiles) {
    const uint32_t pairs = (tiles.count + 1u) / 2u;
    const size_t channel_bytes = 18u * (size_t)u->words;
    pack_inputs(u, tiles);
    for (uint32_t group = 0; group < u->weights->channels; group += TA_PANEL_CHANNELS) {
        const uint32_t left = u->weights->channels - group;
        const uint32_t channels = left < TA_PANEL_CHANNELS ? left : TA_PANEL_CHANNELS;
        for (uint32_t c = 0; c < channels; c++) {
            transform_channel(u->weights->data + (group + c) * channel_bytes, u->words, u->filter + c);
        }
        for (uint32_t pair = 0; pair < pairs; pair += TA_UPSAMPLE_PAIRS) {
            const uint32_t some = pairs - pair < TA_UPSAMPLE_PAIRS ? pairs - pair : TA_UPSAMPLE_PAIRS;
            const uint32_t behind = 2u * (pair + some) < tiles.count ? 2u * (pair + some) : tiles.count;
            multiply(u, pairs, pair, some);
            finish(u, u->weights->first_channel + group, channels,
                   (tile_range){tiles.first + 2u * pair, behind - 2u * pair});
        }
    }
}

ta_status ta_upsample_convolve_s8(const ta_convolution *layer, const ta_rows *rows, const ta_weights *weights,
                                  void *scratch, uint32_t scratch_bytes) {
    if (!layer_is_valid(layer) || !rows_are_valid(layer, rows) || !weights_are_valid(layer, weights)) {
        return TA_ERROR_ARGUMENT;
    }
    if (scratch_bytes < ta_upsample_convolve_s8_scratch_bytes(layer)) {
        return TA_ERROR_SCRATCH;
    }
    uint32_t *memory = scratch;
    upsampling u = {.layer = layer, .rows = rows, .weights = weights, .words = words_of(layer)};
    u.tiles_per_row = (layer->out_width + 3u) / 4u;
    u.tiles = u.tiles_per_row * (((uint32_t)rows->out_row_end - rows->out_row_begin + 3u) / 4u);
    u.inputs = memory;
    u.filter = u.inputs + input_words(layer);
    u.sums = (int32_t *)(u.filter + filter_words(layer));
    u.patch = (int8_t *)(u.sums + SUM_WORDS);
    for (uint32_t first = 0; first < u.tiles; first += layer->block) {
        const uint32_t left = u.tiles - first;
        compute_block(&u, (tile_range){first, left < layer->block ? left : layer->block});
    }
    return TA_OK;
}
