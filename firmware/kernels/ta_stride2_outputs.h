/* The outputs of ta_convolve_stride2_s8.c. Private to firmware/kernels. */
#ifndef TA_STRIDE2_OUTPUTS_H
#define TA_STRIDE2_OUTPUTS_H

#include "ta_tiles.h"

/* `transform_outputs` of its ta_tile_kind. */
void ta_stride2_outputs(const ta_tile_outputs *tile);

#endif
