#include "ta_winograd_4x4_outputs.h"

#include "ta_naked.h"
#include "tinyanime/fast_code.h"

/* Sums of products become 9 * 2^k times the outputs, with k = 3, 2, 1, 1 per row plus as much per column. The inverse
 * of 9 modulo 2^32 and a shift by k - 1 make twice the outputs of them, after what the constants in the weights add
 * (the surplus, 2^k times) is taken off. The bias is added to the product that is in every output. */
enum { INPUTS = 6, OUTPUTS = 4, BIAS_FACTOR = 36 };
#define INVERSE_OF_9 0x38E38E39u

#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FEATURE_SIMD32) && defined(__ARM_FEATURE_SAT) && defined(__thumb2__)

/* Both dimensions: r4 to r9 are m0 to m5, then r4, r8, r6, r9 are 24 y0, 12 y1, 6 y2, 6 y3; r5, r7, r10, r11 are lost.
 * The order keeps instructions apart that wait for one another.
 *
 * A column: rows of products are in the order 0, 5, 1, 2, 3, 4, 6 times 128 bytes apart. */
#define COLUMN(fix)                                                                                                    \
    "ldr.w r6, [r0, #2304]\n"                                                                                          \
    "ldr.w r5, [r0, #1536]\n"                                                                                          \
    "ldr.w r9, [r0, #768]\n" fix "add.w r10, r5, r6\n"                                                                 \
    "sub.w r5, r5, r6\n"                                                                                               \
    "ldr.w r8, [r0, #3840]\n"                                                                                          \
    "ldr.w r7, [r0, #3072]\n"                                                                                          \
    "add.w r9, r9, r9, lsl #1\n"                                                                                       \
    "add.w r11, r7, r8\n"                                                                                              \
    "sub.w r7, r7, r8\n"                                                                                               \
    "ldr.w r4, [r0], #128\n"                                                                                           \
    "sub.w r8, r7, r5, lsl #1\n"                                                                                       \
    "sub.w r6, r11, r10\n"                                                                                             \
    "sub.w r11, r11, r10, lsl #2\n"                                                                                    \
    "add.w r9, r9, r7\n"                                                                                               \
    "add.w r4, r4, r4, lsl #1\n"                                                                                       \
    "rsb r9, r5, r9, lsl #1\n"                                                                                         \
    "add.w r4, r11, r4, lsl #1\n"                                                                                      \
    "stmia.w r1!, {r4, r6, r8, r9}\n"

/* A row of outputs from word `place` of each column; shifts of its four outputs. r0 surplus, r1 first pixel, r2 bytes
 * between pixels, r3 multiplier, r12 rounding, lr the inverse of 9. */
#define ROW(place, shift0, shift1, shift2)                                                                             \
    "ldr.w r6, [sp, #" #place " + 32]\n"                                                                               \
    "ldr.w r8, [sp, #" #place " + 64]\n"                                                                               \
    "ldr.w r4, [sp, #" #place "]\n"                                                                                    \
    "ldr.w r5, [sp, #" #place " + 16]\n"                                                                               \
    "add.w r10, r5, r6\n"                                                                                              \
    "ldr.w r7, [sp, #" #place " + 48]\n"                                                                               \
    "ldr.w r9, [sp, #" #place " + 80]\n"                                                                               \
    "add.w r4, r4, r4, lsl #1\n"                                                                                       \
    "add.w r11, r7, r8\n"                                                                                              \
    "sub.w r5, r5, r6\n"                                                                                               \
    "add.w r9, r9, r9, lsl #1\n"                                                                                       \
    "sub.w r6, r11, r10\n"                                                                                             \
    "sub.w r7, r7, r8\n"                                                                                               \
    "sub.w r11, r11, r10, lsl #2\n"                                                                                    \
    "add.w r9, r9, r7\n"                                                                                               \
    "sub.w r8, r7, r5, lsl #1\n"                                                                                       \
    "rsb r9, r5, r9, lsl #1\n"                                                                                         \
    "ldr.w r10, [r0, #8]\n"                                                                                            \
    "ldr.w r5, [r0]\n"                                                                                                 \
    "add.w r4, r11, r4, lsl #1\n"                                                                                      \
    "mla r4, r4, lr, r5\n"                                                                                             \
    "ldr.w r11, [r0, #12]\n"                                                                                           \
    "mla r6, r6, lr, r10\n"                                                                                            \
    "ldr.w r7, [r0, #4]\n"                                                                                             \
    "mla r8, r8, lr, r7\n"                                                                                             \
    "mla r9, r9, lr, r11\n"                                                                                            \
    "sub.w r5, r12, r4, lsr #31\n"                                                                                     \
    "sub.w r10, r12, r6, lsr #31\n"                                                                                    \
    "asr.w r4, r4, #" #shift0 "\n"                                                                                     \
    "smmlar r4, r4, r3, r5\n"                                                                                          \
    "asr.w r6, r6, #" #shift2 "\n"                                                                                     \
    "sub.w r7, r12, r8, lsr #31\n"                                                                                     \
    "asr.w r8, r8, #" #shift1 "\n"                                                                                     \
    "ldr.w r5, [sp, #96]\n"                                                                                            \
    "sub.w r11, r12, r9, lsr #31\n"                                                                                    \
    "asr.w r9, r9, #" #shift2 "\n"                                                                                     \
    "smmlar r8, r8, r3, r7\n"                                                                                          \
    "asr.w r4, r4, r5\n"                                                                                               \
    "smmlar r6, r6, r3, r10\n"                                                                                         \
    "asr.w r8, r8, r5\n"                                                                                               \
    "smmlar r9, r9, r3, r11\n"                                                                                         \
    "ssat r4, #8, r4\n"                                                                                                \
    "add.w r7, r1, r2\n"                                                                                               \
    "asr.w r6, r6, r5\n"                                                                                               \
    "strb.w r4, [r1]\n"                                                                                                \
    "ssat r8, #8, r8\n"                                                                                                \
    "asr.w r9, r9, r5\n"                                                                                               \
    "ssat r6, #8, r6\n"                                                                                                \
    "strb.w r8, [r1, r2]\n"                                                                                            \
    "ssat r9, #8, r9\n"                                                                                                \
    "ldr.w r10, [sp, #144]\n"                                                                                          \
    "strb.w r6, [r1, r2, lsl #1]\n"                                                                                    \
    "add.w r0, r0, #16\n"                                                                                              \
    "strb.w r9, [r7, r2, lsl #1]\n"                                                                                    \
    "add.w r1, r1, r10\n"

