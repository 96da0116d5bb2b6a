/* Fixed-point steps shared by the kernels. Private to firmware/kernels.
 *
 * Signed right shifts are arithmetic and out-of-range conversions to int32_t wrap, as GCC and Clang define
 * both. */
#ifndef TINYANIME_KERNELS_ARITHMETIC_H
#define TINYANIME_KERNELS_ARITHMETIC_H

#include <stdbool.h>
#include <stdint.h>

#include "ta_high_multiply.h"

/* value / 2^exponent, rounded to nearest, halves away from zero; exponent 0 to 31. */
static inline int32_t ta_rounding_shift_right(int32_t value, uint32_t exponent) {
    const uint32_t mask = (UINT32_C(1) << exponent) - 1u;
    const uint32_t remainder = (uint32_t)value & mask;
    const uint32_t threshold = (mask >> 1) + (value < 0 ? 1u : 0u);
    return (value >> exponent) + (remainder > threshold ? 1 : 0);
}

/* value * multiplier * 2^(shift - 31) with both roundings of CMSIS-NN's arm_nn_requantize; shift -31 to 30. A
 * left shift that leaves 32 bits wraps. */
static inline int32_t ta_requantize(int32_t value, int32_t multiplier, int32_t shift) {
    if (shift > 0) {
        return ta_doubling_high_multiply((int32_t)((uint32_t)value << (uint32_t)shift), multiplier);
    }
    return ta_rounding_shift_right(ta_doubling_high_multiply(value, multiplier), (uint32_t)-shift);
}

/* clamp(value + offset, minimum, maximum) without overflow; all three small (within int16). */
static inline int8_t ta_offset_and_clamp(int32_t value, int32_t offset, int32_t minimum, int32_t maximum) {
    if (value < minimum - offset) {
        return (int8_t)minimum;
    }
    if (value > maximum - offset) {
        return (int8_t)maximum;
    }
    return (int8_t)(value + offset);
}

static inline bool ta_is_int8(int32_t value) {
    return value >= INT8_MIN && value <= INT8_MAX;
}

/* A negated zero point. */
static inline bool ta_is_offset(int32_t value) {
    return value >= -INT8_MAX && value <= -INT8_MIN;
}

static inline bool ta_is_multiplier(int32_t multiplier, int32_t shift) {
    return multiplier >= 0 && shift >= -31 && shift <= 30;
}

static inline bool ta_is_clamp(int32_t minimum, int32_t maximum) {
    return ta_is_int8(minimum) && ta_is_int8(maximum) && minimum <= maximum;
}

#endif
