#include "ta_stride2_outputs.h"

#include <stddef.h>

#include "ta_naked.h"
#include "tinyanime/fast_code.h"

enum { INPUTS = 5, OUTPUTS = 2 };

#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FEATURE_SIMD32) && defined(__ARM_FEATURE_SAT) && defined(__thumb2__)

/* One channel: product (i, j) is at r0 + 128 * (5i + j), and adds to the output (0, x) unless i is 2 or 4, and to (1,
 * x) unless i is 0 or 3, with a minus where i is 2; as j does to (y, 0) and (y, 1). Columns of products (r4 to r8) are
 * added to the outputs (r9, r10 above, r11, r12 below) in the order 1, 2, 0, 3, 4; then they are requantized. r1 the
 * channel, r2 the first output, r3 bytes between pixels, lr the end of the channels; [sp] bytes between rows. The order
 * keeps both issue slots busy, and apart what waits for one another. */
#define CHANNEL                                                                                                        \
    "1:\n"                                                                                                             \
    "ldr.w r5, [r0, #768]\n"                                                                                           \
    "ldr.w r9, [r1]\n"                                                                                                 \
    "add.w r5, r5, r9\n"                                                                                               \
    "ldr.w r4, [r0, #128]\n"                                                                                           \
    "add.w r9, r4, r5\n"                                                                                               \
    "ldr.w r6, [r0, #1408]\n"                                                                                          \
    "ldr.w r8, [r0, #2688]\n"                                                                                          \
    "sub.w r11, r5, r6\n"                                                                                              \
    "ldr.w r7, [r0, #2048]\n"                                                                                          \
    "add.w r11, r11, r8\n"                                                                                             \
    "add.w r9, r9, r7\n"                                                                                               \
    "ldr.w r4, [r0, #256]\n"                                                                                           \
    "sub.w r10, r9, r4\n"                                                                                              \
    "ldr.w r7, [r0, #2176]\n"                                                                                          \
    "ldr.w r6, [r0, #1536]\n"                                                                                          \
    "ldr.w r5, [r0, #896]\n"                                                                                           \
    "sub.w r12, r11, r5\n"                                                                                             \
    "sub.w r10, r10, r5\n"                                                                                             \
    "add.w r12, r12, r6\n"                                                                                             \
    "ldr.w r4, [r0, #0]\n"                                                                                             \
    "ldr.w r8, [r0, #2816]\n"                                                                                          \
    "add.w r9, r9, r4\n"                                                                                               \
    "sub.w r10, r10, r7\n"                                                                                             \
    "ldr.w r5, [r0, #640]\n"                                                                                           \
    "sub.w r12, r12, r8\n"                                                                                             \
    "ldr.w r4, [r0, #384]\n"                                                                                           \
    "ldr.w r8, [r0, #2560]\n"                                                                                          \
    "add.w r11, r11, r5\n"                                                                                             \
    "ldr.w r6, [r0, #1280]\n"                                                                                          \
    "add.w r9, r9, r5\n"                                                                                               \
    "ldr.w r7, [r0, #1920]\n"                                                                                          \
    "sub.w r11, r11, r6\n"                                                                                             \
    "add.w r9, r9, r7\n"                                                                                               \
    "ldr.w r5, [r0, #1024]\n"                                                                                          \
    "add.w r11, r11, r8\n"                                                                                             \
    "ldr.w r7, [r0, #2304]\n"                                                                                          \
    "ldr.w r6, [r0, #1664]\n"                                                                                          \
    "add.w r11, r11, r5\n"                                                                                             \
    "ldr.w r8, [r0, #2944]\n"                                                                                          \
    "add.w r9, r9, r4\n"                                                                                               \
    "sub.w r11, r11, r6\n"                                                                                             \
    "add.w r9, r9, r5\n"                                                                                               \
    "ldr.w r5, [r0, #1152]\n"                                                                                          \
    "add.w r9, r9, r7\n"                                                                                               \
    "add.w r11, r11, r8\n"                                                                                             \
    "ldr.w r4, [r0, #512]\n"                                                                                           \
    "lsl.w r9, r9, #1\n"                                                                                               \
    "ldr.w r8, [r0, #3072]\n"                                                                                          \
    "ldr.w r6, [r0, #1792]\n"                                                                                          \
    "add.w r12, r12, r5\n"                                                                                             \
    "sub.w r12, r12, r6\n"                                                                                             \
    "add.w r10, r10, r4\n"                                                                                             \
    "ldr.w r4, [r1, #4]\n"                                                                                             \
    "add.w r10, r10, r5\n"                                                                                             \
    "add.w r12, r12, r8\n"                                                                                             \
    "ldr.w r5, [r1, #8]\n"                                                                                             \
    "ldr.w r7, [r0, #2432]\n"                                                                                          \
    "lsl.w r11, r11, #1\n"                                                                                             \
    "ldr.w r6, [r1, #12]\n"                                                                                            \
    "add.w r10, r10, r7\n"                                                                                             \
    "lsl.w r10, r10, #1\n"                                                                                             \
    "lsl.w r12, r12, #1\n"                                                                                             \
    "sub.w r7, r5, r9, lsr #31\n"                                                                                      \
    "smmlar r9, r9, r4, r7\n"                                                                                          \
    "sub.w r8, r5, r10, lsr #31\n"                                                                                     \
    "smmlar r10, r10, r4, r8\n"                                                                                        \
    "sub.w r7, r5, r11, lsr #31\n"                                                                                     \
    "smmlar r11, r11, r4, r7\n"                                                                                        \
    "sub.w r8, r5, r12, lsr #31\n"                                                                                     \
    "smmlar r12, r12, r4, r8\n"                                                                                        \
    "asr.w r11, r11, r6\n"                                                                                             \
    "asr.w r10, r10, r6\n"                                                                                             \
    "asr.w r9, r9, r6\n"                                                                                               \
    "asr.w r12, r12, r6\n"                                                                                             \
    "ssat r9, #8, r9\n"                                                                                                \
    "ldr.w r7, [sp]\n"                                                                                                 \
    "ssat r10, #8, r10\n"                                                                                              \
    "strb.w r10, [r2, r3]\n"                                                                                           \
    "strb.w r9, [r2]\n"                                                                                                \
    "add.w r7, r7, r2\n"                                                                                               \
    "ssat r11, #8, r11\n"                                                                                              \
    "ssat r12, #8, r12\n"                                                                                              \
    "add.w r1, r1, #16\n"                                                                                              \
    "add.w r2, r2, #1\n"                                                                                               \
    "strb.w r11, [r7]\n"                                                                                               \
    "add.w r0, r0, #8\n"                                                                                               \
    "cmp.w r1, lr\n"                                                                                                   \
    "strb.w r12, [r7, r3]\n"                                                                                           \
    "bne.w 1b\n"

