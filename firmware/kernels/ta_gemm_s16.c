#include "ta_gemm_s16.h"

/* Low and high int16 element of a word. */
static inline int32_t low(uint32_t word) {
    return (int16_t)(word & 0xFFFFu);
}

static inline int32_t high(uint32_t word) {
    return (int16_t)(word >> 16);
}

static inline uint32_t product(uint32_t x, uint32_t w) {
    return (uint32_t)(low(x) * low(w)) + (uint32_t)(high(x) * high(w));
}

void ta_gemm_s16(const uint32_t *columns, const uint32_t *weights, uint32_t words, uint32_t pairs, int32_t *sums) {
    for (uint32_t pair = 0; pair < pairs; pair++) {
        uint32_t sum[TA_PANEL_CHANNELS][TA_PANEL_COLUMNS] = {{0}};
        for (uint32_t word = 0; word < words; word++) {
            for (uint32_t channel = 0; channel < TA_PANEL_CHANNELS; channel++) {
                const uint32_t weight = weights[TA_PANEL_CHANNELS * word + channel];
                sum[channel][0] += product(columns[0], weight);
                sum[channel][1] += product(columns[1], weight);
            }
            columns += TA_PANEL_COLUMNS;
        }
        for (uint32_t channel = 0; channel < TA_PANEL_CHANNELS; channel++) {
            *sums++ = (int32_t)sum[channel][0];
            *sums++ = (int32_t)sum[channel][1];
        }
    }
}
