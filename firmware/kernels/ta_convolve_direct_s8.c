#include <string.h>

#include "tinyanime/convolve.h"
#include "tinyanime/fast_code.h"
#include "tinyanime/share.h"

#include "ta_convolution.h"
#include "ta_direct_weights.h"
#include "ta_gemm_s16.h"
#include "ta_gemm_store.h"
#include "ta_lanes.h"

/* A column is an output pixel; a block takes pixels in the order in which they lie in memory, across rows. The elements
 * of a column are those of the window, [kernel row][kernel column][in], and zeros up to a multiple of 4. Every four of
 * them (bytes 0 to 3) are two words: bytes 0 and 2, bytes 1 and 3, as two instructions widen them; the weights are
 * widened in the same order.
 *
 * Where the input channels are a multiple of 4, input bytes are widened into the panel straight from the map. Otherwise
 * the bytes of each column are first copied to a line of their own, as no group of four need lie together or aligned.
 */
enum { GROUP = TA_DIRECT_GROUP, WORDS_PER_GROUP = TA_DIRECT_GROUP_WORDS, ELEMENT_LIMIT = 1 << 16 };

/* Working memory, one part behind the other: each serves as the room that ta_gemm_s16 may read behind the one before.
 * The lines are not needed any more when the weights are widened, and lie in their place. A team of cores shares all of
 * it: it divides the columns, and the weights of each four output channels, and meets before and behind their use. */
typedef struct {
    uint32_t *columns; /* [block / 2][words][2] */
    uint32_t *weights; /* [words][4] */
    int32_t *sums;     /* [block / 2][4][2] */
    int8_t *lines;     /* [block][groups][4]; NULL where bytes are widened straight from the map */
} workspace;

/* A call: its arguments and what follows from them. */
typedef struct {
    const ta_convolution *layer;
    const ta_rows *rows;
    workspace memory;
    uint32_t groups; /* per column */
    uint32_t offset; /* in_offset in both lanes */
} conv_call;

/* Pixels side by side in one output row: `count` of them from `column` on, the first one being number `index` of the
 * block. */
typedef struct {
    uint32_t row, column, count, index;
} segment;

static uint64_t window_elements(const ta_convolution *layer) {
    return (uint64_t)layer->kernel_height * layer->kernel_width * layer->in_channels;
}

static uint32_t groups_per_column(const ta_convolution *layer) {
    return (uint32_t)((window_elements(layer) + GROUP - 1) / GROUP);
}

static bool has_lines(const ta_convolution *layer) {
    return layer->in_channels % GROUP != 0;
}

uint32_t ta_convolve_direct_s8_scratch_bytes(const ta_convolution *layer) {
    const uint32_t block = layer->block, words = WORDS_PER_GROUP * groups_per_column(layer);
    const uint32_t lines = has_lines(layer) ? block * words / 2 : 0;
    const uint32_t products = TA_PANEL_CHANNELS * (words + block) + TA_SUMS_OVERREAD / sizeof(int32_t);
    return (uint32_t)sizeof(uint32_t) * (block * words + (lines > products ? lines : products));
}

static workspace divide(const ta_convolution *layer, void *scratch) {
    const uint32_t words = WORDS_PER_GROUP * groups_per_column(layer);
    uint32_t *columns = scratch;
    uint32_t *weights = columns + layer->block * words;
    int32_t *sums = (int32_t *)(weights + TA_PANEL_CHANNELS * words);
    return (workspace){
        .columns = columns, .weights = weights, .sums = sums, .lines = has_lines(layer) ? (int8_t *)weights : NULL};
}

/* Word `word` of column `index` of the block. */
static inline uint32_t *column_word(const conv_call *call, uint32_t index, uint32_t word) {
    const uint32_t pair = index / TA_PANEL_COLUMNS;
    return call->memory.columns + TA_PANEL_COLUMNS * (pair * WORDS_PER_GROUP * call->groups + word) +
           index % TA_PANEL_COLUMNS;
}

static inline int8_t *line_byte(const conv_call *call, uint32_t index, uint32_t byte) {
    return call->memory.lines + index * GROUP * call->groups + byte;
}

