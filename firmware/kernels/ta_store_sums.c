#include "ta_store_sums.h"

#include "ta_gemm_s16.h"
#include "ta_lanes.h"
#include "ta_naked.h"
#include "tinyanime/fast_code.h"

enum { SUMS_PER_PAIR = TA_PANEL_CHANNELS * TA_PANEL_COLUMNS };

/* Stores one channel of `columns` columns: channel by channel, its fields stay in registers. */
static void store_channel(const int32_t *sums, uint32_t columns, const ta_channel *channel, int32_t minimum,
                          int32_t maximum, int8_t *output, uint32_t pixel_bytes) {
    const ta_channel fields = *channel;
    const uint32_t doubled_bias = (uint32_t)fields.bias << 1;
    for (uint32_t column = 0; column < columns; column++) {
        const int32_t value = ta_doubled_value(&fields, (int32_t)(doubled_bias + ((uint32_t)*sums << 1)));
        *output = ta_clamped(value, minimum, maximum);
        output += pixel_bytes;
        sums += column % TA_PANEL_COLUMNS == 0 ? 1 : SUMS_PER_PAIR - 1;
    }
}

static void store_bytes(const int32_t *sums, uint32_t columns, const ta_panel_channels *panel, int8_t *output,
                        uint32_t pixel_bytes) {
    for (uint32_t channel = 0; channel < panel->count; channel++) {
        store_channel(sums + TA_PANEL_COLUMNS * channel, columns, &panel->channels[channel], panel->minimum,
                      panel->maximum, output + channel, pixel_bytes);
    }
}

#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FEATURE_SIMD32) && defined(__thumb2__)

/* Assembly because the fields of a channel, the sums and the results of two columns take all registers, and each step
 * to a result needs the one before two or three cycles earlier on a Cortex-M7. So the last steps of a channel stand
 * between the first ones of the next channel, and the first channel of a pair begins in the pass before. All four
 * channels of a column are one word: one store instead of four, which would fill the store buffer.
 *
 * r0 sums, r1 channels (with doubled biases), r2 output, r3 bytes of a pixel, r4 to r7 fields of a channel, r8 and r9,
 * r10 and r11 the values of both columns, in turn of one channel and the next one, r12 and lr the words. */
/* clang-format off */
#define SUMS_END "[sp, #36]"
#define LIMITS "[sp, #40]" /* Minimum and maximum in every byte. */
#define SATURATE(to, x) "ssat " to ", #8, " x "\n"
#define INSERT(word, x, bit) "bfi " word ", " x ", #" bit ", #8\n"
/* Scales the sums of a channel in `u` and `v`. Between: from the shift on the channel in `x` and `y`. */
#define CHANNEL_STEP(u, v, x, y, saturate_x, saturate_y, insert_x, insert_y)                                           \
    "asr.w " x ", " x ", r7\n"                                                                                         \
    "ldrd " u ", " v ", [r0], #8\n"                                                                                    \
    saturate_x                                                                                                         \
    "asr.w " y ", " y ", r7\n"                                                                                         \
    "ldmia.w r1!, {r4-r7}\n"                                                                                           \
    "add.w " u ", r4, " u ", lsl #1\n"                                                                                 \
    saturate_y                                                                                                         \
    "add.w " v ", r4, " v ", lsl #1\n"                                                                                 \
    "add.w r4, r6, " u ", asr #31\n"                                                                                   \
    insert_x                                                                                                           \
    "smmlar " u ", " u ", r5, r4\n"                                                                                    \
    "add.w r6, r6, " v ", asr #31\n"                                                                                   \
    "smmlar " v ", " v ", r5, r6\n"                                                                                    \
    insert_y
#define FIRST_CHANNEL                                                                                                  \
    CHANNEL_STEP("r10", "r11", "r8", "r9", SATURATE("r12", "r8"), SATURATE("lr", "r9"), "", "")
#define NEXT_CHANNEL(u, v, x, y, bit)                                                                                  \
    CHANNEL_STEP(u, v, x, y, SATURATE(x, x), SATURATE(y, y), INSERT("r12", x, bit), INSERT("lr", y, bit))
#define CLAMP                                                                                                          \
    "ldrd r4, r5, " LIMITS "\n"                                                                                        \
    "ssub8 r6, r12, r4\n sel r12, r12, r4\n"                                                                           \
    "ssub8 r6, lr, r4\n sel lr, lr, r4\n"                                                                              \
    "ssub8 r6, r5, r12\n sel r12, r12, r5\n"                                                                           \
    "ssub8 r6, r5, lr\n sel lr, lr, r5\n"
