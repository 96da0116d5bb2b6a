/* Output rows and columns fall into phases: those that are equal modulo the stride meet the same kernel rows and
 * columns. With q = (row + pad_top) / stride_height and phase = (row + pad_top) % stride_height the taps are
 * phase, phase + stride_height, ... and meet the input rows q, q - 1, ...; columns alike. Every phase of both is so a
 * small convolution by itself. A block takes pixels of one phase, row by row; where a row has an odd number of them, a
 * column of the panel is left over.
 *
 * The elements of a column are those of the window, [input row, downwards from q][input column, upwards to that of q]
 * [in, zero points up to a multiple of 4]. Every four of them are two words: bytes 0 and 2, bytes 1 and 3. */
#include <string.h>

#include "tinyanime/convolve.h"
#include "tinyanime/fast_code.h"
#include "tinyanime/share.h"

#include "ta_convolution.h"
#include "ta_gemm_s16.h"
#include "ta_lanes.h"
#include "ta_store_sums.h"

enum { GROUP = 4, WORDS_PER_GROUP = 2, ELEMENT_LIMIT = 1 << 16 };

/* Rows or columns of one phase: output positions `first`, `first + stride`, ..., `count` of them. */
typedef struct {
    uint32_t first, count;
    uint32_t index; /* Input position that the first tap of the first one meets; one more for each next one. */
    uint32_t tap;   /* First tap. */
    uint32_t taps;
} phase;

/* A call: its arguments, what follows from them, and the parts of the working memory. A team of cores shares all of it:
 * it divides the columns, and the filter of each four output channels, and meets before and behind its use. */
typedef struct {
    const ta_convolution *layer;
    const ta_rows *rows;
    const ta_weights *weights;
    uint32_t groups; /* Per pixel. */
    uint32_t offset; /* in_offset in both lanes */
    uint32_t *columns, *filter;
    int32_t *sums;
    phase down, across;
    uint32_t words; /* Per column of the current phase. */
} transposition;

/* Pixels side by side in one output row of a phase. */
typedef struct {
    uint32_t row, column, count; /* In the phase's own rows and columns. */
} segment;

/* A core's share of a block: columns from pixel (row, column) of the phase on. */
typedef struct {
    uint32_t row, column;
    uint32_t first, count; /* Numbers within the block, both even. */
} run;

static uint32_t largest_taps(uint32_t kernel, uint32_t stride) {
    return (kernel + stride - 1u) / stride;
}

static uint32_t groups_per_pixel(const ta_convolution *layer) {
    return (layer->in_channels + GROUP - 1u) / GROUP;
}

static uint64_t largest_words(const ta_convolution *layer) {
    return (uint64_t)WORDS_PER_GROUP * largest_taps(layer->kernel_height, layer->stride_height) *
           largest_taps(layer->kernel_width, layer->stride_width) * groups_per_pixel(layer);
}

uint32_t ta_transpose_convolve_s8_scratch_bytes(const ta_convolution *layer) {
    const uint64_t words = largest_words(layer), block = layer->block;
    const uint64_t total = block * words + TA_PANEL_CHANNELS * (words + block);
    const uint64_t bytes = total * sizeof(uint32_t) + TA_SUMS_OVERREAD;
    return bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)bytes;
}

/* The positions of [begin, end) whose phase is `number`. */
static phase phase_of(uint32_t begin, uint32_t end, uint32_t pad, uint32_t kernel, uint32_t stride, uint32_t number) {
    const uint32_t first = begin + (number + stride - (begin + pad) % stride) % stride;
    return (phase){.first = first,
                   .count = first < end ? (end - first + stride - 1u) / stride : 0u,
                   .index = (first + pad) / stride,
                   .tap = number,
                   .taps = number < kernel ? (kernel - number + stride - 1u) / stride : 0u};
}

/* Whether every input row that the output rows meet is among the readable ones. */
static bool rows_are_readable(const ta_convolution *layer, const ta_rows *rows) {
    const int32_t begin = rows->in_row_begin, end = begin + rows->in_rows;
    for (uint32_t row = rows->out_row_begin; row < rows->out_row_end; row++) {
        const uint32_t place = row + layer->pad_top;
        for (uint32_t tap = place % layer->stride_height; tap < layer->kernel_height; tap += layer->stride_height) {
            const int32_t in_row = ((int32_t)place - (int32_t)tap) / layer->stride_height;
            if (place >= tap && in_row < layer->in_height && (in_row < begin || in_row >= end)) {
                return false;
            }
        }
    }
    return true;
}

