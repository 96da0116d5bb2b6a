#include <string.h>

#include "tinyanime/convolve.h"
#include "tinyanime/fast_code.h"
#include "tinyanime/share.h"

#include "ta_bytes.h"
#include "ta_convolution.h"
#include "ta_depthwise.h"
#include "ta_lanes.h"

#define CHANNELS TA_DEPTHWISE_CHANNELS
#define TILE TA_DEPTHWISE_TILE
#define MAX_SIDE 255 /* of kernel and stride; keeps sizes within 32 bits */

static inline uint32_t at_least(uint32_t value, uint32_t least) {
    return value < least ? least : value;
}

static inline uint32_t at_most(uint32_t value, uint32_t most) {
    return value > most ? most : value;
}

static uint32_t rounded_up(uint32_t value, uint32_t step) {
    return (value + step - 1u) / step * step;
}

static ta_depthwise_sizes sizes_of(const ta_convolution *layer) {
    const uint32_t outputs = rounded_up(layer->block, TILE);
    const uint32_t pairs = layer->kernel_height / 2u + 1u;
    return (ta_depthwise_sizes){.pairs = pairs,
                                .panel = CHANNELS * ((outputs - 1u) * layer->stride_width + layer->kernel_width),
                                .rotation = CHANNELS * pairs * layer->kernel_width,
                                .stage = outputs};
}

/* Of one core. */
static uint32_t part_words(const ta_depthwise_sizes *sizes) {
    return sizes->pairs * sizes->panel + 4u * sizes->rotation + sizes->stage;
}

uint32_t ta_depthwise_s8_scratch_bytes(const ta_convolution *layer) {
    const ta_depthwise_sizes sizes = sizes_of(layer);
    return 4u * TA_CORES * part_words(&sizes);
}

/* The first `count` bytes at `bytes`, then zeros. */
static inline uint32_t load_bytes(const int8_t *bytes, uint32_t count) {
    uint32_t word = (uint8_t)bytes[0];
    if (count > 1) {
        word |= (uint32_t)(uint8_t)bytes[1] << 8;
    }
    if (count > 2) {
        word |= (uint32_t)(uint8_t)bytes[2] << 16;
    }
    if (count > 3) {
        word |= (uint32_t)(uint8_t)bytes[3] << 24;
    }
    return word;
}

/* The first `count` bytes of `word`. */
static inline void store_bytes(int8_t *to, uint32_t word, uint32_t count) {
    to[0] = (int8_t)(uint8_t)word;
    if (count > 1) {
        to[1] = (int8_t)(uint8_t)(word >> 8);
    }
    if (count > 2) {
        to[2] = (int8_t)(uint8_t)(word >> 16);
    }
    if (count > 3) {
        to[3] = (int8_t)(uint8_t)(word >> 24);
    }
}

/* Four channels of a pixel in two rows, from the bytes of each row. */
static inline void widen_pixel(uint32_t *to, uint32_t offsets, uint32_t upper, uint32_t lower) {
    const uint32_t front = ta_low_lanes(upper, lower), back = ta_high_lanes(upper, lower);
    to[0] = ta_widen_even(offsets, front);
    to[1] = ta_widen_odd(offsets, front);
    to[2] = ta_widen_even(offsets, back);
    to[3] = ta_widen_odd(offsets, back);
}

/* Widens pair `pair` of the padded map's rows. A row outside of the map is one pixel of zero points that is read again
 * and again. */
