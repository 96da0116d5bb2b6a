/* What ta_upsample_convolve_s8 makes of its weights. Private to firmware/kernels. */
#ifndef TA_UPSAMPLE_WEIGHTS_H
#define TA_UPSAMPLE_WEIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ta_lanes.h"

#define TA_UPSAMPLE_PRODUCTS_ALONG 5 /* p0 to p4 */

/* As ta_tile_kind.transform_weights has it: the 25 factors of the products, row by row p0 to p4. */
void ta_upsample_weights(uint32_t round, const int8_t *weights, uint32_t quads, uint32_t *panels,
                         uint32_t panel_stride);

/* `size`, of which the compiler does not know whence it comes: it would else keep a pointer for each of many addresses
 * that a single base and one shifted register reach. */
static inline size_t ta_opaque(size_t size) {
    __asm("" : "+r"(size));
    return size;
}

/* Keeps the compiler from working on what comes before and behind at the same time: registers are too few for that. */
static inline void ta_keep_order(void) {
    __asm volatile("" : : : "memory");
}

/* The word `steps` strides of `stride` bytes behind `base`. */
static inline uint32_t *ta_word_at(uint32_t *base, size_t steps, size_t stride) {
    return (uint32_t *)(void *)((char *)base + steps * ta_opaque(stride));
}

/* The channels 0 and 2 (or 1 and 3) of the four bytes at `bytes`, see ta_number_of. */
static inline uint32_t ta_widened(const int8_t *bytes, bool odd) {
    const uint32_t word = ta_load_word(bytes);
    return odd ? ta_number_odd(0, word) : ta_number_even(0, word);
}

#endif
