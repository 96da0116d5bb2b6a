#include "tinyanime/convolve.h"
#include "tinyanime/fast_code.h"

#include "ta_convolution.h"
#include "ta_lanes.h"

/* Four channels at a time, output pixel by output pixel: each tap inside the map is one input word, widened on the
 * fly, against two words of widened weights. Nothing but the weights is prepared, and taps in the padding are left out:
 * that pays on small maps. */
enum { CHANNELS = 4, TAP_WORDS = 2, MAX_TAPS = 1 << 16 };

/* What all pixels of a group of channels share. */
typedef struct {
    const ta_convolution *layer;
    const ta_rows *rows;
    const uint32_t *taps; /* [kernel row][kernel column][2]: twice the weights of channels 0 and 2, 1 and 3 */
    const ta_channel *channels;
    uint32_t offset; /* in_offset in both lanes */
} group_work;

/* Kernel rows or columns [begin, end) that meet the map. */
typedef struct {
    uint32_t begin, end;
} tap_range;

static uint32_t taps_of(const ta_convolution *layer) {
    return (uint32_t)layer->kernel_height * layer->kernel_width;
}

uint32_t ta_depthwise_pixels_s8_scratch_bytes(const ta_convolution *layer) {
    return TAP_WORDS * (uint32_t)sizeof(uint32_t) * taps_of(layer);
}

/* Of `taps` taps from position `first` on, those in [0, size). */
static inline tap_range inside(int32_t first, uint32_t taps, uint32_t size) {
    const int32_t end = (int32_t)size - first;
    tap_range range = {.begin = first < 0 ? (uint32_t)-first : 0, .end = end < (int32_t)taps ? (uint32_t)end : taps};
    if (end < 0 || range.begin > range.end) {
        range.end = range.begin;
    }
    return range;
}