/* Widens groups of one column. */
static inline void widen_column(uint32_t *target, const int8_t *source, uint32_t groups, uint32_t offset) {
    for (; groups != 0; groups--) {
        const uint32_t bytes = ta_load_word(source);
        target[0] = ta_widen_even(offset, bytes);
        target[TA_PANEL_COLUMNS] = ta_widen_odd(offset, bytes);
        target += WORDS_PER_GROUP * TA_PANEL_COLUMNS;
        source += GROUP;
    }
}

/* The same for both columns of a pair, the second one's bytes `step` behind the first one's. */
static inline void widen_pair(uint32_t *target, const int8_t *source, uint32_t step, uint32_t groups, uint32_t offset) {
    for (; groups != 0; groups--) {
        const uint32_t left = ta_load_word(source), right = ta_load_word(source + step);
        target[0] = ta_widen_even(offset, left);
        target[1] = ta_widen_even(offset, right);
        target[2] = ta_widen_odd(offset, left);
        target[3] = ta_widen_odd(offset, right);
        target += WORDS_PER_GROUP * TA_PANEL_COLUMNS;
        source += GROUP;
    }
}

/* Widens `groups` groups for each of `count` columns from `index` on, the first of them to word `word`; the columns'
 * bytes lie `step` apart. */
TA_FAST_CODE(ta_direct_widen_columns)
__attribute__((noinline)) static void widen_columns(const conv_call *call, uint32_t index, uint32_t count,
                                                    uint32_t word, const int8_t *source, uint32_t step,
                                                    uint32_t groups) {
    while (count != 0) {
        uint32_t *target = column_word(call, index, word);
        if (index % TA_PANEL_COLUMNS == 0 && count >= TA_PANEL_COLUMNS) {
            widen_pair(target, source, step, groups, call->offset);
            index += TA_PANEL_COLUMNS;
            count -= TA_PANEL_COLUMNS;
            source += TA_PANEL_COLUMNS * step;
        } else {
            widen_column(target, source, groups, call->offset);
            index++;
            count--;
            source += step;
        }
    }
}

/* Copies a run of bytes at any address: in words, the last of which overlaps the one before, on cores that load them
 * from any address. */
static inline void copy_run(int8_t *target, const int8_t *source, uint32_t bytes) {
    uint32_t done = 0;
#if defined(__ARM_FEATURE_UNALIGNED) || defined(__x86_64__) || defined(__aarch64__)
    if (bytes >= GROUP) {
        for (; done + GROUP < bytes; done += GROUP) {
            memcpy(target + done, source + done, GROUP);
        }
        memcpy(target + bytes - GROUP, source + bytes - GROUP, GROUP);
        done = bytes;
    }
#endif
    for (; done < bytes; done++) {
        target[done] = source[done];
    }
}

/* Copies a run for each of `count` lines that lie `line_bytes` apart. */
static inline void copy_runs(int8_t *target, uint32_t line_bytes, const int8_t *source, uint32_t step, uint32_t bytes,
                             uint32_t count) {
    for (; count != 0; count--) {
        copy_run(target, source, bytes);
        target += line_bytes;
        source += step;
    }
}

enum { RGB_RUN = 9 }; /* A row of a 3x3 kernel on the 3 channels of a picture; its copies are unrolled. */

TA_FAST_CODE(ta_direct_copy_columns)
__attribute__((noinline)) static void copy_columns(const conv_call *call, uint32_t index, uint32_t count, uint32_t byte,
                                                   const int8_t *source, uint32_t step, uint32_t bytes) {
    if (bytes == RGB_RUN) {
        copy_runs(line_byte(call, index, byte), GROUP * call->groups, source, step, RGB_RUN, count);
    } else {
        copy_runs(line_byte(call, index, byte), GROUP * call->groups, source, step, bytes, count);
    }
}

/* Packs the same run of input bytes, shifted by `step` from one to the next, into each of `count` columns from `index`
 * on, to element `element`. */
static void pack_runs(const conv_call *call, uint32_t index, uint32_t count, uint32_t element, const int8_t *source,
                      uint32_t step, uint32_t bytes) {
    if (call->memory.lines == NULL) {
        widen_columns(call, index, count, element / WORDS_PER_GROUP, source, step, bytes / GROUP);
    } else {
        copy_columns(call, index, count, element, source, step, bytes);
    }
}

