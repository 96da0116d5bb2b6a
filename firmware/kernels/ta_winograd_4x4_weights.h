/* The weights of F(4x4, 3x3), see ta_convolve_winograd_4x4_s8.c. Private to firmware/kernels. */
#ifndef TA_WINOGRAD_4X4_WEIGHTS_H
#define TA_WINOGRAD_4X4_WEIGHTS_H

#include <stdint.h>

/* Low lanes hold the transformed weights of w + TA_WINOGRAD_4X4_UNIT * k[row] * k[column] with k = 2, 1, 2 instead of
 * w: so they are never negative, and a word of two lanes is also one number, high * 2^16 + low, of which sums and
 * multiples take one instruction. (128 * T(k) T(k)' >= 128 * A A' for the absolute sums A = 1, 3, 3, 7, 7, 1 of the
 * rows of the transform T, T(k) = 2, 5, 3, 12, 8, 2; the largest lane is 128 * 144 + 128 * 49.) */
#define TA_WINOGRAD_4X4_UNIT 128u

/* One round (0 to 2: rows {0, 5}, {1, 2}, {3, 4} of the transformed weights) of one output channel: word w of panel p
 * goes to panels[p * panel_stride + w * TA_PANEL_CHANNELS]. `weights` are [quads][9 taps][4]. */
void ta_winograd_4x4_weights(uint32_t round, const int8_t *weights, uint32_t quads, uint32_t *panels,
                             uint32_t panel_stride);

#endif
