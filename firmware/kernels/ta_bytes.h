/* Words of four int8 values, byte 0 in the lowest bits. Private to firmware/kernels. Portable but for the part that
 * needs the DSP extension, behind TA_HAS_BYTE_LANES. */
#ifndef TA_BYTES_H
#define TA_BYTES_H

#include <stdint.h>
#include <string.h>

/* The word at any address. */
static inline uint32_t ta_load_bytes(const void *bytes) {
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

static inline void ta_store_bytes(void *bytes, uint32_t word) {
    memcpy(bytes, &word, sizeof word);
}

/* `value` in all four bytes. */
static inline uint32_t ta_four_bytes(int8_t value) {
    return (uint8_t)value * 0x01010101u;
}

/* Byte `index` of `word`, sign-extended. */
static inline int32_t ta_byte(uint32_t word, unsigned index) {
    return (int8_t)(uint8_t)(word >> (8u * index));
}

#if defined(__ARM_FEATURE_SIMD32) && defined(__ARM_FEATURE_SAT) && defined(__thumb2__)
#define TA_HAS_BYTE_LANES 1

static inline int32_t ta_saturated(int32_t value) {
    __asm("ssat %0, #8, %0" : "+r"(value));
    return value;
}

/* Four int8 values in a word. */
static inline uint32_t ta_gathered(int32_t byte0, int32_t byte1, int32_t byte2, int32_t byte3) {
    __asm("bfi %0, %1, #8, #8\n\tbfi %0, %2, #16, #8\n\tbfi %0, %3, #24, #8"
          : "+&r"(byte0)
          : "r"(byte1), "r"(byte2), "r"(byte3));
    return (uint32_t)byte0;
}

/* Byte by byte at least `least` and at most `most`, all signed. */
static inline uint32_t ta_clamped_bytes(uint32_t word, uint32_t least, uint32_t most) {
    uint32_t difference;
    __asm("ssub8 %1, %0, %2\n\tsel %0, %0, %2\n\tssub8 %1, %3, %0\n\tsel %0, %0, %3"
          : "+&r"(word), "=&r"(difference)
          : "r"(least), "r"(most)
          : "cc");
    return word;
}

#endif
#endif
