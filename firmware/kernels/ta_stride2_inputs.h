/* The inputs of ta_convolve_stride2_s8.c. Private to firmware/kernels. */
#ifndef TA_STRIDE2_INPUTS_H
#define TA_STRIDE2_INPUTS_H

#include "ta_tiles.h"

/* `transform_inputs` of its ta_tile_kind. */
void ta_stride2_inputs(const ta_tile_inputs *tile, uint32_t *panels, uint32_t input_stride);

#endif
