#include <string.h>

#include "tinyanime/convolve.h"
#include "tinyanime/fast_code.h"

#include "ta_convolution.h"
#include "ta_lanes.h"

/* Four channels at a time: the input rows are widened into words of two rows of one channel, so that one dual
 * multiply-accumulate takes two taps of a kernel column. Row v of the padded map (v = input row + pad_top) is half of
 * pair v / 2, and pair q lies in slot q % pairs of a ring of panels [pairs][columns][4 channels]. An output row reads
 * the whole ring from slot 0 on; the weights are rotated instead, which costs nothing: they stand in memory twice, one
 * behind the other, for windows that begin in an even row and for those that begin in an odd one. Weights are widened
 * to twice their value, since the requantization begins with a doubling. */
#define CHANNELS 4u  /* at a time */
#define TILE 4u      /* output pixels at a time */
#define MAX_SIDE 255 /* of kernel and stride; keeps sizes within 32 bits */

/* Sizes in words. */
typedef struct {
    uint32_t pairs;         /* in the ring, and pairs of rows that a window touches */
    uint32_t panel_columns; /* input columns of a block */
    uint32_t panel;
    uint32_t rotation; /* taps of one alignment of one channel, all of them twice */
    uint32_t channel;  /* taps of one channel */
    uint32_t stage;
} depthwise_sizes;

/* Where the parts of the working memory lie. */
typedef struct {
    uint32_t *panels; /* [pairs][columns][4] */
    uint32_t *taps;   /* [4][even, odd][2 * pairs][kernel_width] */
    uint32_t *stage;  /* [columns]: 4 channels of an output pixel */
} depthwise_memory;

/* The part of the map that is in work: `lanes` channels from `channel` on, `columns` outputs from `column` on. */
typedef struct {
    uint32_t channel, lanes;
    uint32_t column, columns;
} depthwise_part;

static inline uint32_t at_least(uint32_t value, uint32_t least) {
    return value < least ? least : value;
}

static inline uint32_t at_most(uint32_t value, uint32_t most) {
    return value > most ? most : value;
}

static uint32_t rounded_up(uint32_t value, uint32_t step) {
    return (value + step - 1u) / step * step;
}

static depthwise_sizes sizes_of(const ta_convolution *layer) {
    depthwise_sizes sizes;
    sizes.pairs = layer->kernel_height / 2u + 1u;
    sizes.panel_columns = (rounded_up(layer->block, TILE) - 1u) * layer->stride_width + layer->kernel_width;
    sizes.panel = CHANNELS * sizes.panel_columns;
    sizes.rotation = 2u * sizes.pairs * layer->kernel_width;
    sizes.channel = 2u * sizes.rotation;
    sizes.stage = rounded_up(layer->block, TILE);
    return sizes;
}

uint32_t ta_depthwise_s8_scratch_bytes(const ta_convolution *layer) {
    const depthwise_sizes sizes = sizes_of(layer);
    return 4u * (sizes.pairs * sizes.panel + CHANNELS * sizes.channel + sizes.stage);
}

/* The first `count` bytes at `bytes`, then zeros. */
static inline uint32_t load_bytes(const int8_t *bytes, uint32_t count) {
    uint32_t word = 0;
    for (uint32_t i = 0; i < count; i++) {
        word |= (uint32_t)(uint8_t)bytes[i] << (8u * i);
    }
    return word;
}

/* Four channels of a pixel in two rows, from the bytes of each row. */
static inline void widen_pixel(uint32_t *to, uint32_t offsets, uint32_t upper, uint32_t lower) {
    const uint32_t front = ta_low_lanes(upper, lower), back = ta_high_lanes(upper, lower);
    to[0] = ta_widen_even(offsets, front);
    to[1] = ta_widen_odd(offsets, front);
    to[2] = ta_widen_even(offsets, back);
    to[3] = ta_widen_odd(offsets, back);
}