/* Packs padding into one column. */
static void pack_padding(const conv_call *call, uint32_t index, uint32_t element, uint32_t elements) {
    if (call->memory.lines != NULL) {
        memset(line_byte(call, index, element), -call->layer->in_offset, elements);
        return;
    }
    uint32_t *target = column_word(call, index, element / WORDS_PER_GROUP);
    for (uint32_t word = 0; word < elements / WORDS_PER_GROUP; word++) {
        target[TA_PANEL_COLUMNS * word] = 0;
    }
}

/* Packs a kernel row of one pixel whose window reaches over the left or right side of the map, tap by tap. */
static void pack_edge(const conv_call *call, uint32_t index, uint32_t element, const int8_t *row, int32_t column) {
    const ta_convolution *layer = call->layer;
    for (uint32_t tap = 0; tap < layer->kernel_width; tap++) {
        if (column >= 0 && column < layer->in_width) {
            pack_runs(call, index, 1, element, row + (uint32_t)column * layer->in_channels, 0, layer->in_channels);
        } else {
            pack_padding(call, index, element, layer->in_channels);
        }
        element += layer->in_channels;
        column += layer->dilation_width;
    }
}

/* Packs a kernel row, which begins at element `element`, of pixels whose windows lie between the sides of the map.
 * `source` is the first pixel's first element. */
static void pack_interior(const conv_call *call, uint32_t index, uint32_t count, uint32_t element,
                          const int8_t *source) {
    const ta_convolution *layer = call->layer;
    const uint32_t channels = layer->in_channels, step = layer->stride_width * channels;
    if (layer->dilation_width == 1) {
        pack_runs(call, index, count, element, source, step, layer->kernel_width * channels);
        return;
    }
    for (uint32_t tap = 0; tap < layer->kernel_width; tap++) {
        pack_runs(call, index, count, element, source, step, channels);
        element += channels;
        source += (uint32_t)layer->dilation_width * channels;
    }
}

/* Packs one kernel row of a segment; `row` is the input row, NULL in the padding. */
static void pack_kernel_row(const conv_call *call, const segment *pixels, uint32_t element, const int8_t *row) {
    const ta_convolution *layer = call->layer;
    const int32_t stride = layer->stride_width, reach = (layer->kernel_width - 1) * layer->dilation_width;
    const int32_t first = (int32_t)pixels->column * stride - layer->pad_left;
    uint32_t done = 0;
    while (done < pixels->count) {
        const uint32_t index = pixels->index + done;
        const int32_t column = first + (int32_t)done * stride;
        if (row == NULL) {
            pack_padding(call, index, element, (uint32_t)layer->kernel_width * layer->in_channels);
            done++;
        } else if (column < 0 || column + reach >= layer->in_width) {
            pack_edge(call, index, element, row, column);
            done++;
        } else {
            const uint32_t inside = 1 + (uint32_t)(layer->in_width - 1 - reach - column) / (uint32_t)stride;
            const uint32_t left = pixels->count - done, count = inside < left ? inside : left;
            pack_interior(call, index, count, element, row + (uint32_t)column * layer->in_channels);
            done += count;
        }
    }
}

static void pack_segment(const conv_call *call, const segment *pixels) {
    const ta_convolution *layer = call->layer;
    const uint32_t row_elements = (uint32_t)layer->kernel_width * layer->in_channels;
    for (uint32_t tap = 0; tap < layer->kernel_height; tap++) {
        const int32_t in_row = ta_input_row(layer, pixels->row, tap);
        const int8_t *row = NULL;
        if (in_row >= 0 && in_row < layer->in_height) {
            row = call->rows->input +
                  (uint32_t)(in_row - call->rows->in_row_begin) * (uint32_t)layer->in_width * layer->in_channels;
        }
        pack_kernel_row(call, pixels, tap * row_elements, row);
    }
}

