/* Convolutions that compute with int16 operands in small matrix products (firmware/kernels/ta_gemm_s16.h).
 *
 * Common to all: activations are int8, NHWC, N == 1, groups 1. A call computes the output rows
 * [out_row_begin, out_row_end) of the output channels of `weights`, and leaves the other channels of these rows as
 * they are. Inputs are widened to x + in_offset (9 bits), weights are widened to int16 once per block of columns;
 * all sums are exact modulo 2^32, and the compiler proves from the actual weights that what they stand for fits
 * (codegen/kernels). Each kernel has a twin `_scratch_bytes` that needs no call and no data; `scratch` must be aligned
 * to 8 bytes and hold that many. In a call that a team runs (tinyanime/team.h) the cores share the work and `scratch`.
 * Every function returns TA_OK, TA_ERROR_ARGUMENT where a parameter is out of range or
 * TA_ERROR_SCRATCH where `scratch_bytes` is too small (nothing is written then). Exact definitions:
 * codegen/reference/conv2d.py and its neighbours. */
#ifndef TINYANIME_CONVOLVE_H
#define TINYANIME_CONVOLVE_H

#include <stdint.h>

#include "tinyanime/status.h"

/* How the sum of one output channel becomes int8, arm_nn_requantize with a right shift of 1 to 22:
 * with x = round(2 * (sum + bias) * multiplier / 2^32), halves upwards, the result is
 * clamp((x + rounding - (x < 0)) >> shift, minimum, maximum). |sum + bias| < 2^30. */
typedef struct {
    int32_t bias;
    int32_t multiplier; /* Q31 mantissa, >= 0 */
    int32_t rounding;   /* 2^(shift - 1) + (output zero point << shift) */
    int32_t shift;      /* 1 to 22 */
} ta_channel;

/* One layer. Heights are of the whole maps (rows and columns outside are padding, whose value is the input's zero
 * point). `block` is the number of columns (output pixels, or tiles of them: see each kernel) that are computed at a
 * time: even, 2 to 1024; the working memory grows with it. */
typedef struct {
    uint16_t in_height, in_width, in_channels;
    uint16_t out_height, out_width, out_channels;
    uint16_t kernel_height, kernel_width;
    uint16_t stride_height, stride_width;
    uint16_t dilation_height, dilation_width;
    uint16_t pad_top, pad_left;
    uint16_t block;
    int16_t in_offset; /* Negated input zero point, -127 to 128. */
    int8_t minimum, maximum;
    const ta_channel *channels; /* [out_channels] */
} ta_convolution;

/* The rows of one call: `input` points at row in_row_begin of the input map, of which in_rows rows are readable (all
 * that the computed rows need), `output` at row out_row_begin of the output map, all channels.
 *
 * Calls for other output channels of the same rows may follow each other: where one block covers all columns of the
 * rows, the first call leaves its packed inputs in `scratch` and the others say so by `packed`. Such calls with more
 * than one block are refused (TA_ERROR_ARGUMENT). */
typedef struct {
    const int8_t *input;
    int8_t *output;
    uint16_t in_row_begin, in_rows;
    uint16_t out_row_begin, out_row_end;
    uint16_t packed; /* 1: `scratch` holds the packed inputs of these rows, see above; else 0. */
} ta_rows;

/* Weights of the output channels [first_channel, first_channel + channels), in the order of the kernel that reads
 * them, aligned to 4 bytes. first_channel is a multiple of 4. */
typedef struct {
    const int8_t *data;
    uint16_t first_channel;
    uint16_t channels;
} ta_weights;

/* Any kernel, stride and dilation. A column is an output pixel. Weights: [out][kernel row, kernel column, in, zeros up
 * to a multiple of 4]. */
ta_status ta_convolve_direct_s8(const ta_convolution *layer, const ta_rows *rows, const ta_weights *weights,
                                void *scratch, uint32_t scratch_bytes);
uint32_t ta_convolve_direct_s8_scratch_bytes(const ta_convolution *layer);

/* 3x3, stride 1, by Winograd's F(4x4, 3x3): 36 instead of 144 multiplications per 4x4 outputs. A column is a tile of
 * 4x4 outputs; tiles begin at out_row_begin. |sum + bias| < 2^25. Weights: [out][in / 4, rounded up][9 taps]
 * [4 in], zeros behind the last input channel. */
