/* libFuzzer target: bytes into a layer, its data and the rows of a call; every kernel against its definition. */
#include "fuzz_kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint32_t fuzz_number(fuzz_bytes *bytes, uint32_t least, uint32_t most) {
    const uint32_t byte = bytes->next == bytes->end ? 0u : *bytes->next++;
    return least + byte % (most - least + 1u);
}

int8_t fuzz_int8(fuzz_bytes *bytes) {
    return (int8_t)((int32_t)fuzz_number(bytes, 0, 255) - 128);
}

int32_t fuzz_multiplier(fuzz_bytes *bytes) {
    static const int32_t special[] = {0, 1, INT32_C(1) << 30, INT32_MAX};
    const uint32_t kind = fuzz_number(bytes, 0, 15);
    if (kind < 4u) {
        return special[kind];
    }
    const uint32_t high = fuzz_number(bytes, 0, 255), low = fuzz_number(bytes, 0, 255);
    return (int32_t)((UINT32_C(1) << 30) + (high << 22) + (low * 0x4040u));
}

/* Marsaglia's xorshift, 32 bits. */
static uint32_t next_noise(uint32_t noise) {
    noise ^= noise << 13;
    noise ^= noise >> 17;
    return noise ^ noise << 5;
}

static int8_t *allocated(size_t count) {
    int8_t *buffer = malloc(count == 0 ? 1 : count);
    fuzz_expect(buffer != NULL, "out of memory");
    return buffer;
}

int8_t *fuzz_values(fuzz_bytes *bytes, size_t count, int8_t least) {
    int8_t *values = allocated(count);
    const uint32_t kind = fuzz_number(bytes, 0, 7);
    const int8_t value = (int8_t)(fuzz_int8(bytes) < least ? least : fuzz_int8(bytes));
    uint32_t noise = 1u + (uint32_t)(uint8_t)value;
    for (size_t i = 0; i < count; i++) {
        noise = next_noise(noise);
        const int8_t any = (int8_t)((int32_t)(noise >> 24) - 128);
        const int8_t end = (noise >> 16 & 1u) != 0 ? INT8_MAX : least;
        values[i] = kind == 0 ? value : kind == 1 ? end : any < least ? least : any;
        if (values[i] < least) {
            values[i] = least;
        }
    }
    return values;
}

int8_t *fuzz_output(size_t count) {
    int8_t *output = allocated(count);
    memset(output, FUZZ_UNWRITTEN, count);
    return output;
}

void fuzz_expect(bool right, const char *what) {
    if (!right) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}

static int64_t floor_shift(int64_t value, uint32_t exponent) {
    const int64_t divisor = INT64_C(1) << exponent;
    return value >= 0 ? value / divisor : -((-value + divisor - 1) / divisor);
}

int64_t fuzz_requantized(int64_t value, int32_t multiplier, int32_t shift) {
    if (shift > 0) {
        value *= INT64_C(1) << shift;
    }
    const int64_t high = floor_shift(value * multiplier + (INT64_C(1) << 30), 31);
    if (shift >= 0) {
        return high;
    }
    const int64_t half = INT64_C(1) << (-shift - 1);
    const int64_t magnitude = floor_shift((high < 0 ? -high : high) + half, (uint32_t)-shift);
    return high < 0 ? -magnitude : magnitude;
}

int8_t fuzz_clamped(int64_t value, int32_t minimum, int32_t maximum) {
    return (int8_t)(value < minimum ? minimum : value > maximum ? maximum : value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_bytes bytes = {data, data + size};
    switch (fuzz_number(&bytes, 0, 3)) {
    case 0:
        fuzz_elements(&bytes);
        break;
    case 1:
        fuzz_movers(&bytes);
        break;
    default:
        fuzz_convolution(&bytes);
        break;
    }
    return 0;
}
