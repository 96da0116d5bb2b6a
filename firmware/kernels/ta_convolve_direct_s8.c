#include <string.h>

#include "tinyanime/convolve.h"
#include "tinyanime/fast_code.h"

#include "ta_convolution.h"
#include "ta_gemm_s16.h"
#include "ta_lanes.h"
#include "ta_store_sums.h"

/* A column is an output pixel; a block takes pixels in the order in which they lie in memory, across rows. Elements of
 * a column are those of the window, [kernel row][kernel column][in], zeros up to a multiple of 4. Every four of them
 * (bytes 0 to 3) are two words: bytes 0 and 2, bytes 1 and 3, which takes two instructions to widen them; the weights
 * are widened in the same order. */
enum { GROUP = 4, WORDS_PER_GROUP = 2, WEIGHT_LIMIT = 1 << 16 };

/* Working memory, one part behind the other: each serves as the room that ta_gemm_s16 may read behind the one before.
 * `line` is empty where all runs of input bytes are whole groups. */
typedef struct {
    uint32_t *columns; /* [block / 2][words][2] */
    uint32_t *weights; /* [words][4] */
    int32_t *sums;     /* [block / 2][4][2] */
    int8_t *line;      /* [groups][4]: the bytes of one column */
} workspace;

/* What packing a column needs. */
typedef struct {
    const ta_convolution *layer;
    const ta_rows *rows;
    uint32_t groups; /* per column */
    uint32_t offset; /* in_offset in both lanes */
    int8_t *line;    /* NULL where all runs of input bytes are whole groups */
} pack_plan;

static uint64_t window_elements(const ta_convolution *layer) {
    return (uint64_t)layer->kernel_height * layer->kernel_width * layer->in_channels;
}

static uint32_t groups_per_column(const ta_convolution *layer) {
    return (uint32_t)((window_elements(layer) + GROUP - 1) / GROUP);
}

static bool has_line(const ta_convolution *layer) {
    return layer->in_channels % GROUP != 0;
}

uint32_t ta_convolve_direct_s8_scratch_bytes(const ta_convolution *layer) {
    const uint32_t groups = groups_per_column(layer), words = WORDS_PER_GROUP * groups;
    const uint32_t panels = (layer->block + TA_PANEL_CHANNELS) * words + TA_PANEL_CHANNELS * (uint32_t)layer->block;
    return panels * (uint32_t)sizeof(uint32_t) + (has_line(layer) ? GROUP * groups : 0);
}

static workspace divide(const ta_convolution *layer, void *scratch) {
    const uint32_t words = WORDS_PER_GROUP * groups_per_column(layer);
    uint32_t *columns = scratch;
    uint32_t *weights = columns + layer->block * words;
    uint32_t *sums = weights + TA_PANEL_CHANNELS * words;
    int8_t *line = has_line(layer) ? (int8_t *)(sums + TA_PANEL_CHANNELS * (uint32_t)layer->block) : NULL;
    return (workspace){.columns = columns, .weights = weights, .sums = (int32_t *)sums, .line = line};
}

/* Widens groups of a column to every second word of a pair's panel; returns where the next group goes. */
static inline uint32_t *widen_groups(uint32_t *target, const int8_t *source, uint32_t groups, uint32_t offset) {
    for (; groups != 0; groups--) {
        const uint32_t bytes = ta_load_word(source);
        target[0] = ta_widen_even(offset, bytes);
        target[TA_PANEL_COLUMNS] = ta_widen_odd(offset, bytes);
        target += WORDS_PER_GROUP * TA_PANEL_COLUMNS;
        source += GROUP;
    }
    return target;
}

static inline uint32_t *clear_groups(uint32_t *target, uint32_t groups) {
    for (; groups != 0; groups--) {
        target[0] = 0;
        target[TA_PANEL_COLUMNS] = 0;
        target += WORDS_PER_GROUP * TA_PANEL_COLUMNS;
    }
    return target;
}

/* Copies a run of bytes at any address, in words (the last one overlaps the one before) where it has four. */
static inline int8_t *copy_run(int8_t *target, const int8_t *source, uint32_t bytes) {
    if (bytes < GROUP) {
        for (uint32_t i = 0; i < bytes; i++) {
            target[i] = source[i];
        }
        return target + bytes;
    }
    for (uint32_t i = 0; i + GROUP < bytes; i += GROUP) {
        memcpy(target + i, source + i, GROUP);
    }
    memcpy(target + bytes - GROUP, source + bytes - GROUP, GROUP);
    return target + bytes;
}

/* Where the next run of a column goes. */
typedef struct {
    uint32_t *words;
    int8_t *bytes;
} cursor;

/* Appends a run of input bytes, or padding where `source` is NULL. */
static inline cursor append(const pack_plan *plan, cursor at, const int8_t *source, uint32_t bytes) {
    if (plan->line == NULL) {
        at.words = source == NULL ? clear_groups(at.words, bytes / GROUP)
                                  : widen_groups(at.words, source, bytes / GROUP, plan->offset);
    } else if (source == NULL) {
        memset(at.bytes, -plan->layer->in_offset, bytes);
        at.bytes += bytes;
    } else {
        at.bytes = copy_run(at.bytes, source, bytes);
    }
    return at;
}

/* Appends the elements of one kernel row. `row` is the input row, or NULL in the padding; `column` the input column of
 * the first element. */
