#include <stddef.h>

#include "tinyanime/kernels.h"

#include "ta_arithmetic.h"

/* The part of a window that lies inside the map: rows and columns [begin, end), none empty. */
typedef struct {
    uint32_t row_begin, row_end;
    uint32_t column_begin, column_end;
} window;

/* First input row (or column) of output row `index`'s window; negative in the padding. */
static int64_t window_start(uint32_t index, uint32_t stride, uint32_t pad) {
    return (int64_t)index * stride - pad;
}

static uint32_t clipped(int64_t position, uint32_t size) {
    if (position < 0) {
        return 0;
    }
    return position < size ? (uint32_t)position : size;
}

/* The first window reaches into the map and the last one begins before its end: so do all between them. */
static bool windows_meet_the_map(const ta_pool_params *p, uint32_t out_row_end) {
    return p->pad_top < p->kernel_height && p->pad_left < p->kernel_width &&
           (out_row_end == 0 || window_start(out_row_end - 1u, p->stride_height, p->pad_top) < p->in_height) &&
           window_start(p->out_width - 1u, p->stride_width, p->pad_left) < p->in_width;
}

static bool params_are_valid(const ta_pool_params *p) {
    return p->in_height != 0 && p->in_width != 0 && p->channels != 0 && p->out_width != 0 && p->kernel_height != 0 &&
           p->kernel_width != 0 && p->stride_height != 0 && p->stride_width != 0 &&
           ta_is_clamp(p->minimum, p->maximum) && (p->mode == TA_POOL_MAX || p->mode == TA_POOL_AVERAGE);
}

static int8_t clamp(const ta_pool_params *p, int32_t value) {
    return ta_offset_and_clamp(value, 0, p->minimum, p->maximum);
}

/* `input` points at column 0 of the window's first row. */
static void largest(const ta_pool_params *p, const int8_t *input, const window *w, int8_t *output) {
    for (uint32_t channel = 0; channel < p->channels; channel++) {
        output[channel] = INT8_MIN;
    }
    for (uint32_t row = w->row_begin; row < w->row_end; row++) {
        const int8_t *element = input + (size_t)w->column_begin * p->channels;
        for (uint32_t column = w->column_begin; column < w->column_end; column++) {
            for (uint32_t channel = 0; channel < p->channels; channel++) {
                output[channel] = *element > output[channel] ? *element : output[channel];
                element++;
            }
        }
        input += (size_t)p->in_width * p->channels;
    }
    for (uint32_t channel = 0; channel < p->channels; channel++) {
        output[channel] = clamp(p, output[channel]);
    }
}

/* Sum of one channel; a row of at most 65,535 elements stays within int32. */
static int64_t window_sum(const ta_pool_params *p, const int8_t *input, const window *w) {
    int64_t total = 0;
    for (uint32_t row = w->row_begin; row < w->row_end; row++) {
        const int8_t *element = input + (size_t)w->column_begin * p->channels;
        int32_t sum = 0;
        for (uint32_t column = w->column_begin; column < w->column_end; column++) {
            sum += *element;
            element += p->channels;
        }
        total += sum;
        input += (size_t)p->in_width * p->channels;
    }
    return total;
}

/* Rounds to nearest, halves away from zero. */
static void mean(const ta_pool_params *p, const int8_t *input, const window *w, int8_t *output) {
    const int64_t count = (int64_t)(w->row_end - w->row_begin) * (w->column_end - w->column_begin);
    for (uint32_t channel = 0; channel < p->channels; channel++) {
        const int64_t sum = window_sum(p, input + channel, w);
        const int64_t half = sum > 0 ? count / 2 : -(count / 2);
        output[channel] = clamp(p, (int32_t)((sum + half) / count));
    }
}

ta_status ta_pool_s8(const ta_pool_params *params, const int8_t *input, uint32_t in_row_begin, uint32_t out_row_begin,
                     uint32_t out_row_end, int8_t *output) {
    const ta_pool_params *p = params;
    if (!params_are_valid(p) || out_row_begin > out_row_end || !windows_meet_the_map(p, out_row_end) ||
        clipped(window_start(out_row_begin, p->stride_height, p->pad_top), p->in_height) < in_row_begin) {
        return TA_ERROR_ARGUMENT;
    }
    for (uint32_t row = out_row_begin; row < out_row_end; row++) {
        const int64_t top = window_start(row, p->stride_height, p->pad_top);
        window w = {.row_begin = clipped(top, p->in_height), .row_end = clipped(top + p->kernel_height, p->in_height)};
        const int8_t *source = input + (size_t)(w.row_begin - in_row_begin) * p->in_width * p->channels;
        for (uint32_t column = 0; column < p->out_width; column++) {
            const int64_t left = window_start(column, p->stride_width, p->pad_left);
            w.column_begin = clipped(left, p->in_width);
            w.column_end = clipped(left + p->kernel_width, p->in_width);
            if (p->mode == TA_POOL_MAX) {
                largest(p, source, &w, output);
            } else {
                mean(p, source, &w, output);
            }
            output += p->channels;
        }
    }
    return TA_OK;
}