TA_FAST_CODE(ta_depthwise_widen)
static __attribute__((noinline)) void widen_pair(const ta_depthwise_part *part, uint32_t pair, uint32_t *to) {
    const ta_convolution *layer = part->layer;
    const uint32_t zero_points = (uint32_t)(uint8_t)-layer->in_offset * 0x01010101u;
    const uint32_t offsets = ((uint32_t)layer->in_offset & 0xFFFFu) * 0x00010001u;
    const uint32_t channels = layer->in_channels, row_bytes = channels * layer->in_width;
    const uint32_t row = 2u * pair - part->source_row;
    const int8_t *upper = (const int8_t *)&zero_points, *lower = upper;
    uint32_t upper_step = 0, lower_step = 0;
    if (row < part->source_rows) {
        upper = part->source + row * row_bytes;
        upper_step = channels;
    }
    if (row + 1u < part->source_rows) {
        lower = part->source + (row + 1u) * row_bytes;
        lower_step = channels;
    }
    uint32_t count = part->inside_end - part->inside;
    to += CHANNELS * part->inside;
    if (part->lanes == CHANNELS && (((uintptr_t)part->source | channels) & 3u) == 0) {
        if (count % 2u != 0) {
            widen_pixel(to, offsets, ta_load_word(upper), ta_load_word(lower));
            upper += upper_step;
            lower += lower_step;
            to += CHANNELS;
        }
        for (count /= 2u; count > 0; count--) {
            widen_pixel(to, offsets, ta_load_word(upper), ta_load_word(lower));
            widen_pixel(to + CHANNELS, offsets, ta_load_word(upper + upper_step), ta_load_word(lower + lower_step));
            upper += 2u * upper_step;
            lower += 2u * lower_step;
            to += 2u * CHANNELS;
        }
    }
    for (; count > 0; count--) {
        widen_pixel(to, offsets, load_bytes(upper, part->lanes), load_bytes(lower, part->lanes));
        upper += upper_step;
        lower += lower_step;
        to += CHANNELS;
    }
}

static void clear_columns(uint32_t *to, uint32_t columns) {
    for (uint32_t word = 0; word < CHANNELS * columns; word++) {
        to[word] = 0;
    }
}

/* Input columns outside of the map are zeros in all panels. */
static void clear_outside(const ta_depthwise_part *part) {
    uint32_t *panel = part->panels;
    for (uint32_t pair = 0; pair < part->sizes.pairs; pair++) {
        clear_columns(panel, part->inside);
        clear_columns(panel + CHANNELS * part->inside_end, part->widened - part->inside_end);
        panel += part->sizes.panel;
    }
}

/* Two rotations of the taps for windows that begin in an even (odd == 0) or odd row. A row outside of the kernel is one
 * tap of zeros that is read again and again. */
static void widen_taps(const ta_depthwise_part *part, const int8_t *weights, uint32_t odd) {
    const ta_convolution *layer = part->layer;
    const uint32_t lanes = part->lanes, rotation = part->sizes.rotation;
    const uint32_t row_bytes = lanes * layer->kernel_width;
    const bool whole = lanes == CHANNELS && ((uintptr_t)weights & 3u) == 0;
    const uint32_t zeros = 0;
    uint32_t *to = part->taps + 2u * odd * rotation;
    for (uint32_t pair = 0; pair < part->sizes.pairs; pair++) {
        const uint32_t row = 2u * pair - odd;
        const uint32_t upper_step = row < layer->kernel_height ? lanes : 0;
        const uint32_t lower_step = row + 1u < layer->kernel_height ? lanes : 0;
        const int8_t *upper = upper_step != 0 ? weights + row * row_bytes : (const int8_t *)&zeros;
        const int8_t *lower = lower_step != 0 ? weights + (row + 1u) * row_bytes : (const int8_t *)&zeros;
        for (uint32_t column = 0; column < layer->kernel_width; column++) {
            const uint32_t high = whole ? ta_load_word(upper) : load_bytes(upper, lanes);
            const uint32_t low = whole ? ta_load_word(lower) : load_bytes(lower, lanes);
            const uint32_t front = ta_low_lanes(high, low), back = ta_high_lanes(high, low);
            to[0] = to[rotation] = ta_widen_even(ta_widen_even(0, front), front);
            to[1] = to[rotation + 1u] = ta_widen_odd(ta_widen_odd(0, front), front);
            to[2] = to[rotation + 2u] = ta_widen_even(ta_widen_even(0, back), back);
            to[3] = to[rotation + 3u] = ta_widen_odd(ta_widen_odd(0, back), back);
            upper += upper_step;
            lower += lower_step;
            to += CHANNELS;
        }
    }
}

