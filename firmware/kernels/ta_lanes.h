/* Arithmetic on words of two int16 lanes (modulo 2^16 each), and the requantization of `ta_channel`. Private to
 * firmware/kernels. Single instructions on cores with the DSP extension, portable C elsewhere. */
#ifndef TA_LANES_H
#define TA_LANES_H

#include <stdint.h>
#include <string.h>

#include "ta_high_multiply.h"
#include "tinyanime/convolve.h"

#if defined(__ARM_FEATURE_SIMD32)
#include <arm_acle.h>
#define TA_HAS_LANE_SUMS 1 /* Sums of lanes in one instruction. */
#endif

/* The word at `bytes`, which is aligned to 4 bytes; little endian. */
static inline uint32_t ta_load_word(const void *bytes) {
    uint32_t word;
    memcpy(&word, __builtin_assume_aligned(bytes, 4), sizeof word);
    return word;
}

/* Lane by lane sum. */
static inline uint32_t ta_add_lanes(uint32_t a, uint32_t b) {
#if defined(__ARM_FEATURE_SIMD32)
    return (uint32_t)__sadd16((int16x2_t)a, (int16x2_t)b);
#else
    const uint32_t sign = 0x80008000u;
    return ((a & ~sign) + (b & ~sign)) ^ ((a ^ b) & sign);
#endif
}

/* Lane by lane difference. */
static inline uint32_t ta_subtract_lanes(uint32_t a, uint32_t b) {
#if defined(__ARM_FEATURE_SIMD32)
    return (uint32_t)__ssub16((int16x2_t)a, (int16x2_t)b);
#else
    const uint32_t sign = 0x80008000u;
    return ((a | sign) - (b & ~sign)) ^ ((a ^ ~b) & sign);
#endif
}

#if !defined(__ARM_FEATURE_SIMD32)
/* Bytes 0 and 2 of `bytes` plus 128 each, so that neither is negative. */
static inline uint32_t ta_positive_bytes(uint32_t bytes) {
    return (bytes ^ 0x00800080u) & 0x00FF00FFu;
}
#define TA_POSITIVE_BYTES 0x00800080u /* What that adds, as a number (below), and as lanes to be added: */
#define TA_NEGATIVE_LANES 0xFF80FF80u
#endif

/* Bytes 0 and 2 of `bytes` sign-extended to lanes, plus `lanes`. */
static inline uint32_t ta_widen_even(uint32_t lanes, uint32_t bytes) {
#if defined(__ARM_FEATURE_SIMD32)
    if (__builtin_constant_p(lanes) && lanes == 0) { /* Without a register for the zero. */
        return (uint32_t)__sxtb16((int8x4_t)bytes);
    }
    return (uint32_t)__sxtab16((int16x2_t)lanes, (int8x4_t)bytes);
#else
    const uint32_t base = ta_add_lanes(lanes, TA_NEGATIVE_LANES), sign = 0x80008000u;
    return ((base & ~sign) + ta_positive_bytes(bytes)) ^ (base & sign);
#endif
}

/* Bytes 1 and 3 of `bytes` sign-extended to lanes, plus `lanes`. */
static inline uint32_t ta_widen_odd(uint32_t lanes, uint32_t bytes) {
#if defined(__ARM_FEATURE_SIMD32)
    uint32_t result;
    if (__builtin_constant_p(lanes) && lanes == 0) {
        __asm("sxtb16 %0, %1, ror #8" : "=r"(result) : "r"(bytes));
    } else {
        __asm("sxtab16 %0, %1, %2, ror #8" : "=r"(result) : "r"(lanes), "r"(bytes));
    }
    return result;
#else
    return ta_widen_even(lanes, bytes >> 8);
#endif
}

/* Sums of lanes in the making. On cores with the DSP extension they are lanes; elsewhere they are the number
 * high * 2^16 + low with a signed low lane, whose sums and differences take one instruction instead of six. Both lanes
 * of every result must fit int16. */

/* `value` in both lanes. */
static inline uint32_t ta_number_of(int32_t value) {
#if defined(__ARM_FEATURE_SIMD32)
    return ((uint32_t)value & 0xFFFFu) * 0x10001u;
#else
    return (uint32_t)value * 0x10001u;
#endif
}