/* Widens the channels of one pixel at any address. */
static inline void widen_pixel(uint32_t *to, const int8_t *pixel, uint32_t channels, uint32_t offset, int32_t fill) {
    uint32_t word;
    for (; channels >= GROUP; channels -= GROUP) {
        memcpy(&word, pixel, sizeof word);
        to[0] = ta_widen_even(offset, word);
        to[TA_PANEL_COLUMNS] = ta_widen_odd(offset, word);
        to += WORDS_PER_GROUP * TA_PANEL_COLUMNS;
        pixel += GROUP;
    }
    if (channels != 0) {
        memset(&word, fill, sizeof word);
        memcpy(&word, pixel, channels);
        to[0] = ta_widen_even(offset, word);
        to[TA_PANEL_COLUMNS] = ta_widen_odd(offset, word);
    }
}

/* Widens groups of two columns, the second one's bytes `step` behind the first one's; both aligned to 4 bytes. */
TA_FAST_CODE(ta_transpose_widen_pair)
static __attribute__((noinline)) void widen_pair(uint32_t *to, const int8_t *source, uint32_t step, uint32_t groups,
                                                 uint32_t offset) {
    for (; groups != 0; groups--) {
        const uint32_t left = ta_load_word(source), right = ta_load_word(source + step);
        to[0] = ta_widen_even(offset, left);
        to[1] = ta_widen_even(offset, right);
        to[2] = ta_widen_odd(offset, left);
        to[3] = ta_widen_odd(offset, right);
        to += WORDS_PER_GROUP * TA_PANEL_COLUMNS;
        source += GROUP;
    }
}

/* Packs one input row of one column, pixel by pixel; `row` is NULL above and below the map, `last` the column that the
 * first tap meets. */
static void pack_pixels(const transposition *call, uint32_t *to, const int8_t *row, uint32_t last) {
    const ta_convolution *layer = call->layer;
    const uint32_t pixel_words = WORDS_PER_GROUP * call->groups, taps = call->across.taps;
    for (uint32_t tap = 0; tap < taps; tap++) {
        const int64_t column = (int64_t)last - (taps - 1u) + tap;
        if (row != NULL && column >= 0 && column < layer->in_width) {
            widen_pixel(to, row + (size_t)column * layer->in_channels, layer->in_channels, call->offset,
                        -layer->in_offset);
        } else {
            for (uint32_t word = 0; word < pixel_words; word++) {
                to[TA_PANEL_COLUMNS * word] = 0;
            }
        }
        to += TA_PANEL_COLUMNS * pixel_words;
    }
}

/* Packs one input row of the pixels of a segment, from word `word` of their columns on. */
static void pack_row(const transposition *call, const segment *pixels, uint32_t *to, const int8_t *row) {
    const ta_convolution *layer = call->layer;
    const uint32_t channels = layer->in_channels, taps = call->across.taps;
    const bool aligned = row != NULL && channels % GROUP == 0 && (uintptr_t)row % GROUP == 0;
    for (uint32_t index = 0; index < pixels->count; index += TA_PANEL_COLUMNS) {
        const uint32_t last = call->across.index + pixels->column + index;
        const bool pair = index + 1u < pixels->count;
        if (aligned && pair && last + 1u >= taps && last + 1u < layer->in_width) {
            widen_pair(to, row + (size_t)(last + 1u - taps) * channels, channels, taps * call->groups, call->offset);
        } else {
            pack_pixels(call, to, row, last);
            if (pair) {
                pack_pixels(call, to + 1, row, last + 1u);
            }
        }
        to += TA_PANEL_COLUMNS * call->words;
    }
}

static void pack_segment(const transposition *call, const segment *pixels, uint32_t *to) {
    const ta_convolution *layer = call->layer;
    const uint32_t last = call->down.index + pixels->row;
    const size_t row_bytes = (size_t)layer->in_width * layer->in_channels;
    for (uint32_t tap = 0; tap < call->down.taps; tap++) {
        const int8_t *row = NULL;
        if (last >= tap && last - tap < layer->in_height) {
            row = call->rows->input + (last - tap - call->rows->in_row_begin) * row_bytes;
        }
        pack_row(call, pixels, to, row);
        to += TA_PANEL_COLUMNS * WORDS_PER_GROUP * call->across.taps * call->groups;
    }
}

/* Widens one tap of one channel; `to` is the channel's first word in the panel. */
static void widen_channel(uint32_t *to, const int8_t *tap, uint32_t groups) {
    for (uint32_t group = 0; group < groups; group++) {
        const uint32_t bytes = ta_load_word(tap + GROUP * group);
        to[0] = ta_widen_even(0, bytes);
        to[TA_PANEL_CHANNELS] = ta_widen_odd(0, bytes);
        to += WORDS_PER_GROUP * TA_PANEL_CHANNELS;
    }
}