#define STORE_PAIRS(clamp)                                                                                             \
    "push {r4-r11, lr}\n"                                                                                              \
    "ldrd r8, r9, [r0], #8\n"                                                                                          \
    "ldmia.w r1!, {r4-r7}\n"                                                                                           \
    "add.w r8, r4, r8, lsl #1\n"                                                                                       \
    "add.w r9, r4, r9, lsl #1\n"                                                                                       \
    "add.w r4, r6, r8, asr #31\n"                                                                                      \
    "add.w r6, r6, r9, asr #31\n"                                                                                      \
    "smmlar r8, r8, r5, r4\n"                                                                                          \
    "smmlar r9, r9, r5, r6\n"                                                                                          \
    ".balign 8\n"                                                                                                      \
    "1:\n"                                                                                                             \
    FIRST_CHANNEL                                                                                                      \
    NEXT_CHANNEL("r8", "r9", "r10", "r11", "8")                                                                        \
    NEXT_CHANNEL("r10", "r11", "r8", "r9", "16")                                                                       \
    "sub.w r1, r1, #64\n"                                                                                              \
    NEXT_CHANNEL("r8", "r9", "r10", "r11", "24")                                                                       \
    clamp                                                                                                              \
    "ldr.w r4, " SUMS_END "\n"                                                                                         \
    "str.w r12, [r2]\n"                                                                                                \
    "cmp.w r0, r4\n"                                                                                                   \
    "str.w lr, [r2, r3]\n"                                                                                             \
    "add.w r2, r2, r3, lsl #1\n"                                                                                       \
    "bne.w 1b\n"                                                                                                       \
    "pop {r4-r11, pc}\n"
/* clang-format on */

#pragma GCC diagnostic ignored "-Wunused-parameter" /* Naked functions take them from registers and stack. */

/* Stores the pairs of columns before `sums_end`, which is 8 bytes behind the last pair. */
TA_NAKED
TA_FAST_CODE(ta_store_pairs)
static void store_pairs(const int32_t *sums, const ta_channel *doubled, int8_t *output, uint32_t pixel_bytes,
                        const int32_t *sums_end) {
    __asm volatile(STORE_PAIRS(""));
}

/* The same within limits. */
TA_NAKED
TA_FAST_CODE(ta_store_clamped_pairs)
static void store_clamped_pairs(const int32_t *sums, const ta_channel *doubled, int8_t *output, uint32_t pixel_bytes,
                                const int32_t *sums_end, uint32_t at_least, uint32_t at_most) {
    __asm volatile(STORE_PAIRS(CLAMP));
}

static uint32_t in_every_byte(int8_t value) {
    return (uint8_t)value * 0x01010101u;
}

static void store_words(const int32_t *sums, uint32_t pairs, const ta_panel_channels *panel, int8_t *output,
                        uint32_t pixel_bytes) {
    const int32_t *end = sums + pairs * SUMS_PER_PAIR + TA_SUMS_OVERREAD / sizeof(int32_t);
    ta_channel doubled[TA_PANEL_CHANNELS];
    for (uint32_t channel = 0; channel < TA_PANEL_CHANNELS; channel++) {
        doubled[channel] = panel->channels[channel];
        doubled[channel].bias = (int32_t)((uint32_t)doubled[channel].bias << 1);
    }
    if (panel->minimum == INT8_MIN && panel->maximum == INT8_MAX) {
        store_pairs(sums, doubled, output, pixel_bytes, end);
    } else {
        store_clamped_pairs(sums, doubled, output, pixel_bytes, end, in_every_byte(panel->minimum),
                            in_every_byte(panel->maximum));
    }
}

void ta_store_sums(const int32_t *sums, uint32_t columns, const ta_panel_channels *panel, int8_t *output,
                   uint32_t pixel_bytes) {
    const uint32_t pairs = panel->count == TA_PANEL_CHANNELS ? columns / TA_PANEL_COLUMNS : 0;
    if (pairs != 0) {
        store_words(sums, pairs, panel, output, pixel_bytes);
    }
    const uint32_t done = pairs * TA_PANEL_COLUMNS;
    if (done != columns) {
        store_bytes(sums + pairs * SUMS_PER_PAIR, columns - done, panel, output + done * pixel_bytes, pixel_bytes);
    }
}

#elif defined(__ARM_ARCH_6M__)

/* What the results of a channel are made with: doubled bias, high half of the multiplier, its low half (there is no
 * product of more than 32 bits), rounding, maximum, minimum, shift, and 0x8000, which rounds the product. */
enum { CHANNEL_CONSTANTS = 8 };

/* One result. The doubled sum is split into halves too; of their four products with the multiplier's halves, the lowest
 * one counts with its high half only.
 * r0 sums, r1 output, r8 to r12 and lr the first six constants; r2 ends as the doubled sum's sign, r3 as the result. */