/* Packs the calling core's share of a block of `count` pixels, from number `first` of the call on. */
static void pack_block(const conv_call *call, uint32_t first, uint32_t count) {
    const ta_share share = ta_share_of(count, TA_PANEL_COLUMNS);
    const uint32_t width = call->layer->out_width, begin = first + share.begin;
    segment pixels = {.row = call->rows->out_row_begin + begin / width, .column = begin % width, .index = share.begin};
    while (pixels.index < share.end) {
        const uint32_t to_end = width - pixels.column, left = share.end - pixels.index;
        pixels.count = to_end < left ? to_end : left;
        pack_segment(call, &pixels);
        pixels.index += pixels.count;
        pixels.column = 0;
        pixels.row++;
    }
    if (call->memory.lines != NULL) {
        widen_columns(call, share.begin, ta_share_count(share), 0, line_byte(call, share.begin, 0),
                      GROUP * call->groups, call->groups);
    }
}

/* Widens the calling core's share of the weights of up to 4 channels; the panel's other channels stay as they are,
 * their sums are not used. */
static inline void widen_weights(const conv_call *call, const int8_t *data, uint32_t channels) {
    const ta_share share = ta_share_of(call->groups, 1);
    if (TA_CORES == 1 || ta_share_count(share) != 0u) {
        ta_direct_widen_weights(data + GROUP * share.begin, channels, GROUP * call->groups, ta_share_count(share),
                                call->memory.weights + WORDS_PER_GROUP * TA_PANEL_CHANNELS * share.begin);
    }
}

/* Multiplies the calling core's share of a packed block with all weights of the call and stores its outputs. */
static void multiply_block(const conv_call *call, const ta_weights *weights, uint32_t count, int8_t *output) {
    const ta_convolution *layer = call->layer;
    const int8_t *data = weights->data;
    const uint32_t words = WORDS_PER_GROUP * call->groups;
    const ta_share columns = ta_share_of(count, TA_PANEL_COLUMNS);
    const ta_gemm_operands operands = {.columns = call->memory.columns + columns.begin * words,
                                       .weights = call->memory.weights,
                                       .sums = call->memory.sums + columns.begin * TA_PANEL_CHANNELS,
                                       .words = words,
                                       .count = ta_share_count(columns)};
    ta_panel_channels panel = {
        .channels = layer->channels + weights->first_channel, .minimum = layer->minimum, .maximum = layer->maximum};
    output += columns.begin * (uint32_t)layer->out_channels;
    for (uint32_t left = weights->channels; left != 0; left -= panel.count) {
        panel.count = left < TA_PANEL_CHANNELS ? left : TA_PANEL_CHANNELS;
        widen_weights(call, data, panel.count);
        ta_team_meet();
        if (TA_CORES == 1 || operands.count != 0u) {
            ta_gemm_store(&operands, &panel, output, layer->out_channels);
        }
        ta_team_meet();
        data += panel.count * GROUP * call->groups;
        panel.channels += panel.count;
        output += panel.count;
    }
}

ta_status ta_convolve_direct_s8(const ta_convolution *layer, const ta_rows *rows, const ta_weights *weights,
                                void *scratch, uint32_t scratch_bytes) {
    if (!ta_convolution_is_valid(layer) || !ta_rows_are_valid(layer, rows) || !ta_weights_are_valid(layer, weights) ||
        !ta_windows_are_readable(layer, rows) || window_elements(layer) > ELEMENT_LIMIT) {
        return TA_ERROR_ARGUMENT;
    }
    if (scratch_bytes < ta_convolve_direct_s8_scratch_bytes(layer)) {
        return TA_ERROR_SCRATCH;
    }
    const uint32_t pixels = (uint32_t)(rows->out_row_end - rows->out_row_begin) * layer->out_width;
    if (rows->packed > (pixels <= layer->block ? 1u : 0u)) {
        return TA_ERROR_ARGUMENT;
    }
    const conv_call call = {.layer = layer,
                            .rows = rows,
                            .memory = divide(layer, scratch),
                            .groups = groups_per_column(layer),
                            .offset = (uint16_t)layer->in_offset * 0x10001u};
    int8_t *output = rows->output + weights->first_channel;
    for (uint32_t first = 0; first < pixels; first += layer->block) {
        const uint32_t count = pixels - first < layer->block ? pixels - first : layer->block;
        if (rows->packed == 0) {
            pack_block(&call, first, count);
        }
        if (call.memory.lines != NULL) {
            ta_team_meet(); /* Before weights lie in the lines' place. */
        }
        multiply_block(&call, weights, count, output + first * (uint32_t)layer->out_channels);
    }
    return TA_OK;
}