/* The clamp to the layer's range, where the rows leave it to us. */
#if defined(TA_HAS_BYTE_LANES)
#define CLAMPS_IN_WORDS true
static inline uint32_t finished(uint32_t bytes, uint32_t least, uint32_t most) {
    return ta_clamped_bytes(bytes, least, most);
}
#else
#define CLAMPS_IN_WORDS false
static inline uint32_t finished(uint32_t bytes, uint32_t least, uint32_t most) {
    (void)least, (void)most;
    return bytes;
}
#endif

/* Copies a row of staged pixels to the output; `to` points at the first channel of the first pixel. */
TA_FAST_CODE(ta_depthwise_store)
static __attribute__((noinline)) void store_row(const ta_depthwise_part *part, int8_t *to) {
    const ta_convolution *layer = part->layer;
    const size_t step = layer->out_channels;
    const bool words = part->lanes == CHANNELS && (((uintptr_t)to | step) & 3u) == 0;
    const bool clamp = layer->minimum != INT8_MIN || layer->maximum != INT8_MAX;
    const uint32_t *stage = part->stage, *const end = stage + part->columns;
    if (words && !(clamp && CLAMPS_IN_WORDS)) {
#pragma GCC unroll 4
        for (; stage != end; stage++) {
            memcpy(__builtin_assume_aligned(to, 4), stage, sizeof *stage);
            to += step;
        }
        return;
    }
    const uint32_t least = ta_four_bytes(layer->minimum), most = ta_four_bytes(layer->maximum);
    for (; stage != end; stage++) {
        const uint32_t bytes = finished(*stage, least, most);
        if (words) {
            memcpy(__builtin_assume_aligned(to, 4), &bytes, sizeof bytes);
        } else {
            store_bytes(to, bytes, part->lanes);
        }
        to += step;
    }
}

/* All output rows of a part; `to` points at its first output. */
static void compute_part(const ta_depthwise_part *part, uint32_t out_row_begin, uint32_t out_row_end, int8_t *to) {
    const ta_convolution *layer = part->layer;
    const ta_depthwise_sizes *sizes = &part->sizes;
    ta_depthwise_row *const compute = ta_depthwise_row_for(part);
    clear_outside(part);
    uint32_t next = 0; /* Pairs below are in the ring, or no longer wanted. */
    uint32_t slot = 0; /* Where `next` goes. */
    for (uint32_t y = out_row_begin; y < out_row_end; y++) {
        const uint32_t window = y * layer->stride_height, first = window / 2u;
        for (next = at_least(next, first); next < first + sizes->pairs; next++) {
            widen_pair(part, next, part->panels + slot * sizes->panel);
            slot = slot + 1u == sizes->pairs ? 0 : slot + 1u;
        }
        /* The oldest pair, the first one of the window, lies at `slot`: taps of slot 0 are as many pairs further. */
        const uint32_t turned = slot == 0 ? 0 : sizes->pairs - slot;
        compute(part, part->taps + 2u * (window % 2u) * sizes->rotation + CHANNELS * turned * layer->kernel_width);
        store_row(part, to);
        to += (size_t)layer->out_width * layer->out_channels;
    }
}