/* The same for all 4 channels of the panel, whose weights lie `channel_bytes` apart. */
TA_FAST_CODE(ta_transpose_widen_tap)
static __attribute__((noinline)) void widen_channels(uint32_t *to, const int8_t *tap, uint32_t channel_bytes,
                                                     uint32_t groups) {
    for (const int8_t *end = tap + (size_t)GROUP * groups; tap != end; tap += GROUP) {
        const uint32_t a = ta_load_word(tap), b = ta_load_word(tap + channel_bytes);
        const uint32_t c = ta_load_word(tap + 2u * channel_bytes), d = ta_load_word(tap + 3u * channel_bytes);
        to[0] = ta_widen_even(0, a);
        to[1] = ta_widen_even(0, b);
        to[2] = ta_widen_even(0, c);
        to[3] = ta_widen_even(0, d);
        to[4] = ta_widen_odd(0, a);
        to[5] = ta_widen_odd(0, b);
        to[6] = ta_widen_odd(0, c);
        to[7] = ta_widen_odd(0, d);
        to += WORDS_PER_GROUP * TA_PANEL_CHANNELS;
    }
}

/* Widens the taps of the current phase, in the order of the columns' elements: the calling core's share of each. */
static void widen_filter(const transposition *call, uint32_t channel, uint32_t channels) {
    const ta_convolution *layer = call->layer;
    const uint32_t tap_bytes = GROUP * call->groups;
    const uint32_t channel_bytes = tap_bytes * layer->kernel_height * layer->kernel_width;
    const ta_share share = ta_share_of(call->groups, 1);
    const int8_t *data = call->weights->data + (size_t)channel * channel_bytes + (size_t)GROUP * share.begin;
    uint32_t *to = call->filter + WORDS_PER_GROUP * TA_PANEL_CHANNELS * share.begin;
    for (uint32_t y = 0; y < call->down.taps; y++) {
        const uint32_t row = call->down.tap + y * layer->stride_height;
        for (uint32_t x = call->across.taps; x-- != 0;) {
            const uint32_t tap = row * layer->kernel_width + call->across.tap + x * layer->stride_width;
            const int8_t *bytes = data + (size_t)tap * tap_bytes;
            if (channels == TA_PANEL_CHANNELS) {
                widen_channels(to, bytes, channel_bytes, ta_share_count(share));
            } else {
                for (uint32_t i = 0; i < channels; i++) {
                    widen_channel(to + i, bytes + (size_t)i * channel_bytes, ta_share_count(share));
                }
            }
            to += WORDS_PER_GROUP * TA_PANEL_CHANNELS * call->groups;
        }
    }
}

static uint32_t even(uint32_t count) {
    return count + count % TA_PANEL_COLUMNS;
}

/* The segment of the current phase that begins at pixel (row, column) and has up to `room` pixels. */
static segment segment_at(const transposition *call, uint32_t row, uint32_t column, uint32_t room) {
    const uint32_t left = call->across.count - column;
    return (segment){.row = row, .column = column, .count = left < room ? left : room};
}

/* Goes on to what follows a segment. */
static void advance(const transposition *call, const segment *done, uint32_t *row, uint32_t *column) {
    *column += done->count;
    if (*column == call->across.count) {
        *column = 0;
        ++*row;
    }
}

/* Requantizes and stores the outputs of a run. */
static void store_run(const transposition *call, const run *columns, const ta_panel_channels *panel, uint32_t channel) {
    const ta_convolution *layer = call->layer;
    const int32_t *sums = call->sums + columns->first * TA_PANEL_CHANNELS;
    uint32_t row = columns->row, column = columns->column;
    for (uint32_t room = columns->count; room != 0;) {
        const segment pixels = segment_at(call, row, column, room);
        const uint32_t y = call->down.first + row * layer->stride_height - call->rows->out_row_begin;
        const uint32_t x = call->across.first + column * layer->stride_width;
        int8_t *output = call->rows->output + ((size_t)y * layer->out_width + x) * layer->out_channels + channel;
        ta_store_sums(sums, pixels.count, panel, output, (uint32_t)layer->stride_width * layer->out_channels);
        sums += TA_PANEL_CHANNELS * even(pixels.count);
        room -= even(pixels.count);
        advance(call, &pixels, &row, &column);
    }
}