/* A row of input pixels: the first one, and the bytes from one to the next. A row outside of the map is one pixel of
 * zero points that is read again and again. */
typedef struct {
    const int8_t *pixel;
    uint32_t step;
} source_row;

/* Widens `count` pixels of two rows; `lanes` channels are readable. */
TA_FAST_CODE(ta_depthwise_widen)
static __attribute__((noinline)) void widen_pixels(uint32_t *to, uint32_t offsets, source_row upper, source_row lower,
                                                   uint32_t count, uint32_t lanes) {
    const uint32_t bits = (uint32_t)((uintptr_t)upper.pixel | (uintptr_t)lower.pixel) | upper.step | lower.step;
    if (lanes == CHANNELS && bits % 4u == 0) {
        for (; count >= 2; count -= 2) {
            widen_pixel(to, offsets, ta_load_word(upper.pixel), ta_load_word(lower.pixel));
            widen_pixel(to + CHANNELS, offsets, ta_load_word(upper.pixel + upper.step),
                        ta_load_word(lower.pixel + lower.step));
            upper.pixel += 2u * upper.step;
            lower.pixel += 2u * lower.step;
            to += 2u * CHANNELS;
        }
    }
    for (; count > 0; count--) {
        widen_pixel(to, offsets, load_bytes(upper.pixel, lanes), load_bytes(lower.pixel, lanes));
        upper.pixel += upper.step;
        lower.pixel += lower.step;
        to += CHANNELS;
    }
}

/* Widens pair `pair` of the padded map's rows, all input columns of the part, into its slot of the ring. */
static void widen_pair(const ta_convolution *layer, const ta_rows *rows, const depthwise_part *part, uint32_t pair,
                       uint32_t *to) {
    const uint32_t zero_points = (uint32_t)(uint8_t)-layer->in_offset * 0x01010101u;
    const uint32_t offsets = ((uint32_t)layer->in_offset & 0xFFFFu) * 0x00010001u;
    /* Columns of the padded map. */
    const uint32_t begin = part->column * layer->stride_width;
    const uint32_t end = begin + (part->columns - 1u) * layer->stride_width + layer->kernel_width;
    const uint32_t map_end = (uint32_t)layer->pad_left + layer->in_width;
    const uint32_t first = at_most(at_least(begin, layer->pad_left), end);
    const uint32_t last = at_least(at_most(end, map_end), first);
    source_row source[2] = {{(const int8_t *)&zero_points, 0}, {(const int8_t *)&zero_points, 0}};
    for (uint32_t half = 0; half < 2; half++) {
        const uint32_t row = 2u * pair + half - layer->pad_top - rows->in_row_begin;
        if (row < rows->in_rows && first < last) {
            const size_t pixel = (size_t)row * layer->in_width + (first - layer->pad_left);
            source[half].pixel = rows->input + pixel * layer->in_channels + part->channel;
            source[half].step = layer->in_channels;
        }
    }
    memset(to, 0, sizeof(uint32_t) * CHANNELS * (first - begin));
    widen_pixels(to + CHANNELS * (first - begin), offsets, source[0], source[1], last - first, part->lanes);
    memset(to + CHANNELS * (last - begin), 0, sizeof(uint32_t) * CHANNELS * (end - last));
}

/* Twice the weight of a kernel row and column as the low half of a word; 0 outside of the kernel. */
static inline uint32_t doubled_weight(const ta_convolution *layer, const int8_t *weights, uint32_t row,
                                      uint32_t column) {
    return row < layer->kernel_height ? (uint32_t)(2 * weights[row * layer->kernel_width + column]) & 0xFFFFu : 0u;
}

