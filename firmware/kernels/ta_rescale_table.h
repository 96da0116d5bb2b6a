/* A ta_rescale as a table of all int8 values. Private to firmware/kernels. */
#ifndef TINYANIME_KERNELS_RESCALE_TABLE_H
#define TINYANIME_KERNELS_RESCALE_TABLE_H

#include "ta_arithmetic.h"
#include "tinyanime/kernels.h"

static inline bool ta_rescale_is_valid(const ta_rescale *rescale) {
    return ta_is_int8(rescale->in_zero_point) && ta_is_int8(rescale->out_zero_point) &&
           ta_is_multiplier(rescale->multiplier, rescale->shift) && ta_is_clamp(rescale->minimum, rescale->maximum);
}

static inline int8_t ta_rescale_one(const ta_rescale *rescale, int32_t value) {
    const int32_t centred = value - rescale->in_zero_point;
    const int32_t scaled = ta_requantize(centred, rescale->multiplier, rescale->shift);
    return ta_offset_and_clamp(scaled, rescale->out_zero_point, rescale->minimum, rescale->maximum);
}

/* Result for q at index (uint8_t)q. */
static inline void ta_rescale_fill_table(const ta_rescale *rescale, int8_t table[TA_INT8_VALUES]) {
    for (int32_t value = INT8_MIN; value <= INT8_MAX; value++) {
        table[(uint8_t)value] = ta_rescale_one(rescale, value);
    }
}

#endif