/* Multiplies a run of packed columns with all weights of the call. */
static void multiply_run(const transposition *call, const run *columns) {
    const ta_convolution *layer = call->layer;
    int32_t *sums = call->sums + columns->first * TA_PANEL_CHANNELS;
    ta_panel_channels panel = {.minimum = layer->minimum, .maximum = layer->maximum};
    for (uint32_t channel = 0; channel < call->weights->channels; channel += TA_PANEL_CHANNELS) {
        const uint32_t left = call->weights->channels - channel;
        panel.count = left < TA_PANEL_CHANNELS ? left : TA_PANEL_CHANNELS;
        panel.channels = layer->channels + call->weights->first_channel + channel;
        if (call->words != 0) {
            widen_filter(call, channel, panel.count);
        }
        ta_team_meet();
        if (TA_CORES > 1 && columns->count == 0u) {
            ta_team_meet();
            continue;
        }
        if (call->words != 0) {
            ta_gemm_s16(call->columns + (size_t)columns->first * call->words, call->filter, call->words,
                        columns->count / TA_PANEL_COLUMNS, sums);
        } else {
            memset(sums, 0, (size_t)columns->count * TA_PANEL_CHANNELS * sizeof *sums);
        }
        store_run(call, columns, &panel, call->weights->first_channel + channel);
        ta_team_meet();
    }
}

/* Finds the run of up to `room` columns from pixel (*row, *column) on, which goes to the pixel behind, and packs it
 * into the block behind its first `first` columns if `packs`. */
static run take_run(const transposition *call, uint32_t *row, uint32_t *column, uint32_t first, uint32_t room,
                    bool packs) {
    run taken = {.row = *row, .column = *column, .first = first, .count = 0};
    while (taken.count < room && *row < call->down.count) {
        const segment pixels = segment_at(call, *row, *column, room - taken.count);
        if (packs) {
            pack_segment(call, &pixels, call->columns + (size_t)(first + taken.count) * call->words);
        }
        taken.count += even(pixels.count);
        advance(call, &pixels, row, column);
    }
    return taken;
}

/* All outputs of the current phase. */
static void convolve_phase(const transposition *call) {
    const uint32_t size = ta_team_size(), rank = ta_team_rank(), pairs = call->layer->block / TA_PANEL_COLUMNS;
    uint32_t row = 0, column = 0;
    while (row < call->down.count && call->across.count != 0) {
        run own = {0, 0, 0, 0};
        uint32_t first = 0;
        for (uint32_t core = 0; core < size; core++) {
            /* A run ends with its room, if not with the phase: so the next one begins right behind it. */
            const uint32_t room = TA_PANEL_COLUMNS * (pairs * (core + 1u) / size) - first;
            const run taken = take_run(call, &row, &column, first, room, core == rank);
            first += taken.count;
            if (core == rank) {
                own = taken;
            }
        }
        multiply_run(call, &own);
    }
}

static void convolve_phases(transposition *call) {
    const ta_convolution *p = call->layer;
    const uint32_t begin = call->rows->out_row_begin, end = call->rows->out_row_end;
    for (uint32_t y = 0; y < p->stride_height; y++) {
        call->down = phase_of(begin, end, p->pad_top, p->kernel_height, p->stride_height, y);
        for (uint32_t x = 0; x < p->stride_width; x++) {
            call->across = phase_of(0, p->out_width, p->pad_left, p->kernel_width, p->stride_width, x);
            call->words = WORDS_PER_GROUP * call->groups * call->down.taps * call->across.taps;
            convolve_phase(call);
        }
    }
}

ta_status ta_transpose_convolve_s8(const ta_convolution *layer, const ta_rows *rows, const ta_weights *weights,
                                   void *scratch, uint32_t scratch_bytes) {
    if (!ta_convolution_is_valid(layer) || !ta_rows_are_valid(layer, rows) || !ta_weights_are_valid(layer, weights) ||
        layer->dilation_height != 1 || layer->dilation_width != 1 || rows->packed != 0 ||
        !rows_are_readable(layer, rows) ||
        (uint64_t)layer->kernel_height * layer->kernel_width * layer->in_channels > ELEMENT_LIMIT) {
        return TA_ERROR_ARGUMENT;
    }
    if (scratch_bytes < ta_transpose_convolve_s8_scratch_bytes(layer)) {
        return TA_ERROR_SCRATCH;
    }
    const size_t words = (size_t)largest_words(layer);
    transposition call = {.layer = layer,
                          .rows = rows,
                          .weights = weights,
                          .groups = groups_per_pixel(layer),
                          .offset = ((uint32_t)layer->in_offset & 0xFFFFu) * 0x10001u,
                          .columns = scratch};
    call.filter = call.columns + layer->block * words;
    call.sums = (int32_t *)(call.filter + TA_PANEL_CHANNELS * words);
    convolve_phases(&call);
    return TA_OK;
}