/* Places `part` at the channels from `channel` and the output columns from `column` on. */
static void place(ta_depthwise_part *part, const ta_rows *rows, uint32_t channel, uint32_t column) {
    const ta_convolution *layer = part->layer;
    const uint32_t begin = column * layer->stride_width; /* Columns of the padded map. */
    const uint32_t map_begin = layer->pad_left, map_end = map_begin + layer->in_width;
    part->columns = at_most(layer->out_width - column, layer->block);
    part->widened = (part->columns - 1u) * layer->stride_width + layer->kernel_width;
    part->inside = at_most(at_least(begin, map_begin) - begin, part->widened);
    part->inside_end = at_least(at_most(at_least(map_end, begin) - begin, part->widened), part->inside);
    part->source_row = (uint32_t)layer->pad_top + rows->in_row_begin;
    part->source_rows = part->inside < part->inside_end ? rows->in_rows : 0;
    part->source = rows->input;
    if (part->source_rows != 0) {
        part->source += (size_t)(begin + part->inside - map_begin) * layer->in_channels + channel;
    }
    part->channels = layer->channels + channel;
}

/* Weights lie in groups of 4 channels: only the last ones of the layer can be less than a group. No packed inputs of
 * other channels can be used. */
static bool is_depthwise(const ta_convolution *layer, const ta_rows *rows, const ta_weights *weights) {
    const uint32_t end = (uint32_t)weights->first_channel + weights->channels;
    return rows->packed == 0 && (weights->channels % CHANNELS == 0 || end == layer->out_channels) &&
           layer->out_channels == layer->in_channels && layer->kernel_height <= MAX_SIDE &&
           layer->kernel_width <= MAX_SIDE && layer->stride_height <= MAX_SIDE && layer->stride_width <= MAX_SIDE &&
           layer->dilation_height == 1 && layer->dilation_width == 1;
}

/* The output rows `share` of a call, of the channels from `channel` on whose weights begin at `taps`. */
static void compute_channels(ta_depthwise_part *part, const ta_rows *rows, uint32_t channel, const int8_t *taps,
                             ta_share share) {
    const ta_convolution *layer = part->layer;
    widen_taps(part, taps, 0);
    if (layer->stride_height % 2u != 0) { /* Else all windows begin in even rows. */
        widen_taps(part, taps, 1);
    }
    int8_t *output = rows->output + (size_t)share.begin * layer->out_width * layer->out_channels + channel;
    for (uint32_t column = 0; column < layer->out_width; column += layer->block) {
        place(part, rows, channel, column);
        compute_part(part, rows->out_row_begin + share.begin, rows->out_row_begin + share.end,
                     output + (size_t)column * layer->out_channels);
    }
}

ta_status ta_depthwise_s8(const ta_convolution *layer, const ta_rows *rows, const ta_weights *weights, void *scratch,
                          uint32_t scratch_bytes) {
    if (!ta_convolution_is_valid(layer) || !is_depthwise(layer, rows, weights) || !ta_rows_are_valid(layer, rows) ||
        !ta_weights_are_valid(layer, weights) || !ta_windows_are_readable(layer, rows)) {
        return TA_ERROR_ARGUMENT;
    }
    if (scratch_bytes < ta_depthwise_s8_scratch_bytes(layer)) {
        return TA_ERROR_SCRATCH;
    }
    ta_depthwise_part part = {.layer = layer, .sizes = sizes_of(layer), .panels = scratch};
    part.panels += ta_team_rank() * part_words(&part.sizes);
    part.taps = part.panels + part.sizes.pairs * part.sizes.panel;
    part.stage = part.taps + 4u * part.sizes.rotation;
    const uint32_t groups = (weights->channels + CHANNELS - 1u) / CHANNELS;
    const uint32_t row_count = (uint32_t)(rows->out_row_end - rows->out_row_begin);
    const int8_t *taps = weights->data;
    for (uint32_t done = 0; done < weights->channels; done += CHANNELS) {
        const ta_share share = ta_share_of_group(done / CHANNELS, groups, row_count);
        if (TA_CORES == 1 || ta_share_count(share) != 0u) {
            part.lanes = at_most(weights->channels - done, CHANNELS);
            compute_channels(&part, rows, weights->first_channel + done, taps, share);
        }
        taps += CHANNELS * (uint32_t)layer->kernel_height * layer->kernel_width;
    }
    return TA_OK;
}
