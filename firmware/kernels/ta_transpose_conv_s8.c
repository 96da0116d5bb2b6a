#include <stddef.h>

#include "tinyanime/kernels.h"

#include "ta_conv_params.h"

/* Position of an output row or column on the grid of the input: kernel elements `first_tap`, `first_tap +
 * stride`,
 * ... meet input elements `index`, `index - 1`, ... */
typedef struct {
    uint32_t index;
    uint32_t first_tap;
} grid_point;

static grid_point grid_point_of(uint32_t position, uint32_t stride) {
    return (grid_point){.index = position / stride, .first_tap = position % stride};
}

static grid_point next_grid_point(grid_point at, uint32_t stride) {
    at.first_tap++;
    if (at.first_tap == stride) {
        at.first_tap = 0;
        at.index++;
    }
    return at;
}

static bool rows_are_readable(const ta_conv_params *p, uint32_t in_row_begin, uint32_t begin, uint32_t end) {
    for (uint32_t row = begin; row < end; row++) {
        grid_point at = grid_point_of(row + p->pad_top, p->stride_height);
        for (uint32_t ky = at.first_tap; ky < p->kernel_height; ky += p->stride_height) {
            if (at.index < p->in_height && at.index < in_row_begin) {
                return false;
            }
            if (at.index == 0) {
                break;
            }
            at.index--;
        }
    }
    return true;
}

/* Sum of products of one output channel along one kernel row; `source` is the input row. */
static int32_t accumulate_row(const ta_conv_params *p, const int8_t *source, grid_point x, const int8_t *weights,
                              int32_t sum) {
    uint32_t column = x.index;
    for (uint32_t kx = x.first_tap; kx < p->kernel_width; kx += p->stride_width) {
        if (column < p->in_width) {
            const int8_t *pixel = source + (size_t)column * p->in_channels;
            const int8_t *tap = weights + (size_t)kx * p->in_channels;
            for (uint32_t channel = 0; channel < p->in_channels; channel++) {
                sum += (pixel[channel] + p->in_offset) * tap[channel];
            }
        }
        if (column == 0) {
            break;
        }
        column--;
    }
    return sum;
}

static int32_t accumulate(const ta_conv_params *p, const int8_t *input, uint32_t in_row_begin, grid_point y,
                          grid_point x, const int8_t *weights, int32_t sum) {
    const size_t in_row_bytes = (size_t)p->in_width * p->in_channels;
    const size_t tap_row_bytes = (size_t)p->kernel_width * p->in_channels;
    uint32_t row = y.index;
    for (uint32_t ky = y.first_tap; ky < p->kernel_height; ky += p->stride_height) {
        if (row < p->in_height) {
            sum = accumulate_row(p, input + (row - in_row_begin) * in_row_bytes, x, weights + ky * tap_row_bytes, sum);
        }
        if (row == 0) {
            break;
        }
        row--;
    }
    return sum;
}

ta_status ta_transpose_conv_s8(const ta_conv_params *params, const int8_t *input, uint32_t in_row_begin,
                               uint32_t out_row_begin, uint32_t out_row_end, int8_t *output) {
    const ta_conv_params *p = params;
    if (!ta_conv_sizes_are_valid(p) || p->groups != 1 || p->dilation_height != 1 || p->dilation_width != 1 ||
        !ta_conv_quantization_is_valid(p) || out_row_begin > out_row_end ||
        !rows_are_readable(p, in_row_begin, out_row_begin, out_row_end)) {
        return TA_ERROR_ARGUMENT;
    }
    const size_t filter_bytes = (size_t)p->kernel_height * p->kernel_width * p->in_channels;
    grid_point y = grid_point_of(out_row_begin + p->pad_top, p->stride_height);
    for (uint32_t row = out_row_begin; row < out_row_end; row++) {
        grid_point x = grid_point_of(p->pad_left, p->stride_width);
        for (uint32_t column = 0; column < p->out_width; column++) {
            for (uint32_t channel = 0; channel < p->out_channels; channel++) {
                const int8_t *weights = p->weights + channel * filter_bytes;
                const int32_t sum = accumulate(p, input, in_row_begin, y, x, weights, p->bias[channel]);
                const int32_t scaled = ta_requantize(sum, p->multipliers[channel], p->shifts[channel]);
                *output++ = ta_offset_and_clamp(scaled, p->out_offset, p->minimum, p->maximum);
            }
            x = next_grid_point(x, p->stride_width);
        }
        y = next_grid_point(y, p->stride_height);
    }
    return TA_OK;
}