/* a.low * b.low + sum, a.high * b.high + sum. */
static inline int32_t add_low_product(int32_t sum, uint32_t a, uint32_t b) {
#if defined(__ARM_FEATURE_DSP)
    int32_t result;
    __asm("smlabb %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
#else
    return sum + (int16_t)(a & 0xFFFFu) * (int16_t)(b & 0xFFFFu);
#endif
}

static inline int32_t add_high_product(int32_t sum, uint32_t a, uint32_t b) {
#if defined(__ARM_FEATURE_DSP)
    int32_t result;
    __asm("smlatt %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
#else
    return sum + (int16_t)(a >> 16) * (int16_t)(b >> 16);
#endif
}

/* One pixel: the word of its four channels. `source` points at the first tap that meets the map. */
static inline uint32_t compute_pixel(const group_work *work, tap_range down, tap_range across, const int8_t *source) {
    const ta_convolution *layer = work->layer;
    const uint32_t pixel_bytes = layer->in_channels, count = across.end - across.begin;
    const uint32_t row_bytes = (uint32_t)layer->in_width * pixel_bytes;
    const uint32_t *taps = work->taps + TAP_WORDS * (down.begin * layer->kernel_width + across.begin);
    int32_t sums[CHANNELS] = {0, 0, 0, 0};
    for (uint32_t row = down.begin; row < down.end; row++) {
        const int8_t *at = source;
        const uint32_t *weights = taps;
        for (uint32_t left = count; left != 0; left--) {
            const uint32_t bytes = ta_load_word(at), even_weights = weights[0], odd_weights = weights[1];
            const uint32_t even = ta_widen_even(work->offset, bytes), odd = ta_widen_odd(work->offset, bytes);
            sums[0] = add_low_product(sums[0], even, even_weights);
            sums[1] = add_low_product(sums[1], odd, odd_weights);
            sums[2] = add_high_product(sums[2], even, even_weights);
            sums[3] = add_high_product(sums[3], odd, odd_weights);
            at += pixel_bytes;
            weights += TAP_WORDS;
        }
        source += row_bytes;
        taps += TAP_WORDS * layer->kernel_width;
    }
    uint32_t word = 0;
    for (uint32_t lane = 0; lane < CHANNELS; lane++) {
        const ta_channel *channel = &work->channels[lane];
        const int32_t doubled = (int32_t)((uint32_t)sums[lane] + ((uint32_t)channel->bias << 1));
        const int32_t value = ta_doubled_value(channel, doubled);
        word |= (uint32_t)(uint8_t)ta_clamped(value, layer->minimum, layer->maximum) << (8u * lane);
    }
    return word;
}

TA_FAST_CODE(ta_depthwise_pixels_row)
__attribute__((noinline)) static void compute_row(const group_work *work, uint32_t row, const int8_t *input,
                                                  int8_t *output) {
    const ta_convolution *layer = work->layer;
    const int32_t first_row = ta_input_row(layer, row, 0);
    const tap_range down = inside(first_row, layer->kernel_height, layer->in_height);
    const uint32_t row_bytes = (uint32_t)layer->in_width * layer->in_channels;
    if (down.begin != down.end) {
        input += ((uint32_t)(first_row + (int32_t)down.begin) - work->rows->in_row_begin) * (size_t)row_bytes;
    }
    int32_t column = -(int32_t)layer->pad_left;
    for (uint32_t x = 0; x < layer->out_width; x++) {
        const tap_range across = inside(column, layer->kernel_width, layer->in_width);
        const bool meets = across.begin != across.end;
        const int8_t *source = meets ? input + (size_t)(column + (int32_t)across.begin) * layer->in_channels : input;
        const uint32_t word = compute_pixel(work, down, across, source);
        __builtin_memcpy(__builtin_assume_aligned(output, CHANNELS), &word, CHANNELS);
        output += layer->out_channels;
        column += layer->stride_width;
    }
}

static void widen_taps(const int8_t *weights, uint32_t taps, uint32_t *target) {
    for (; taps != 0; taps--) {
        const uint32_t bytes = ta_load_word(weights);
        const uint32_t even = ta_widen_even(0, bytes), odd = ta_widen_odd(0, bytes);
        target[0] = ta_add_lanes(even, even);
        target[1] = ta_add_lanes(odd, odd);
        target += TAP_WORDS;
        weights += CHANNELS;
    }
}

ta_status ta_depthwise_pixels_s8(const ta_convolution *layer, const ta_rows *rows, const ta_weights *weights,
                                 void *scratch, uint32_t scratch_bytes) {
    if (!ta_convolution_is_valid(layer) || !ta_rows_are_valid(layer, rows) || !ta_weights_are_valid(layer, weights) ||
        !ta_windows_are_readable(layer, rows) || layer->in_channels != layer->out_channels ||
        layer->in_channels % CHANNELS != 0 || weights->channels % CHANNELS != 0 || layer->dilation_height != 1 ||
        layer->dilation_width != 1 || taps_of(layer) > MAX_TAPS || rows->packed != 0) {
        return TA_ERROR_ARGUMENT;
    }
    if (scratch_bytes < ta_depthwise_pixels_s8_scratch_bytes(layer)) {
        return TA_ERROR_SCRATCH;
    }
    group_work work = {
        .layer = layer, .rows = rows, .taps = scratch, .offset = (uint32_t)(uint16_t)layer->in_offset * 0x10001u};
    const uint32_t row_bytes = (uint32_t)layer->out_width * layer->out_channels;
    const int8_t *data = weights->data;
    for (uint32_t done = 0; done < weights->channels; done += CHANNELS) {
        const uint32_t first = weights->first_channel + done;
        widen_taps(data, taps_of(layer), scratch);
        data += CHANNELS * taps_of(layer);
        work.channels = layer->channels + first;
        int8_t *output = rows->output + first;
        for (uint32_t row = rows->out_row_begin; row < rows->out_row_end; row++) {
            compute_row(&work, row, rows->input + first, output);
            output += row_bytes;
        }
    }
    return TA_OK;
}
