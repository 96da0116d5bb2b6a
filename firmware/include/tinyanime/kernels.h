/* Kernels that CMSIS-NN lacks. Portable C, no heap, no globals.
 *
 * Common to all: activations are int8, NHWC, N == 1; a "row" is width * channels bytes. A kernel computes the output
 * rows [out_row_begin, out_row_end) only: `output` points at row out_row_begin, `input` at row in_row_begin of the
 * input map, of which as many rows must be readable as the computed rows need. Requantization is arm_nn_requantize of
 * CMSIS-NN in its default (double rounding) form. Every function returns TA_OK, or TA_ERROR_ARGUMENT where a
 * parameter is out of range (nothing is written then). Exact definitions: codegen/reference/<op>.py. */
#ifndef TINYANIME_KERNELS_H
#define TINYANIME_KERNELS_H

#include <stdint.h>

#include "tinyanime/status.h"

/* q_out = clamp(requantize(q_in - in_zero_point) + out_zero_point, minimum, maximum). */
typedef struct {
    int32_t in_zero_point;
    int32_t multiplier; /* Q31 mantissa */
    int32_t shift;      /* > 0 is a left shift */
    int32_t out_zero_point;
    int32_t minimum;
    int32_t maximum;
} ta_rescale;

/* Changes scale and zero point of `count` elements; `output` may be `input`. */
ta_status ta_requantize_s8(const ta_rescale *rescale, const int8_t *input, uint32_t count, int8_t *output);

/* Parameters of arm_elementwise_add_s8: offsets are negated zero points, left_shift is 20. */
typedef struct {
    int32_t a_offset;
    int32_t a_multiplier;
    int32_t a_shift;
    int32_t b_offset;
    int32_t b_multiplier;
    int32_t b_shift;
    int32_t left_shift;
    int32_t out_offset;
    int32_t out_multiplier;
    int32_t out_shift;
    int32_t minimum;
    int32_t maximum;
} ta_add_params;

/* Sum of two maps of `count` elements; `output` may be `a` or `b`. */
ta_status ta_add_s8(const ta_add_params *params, const int8_t *a, const int8_t *b, uint32_t count, int8_t *output);

/* Copies `outer` blocks of `in_inner` bytes into blocks that lie `out_inner` bytes apart in `output`
 * (concatenation along any axis: `output` already points at the first block's place). Rescales where `rescale` is
 * not NULL. */
ta_status ta_concat_s8(const ta_rescale *rescale, const int8_t *input, uint32_t outer, uint32_t in_inner,
                       uint32_t out_inner, int8_t *output);

typedef enum { TA_PAD_CONSTANT = 0, TA_PAD_REFLECT = 1 } ta_pad_mode;

typedef struct {
    uint16_t in_height, in_width, channels;
    uint16_t top, left, bottom, right;
    ta_pad_mode mode;
    int8_t value; /* quantized constant */
} ta_pad_params;

ta_status ta_pad_s8(const ta_pad_params *params, const int8_t *input, uint32_t in_row_begin, uint32_t out_row_begin,
                    uint32_t out_row_end, int8_t *output);

typedef struct {
    uint16_t in_width, channels;
    uint16_t factor_height, factor_width;
} ta_resize_params;

/* Nearest neighbour by whole factors: output row y is input row y / factor_height. */
ta_status ta_resize_nearest_s8(const ta_resize_params *params, const int8_t *input, uint32_t in_row_begin,
                               uint32_t out_row_begin, uint32_t out_row_end, int8_t *output);

typedef enum { TA_DEPTH_DCR = 0, TA_DEPTH_CRD = 1 } ta_depth_mode;

/* `in_width` and `in_channels` are those of the input map. */
typedef struct {
    uint16_t in_width, in_channels;
    uint16_t block;
    ta_depth_mode mode; /* depth to space only */
} ta_depth_params;

ta_status ta_depth_to_space_s8(const ta_depth_params *params, const int8_t *input, uint32_t in_row_begin,
                               uint32_t out_row_begin, uint32_t out_row_end, int8_t *output);

ta_status ta_space_to_depth_s8(const ta_depth_params *params, const int8_t *input, uint32_t in_row_begin,
                               uint32_t out_row_begin, uint32_t out_row_end, int8_t *output);

typedef enum { TA_POOL_MAX = 0, TA_POOL_AVERAGE = 1 } ta_pool_mode;

/* `in_height` and `in_width` are of the whole map (rows and columns outside are padding). Every window of the computed
 * rows must hold an element of the map. */
typedef struct {
    uint16_t in_height, in_width, channels;
    uint16_t out_width;
    uint16_t kernel_height, kernel_width;
    uint16_t stride_height, stride_width;
    uint16_t pad_top, pad_left;
    ta_pool_mode mode;
    int32_t minimum, maximum;
} ta_pool_params;

/* The largest element of the window's part inside the map, or the mean of these elements, halves away from zero. */
ta_status ta_pool_s8(const ta_pool_params *params, const int8_t *input, uint32_t in_row_begin, uint32_t out_row_begin,
                     uint32_t out_row_end, int8_t *output);

/* Convolution parameters of the kernels below. Heights are of the whole maps (rows outside are padding);
 * offsets as in CMSIS-NN: in_offset = -input zero point, out_offset = output zero point. */
typedef struct {
    uint16_t in_height, in_width, in_channels;
    uint16_t out_width, out_channels;
    uint16_t kernel_height, kernel_width;
    uint16_t stride_height, stride_width;
    uint16_t dilation_height, dilation_width;
    uint16_t pad_top, pad_left;
    uint16_t groups;
    int32_t in_offset, out_offset;
    int32_t minimum, maximum;
    const int32_t *multipliers; /* [out_channels] */
    const int32_t *shifts;      /* [out_channels] */
    const int8_t *weights;      /* [out_channels, kernel_height, kernel_width, in_channels / groups] */
    const int32_t *bias;        /* [out_channels] */
} ta_conv_params;

/* Convolution with any number of groups. */
ta_status ta_convolve_grouped_s8(const ta_conv_params *params, const int8_t *input, uint32_t in_row_begin,
                                 uint32_t out_row_begin, uint32_t out_row_end, int8_t *output);

/* Transposed convolution, groups and dilation 1: output (y, x) sums weights[ky, kx] * input(iy, ix) over all
 * iy * stride_height + ky == y + pad_top and ix * stride_width + kx == x + pad_left. */
ta_status ta_transpose_conv_s8(const ta_conv_params *params, const int8_t *input, uint32_t in_row_begin,
                               uint32_t out_row_begin, uint32_t out_row_end, int8_t *output);

/* The elements of [in_height, in_width, in_channels], read in channel-major (ONNX, NCHW) order, written as
 * [out_height, out_width, out_channels] in the same order. */
typedef struct {
    uint16_t in_height, in_width, in_channels;
    uint16_t out_height, out_width, out_channels;
} ta_reshape_params;

ta_status ta_reshape_s8(const ta_reshape_params *params, const int8_t *input, int8_t *output);

#endif