_Static_assert(TA_TILE_SUMS == 32 && sizeof(ta_channel) == 16, "as the assembly has it");

/* One channel of a tile. Stack: columns [6][y0, y2, y1, y3], [sp, #96] shift, [sp, #100] surplus, [sp, #104] output,
 * saved registers, [sp, #144] row_bytes, [sp, #148] pixel_bytes. */
#pragma GCC diagnostic ignored "-Wunused-parameter" /* Naked functions take them from the registers. */
TA_NAKED TA_FAST_CODE(ta_winograd_4x4_channel) static void store_channel(const int32_t *sums, const ta_channel *channel,
                                                                         const int32_t *surplus, int8_t *output,
                                                                         uint32_t row_bytes, uint32_t pixel_bytes) {
    __asm volatile("push {r2-r11, lr}\n"
                   "sub sp, #100\n"
                   "ldr.w r12, [r1]\n"
                   "ldr.w r10, [r1, #12]\n"
                   "ldr.w r3, [r1, #4]\n"
                   "ldr.w r2, [r1, #8]\n"
                   "add.w r12, r12, r12, lsl #3\n"
                   "str.w r10, [sp, #96]\n"
                   "lsl.w r12, r12, #2\n" /* BIAS_FACTOR */
                   "mov.w r1, sp\n" COLUMN("") COLUMN("add.w r5, r5, r12\n") COLUMN("") COLUMN("") COLUMN("")
                       COLUMN("") "ldr.w r0, [sp, #100]\n"
                                  "ldr.w r1, [sp, #104]\n"
                                  "mov.w r12, r2\n"
                                  "ldr.w r2, [sp, #148]\n"
                                  "movw lr, #0x8E39\n" /* INVERSE_OF_9 */
                                  "movt lr, #0x38E3\n" ROW(0, 5, 4, 3) ROW(8, 4, 3, 2) ROW(4, 3, 2, 1)
                                      ROW(12, 3, 2, 1) "add sp, #100\n"
                                                       "pop {r2-r11, pc}\n");
}

#else

typedef struct {
    uint32_t y[OUTPUTS];
} four;

/* 24 y0, 12 y1, 6 y2, 6 y3. */
static inline four gather(uint32_t m0, uint32_t m1, uint32_t m2, uint32_t m3, uint32_t m4, uint32_t m5) {
    const uint32_t near = m1 + m2, near_difference = m1 - m2, far = m3 + m4, far_difference = m3 - m4;
    return (four){{far - 4u * near + 6u * m0, far_difference - 2u * near_difference, far - near,
                   2u * far_difference - near_difference + 6u * m5}};
}

/* One channel of a tile. */
static void store_channel(const int32_t *sums, const ta_channel *channel, const int32_t *surplus, int8_t *output,
                          uint32_t row_bytes, uint32_t pixel_bytes) {
    static const uint8_t shifts[OUTPUTS] = {3, 2, 1, 1};
    uint32_t rows[OUTPUTS][INPUTS];
    for (uint32_t column = 0; column < INPUTS; column++) {
        uint32_t m[INPUTS];
        for (uint32_t place = 0; place < INPUTS; place++) {
            m[place] = (uint32_t)sums[(place * INPUTS + column) * TA_TILE_SUMS];
        }
        if (column == 1u) {
            m[2] += BIAS_FACTOR * (uint32_t)channel->bias;
        }
        const four gathered = gather(m[0], m[2], m[3], m[4], m[5], m[1]);
        for (uint32_t y = 0; y < OUTPUTS; y++) {
            rows[y][column] = gathered.y[y];
        }
    }
    for (uint32_t y = 0; y < OUTPUTS; y++) {
        const uint32_t *m = rows[y];
        const four line = gather(m[0], m[1], m[2], m[3], m[4], m[5]);
        for (uint32_t x = 0; x < OUTPUTS; x++) {
            const int32_t multiple = (int32_t)(line.y[x] * INVERSE_OF_9 + (uint32_t)*surplus++);
            output[y * row_bytes + x * pixel_bytes] =
                (int8_t)ta_tile_value(channel, multiple >> (shifts[y] + shifts[x] - 1));
        }
    }
}

#endif

TA_FAST_CODE(ta_winograd_4x4_outputs)
void ta_winograd_4x4_outputs(const ta_tile_outputs *tile) {
    const ta_tile_outputs to = *tile;
    for (uint32_t index = 0; index < to.channel_count; index++) {
        store_channel(to.sums + index * TA_PANEL_COLUMNS, to.channels + index, to.surplus, to.output + index,
                      to.row_bytes, to.pixel_bytes);
    }
    if (ta_tile_is_clamped(&to)) {
        ta_tiles_clamp(&to, OUTPUTS);
    }
}