ta_status ta_convolve_winograd_4x4_s8(const ta_convolution *layer, const ta_rows *rows, const ta_weights *weights,
                                      void *scratch, uint32_t scratch_bytes);
uint32_t ta_convolve_winograd_4x4_s8_scratch_bytes(const ta_convolution *layer);

/* The same by F(2x2, 3x3): 16 instead of 36 multiplications per 2x2 outputs, |sum + bias| < 2^29. */
ta_status ta_convolve_winograd_2x2_s8(const ta_convolution *layer, const ta_rows *rows, const ta_weights *weights,
                                      void *scratch, uint32_t scratch_bytes);
uint32_t ta_convolve_winograd_2x2_s8_scratch_bytes(const ta_convolution *layer);

/* 3x3, stride 2, by splitting rows and columns into even and odd ones: 25 instead of 36 multiplications per 2x2
 * outputs. A column is a tile of 2x2 outputs. Weights as F(4x4, 3x3). */
ta_status ta_convolve_stride2_s8(const ta_convolution *layer, const ta_rows *rows, const ta_weights *weights,
                                 void *scratch, uint32_t scratch_bytes);
uint32_t ta_convolve_stride2_s8_scratch_bytes(const ta_convolution *layer);

/* Nearest-neighbour upsampling by 2 in both directions followed by a 3x3 convolution, stride 1, padding 1 on all
 * sides: 25 instead of 144 multiplications per 4x4 outputs, and the upsampled map never exists. in_* are of the map
 * before, out_* (= 2 * in_*) of the one behind. A column is a tile of 4x4 outputs; tiles begin at out_row_begin, or a
 * row earlier where that is odd. Sums must satisfy |sum| < 2^29. Weights as F(4x4, 3x3). */
ta_status ta_upsample_convolve_s8(const ta_convolution *layer, const ta_rows *rows, const ta_weights *weights,
                                  void *scratch, uint32_t scratch_bytes);
uint32_t ta_upsample_convolve_s8_scratch_bytes(const ta_convolution *layer);

/* Transposed convolution, any kernel and stride, dilation 1: output (y, x) sums the taps (ky, kx) times input (iy, ix)
 * over all iy * stride_height + ky == y + pad_top and ix * stride_width + kx == x + pad_left, one after the other for
 * each remainder of y + pad_top and x + pad_left by the strides. A column is an output pixel. Weights:
 * [out][kernel row][kernel column][in, zeros up to a multiple of 4]. */
ta_status ta_transpose_convolve_s8(const ta_convolution *layer, const ta_rows *rows, const ta_weights *weights,
                                   void *scratch, uint32_t scratch_bytes);
uint32_t ta_transpose_convolve_s8_scratch_bytes(const ta_convolution *layer);

/* Depthwise: each output channel sums the taps of the input channel of the same number (in_channels ==
 * out_channels). Any kernel and stride up to 255, dilation 1; 3x3 and 5x5 with strides 1 and 2 along the row are
 * fastest. A column is an output pixel. Channels share no inputs: `packed` is 0. Weights: [out / 4][kernel row]
 * [kernel column][4 out]; a last group of less than 4 channels has as many bytes per tap. ta_weights.channels is a
 * multiple of 4, but for the last ones of a layer. */
ta_status ta_depthwise_s8(const ta_convolution *layer, const ta_rows *rows, const ta_weights *weights, void *scratch,
                          uint32_t scratch_bytes);
uint32_t ta_depthwise_s8_scratch_bytes(const ta_convolution *layer);

/* The same for 3x3 kernels, strides 1 and 2 in each direction, and channels that are a multiple of 4. As many whole
 * output rows are computed at a time as have `block` pixels, one row at least; many rows at a time make it the faster
 * one, on small maps most of all. */
ta_status ta_depthwise_3x3_s8(const ta_convolution *layer, const ta_rows *rows, const ta_weights *weights,
                              void *scratch, uint32_t scratch_bytes);
uint32_t ta_depthwise_3x3_s8_scratch_bytes(const ta_convolution *layer);

#endif
