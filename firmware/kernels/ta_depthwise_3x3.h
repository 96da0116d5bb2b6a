/* What the parts of ta_depthwise_3x3_s8 share. Private to firmware/kernels. */
#ifndef TA_DEPTHWISE_3X3_H
#define TA_DEPTHWISE_3X3_H

#include <stddef.h>
#include <stdint.h>

#include "tinyanime/convolve.h"

enum { CHANNELS = 4, SIDE = 3, MAX_STRIDE = 2, TILE = 4, TAPS = 2 * SIDE };

/* Sizes in columns (positions) and rows of the panel, which has 4 words per column. */
typedef struct {
    uint32_t rows;      /* output rows at a time */
    uint32_t positions; /* of an output row: its pixels and those between it and the next one */
    uint32_t pitch;     /* columns of a panel row */
    uint32_t lower;     /* panel rows from `upper` to `lower` */
    uint32_t columns;   /* all that are read, with those of positions behind the last one */
} ta_depthwise_3x3_sizes;

/* What one channel is computed with. */
typedef struct {
    uint32_t taps[TAPS]; /* Kernel rows 0 and 1 of each kernel column, then row 2 and zero. */
    int32_t doubled_bias, multiplier, rounding, shift;
} ta_depthwise_3x3_lane;

/* A call: its arguments and what follows from them. */
typedef struct {
    const ta_convolution *layer;
    const ta_rows *rows;
    ta_depthwise_3x3_sizes sizes;
    ta_depthwise_3x3_lane *constants; /* Working memory: [4]. Those behind the last one are read, from the panel. */
    uint32_t *panel;                  /* [columns][4 channels] */
    uint32_t *stage;                  /* [positions, whole tiles] words of 4 results. */
    uint32_t inside, count;           /* Columns of a panel row that lie in the map: the first one, and how many. */
} ta_depthwise_3x3_call;

static inline uint32_t at_most(uint32_t value, uint32_t most) {
    return value > most ? most : value;
}

static inline uint32_t rounded_up(uint32_t value, uint32_t step) {
    return (value + step - 1u) / step * step;
}

/* Computes the first `tiled` positions (whole tiles) of the call's part, 4 channels, from panel and constants to stage.
 */
void ta_depthwise_3x3_compute_lanes(const ta_depthwise_3x3_call *call, uint32_t tiled);

#endif
