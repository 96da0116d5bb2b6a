#include "tinyanime/kernels.h"

#include "ta_copy_run.h"

/* Writes each of `width` groups of `channels` bytes `factor` times. */
static void repeat_columns(const int8_t *source, uint32_t width, size_t channels, uint32_t factor, int8_t *target) {
    const bool words = ta_is_word_run(target, source, channels);
    for (uint32_t x = 0; x < width; x++) {
        for (uint32_t copy = 0; copy < factor; copy++) {
            ta_copy_run(target, source, channels, words);
            target += channels;
        }
        source += channels;
    }
}

ta_status ta_resize_nearest_s8(const ta_resize_params *params, const int8_t *input, uint32_t in_row_begin,
                               uint32_t out_row_begin, uint32_t out_row_end, int8_t *output) {
    const ta_resize_params *p = params;
    if (p->in_width == 0 || p->channels == 0 || p->factor_height == 0 || p->factor_width == 0 ||
        out_row_begin > out_row_end || out_row_begin / p->factor_height < in_row_begin) {
        return TA_ERROR_ARGUMENT;
    }
    const size_t in_row_bytes = (size_t)p->in_width * p->channels;
    const size_t out_row_bytes = in_row_bytes * p->factor_width;
    uint32_t in_row = out_row_begin / p->factor_height;
    uint32_t repeat = out_row_begin % p->factor_height;
    for (uint32_t row = out_row_begin; row < out_row_end; row++) {
        if (row == out_row_begin || repeat == 0) {
            const int8_t *source = input + (in_row - in_row_begin) * in_row_bytes;
            repeat_columns(source, p->in_width, p->channels, p->factor_width, output);
        } else {
            memcpy(output, output - out_row_bytes, out_row_bytes);
        }
        output += out_row_bytes;
        repeat++;
        if (repeat == p->factor_height) {
            repeat = 0;
            in_row++;
        }
    }
    return TA_OK;
}
