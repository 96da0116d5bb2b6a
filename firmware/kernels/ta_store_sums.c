#include "ta_store_sums.h"

#include <stdbool.h>

#include "ta_gemm_s16.h"
#include "ta_lanes.h"
#include "tinyanime/fast_code.h"

enum { SUMS_PER_PAIR = TA_PANEL_CHANNELS * TA_PANEL_COLUMNS };

static void store_bytes(const int32_t *sums, uint32_t columns, const ta_panel_channels *panel, int8_t *output,
                        uint32_t pixel_bytes) {
    for (uint32_t column = 0; column < columns; column++) {
        const int32_t *sum = sums + (column / TA_PANEL_COLUMNS) * SUMS_PER_PAIR + column % TA_PANEL_COLUMNS;
        for (uint32_t channel = 0; channel < panel->count; channel++) {
            const int32_t value = ta_channel_value(&panel->channels[channel], sum[TA_PANEL_COLUMNS * channel]);
            output[channel] = ta_clamped(value, panel->minimum, panel->maximum);
        }
        output += pixel_bytes;
    }
}

#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FEATURE_SIMD32) && defined(__ARM_FEATURE_SAT)

/* `value` of a channel whose bias is doubled, clamped to int8. */
static inline int32_t saturated(const ta_channel *doubled, int32_t sum) {
    int32_t value = ta_doubled_value(doubled, (int32_t)((uint32_t)doubled->bias + ((uint32_t)sum << 1)));
    __asm("ssat %0, #8, %0" : "+r"(value));
    return value;
}

static inline uint32_t insert_byte(uint32_t word, int32_t value, unsigned index) {
    switch (index) {
    case 1:
        __asm("bfi %0, %1, #8, #8" : "+r"(word) : "r"(value));
        break;
    case 2:
        __asm("bfi %0, %1, #16, #8" : "+r"(word) : "r"(value));
        break;
    default:
        __asm("bfi %0, %1, #24, #8" : "+r"(word) : "r"(value));
        break;
    }
    return word;
}

/* Byte by byte maximum (`at_least`) and minimum (`at_most`) of signed bytes. */
static inline uint32_t clamp_bytes(uint32_t word, uint32_t at_least, uint32_t at_most) {
    uint32_t difference;
    __asm("ssub8 %1, %0, %2\n\tsel %0, %0, %2\n\tssub8 %1, %3, %0\n\tsel %0, %0, %3"
          : "+r"(word), "=&r"(difference)
          : "r"(at_least), "r"(at_most)
          : "cc");
    return word;
}

/* All four channels of a column are one word: one store instead of four, which would fill the store buffer. */
static inline __attribute__((always_inline)) void store_words(const int32_t *sums, uint32_t columns,
                                                              const ta_panel_channels *panel, int8_t *output,
                                                              uint32_t pixel_bytes, bool clamp) {
    const uint32_t at_least = (uint8_t)panel->minimum * 0x01010101u, at_most = (uint8_t)panel->maximum * 0x01010101u;
    ta_channel doubled[TA_PANEL_CHANNELS];
    for (uint32_t channel = 0; channel < TA_PANEL_CHANNELS; channel++) {
        doubled[channel] = panel->channels[channel];
        doubled[channel].bias = (int32_t)((uint32_t)doubled[channel].bias << 1);
    }
    for (; columns >= TA_PANEL_COLUMNS; columns -= TA_PANEL_COLUMNS) {
        uint32_t left = (uint32_t)saturated(&doubled[0], sums[0]);
        uint32_t right = (uint32_t)saturated(&doubled[0], sums[1]);
#pragma GCC unroll 3
        for (unsigned channel = 1; channel < TA_PANEL_CHANNELS; channel++) {
            left = insert_byte(left, saturated(&doubled[channel], sums[2 * channel]), channel);
            right = insert_byte(right, saturated(&doubled[channel], sums[2 * channel + 1]), channel);
        }
        if (clamp) {
            left = clamp_bytes(left, at_least, at_most);
            right = clamp_bytes(right, at_least, at_most);
        }
        memcpy(output, &left, sizeof left);
        output += pixel_bytes;
        memcpy(output, &right, sizeof right);
        output += pixel_bytes;
        sums += SUMS_PER_PAIR;
    }
    if (columns != 0) {
        store_bytes(sums, columns, panel, output, pixel_bytes);
    }
}

TA_FAST_CODE(ta_store_sums)
void ta_store_sums(const int32_t *sums, uint32_t columns, const ta_panel_channels *panel, int8_t *output,
                   uint32_t pixel_bytes) {
    if (panel->count != TA_PANEL_CHANNELS) {
        store_bytes(sums, columns, panel, output, pixel_bytes);
    } else if (panel->minimum == INT8_MIN && panel->maximum == INT8_MAX) {
        store_words(sums, columns, panel, output, pixel_bytes, false);
    } else {
        store_words(sums, columns, panel, output, pixel_bytes, true);
    }
}

#else

void ta_store_sums(const int32_t *sums, uint32_t columns, const ta_panel_channels *panel, int8_t *output,
                   uint32_t pixel_bytes) {
    store_bytes(sums, columns, panel, output, pixel_bytes);
}

#endif