/* clang-format off */
#define CONSTANT_SHIFT "[sp]"
#define CONSTANT_HALF "[sp, #4]"
#define PIXEL_BYTES "[sp, #8]"
#define SUMS_END "[sp, #12]"
#define STORE_RESULT(offset, above, below)                                                                             \
    "ldr r2, [r0, #" offset "]\n"                                                                                      \
    "lsls r2, r2, #1\n"                                                                                                \
    "add r2, r8\n"                                                                                                     \
    "asrs r3, r2, #16\n"                                                                                               \
    "uxth r4, r2\n"                                                                                                    \
    "lsrs r2, r2, #31\n"                                                                                               \
    "mov r5, r10\n"                                                                                                    \
    "mov r7, r10\n"                                                                                                    \
    "muls r5, r4\n"     /* low * low */                                                                                \
    "lsrs r5, r5, #16\n"                                                                                               \
    "mov r6, r9\n"                                                                                                     \
    "muls r4, r6\n"     /* low * high */                                                                               \
    "muls r6, r3\n"     /* high * high */                                                                              \
    "muls r3, r7\n"     /* high * low */                                                                               \
    "ldr r7, " CONSTANT_HALF "\n"                                                                                      \
    "adds r3, r3, r5\n"                                                                                                \
    "adds r3, r3, r7\n"                                                                                                \
    "uxth r5, r3\n"                                                                                                    \
    "asrs r3, r3, #16\n"                                                                                               \
    "adds r4, r4, r5\n"                                                                                                \
    "lsrs r4, r4, #16\n"                                                                                               \
    "adds r3, r3, r6\n"                                                                                                \
    "adds r3, r3, r4\n"                                                                                                \
    "add r3, r11\n"                                                                                                    \
    "subs r3, r3, r2\n"                                                                                                \
    "ldr r7, " CONSTANT_SHIFT "\n"                                                                                     \
    "asrs r3, r7\n"                                                                                                    \
    "cmp r3, r12\n"                                                                                                    \
    "ble " above "f\n"                                                                                                 \
    "mov r3, r12\n"                                                                                                    \
    above ":\n"                                                                                                        \
    "cmp r3, lr\n"                                                                                                     \
    "bge " below "f\n"                                                                                                 \
    "mov r3, lr\n"                                                                                                     \
    below ":\n"                                                                                                        \
    "strb r3, [r1]\n"                                                                                                  \
    "ldr r7, " PIXEL_BYTES "\n"                                                                                        \
    "adds r1, r1, r7\n"
/* clang-format on */

#pragma GCC diagnostic ignored "-Wunused-parameter" /* A naked function takes them from registers and stack. */

/* Stores one channel of the pairs of columns before `sums_end`. */
TA_NAKED
TA_FAST_CODE(ta_store_channel_pairs)
static void store_channel_pairs(const int32_t *sums, int8_t *output, const int32_t *constants, uint32_t pixel_bytes,
                                const int32_t *sums_end) {
    __asm volatile(".syntax unified\n"
                   "push {r4-r7, lr}\n"
                   "mov r4, r8\n"
                   "mov r5, r9\n"
                   "mov r6, r10\n"
                   "mov r7, r11\n"
                   "push {r4-r7}\n"
                   "ldr r4, [sp, #36]\n" /* sums_end */
                   "sub sp, #16\n"
                   "str r3, " PIXEL_BYTES "\n"
                   "str r4, " SUMS_END "\n"
                   "ldmia r2!, {r4-r7}\n"
                   "mov r8, r4\n"
                   "mov r9, r5\n"
                   "mov r10, r6\n"
                   "mov r11, r7\n"
                   "ldmia r2!, {r4-r7}\n"
                   "mov r12, r4\n"
                   "mov lr, r5\n"
                   "str r6, " CONSTANT_SHIFT "\n"
                   "str r7, " CONSTANT_HALF "\n"
                   "1:\n" STORE_RESULT("0", "2", "3") STORE_RESULT("4", "4", "5") "adds r0, #32\n"
                                                                                  "ldr r7, " SUMS_END "\n"
                                                                                  "cmp r0, r7\n"
                                                                                  "bne 1b\n"
                                                                                  "add sp, #16\n"
                                                                                  "pop {r4-r7}\n"
                                                                                  "mov r8, r4\n"
                                                                                  "mov r9, r5\n"
                                                                                  "mov r10, r6\n"
                                                                                  "mov r11, r7\n"
                                                                                  "pop {r4-r7, pc}\n");
}

void ta_store_sums(const int32_t *sums, uint32_t columns, const ta_panel_channels *panel, int8_t *output,
                   uint32_t pixel_bytes) {
    const uint32_t pairs = columns / TA_PANEL_COLUMNS, done = pairs * TA_PANEL_COLUMNS;
    for (uint32_t channel = 0; pairs != 0 && channel < panel->count; channel++) {
        const ta_channel *fields = &panel->channels[channel];
        const int32_t constants[CHANNEL_CONSTANTS] = {(int32_t)((uint32_t)fields->bias << 1),
                                                      fields->multiplier >> 16,
                                                      fields->multiplier & 0xFFFF,
                                                      fields->rounding,
                                                      panel->maximum,
                                                      panel->minimum,
                                                      fields->shift,
                                                      0x8000};
        const int32_t *first = sums + TA_PANEL_COLUMNS * channel;
        store_channel_pairs(first, output + channel, constants, pixel_bytes, first + pairs * SUMS_PER_PAIR);
    }
    if (done != columns) {
        store_bytes(sums + pairs * SUMS_PER_PAIR, columns - done, panel, output + done * pixel_bytes, pixel_bytes);
    }
}

#else

void ta_store_sums(const int32_t *sums, uint32_t columns, const ta_panel_channels *panel, int8_t *output,
                   uint32_t pixel_bytes) {
    store_bytes(sums, columns, panel, output, pixel_bytes);
}

#endif