_Static_assert(offsetof(ta_tile_outputs, channels) == 8 && offsetof(ta_tile_outputs, channel_count) == 12 &&
                   offsetof(ta_tile_outputs, output) == 16 && offsetof(ta_tile_outputs, row_bytes) == 20 &&
                   offsetof(ta_tile_outputs, pixel_bytes) == 24 && TA_TILE_SUMS == 32 && sizeof(ta_channel) == 16,
               "as the assembly has it");

#pragma GCC diagnostic ignored "-Wunused-parameter" /* A naked function takes it from the register. */
TA_NAKED TA_FAST_CODE(ta_stride2_channels) static void store_channels(const ta_tile_outputs *tile) {
    __asm volatile("push {r4-r11, lr}\n"
                   "ldrd r2, r7, [r0, #16]\n"
                   "ldrd r1, lr, [r0, #8]\n"
                   "ldr.w r3, [r0, #24]\n"
                   "push {r7}\n"
                   "add.w lr, r1, lr, lsl #4\n"
                   "ldr.w r0, [r0]\n"
                   ".balign 8\n" CHANNEL "pop {r7}\n"
                   "pop {r4-r11, pc}\n");
}

#else

static inline uint32_t sum_at(const int32_t *sums, uint32_t row, uint32_t column) {
    return (uint32_t)sums[(row * INPUTS + column) * TA_TILE_SUMS];
}

static inline int8_t requantized(const ta_channel *channel, uint32_t sum) {
    return (int8_t)ta_tile_value(channel, (int32_t)(sum << 1));
}

static void store_channels(const ta_tile_outputs *tile) {
    const int32_t *sums = tile->sums;
    for (uint32_t index = 0; index < tile->channel_count; index++, sums += TA_PANEL_COLUMNS) {
        const ta_channel *channel = tile->channels + index;
        uint32_t above[INPUTS], below[INPUTS];
        for (uint32_t column = 0; column < INPUTS; column++) {
            /* The product in the middle is in every output. */
            const uint32_t m1 = sum_at(sums, 1, column) + (column == 1u ? (uint32_t)channel->bias : 0u);
            above[column] = sum_at(sums, 0, column) + m1 + sum_at(sums, 3, column);
            below[column] = m1 - sum_at(sums, 2, column) + sum_at(sums, 4, column);
        }
        int8_t *first = tile->output + index, *second = first + tile->row_bytes;
        first[0] = requantized(channel, above[0] + above[1] + above[3]);
        first[tile->pixel_bytes] = requantized(channel, above[1] - above[2] + above[4]);
        second[0] = requantized(channel, below[0] + below[1] + below[3]);
        second[tile->pixel_bytes] = requantized(channel, below[1] - below[2] + below[4]);
    }
}

#endif

TA_FAST_CODE(ta_stride2_outputs)
void ta_stride2_outputs(const ta_tile_outputs *tile) {
    store_channels(tile);
    if (ta_tile_is_clamped(tile)) {
        ta_tiles_clamp(tile, OUTPUTS);
    }
}
