#include "ta_rescale_table.h"

#include "ta_arithmetic.h"
#include "ta_bytes.h"
#include "ta_lanes.h"
#include "tinyanime/fast_code.h"

bool ta_rescale_is_valid(const ta_rescale *rescale) {
    return ta_is_int8(rescale->in_zero_point) && ta_is_int8(rescale->out_zero_point) &&
           ta_is_multiplier(rescale->multiplier, rescale->shift) && ta_is_clamp(rescale->minimum, rescale->maximum);
}

static void rescale_one_by_one(const ta_rescale *rescale, const int8_t *input, uint32_t count, int8_t *output) {
    const ta_rescale r = *rescale; /* A copy: `output` may not be assumed to leave *rescale alone. */
    for (uint32_t i = 0; i < count; i++) {
        const int32_t scaled = ta_requantize(input[i] - r.in_zero_point, r.multiplier, r.shift);
        output[i] = ta_offset_and_clamp(scaled, r.out_zero_point, r.minimum, r.maximum);
    }
}

#if defined(TA_HAS_BYTE_LANES)

/* 255 << (1 + shift) fits int32 up to here. */
#define MAX_QUICK_SHIFT 21

/* The compiler's factors have no right shift, so that one rounding is all; `count` is a multiple of 4, and not 0. The
 * sum with the zero point fits: |scaled| < 2^30. */
TA_FAST_CODE(ta_rescale_words)
static __attribute__((noinline)) void rescale_words(const ta_rescale *rescale, const int8_t *input, uint32_t count,
                                                    int8_t *output) {
    const uint32_t least = ta_four_bytes((int8_t)rescale->minimum), most = ta_four_bytes((int8_t)rescale->maximum);
    const int32_t zero_point = rescale->in_zero_point, out_zero_point = rescale->out_zero_point;
    const int32_t multiplier = rescale->multiplier;
    const uint32_t shift = (uint32_t)rescale->shift + 1u;
    const int8_t *const end = input + count;
    do {
        const uint32_t bytes = ta_load_bytes(input);
        int32_t values[4];
#pragma GCC unroll 4
        for (unsigned i = 0; i < 4; i++) {
            const uint32_t doubled = (uint32_t)(ta_byte(bytes, i) - zero_point) << shift;
            values[i] = ta_saturated(ta_scaled_double_onto(out_zero_point, (int32_t)doubled, multiplier));
        }
        const uint32_t gathered = ta_gathered(values[0], values[1], values[2], values[3]);
        ta_store_bytes(output, ta_clamped_bytes(gathered, least, most));
        input += 4;
        output += 4;
    } while (input != end);
}

/* Entries of words of bytes; `count` is a multiple of 4, and not 0. */
TA_FAST_CODE(ta_look_up_words)
static __attribute__((noinline)) void look_up_words(const int8_t table[TA_INT8_VALUES], const int8_t *input,
                                                    uint32_t count, int8_t *output) {
    const int8_t *const end = input + count;
    do {
        const uint32_t bytes = ta_load_bytes(input);
        const int32_t byte0 = table[bytes & 0xFFu], byte1 = table[(bytes >> 8) & 0xFFu];
        const int32_t byte2 = table[(bytes >> 16) & 0xFFu], byte3 = table[bytes >> 24];
        ta_store_bytes(output, ta_gathered(byte0, byte1, byte2, byte3));
        input += 4;
        output += 4;
    } while (input != end);
}

void ta_rescale_bytes(const ta_rescale *rescale, const int8_t *input, uint32_t count, int8_t *output) {
    uint32_t done = 0;
    if (count >= 4u && rescale->shift >= 0 && rescale->shift <= MAX_QUICK_SHIFT) {
        done = count - count % 4u;
        rescale_words(rescale, input, done, output);
    }
    rescale_one_by_one(rescale, input + done, count - done, output + done);
}

void ta_look_up_bytes(const int8_t table[TA_INT8_VALUES], const int8_t *input, uint32_t count, int8_t *output) {
    const uint32_t whole = count - count % 4u;
    if (whole != 0) {
        look_up_words(table, input, whole, output);
    }
    for (uint32_t i = whole; i < count; i++) {
        output[i] = table[(uint8_t)input[i]];
    }
}

#else

void ta_rescale_bytes(const ta_rescale *rescale, const int8_t *input, uint32_t count, int8_t *output) {
    rescale_one_by_one(rescale, input, count, output);
}

void ta_look_up_bytes(const int8_t table[TA_INT8_VALUES], const int8_t *input, uint32_t count, int8_t *output) {
    for (uint32_t i = 0; i < count; i++) {
        output[i] = table[(uint8_t)input[i]];
    }
}

#endif

void ta_rescale_fill_table(const ta_rescale *rescale, int8_t table[TA_INT8_VALUES]) {
    for (uint32_t value = 0; value < TA_INT8_VALUES; value++) {
        table[value] = (int8_t)(uint8_t)value;
    }
    ta_rescale_bytes(rescale, table, TA_INT8_VALUES, table);
}
