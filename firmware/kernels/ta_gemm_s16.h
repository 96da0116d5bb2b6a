/* Small matrix products of int16 panels, the inner loop of the convolutions. Private to firmware/kernels.
 *
 * A *word* is two int16 elements that follow each other in the sum, the first one in the low half. A panel of columns
 * holds pairs of columns: [pairs][words][2 columns]; a panel of weights holds 4 output channels: [words][4 channels].
 * One pass over a word is so 8 dual multiply-accumulates from 6 loaded words. */
#ifndef TA_GEMM_S16_H
#define TA_GEMM_S16_H

#include <stdint.h>

#define TA_PANEL_CHANNELS 4u
#define TA_PANEL_COLUMNS 2u

/* sums[pair][channel][column] = sum over words of columns[pair][word][column] * weights[word][channel], modulo 2^32.
 * `words` is even and at least 2, `pairs` at least 1. All pointers are aligned to 4 bytes. `columns` has room for
 * TA_PANEL_OVERREAD bytes behind its last word, and so has `weights`, which may be read (and are not used). */
#define TA_PANEL_OVERREAD 16u
void ta_gemm_s16(const uint32_t *columns, const uint32_t *weights, uint32_t words, uint32_t pairs, int32_t *sums);

#endif
