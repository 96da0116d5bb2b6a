/* From the sums of ta_gemm_s16 to output bytes. Private to firmware/kernels. */
#ifndef TA_STORE_SUMS_H
#define TA_STORE_SUMS_H

#include <stdint.h>

#include "tinyanime/convolve.h"

/* The output channels of one panel of weights. */
typedef struct {
    const ta_channel *channels; /* [count] */
    uint32_t count;             /* 1 to 4 */
    int8_t minimum, maximum;
} ta_panel_channels;

/* Requantizes sums [pairs of columns][4 channels][2 columns] and stores those of the first `columns` columns and
 * `panel->count` channels: column i at output + i * pixel_bytes, channels side by side. `sums` has room for
 * TA_SUMS_OVERREAD bytes behind the last pair, which may be read (and are not used). */
#define TA_SUMS_OVERREAD 8u
void ta_store_sums(const int32_t *sums, uint32_t columns, const ta_panel_channels *panel, int8_t *output,
                   uint32_t pixel_bytes);

#endif