/* The taps of one channel. */
static void widen_taps(const ta_convolution *layer, const depthwise_sizes *sizes, const int8_t *weights, uint32_t *to) {
    const uint32_t half = sizes->rotation / 2u;
    const uint32_t alignments = layer->stride_height % 2u == 0 ? 1u : 2u; /* Else all windows begin in even rows. */
    for (uint32_t odd = 0; odd < alignments; odd++) {
        for (uint32_t pair = 0; pair < sizes->pairs; pair++) {
            for (uint32_t column = 0; column < layer->kernel_width; column++) {
                const uint32_t upper = doubled_weight(layer, weights, 2u * pair - odd, column);
                const uint32_t lower = doubled_weight(layer, weights, 2u * pair + 1u - odd, column);
                to[0] = to[half] = upper | lower << 16;
                to++;
            }
        }
        to += half;
    }
}

static inline uint32_t multiply_accumulate(uint32_t sum, uint32_t x, uint32_t w) {
#if defined(__ARM_FEATURE_SIMD32)
    return (uint32_t)__smlad((int16x2_t)x, (int16x2_t)w, (int32_t)sum);
#else
    return sum + (uint32_t)((int16_t)(x & 0xFFFFu) * (int16_t)(w & 0xFFFFu)) +
           (uint32_t)((int16_t)(x >> 16) * (int16_t)(w >> 16));
#endif
}

/* Where the clamp to the layer's range takes place: on four bytes at a time where there are instructions for that. */
#if defined(__ARM_FEATURE_SIMD32)
static inline int8_t staged(int32_t value, const ta_convolution *layer) {
    (void)layer;
    __asm("ssat %0, #8, %0" : "+r"(value));
    return (int8_t)value;
}

static inline uint32_t finished(uint32_t bytes, uint32_t minimums, uint32_t maximums) {
    (void)__ssub8((int8x4_t)bytes, (int8x4_t)minimums);
    bytes = (uint32_t)__sel((uint8x4_t)bytes, (uint8x4_t)minimums);
    (void)__ssub8((int8x4_t)maximums, (int8x4_t)bytes);
    return (uint32_t)__sel((uint8x4_t)bytes, (uint8x4_t)maximums);
}
#else
static inline int8_t staged(int32_t value, const ta_convolution *layer) {
    return ta_clamped(value, layer->minimum, layer->maximum);
}

static inline uint32_t finished(uint32_t bytes, uint32_t minimums, uint32_t maximums) {
    (void)minimums;
    (void)maximums;
    return bytes;
}
#endif

/* One channel of one output row. */
typedef struct {
    const ta_convolution *layer;
    const ta_channel *channel;
    const uint32_t *pixels; /* Its word of the first pixel of slot 0. */
    const uint32_t *taps;   /* [pairs][kernel_width] in the order of the slots. */
    uint32_t columns;       /* Output pixels, rounded up to tiles. */
    uint32_t panel;         /* Words from slot to slot. */
    uint32_t pairs, kernel_width, stride;
    int8_t *stage; /* Its byte of the first output pixel. */
} channel_row;

/* Adds the products of a pair of kernel rows to the sums of a tile: every input is loaded once, and every tap. Sizes
 * are constants wherever it is inlined. */
static inline __attribute__((always_inline)) void
add_pair(uint32_t sums[TILE], const uint32_t *pixels, const uint32_t *taps, uint32_t kernel_width, uint32_t stride) {
#pragma GCC unroll 11
    for (uint32_t column = 0; column < kernel_width + (TILE - 1u) * stride; column++) {
        const uint32_t x = pixels[CHANNELS * column];
#pragma GCC unroll 4
        for (uint32_t output = 0; output < TILE; output++) {
            if (column >= output * stride && column - output * stride < kernel_width) {
                sums[output] = multiply_accumulate(sums[output], x, taps[column - output * stride]);
            }
        }
    }
}

/* The same for any sizes. */
static void add_any_pair(uint32_t sums[TILE], const uint32_t *pixels, const uint32_t *taps, uint32_t kernel_width,
                         uint32_t stride) {
    for (uint32_t column = 0; column < kernel_width; column++) {
        for (uint32_t output = 0; output < TILE; output++) {
            const uint32_t x = pixels[CHANNELS * (column + output * stride)];
            sums[output] = multiply_accumulate(sums[output], x, taps[column]);
        }
    }
}