static inline cursor append_row(const pack_plan *plan, cursor at, const int8_t *row, int32_t column) {
    const ta_convolution *layer = plan->layer;
    const uint32_t channels = layer->in_channels;
    const int32_t width = layer->in_width, taps = layer->kernel_width;
    if (row == NULL) {
        return append(plan, at, NULL, (uint32_t)taps * channels);
    }
    if (layer->dilation_width != 1) {
        for (int32_t tap = 0; tap < taps; tap++) {
            const int32_t x = column + tap * layer->dilation_width;
            at = append(plan, at, x >= 0 && x < width ? row + (uint32_t)x * channels : NULL, channels);
        }
        return at;
    }
    const int32_t before = column >= 0 ? 0 : -column < taps ? -column : taps;
    const int32_t behind = column + taps <= width ? 0 : column < width ? column + taps - width : taps;
    if (before != 0) {
        at = append(plan, at, NULL, (uint32_t)before * channels);
    }
    if (before + behind < taps) {
        at = append(plan, at, row + (uint32_t)(column + before) * channels,
                    (uint32_t)(taps - before - behind) * channels);
    }
    if (behind != 0) {
        at = append(plan, at, NULL, (uint32_t)behind * channels);
    }
    return at;
}

TA_FAST_CODE(ta_convolve_direct_pack)
static void pack_column(const pack_plan *plan, uint32_t out_row, uint32_t out_column, uint32_t *target) {
    const ta_convolution *layer = plan->layer;
    const ta_rows *rows = plan->rows;
    const int32_t column = (int32_t)(out_column * layer->stride_width) - layer->pad_left;
    cursor at = {.words = target, .bytes = plan->line};
    for (uint32_t tap = 0; tap < layer->kernel_height; tap++) {
        const int32_t in_row = ta_input_row(layer, out_row, tap);
        const int8_t *row = NULL;
        if (in_row >= 0 && in_row < layer->in_height) {
            row =
                rows->input + (uint32_t)(in_row - rows->in_row_begin) * (uint32_t)layer->in_width * layer->in_channels;
        }
        at = append_row(plan, at, row, column);
    }
    if (plan->line != NULL) {
        widen_groups(target, plan->line, plan->groups, plan->offset);
    }
}

/* Packs `count` pixels from `first` of the call on. */
static void pack_columns(const pack_plan *plan, uint32_t first, uint32_t count, uint32_t *columns) {
    const uint32_t width = plan->layer->out_width;
    uint32_t row = plan->rows->out_row_begin + first / width, column = first % width;
    for (uint32_t i = 0; i < count; i++) {
        pack_column(plan, row, column, columns + i % TA_PANEL_COLUMNS);
        if (i % TA_PANEL_COLUMNS != 0) {
            columns += TA_PANEL_COLUMNS * WORDS_PER_GROUP * plan->groups;
        }
        if (++column == width) {
            column = 0;
            row++;
        }
    }
}

/* Widens the weights of up to 4 channels; the panel's other channels stay as they are, their sums are not used. */
TA_FAST_CODE(ta_convolve_direct_widen)
static void widen_weights(const int8_t *data, uint32_t channels, uint32_t groups, uint32_t *panel) {
    for (uint32_t channel = 0; channel < channels; channel++) {
        uint32_t *target = panel + channel;
        for (uint32_t group = 0; group < groups; group++) {
            const uint32_t bytes = ta_load_word(data);
            target[0] = ta_widen_even(0, bytes);
            target[TA_PANEL_CHANNELS] = ta_widen_odd(0, bytes);
            target += WORDS_PER_GROUP * TA_PANEL_CHANNELS;
            data += GROUP;
        }
    }
}

/* Multiplies a packed block with all weights of the call and stores its outputs. */
static void multiply(const ta_convolution *layer, const ta_weights *weights, const workspace *memory, uint32_t count,
                     int8_t *output) {
    const uint32_t groups = groups_per_column(layer);
    const int8_t *data = weights->data;
    ta_panel_channels panel = {
        .channels = layer->channels + weights->first_channel, .minimum = layer->minimum, .maximum = layer->maximum};
    for (uint32_t left = weights->channels; left != 0; left -= panel.count) {
        panel.count = left < TA_PANEL_CHANNELS ? left : TA_PANEL_CHANNELS;
        widen_weights(data, panel.count, groups, memory->weights);
        ta_gemm_s16(memory->columns, memory->weights, WORDS_PER_GROUP * groups,
                    (count + TA_PANEL_COLUMNS - 1) / TA_PANEL_COLUMNS, memory->sums);
        ta_store_sums(memory->sums, count, &panel, output, layer->out_channels);
        data += panel.count * GROUP * groups;
        panel.channels += panel.count;
        output += panel.count;
    }
}

ta_status ta_convolve_direct_s8(const ta_convolution *layer, const ta_rows *rows, const ta_weights *weights,
                                void *scratch, uint32_t scratch_bytes) {
    if (!ta_convolution_is_valid(layer) || !ta_rows_are_valid(layer, rows) || !ta_weights_are_valid(layer, weights) ||
        !ta_windows_are_readable(layer, rows) || window_elements(layer) > WEIGHT_LIMIT) {
        return TA_ERROR_ARGUMENT;
    }
    if (scratch_bytes < ta_convolve_direct_s8_scratch_bytes(layer)) {
        return TA_ERROR_SCRATCH;
    }
    const workspace memory = divide(layer, scratch);
    const pack_plan plan = {.layer = layer,
                            .rows = rows,
                            .groups = groups_per_column(layer),
                            .offset = (uint16_t)layer->in_offset * 0x10001u,
                            .line = memory.line};
    const uint32_t pixels = (uint32_t)(rows->out_row_end - rows->out_row_begin) * layer->out_width;
    int8_t *output = rows->output + weights->first_channel;
    for (uint32_t first = 0; first < pixels; first += layer->block) {
        const uint32_t count = pixels - first < layer->block ? pixels - first : layer->block;
        pack_columns(&plan, first, count, memory.columns);
        multiply(layer, weights, &memory, count, output + first * (uint32_t)layer->out_channels);
    }
    return TA_OK;
}
