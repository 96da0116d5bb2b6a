/* The inputs of F(4x4, 3x3), see ta_convolve_winograd_4x4_s8.c. Private to firmware/kernels. */
#ifndef TA_WINOGRAD_4X4_INPUTS_H
#define TA_WINOGRAD_4X4_INPUTS_H

#include <stdint.h>

#include "ta_tiles.h"

/* `transform_inputs` of its ta_tile_kind. */
void ta_winograd_4x4_inputs(const ta_tile_inputs *tile, uint32_t *panels, uint32_t input_stride);

#endif