typedef void add_function(uint32_t sums[TILE], const uint32_t *pixels, const uint32_t *taps, uint32_t kernel_width,
                          uint32_t stride);

static inline __attribute__((always_inline)) void compute_row(const channel_row *row, add_function *add, uint32_t pairs,
                                                              uint32_t kernel_width, uint32_t stride) {
    const ta_channel channel = *row->channel;
    const uint32_t *pixels = row->pixels;
    int8_t *stage = row->stage;
    for (uint32_t left = row->columns; left > 0; left -= TILE) {
        const uint32_t bias = (uint32_t)channel.bias << 1;
        uint32_t sums[TILE] = {bias, bias, bias, bias};
        const uint32_t *pair_pixels = pixels;
        const uint32_t *taps = row->taps;
        for (uint32_t pair = 0; pair < pairs; pair++) {
            add(sums, pair_pixels, taps, kernel_width, stride);
            pair_pixels += row->panel;
            taps += kernel_width;
        }
        for (uint32_t output = 0; output < TILE; output++) {
            stage[CHANNELS * output] = staged(ta_doubled_value(&channel, (int32_t)sums[output]), row->layer);
        }
        pixels += CHANNELS * TILE * stride;
        stage += CHANNELS * TILE;
    }
}

#define COMPUTE_ROW(name, add, pairs, kernel_width, stride)                                                            \
    TA_FAST_CODE(ta_depthwise_##name)                                                                                  \
    static __attribute__((noinline)) void compute_##name(const channel_row *row) {                                     \
        compute_row(row, add, pairs, kernel_width, stride);                                                            \
    }

COMPUTE_ROW(3x3, add_pair, 2, 3, 1)
COMPUTE_ROW(3x3_stride_2, add_pair, 2, 3, 2)
COMPUTE_ROW(5x5, add_pair, 3, 5, 1)
COMPUTE_ROW(5x5_stride_2, add_pair, 3, 5, 2)
COMPUTE_ROW(any, add_any_pair, row->pairs, row->kernel_width, row->stride)

typedef void compute_function(const channel_row *row);

static compute_function *function_for(const ta_convolution *layer, uint32_t pairs) {
    static compute_function *const functions[2][2] = {{compute_3x3, compute_3x3_stride_2},
                                                      {compute_5x5, compute_5x5_stride_2}};
    const uint32_t width = layer->kernel_width, stride = layer->stride_width;
    const bool known = (pairs == 2 && width == 3) || (pairs == 3 && width == 5);
    return known && stride <= 2 ? functions[pairs - 2u][stride - 1u] : compute_any;
}

/* Copies a row of finished pixels to the output; `to` points at its first channel of the first pixel. */
static void store_row(const ta_convolution *layer, const depthwise_part *part, const uint32_t *stage, int8_t *to) {
    const uint32_t minimums = (uint32_t)(uint8_t)layer->minimum * 0x01010101u;
    const uint32_t maximums = (uint32_t)(uint8_t)layer->maximum * 0x01010101u;
    const size_t step = layer->out_channels;
    if (part->lanes == CHANNELS && (((uintptr_t)to | step) & 3u) == 0) {
        for (uint32_t column = 0; column < part->columns; column++) {
            const uint32_t bytes = finished(stage[column], minimums, maximums);
            memcpy(__builtin_assume_aligned(to, 4), &bytes, sizeof bytes);
            to += step;
        }
        return;
    }
    for (uint32_t column = 0; column < part->columns; column++) {
        const uint32_t bytes = finished(stage[column], minimums, maximums);
        for (uint32_t lane = 0; lane < part->lanes; lane++) {
            to[lane] = (int8_t)(uint8_t)(bytes >> (8u * lane));
        }
        to += step;
    }
}

