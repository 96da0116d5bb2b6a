/* What the fuzz target of the kernels decodes its cases with. */
#ifndef TINYANIME_FUZZ_KERNELS_H
#define TINYANIME_FUZZ_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The bytes of a case; zeros behind their end. */
typedef struct {
    const uint8_t *next, *end;
} fuzz_bytes;

/* A number from `least` to `most`, both included. */
uint32_t fuzz_number(fuzz_bytes *bytes, uint32_t least, uint32_t most);
/* Any int8. */
int8_t fuzz_int8(fuzz_bytes *bytes);
/* A Q31 mantissa, at least 0: mostly normalized. */
int32_t fuzz_multiplier(fuzz_bytes *bytes);

/* `count` int8 values from `least` on: noise, one value, or the two ends of the range in turn. The buffer has exactly
 * that size; it is the caller's. */
int8_t *fuzz_values(fuzz_bytes *bytes, size_t count, int8_t least);
/* A buffer of exactly `count` bytes of FUZZ_UNWRITTEN. */
int8_t *fuzz_output(size_t count);
#define FUZZ_UNWRITTEN 0x55

/* Aborts, with what the fuzzer needs to report, where `right` is false. */
void fuzz_expect(bool right, const char *what);

/* value * multiplier * 2^(shift - 31) as the integer contract defines it: rounded to an integer, halves upwards, then,
 * for a right shift, a second time, halves away from zero. */
int64_t fuzz_requantized(int64_t value, int32_t multiplier, int32_t shift);
int8_t fuzz_clamped(int64_t value, int32_t minimum, int32_t maximum);

/* One case of any convolution, of any element-wise kernel, of any kernel that moves bytes. */
void fuzz_convolution(fuzz_bytes *bytes);
void fuzz_elements(fuzz_bytes *bytes);
void fuzz_movers(fuzz_bytes *bytes);

#endif
