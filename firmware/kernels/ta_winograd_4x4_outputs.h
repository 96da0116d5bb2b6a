/* The outputs of F(4x4, 3x3), see ta_convolve_winograd_4x4_s8.c. Private to firmware/kernels. */
#ifndef TA_WINOGRAD_4X4_OUTPUTS_H
#define TA_WINOGRAD_4X4_OUTPUTS_H

#include "ta_tiles.h"

/* `transform_outputs` of its ta_tile_kind. */
void ta_winograd_4x4_outputs(const ta_tile_outputs *tile);

/* The surplus of output (row, column), from the outputs that the weights' constants make of the inputs. */
static inline int32_t ta_winograd_4x4_surplus(uint32_t row, uint32_t column, uint32_t output) {
    static const uint8_t shifts[] = {3, 2, 1, 1};
    return (int32_t)((0u - output) << (shifts[row] + shifts[column]));
}

#endif
