#include "tinyanime/kernels.h"

#include "ta_copy_run.h"

static bool params_are_valid(const ta_depth_params *p) {
    return p->in_width != 0 && p->in_channels != 0 && p->block != 0 &&
           p->in_channels % ((uint32_t)p->block * p->block) == 0 &&
           (p->mode == TA_DEPTH_DCR || p->mode == TA_DEPTH_CRD);
}

/* Channels [block row, block column, out channel]: one block row of a pixel is contiguous in both maps. */
static void row_dcr(const ta_depth_params *p, size_t out_channels, const int8_t *source, uint32_t block_row,
                    int8_t *target) {
    const size_t run = p->block * out_channels;
    source += block_row * run;
    const bool words = ta_is_word_run(target, source, run) && p->in_channels % 4u == 0;
    for (uint32_t x = 0; x < p->in_width; x++) {
        ta_copy_run(target, source, run, words);
        source += p->in_channels;
        target += run;
    }
}

/* Channels [out channel, block row, block column]. */
static void row_crd(const ta_depth_params *p, size_t out_channels, const int8_t *source, uint32_t block_row,
                    int8_t *target) {
    const size_t step = (size_t)p->block * p->block;
    source += (size_t)block_row * p->block;
    for (uint32_t x = 0; x < p->in_width; x++) {
        for (uint32_t column = 0; column < p->block; column++) {
            const int8_t *element = source + column;
            for (size_t channel = 0; channel < out_channels; channel++) {
                *target++ = *element;
                element += step;
            }
        }
        source += p->in_channels;
    }
}

static inline uint32_t load_word(const int8_t *bytes) {
    uint32_t word;
    memcpy(&word, __builtin_assume_aligned(bytes, 4), sizeof word);
    return word;
}

static inline void store_word(int8_t *bytes, uint32_t word) {
    memcpy(__builtin_assume_aligned(bytes, 4), &word, sizeof word);
}

/* The same for blocks of 2 and out channels in fours, all at addresses of whole words: an input word is the block of
 * one out channel, and two bytes of each of four words make a word of both output pixels. */
static void row_crd_of_2(const ta_depth_params *p, size_t out_channels, const int8_t *source, uint32_t block_row,
                         int8_t *target) {
    const uint32_t even = 0x00FF00FFu, shift = 16u * block_row;
    for (uint32_t x = 0; x < p->in_width; x++) {
        for (size_t channel = 0; channel < out_channels; channel += 4) {
            const uint32_t block0 = load_word(source) >> shift, block1 = load_word(source + 4) >> shift;
            const uint32_t block2 = load_word(source + 8) >> shift, block3 = load_word(source + 12) >> shift;
            const uint32_t blocks02 = (block0 & 0xFFFFu) | block2 << 16;
            const uint32_t blocks13 = (block1 & 0xFFFFu) | block3 << 16;
            store_word(target, (blocks02 & even) | (blocks13 & even) << 8);
            store_word(target + out_channels, ((blocks02 >> 8) & even) | (blocks13 & ~even));
            source += 16;
            target += 4;
        }
        target += out_channels;
    }
}

ta_status ta_depth_to_space_s8(const ta_depth_params *params, const int8_t *input, uint32_t in_row_begin,
                               uint32_t out_row_begin, uint32_t out_row_end, int8_t *output) {
    const ta_depth_params *p = params;
    if (!params_are_valid(p) || out_row_begin > out_row_end || out_row_begin / p->block < in_row_begin) {
        return TA_ERROR_ARGUMENT;
    }
    const size_t out_channels = p->in_channels / ((uint32_t)p->block * p->block);
    const size_t in_row_bytes = (size_t)p->in_width * p->in_channels;
    const size_t out_row_bytes = in_row_bytes / p->block;
    for (uint32_t row = out_row_begin; row < out_row_end; row++) {
        const int8_t *source = input + (row / p->block - in_row_begin) * in_row_bytes;
        if (p->mode == TA_DEPTH_DCR) {
            row_dcr(p, out_channels, source, row % p->block, output);
        } else if (p->block == 2u && out_channels % 4u == 0 && (((uintptr_t)input | (uintptr_t)output) & 3u) == 0) {
            row_crd_of_2(p, out_channels, source, row % p->block, output);
        } else {
            row_crd(p, out_channels, source, row % p->block, output);
        }
        output += out_row_bytes;
    }
    return TA_OK;
}