/* Bytes 0 and 2 of `bytes`, plus `number`. */
static inline uint32_t ta_number_even(uint32_t number, uint32_t bytes) {
#if defined(__ARM_FEATURE_SIMD32)
    return ta_widen_even(number, bytes);
#else
    return ta_positive_bytes(bytes) + (number - TA_POSITIVE_BYTES);
#endif
}

/* Bytes 1 and 3 of `bytes`, plus `number`. */
static inline uint32_t ta_number_odd(uint32_t number, uint32_t bytes) {
#if defined(__ARM_FEATURE_SIMD32)
    return ta_widen_odd(number, bytes);
#else
    return ta_number_even(number, bytes >> 8);
#endif
}

static inline uint32_t ta_add_numbers(uint32_t a, uint32_t b) {
#if defined(__ARM_FEATURE_SIMD32)
    return ta_add_lanes(a, b);
#else
    return a + b;
#endif
}

static inline uint32_t ta_subtract_numbers(uint32_t a, uint32_t b) {
#if defined(__ARM_FEATURE_SIMD32)
    return ta_subtract_lanes(a, b);
#else
    return a - b;
#endif
}

/* The lanes that a number stands for. */
static inline uint32_t ta_lanes_of(uint32_t number) {
#if defined(__ARM_FEATURE_SIMD32)
    return number;
#else
    return (number + 0x8000u) ^ 0x8000u; /* The low lane borrowed from the high one where it is negative. */
#endif
}

/* Low lanes of `a` (low) and `b` (high). */
static inline uint32_t ta_low_lanes(uint32_t a, uint32_t b) {
#if defined(__ARM_FEATURE_SIMD32)
    uint32_t result;
    __asm("pkhbt %0, %1, %2, lsl #16" : "=r"(result) : "r"(a), "r"(b));
    return result;
#else
    return (a & 0xFFFFu) | (b << 16);
#endif
}

/* High lanes of `a` (low) and `b` (high). */
static inline uint32_t ta_high_lanes(uint32_t a, uint32_t b) {
#if defined(__ARM_FEATURE_SIMD32)
    uint32_t result;
    __asm("pkhtb %0, %1, %2, asr #16" : "=r"(result) : "r"(b), "r"(a));
    return result;
#else
    return (a >> 16) | (b & 0xFFFF0000u);
#endif
}

/* round(doubled * multiplier / 2^32), halves upwards; multiplier >= 0. */
static inline int32_t ta_scaled_double(int32_t doubled, int32_t multiplier) {
#if defined(__ARM_FEATURE_DSP)
    int32_t result;
    __asm("smmulr %0, %1, %2" : "=r"(result) : "r"(doubled), "r"(multiplier));
    return result;
#else
    return ta_high_multiply(doubled, multiplier);
#endif
}

/* addend + round(doubled * multiplier / 2^32), halves upwards, modulo 2^32. */
static inline int32_t ta_scaled_double_onto(int32_t addend, int32_t doubled, int32_t multiplier) {
#if defined(__ARM_FEATURE_DSP)
    int32_t result;
    __asm("smmlar %0, %1, %2, %3" : "=r"(result) : "r"(doubled), "r"(multiplier), "r"(addend));
    return result;
#else
    return (int32_t)((uint32_t)addend + (uint32_t)ta_high_multiply(doubled, multiplier));
#endif
}

/* The int8 value that twice a sum (with bias) stands for, before the clamp to a layer's range; see ta_channel. Whether
 * the scaled sum or the sum itself is negative makes no difference: they differ only where the former is 0, and then
 * neither rounding changes the result. */
static inline int32_t ta_doubled_value(const ta_channel *channel, int32_t doubled) {
    const int32_t rounding = channel->rounding - (doubled < 0);
    return ta_scaled_double_onto(rounding, doubled, channel->multiplier) >> channel->shift;
}

/* The same of a sum without bias. */
static inline int32_t ta_channel_value(const ta_channel *channel, int32_t sum) {
    const uint32_t value = (uint32_t)sum + (uint32_t)channel->bias;
    return ta_doubled_value(channel, (int32_t)(value << 1));
}

static inline int8_t ta_clamped(int32_t value, int32_t minimum, int32_t maximum) {
    return (int8_t)(value < minimum ? minimum : value > maximum ? maximum : value);
}

#endif
