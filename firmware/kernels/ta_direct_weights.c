#include "ta_direct_weights.h"

#include "ta_gemm_s16.h"
#include "ta_lanes.h"
#include "tinyanime/fast_code.h"

enum { GROUP = TA_DIRECT_GROUP, WORDS_PER_GROUP = TA_DIRECT_GROUP_WORDS };

/* Widens `count` bytes of the weights of each of 4 channels, which lie `bytes` apart. */
static inline void widen_panel(const int8_t *data, uint32_t bytes, uint32_t count, uint32_t *panel) {
#if defined(__ARM_FEATURE_SIMD32) && defined(__thumb2__)
    const int8_t *last = data + count - GROUP;
    /* Every store stands behind an instruction that a Cortex-M7 issues together with it: 12 cycles a group. */
    uint32_t a = ta_load_word(data), b = ta_load_word(data + bytes), c, d, e, f;
    __asm volatile(".balign 8\n"
                   "1:\n"
                   "sxtb16 %[e], %[a]\n ldr.w %[c], [%[data], %[two]]\n"
                   "sxtb16 %[f], %[b]\n ldr.w %[d], [%[data], %[three]]\n"
                   "sxtb16 %[a], %[a], ror #8\n str.w %[e], [%[panel]], #32\n"
                   "sxtb16 %[b], %[b], ror #8\n str %[f], [%[panel], #-28]\n"
                   "sxtb16 %[e], %[c]\n str %[a], [%[panel], #-16]\n"
                   "sxtb16 %[f], %[d]\n str %[b], [%[panel], #-12]\n"
                   "sxtb16 %[c], %[c], ror #8\n str %[e], [%[panel], #-24]\n"
                   "cmp.w %[data], %[last]\n add.w %[data], %[data], #4\n"
                   "sxtb16 %[d], %[d], ror #8\n str %[f], [%[panel], #-20]\n"
                   "beq.w 2f\n"
                   "ldr.w %[a], [%[data]]\n str %[c], [%[panel], #-8]\n"
                   "ldr.w %[b], [%[data], %[one]]\n str %[d], [%[panel], #-4]\n"
                   "b.w 1b\n"
                   "2:\n"
                   "str %[c], [%[panel], #-8]\n str %[d], [%[panel], #-4]\n"
                   : [data] "+r"(data), [panel] "+r"(panel), [a] "+r"(a), [b] "+r"(b), [c] "=&r"(c), [d] "=&r"(d),
                     [e] "=&r"(e), [f] "=&r"(f)
                   : [last] "r"(last), [one] "r"(bytes), [two] "r"(2 * bytes), [three] "r"(3 * bytes)
                   : "cc", "memory");
#else
    for (const int8_t *end = data + count; data != end; data += GROUP) {
        for (uint32_t channel = 0; channel < TA_PANEL_CHANNELS; channel++) {
            const uint32_t word = ta_load_word(data + channel * bytes);
            panel[channel] = ta_widen_even(0, word);
            panel[TA_PANEL_CHANNELS + channel] = ta_widen_odd(0, word);
        }
        panel += WORDS_PER_GROUP * TA_PANEL_CHANNELS;
    }
#endif
}

TA_FAST_CODE(ta_direct_widen_weights)
void ta_direct_widen_weights(const int8_t *data, uint32_t channels, uint32_t channel_bytes, uint32_t groups,
                             uint32_t *panel) {
    if (channels == TA_PANEL_CHANNELS) {
        widen_panel(data, channel_bytes, GROUP * groups, panel);
        return;
    }
    for (uint32_t channel = 0; channel < channels; channel++) {
        const int8_t *source = data + channel * channel_bytes;
        uint32_t *target = panel + channel;
        for (uint32_t group = 0; group < groups; group++) {
            const uint32_t word = ta_load_word(source);
            target[0] = ta_widen_even(0, word);
            target[TA_PANEL_CHANNELS] = ta_widen_odd(0, word);
            target += WORDS_PER_GROUP * TA_PANEL_CHANNELS;
            source += GROUP;
        }
    }
}
