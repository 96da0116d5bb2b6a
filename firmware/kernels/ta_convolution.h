/* Checks that the kernels of tinyanime/convolve.h share. Private to firmware/kernels. */
#ifndef TA_CONVOLUTION_H
#define TA_CONVOLUTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tinyanime/convolve.h"

#define TA_BLOCK_LIMIT 1024u

/* Whether positions of windows along one side stay in int32: `out` of them `stride` apart, `taps` `dilation` apart. */
static inline bool ta_positions_fit(uint32_t out, uint32_t stride, uint32_t taps, uint32_t dilation) {
    return (uint64_t)out * stride + (uint64_t)taps * dilation <= INT32_MAX;
}

/* Whether every field of `layer` is within the ranges of convolve.h. */
static inline bool ta_convolution_is_valid(const ta_convolution *layer) {
    return layer->in_height != 0 && layer->in_width != 0 && layer->in_channels != 0 && layer->out_height != 0 &&
           layer->out_width != 0 && layer->out_channels != 0 && layer->kernel_height != 0 && layer->kernel_width != 0 &&
           layer->stride_height != 0 && layer->stride_width != 0 && layer->dilation_height != 0 &&
           layer->dilation_width != 0 && layer->block >= 2 && layer->block <= TA_BLOCK_LIMIT && layer->block % 2 == 0 &&
           layer->in_offset >= -127 && layer->in_offset <= 128 && layer->minimum <= layer->maximum &&
           layer->channels != NULL &&
           ta_positions_fit(layer->out_height, layer->stride_height, layer->kernel_height, layer->dilation_height) &&
           ta_positions_fit(layer->out_width, layer->stride_width, layer->kernel_width, layer->dilation_width);
}

/* Whether the rows of a call lie in the layer's maps. */
static inline bool ta_rows_are_valid(const ta_convolution *layer, const ta_rows *rows) {
    return rows->out_row_begin <= rows->out_row_end && rows->out_row_end <= layer->out_height &&
           (uint32_t)rows->in_row_begin + rows->in_rows <= layer->in_height;
}

/* Whether the channels of a call are channels of the layer. */
static inline bool ta_weights_are_valid(const ta_convolution *layer, const ta_weights *weights) {
    return weights->data != NULL && weights->channels != 0 && weights->first_channel % 4 == 0 &&
           (uint32_t)weights->first_channel + weights->channels <= layer->out_channels;
}

/* The input row that row `tap` of the kernel meets at output row `row`; outside of [0, in_height) is padding. */
static inline int32_t ta_input_row(const ta_convolution *layer, uint32_t row, uint32_t tap) {
    return (int32_t)(row * layer->stride_height + tap * layer->dilation_height) - layer->pad_top;
}

/* Whether every input row that the windows of the output rows meet is among the readable ones. */
static inline bool ta_windows_are_readable(const ta_convolution *layer, const ta_rows *rows) {
    for (uint32_t row = rows->out_row_begin; row < rows->out_row_end; row++) {
        for (uint32_t tap = 0; tap < layer->kernel_height; tap++) {
            const int32_t in_row = ta_input_row(layer, row, tap);
            if (in_row >= 0 && in_row < layer->in_height &&
                (in_row < rows->in_row_begin || in_row >= rows->in_row_begin + rows->in_rows)) {
                return false;
            }
        }
    }
    return true;
}

#endif
