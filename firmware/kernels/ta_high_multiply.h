/* Rounded high halves of products, the step that every requantization takes. Private to firmware/kernels. */
#ifndef TA_HIGH_MULTIPLY_H
#define TA_HIGH_MULTIPLY_H

#include <stdint.h>

#if defined(__ARM_ARCH_ISA_THUMB) && __ARM_ARCH_ISA_THUMB == 1

/* ARMv6-M has no product of more than 32 bits: four products of halves, each of which fits a word. */
static inline int32_t ta_high_multiply_by_halves(int32_t value, uint32_t multiplier) {
    const int32_t value_high = value >> 16;
    const uint32_t value_low = (uint32_t)value & 0xFFFFu;
    const uint32_t multiplier_high = multiplier >> 16;
    const uint32_t multiplier_low = multiplier & 0xFFFFu;
    const int32_t signed_middle = value_high * (int32_t)multiplier_low;
    const uint32_t middle = value_low * multiplier_high + ((value_low * multiplier_low) >> 16) + 0x8000u;
    const uint32_t carry = (((uint32_t)signed_middle & 0xFFFFu) + (middle & 0xFFFFu)) >> 16;
    return value_high * (int32_t)multiplier_high + (signed_middle >> 16) + (int32_t)((middle >> 16) + carry);
}

#endif

/* round(value * multiplier / 2^32), halves upwards; multiplier >= 0. */
static inline int32_t ta_high_multiply(int32_t value, int32_t multiplier) {
#if defined(__ARM_ARCH_ISA_THUMB) && __ARM_ARCH_ISA_THUMB == 1
    return ta_high_multiply_by_halves(value, (uint32_t)multiplier);
#else
    return (int32_t)(((int64_t)value * multiplier + INT64_C(0x80000000)) >> 32);
#endif
}

/* round(2 * value * multiplier / 2^32), halves upwards; multiplier >= 0. */
static inline int32_t ta_doubling_high_multiply(int32_t value, int32_t multiplier) {
#if defined(__ARM_ARCH_ISA_THUMB) && __ARM_ARCH_ISA_THUMB == 1
    return ta_high_multiply_by_halves(value, (uint32_t)multiplier << 1);
#else
    return (int32_t)(((int64_t)value * multiplier + (INT64_C(1) << 30)) >> 31);
#endif
}

#endif
