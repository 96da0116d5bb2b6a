#include "tinyanime/kernels.h"

#include "ta_arithmetic.h"

/* (255 << 22) is the largest centred input that fits 31 bits. */
#define MAX_LEFT_SHIFT 22

static bool params_are_valid(const ta_add_params *params) {
    return ta_is_offset(params->a_offset) && ta_is_offset(params->b_offset) && ta_is_int8(params->out_offset) &&
           params->left_shift >= 0 && params->left_shift <= MAX_LEFT_SHIFT &&
           ta_is_multiplier(params->a_multiplier, params->a_shift) &&
           ta_is_multiplier(params->b_multiplier, params->b_shift) &&
           ta_is_multiplier(params->out_multiplier, params->out_shift) && ta_is_clamp(params->minimum, params->maximum);
}

ta_status ta_add_s8(const ta_add_params *params, const int8_t *a, const int8_t *b, uint32_t count, int8_t *output) {
    if (!params_are_valid(params)) {
        return TA_ERROR_ARGUMENT;
    }
    const ta_add_params p = *params; /* A copy: `output` may not be assumed to leave *params alone. */
    const int32_t headroom = INT32_C(1) << p.left_shift;
    for (uint32_t i = 0; i < count; i++) {
        const int32_t term_a = ta_requantize((a[i] + p.a_offset) * headroom, p.a_multiplier, p.a_shift);
        const int32_t term_b = ta_requantize((b[i] + p.b_offset) * headroom, p.b_multiplier, p.b_shift);
        const int32_t sum = (int32_t)((uint32_t)term_a + (uint32_t)term_b);
        const int32_t scaled = ta_requantize(sum, p.out_multiplier, p.out_shift);
        output[i] = ta_offset_and_clamp(scaled, p.out_offset, p.minimum, p.maximum);
    }
    return TA_OK;
}
