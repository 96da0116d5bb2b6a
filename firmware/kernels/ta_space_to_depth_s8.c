#include "tinyanime/kernels.h"

#include "ta_copy_run.h"

ta_status ta_space_to_depth_s8(const ta_depth_params *params, const int8_t *input, uint32_t in_row_begin,
                               uint32_t out_row_begin, uint32_t out_row_end, int8_t *output) {
    const ta_depth_params *p = params;
    if (p->block == 0 || p->in_width == 0 || p->in_channels == 0 || p->in_width % p->block != 0 ||
        out_row_begin > out_row_end || (uint64_t)out_row_begin * p->block < in_row_begin) {
        return TA_ERROR_ARGUMENT;
    }
    /* One block row of an output pixel is contiguous in both maps. */
    const size_t run = (size_t)p->block * p->in_channels;
    const size_t in_row_bytes = (size_t)p->in_width * p->in_channels;
    const size_t out_row_bytes = in_row_bytes * p->block;
    const int8_t *source = input + ((size_t)out_row_begin * p->block - in_row_begin) * in_row_bytes;
    const bool words = ta_is_word_run(output, source, run);
    for (uint32_t row = out_row_begin; row < out_row_end; row++) {
        for (uint32_t block_row = 0; block_row < p->block; block_row++) {
            int8_t *target = output + block_row * run;
            for (size_t offset = 0; offset < in_row_bytes; offset += run) {
                ta_copy_run(target, source + offset, run, words);
                target += run * p->block;
            }
            source += in_row_bytes;
        }
        output += out_row_bytes;
    }
    return TA_OK;
}