/* All output rows of a part. */
static void compute_part(const ta_convolution *layer, const ta_rows *rows, const depthwise_sizes *sizes,
                         const depthwise_memory *memory, const depthwise_part *part) {
    compute_function *const compute = function_for(layer, sizes->pairs);
    const size_t row_bytes = (size_t)layer->out_width * layer->out_channels;
    int8_t *to = rows->output + (size_t)part->column * layer->out_channels + part->channel;
    channel_row row = {.layer = layer,
                       .columns = rounded_up(part->columns, TILE),
                       .panel = sizes->panel,
                       .pairs = sizes->pairs,
                       .kernel_width = layer->kernel_width,
                       .stride = layer->stride_width};
    uint32_t widened = 0; /* Pairs below are in the ring, or no longer wanted. */
    for (uint32_t y = rows->out_row_begin; y < rows->out_row_end; y++) {
        const uint32_t window = y * layer->stride_height, first = window / 2u;
        for (uint32_t pair = at_least(widened, first); pair < first + sizes->pairs; pair++) {
            widen_pair(layer, rows, part, pair, memory->panels + pair % sizes->pairs * sizes->panel);
        }
        widened = first + sizes->pairs;
        const uint32_t rotation = (sizes->pairs - first % sizes->pairs) * layer->kernel_width;
        for (uint32_t lane = 0; lane < part->lanes; lane++) {
            row.channel = &layer->channels[part->channel + lane];
            row.pixels = memory->panels + lane;
            row.taps = memory->taps + lane * sizes->channel + window % 2u * sizes->rotation +
                       (rotation == sizes->rotation / 2u ? 0u : rotation);
            row.stage = (int8_t *)memory->stage + lane;
            compute(&row);
        }
        store_row(layer, part, memory->stage, to);
        to += row_bytes;
    }
}

static bool is_depthwise(const ta_convolution *layer) {
    return layer->out_channels == layer->in_channels && layer->kernel_height <= MAX_SIDE &&
           layer->kernel_width <= MAX_SIDE && layer->stride_height <= MAX_SIDE && layer->stride_width <= MAX_SIDE &&
           layer->dilation_height == 1 && layer->dilation_width == 1;
}

ta_status ta_depthwise_s8(const ta_convolution *layer, const ta_rows *rows, const ta_weights *weights, void *scratch,
                          uint32_t scratch_bytes) {
    if (!ta_convolution_is_valid(layer) || !is_depthwise(layer) || !ta_rows_are_valid(layer, rows) ||
        !ta_weights_are_valid(layer, weights) || !ta_windows_are_readable(layer, rows)) {
        return TA_ERROR_ARGUMENT;
    }
    if (scratch_bytes < ta_depthwise_s8_scratch_bytes(layer)) {
        return TA_ERROR_SCRATCH;
    }
    const depthwise_sizes sizes = sizes_of(layer);
    depthwise_memory memory;
    memory.panels = scratch;
    memory.taps = memory.panels + sizes.pairs * sizes.panel;
    memory.stage = memory.taps + CHANNELS * sizes.channel;
    const uint32_t weight_bytes = rounded_up((uint32_t)layer->kernel_height * layer->kernel_width, 4);
    for (uint32_t done = 0; done < weights->channels; done += CHANNELS) {
        depthwise_part part = {.channel = weights->first_channel + done,
                               .lanes = at_most(weights->channels - done, CHANNELS)};
        for (uint32_t lane = 0; lane < part.lanes; lane++) {
            widen_taps(layer, &sizes, weights->data + (done + lane) * weight_bytes, memory.taps + lane * sizes.channel);
        }
        for (part.column = 0; part.column < layer->out_width; part.column += layer->block) {
            part.columns = at_most(layer->out_width - part.column, layer->block);
            compute_part(layer, rows, &sizes, &memory, &part);
        }
    }
    return TA_OK;
}
