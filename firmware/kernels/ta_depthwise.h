/* Parts of ta_depthwise_s8.c and ta_depthwise_rows.c. Private to firmware/kernels.
 *
 * Four channels at a time: the input rows are widened into words of two rows of one channel, so that one dual
 * multiply-accumulate takes two taps of a kernel column. Row v of the padded map (v = input row + pad_top) is half of
 * pair v / 2; the pairs of a window lie in a ring of panels. An output row reads the whole ring from slot 0 on; the
 * taps are rotated instead, which costs nothing: they stand in memory twice, one behind the other, for windows that
 * begin in an even row and for those that begin in an odd one. Taps are widened to twice the weights, since the
 * requantization begins with a doubling. */
#ifndef TA_DEPTHWISE_H
#define TA_DEPTHWISE_H

#include <stdint.h>

#include "tinyanime/convolve.h"

#define TA_DEPTHWISE_CHANNELS 4u /* at a time */
#define TA_DEPTHWISE_TILE 4u     /* output pixels at a time */

/* Sizes in words. */
typedef struct {
    uint32_t pairs;    /* in the ring: what a window touches at most */
    uint32_t panel;    /* of one pair: [input columns of a block][4 channels] */
    uint32_t rotation; /* [pairs][kernel columns][4 channels] */
    uint32_t stage;    /* output pixels of a block, whole tiles */
} ta_depthwise_sizes;

/* The part of the map that is in work: `lanes` channels, `columns` output columns. Of the `widened` input columns that
 * they need, those from `inside` to `inside_end` lie in the map. */
typedef struct {
    const ta_convolution *layer;
    ta_depthwise_sizes sizes;
    uint32_t *panels; /* Working memory: [pairs] panels. */
    uint32_t *taps;   /* [even, odd][2] rotations. */
    uint32_t *stage;  /* [columns]: 4 channels of an output pixel. */
    const ta_channel *channels;
    const int8_t *source; /* The pixel of column `inside` in the first readable row. */
    uint32_t source_row;  /* Number of that row in the padded map. */
    uint32_t source_rows; /* Readable rows; none where no column lies inside. */
    uint32_t lanes;
    uint32_t columns, inside, inside_end, widened;
} ta_depthwise_part;

/* Stages one output row of a part, clamped to int8 only where the core clamps bytes in words (TA_HAS_BYTE_LANES), else
 * to the layer's range; `taps` are those of slot 0. */
typedef void ta_depthwise_row(const ta_depthwise_part *part, const uint32_t *taps);

/* The fastest one for the layer of a part. */
ta_depthwise_row *ta_depthwise_row_for(const ta_depthwise_part *part);

#endif
