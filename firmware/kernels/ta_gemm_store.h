/* A matrix product whose results are stored as int8 right away. Private to firmware/kernels. */
#ifndef TA_GEMM_STORE_H
#define TA_GEMM_STORE_H

#include <stdint.h>

#include "ta_store_sums.h"

/* Operands as ta_gemm_s16 takes them: panels of columns [columns / 2, rounded up][words][2] and of weights
 * [words][TA_PANEL_CHANNELS]; `sums` has room for all results of ta_gemm_s16. */
typedef struct {
    const uint32_t *columns;
    const uint32_t *weights;
    int32_t *sums;
    uint32_t words; /* not 0 */
    uint32_t count; /* of columns */
} ta_gemm_operands;

/* ta_gemm_s16, then ta_store_sums. On cores with the DSP extension the sums of a panel of four channels stay in
 * registers. */
void ta_gemm_store(const ta_gemm_operands *operands, const ta_panel_channels *panel, int8_t *output,
                   uint32_t pixel_bytes);

#endif
