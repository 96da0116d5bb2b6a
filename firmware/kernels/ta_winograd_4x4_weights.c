#include "ta_winograd_4x4_weights.h"

#include "ta_naked.h"
#include "ta_tiles.h"
#include "tinyanime/fast_code.h"

#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FEATURE_SIMD32) && defined(__thumb2__)

/* Registers: r0 weights, r1 first panel, r2 second panel (so that all six of a row are at r1 or r2 plus a shifted r3),
 * r3 bytes between panels; the rest as each round says. Stack: the end of the weights.
 *
 * Words of a quad: even ones of bytes 0 and 2, odd ones of bytes 1 and 3. */
#define EVEN ""
#define ODD ", ror #8"
#define ENTER                                                                                                          \
    "push {r1, r4-r11, lr}\n"                                                                                          \
    "mov r1, r2\n"                                                                                                     \
    "add.w r2, r1, r3\n"
#define NEXT_QUAD                                                                                                      \
    "ldr.w r5, [sp]\n"                                                                                                 \
    "add.w r0, r0, #36\n"                                                                                              \
    "cmp.w r0, r5\n"                                                                                                   \
    "bne.w 1b\n"                                                                                                       \
    "pop {r1, r4-r11, pc}\n"
#define MOVE_PANELS(distance)                                                                                          \
    "add.w r1, r1, " distance "\n"                                                                                     \
    "add.w r2, r2, " distance "\n"

/* One row of six from h0, h1, h2, all of which are lost, as is `t`:
 * h0, h0 + h1 + h2, h0 - h1 + h2, h0 + 2h1 + 4h2, h0 - 2h1 + 4h2, h2. */
#define STORE_ROW(h0, h1, h2, t)                                                                                       \
    "str.w " h0 ", [r1]\n"                                                                                             \
    "add.w " t ", " h0 ", " h2 "\n"                                                                                    \
    "str.w " h2 ", [r2, r3, lsl #2]\n"                                                                                 \
    "add.w " h0 ", " h0 ", " h2 ", lsl #2\n"                                                                           \
    "add.w " h2 ", " t ", " h1 "\n"                                                                                    \
    "sub.w " t ", " t ", " h1 "\n"                                                                                     \
    "str.w " h2 ", [r1, r3]\n"                                                                                         \
    "add.w " h2 ", " h0 ", " h1 ", lsl #1\n"                                                                           \
    "str.w " t ", [r1, r3, lsl #1]\n"                                                                                  \
    "sub.w " h0 ", " h0 ", " h1 ", lsl #1\n"                                                                           \
    "str.w " h2 ", [r2, r3, lsl #1]\n"                                                                                 \
    "str.w " h0 ", [r1, r3, lsl #2]\n"

/* Round 0: the first and the last row of taps as they are. r11 and r12 the constants of the outer and the middle
 * columns, lr bytes between the two rows of panels. */
#define LOAD_ROW(offset0, offset1, offset2)                                                                            \
    "ldr.w r4, [r0, " offset0 "]\n"                                                                                    \
    "ldr.w r5, [r0, " offset1 "]\n"                                                                                    \
    "ldr.w r6, [r0, " offset2 "]\n"
#define WIDEN_ROW(to0, to1, to2, half)                                                                                 \
    "sxtab16 " to0 ", r11, r4" half "\n"                                                                               \
    "sxtab16 " to1 ", r12, r5" half "\n"                                                                               \
    "sxtab16 " to2 ", r11, r6" half "\n"

#define OUTER_QUAD                                                                                                     \
    LOAD_ROW("#0", "#4", "#8")                                                                                         \
    WIDEN_ROW("r7", "r8", "r9", EVEN)                                                                                  \
    STORE_ROW("r7", "r8", "r9", "r10")                                                                                 \
    WIDEN_ROW("r4", "r5", "r6", ODD)                                                                                   \
    MOVE_PANELS("#16")                                                                                                 \
    STORE_ROW("r4", "r5", "r6", "r10")                                                                                 \
    LOAD_ROW("#24", "#28", "#32")                                                                                      \
    MOVE_PANELS("lr")                                                                                                  \
    WIDEN_ROW("r7", "r8", "r9", ODD)                                                                                   \
    STORE_ROW("r7", "r8", "r9", "r10")                                                                                 \
    WIDEN_ROW("r4", "r5", "r6", EVEN)                                                                                  \
    MOVE_PANELS("#-16")                                                                                                \
    STORE_ROW("r4", "r5", "r6", "r10")                                                                                 \
    "sub.w r1, r1, lr\n"                                                                                               \
    "sub.w r2, r2, lr\n" MOVE_PANELS("#32")

/* Rounds 1 and 2: two sums of a column of taps are h0 (r6, r4), h1 (r8, r5) or h2 (r10, r7) of two rows. The first row
 * is stored from r1 and r2 on, the other one from r6 and r8 on. The order keeps both issue slots busy: words are loaded
 * two cycles before they are widened; a cycle has one store, one SXTAB16, one shifted operand. */

/* Round 1: s = g0 + g2, then s + g1 and s - g1. Constants: r11 of s, r12 of g1 in the outer columns; lr and r7 in the
 * middle one. */
#define NEAR_WORD(half)                                                                                                \
    "ldr.w r9, [r0, #12]\n"                                                                                            \
    "ldr.w r4, [r0]\n"                                                                                                 \
    "mov.w r7, #128\n"                                                                                                 \
    "ldr.w r6, [r0, #24]\n"                                                                                            \
    "sxtab16 r4, r11, r4" half "\n"                                                                                    \
    "ldr.w r5, [r0, #4]\n"                                                                                             \
    "sxtab16 r9, r12, r9" half "\n"                                                                                    \
    "ldr.w r10, [r0, #16]\n"                                                                                           \
    "sxtab16 r4, r4, r6" half "\n"                                                                                     \
    "ldr.w r8, [r0, #28]\n"                                                                                            \
    "sxtab16 r5, lr, r5" half "\n"                                                                                     \
    "sxtab16 r5, r5, r8" half "\n"                                                                                     \
    "add.w r6, r4, r9\n"                                                                                               \
    "sxtab16 r10, r7, r10" half "\n"                                                                                   \
    "sub.w r4, r4, r9\n"                                                                                               \
    "add.w r8, r5, r10\n"                                                                                              \
    "ldr.w r7, [r0, #8]\n"                                                                                             \
    "ldr.w r9, [r0, #20]\n"                                                                                            \
    "sub.w r5, r5, r10\n"                                                                                              \
    "sxtab16 r7, r11, r7" half "\n"                                                                                    \
    "ldr.w r10, [r0, #32]\n"                                                                                           \
    "sxtab16 r9, r12, r9" half "\n"                                                                                    \
    "sxtab16 r7, r7, r10" half "\n"                                                                                    \
    "str.w r6, [r1]\n"                                                                                                 \
    "add.w r10, r7, r9\n"                                                                                              \
    "sub.w r7, r7, r9\n"                                                                                               \
    "str.w r10, [r2, r3, lsl #2]\n"                                                                                    \
    "add.w r9, r6, r10\n"                                                                                              \
    "add.w r6, r6, r10, lsl #2\n"                                                                                      \
    "add.w r10, r9, r8\n"                                                                                              \
    "str.w r10, [r1, r3]\n"                                                                                            \
    "sub.w r9, r9, r8\n"                                                                                               \
    "add.w r10, r6, r8, lsl #1\n"                                                                                      \
    "str.w r9, [r1, r3, lsl #1]\n"                                                                                     \
    "sub.w r6, r6, r8, lsl #1\n"                                                                                       \
    "str.w r10, [r2, r3, lsl #1]\n"                                                                                    \
    "add.w r8, r1, r3, lsl #1\n"                                                                                       \
    "str.w r6, [r1, r3, lsl #2]\n"                                                                                     \
    "add.w r9, r4, r7\n"                                                                                               \
    "add.w r6, r8, r3, lsl #2\n"                                                                                       \
    "add.w r1, r1, #16\n"                                                                                              \
    "add.w r8, r6, r3\n"                                                                                               \
    "str.w r4, [r6]\n"                                                                                                 \
    "add.w r4, r4, r7, lsl #2\n"                                                                                       \
    "str.w r7, [r8, r3, lsl #2]\n"                                                                                     \
    "add.w r7, r9, r5\n"                                                                                               \
    "sub.w r9, r9, r5\n"                                                                                               \
    "str.w r7, [r6, r3]\n"                                                                                             \
    "add.w r7, r4, r5, lsl #1\n"                                                                                       \
    "str.w r9, [r6, r3, lsl #1]\n"                                                                                     \
    "str.w r7, [r8, r3, lsl #1]\n"                                                                                     \
    "sub.w r4, r4, r5, lsl #1\n"                                                                                       \
    "add.w r2, r2, #16\n"                                                                                              \
    "str.w r4, [r6, r3, lsl #2]\n"

/* Round 2: t = g0 + 4g2, then t + 2g1 and t - 2g1. Constants: r11 of g0 and g2, r12 of g1 in the outer columns; r12 and
 * lr in the middle one. */
#define FAR_WORD(half)                                                                                                 \
    "ldr.w r8, [r0, #28]\n"                                                                                            \
    "ldr.w r6, [r0, #24]\n"                                                                                            \
    "ldr.w r9, [r0, #12]\n"                                                                                            \
    "sxtab16 r8, r12, r8" half "\n"                                                                                    \
    "ldr.w r4, [r0]\n"                                                                                                 \
    "sxtab16 r9, r12, r9" half "\n"                                                                                    \
    "sxtab16 r6, r11, r6" half "\n"                                                                                    \
    "ldr.w r5, [r0, #4]\n"                                                                                             \
    "sxtab16 r4, r11, r4" half "\n"                                                                                    \
    "ldr.w r10, [r0, #16]\n"                                                                                           \
    "sxtab16 r5, r12, r5" half "\n"                                                                                    \
    "sxtab16 r10, lr, r10" half "\n"                                                                                   \
    "add.w r4, r4, r6, lsl #2\n"                                                                                       \
    "add.w r6, r4, r9, lsl #1\n"                                                                                       \
    "sub.w r4, r4, r9, lsl #1\n"                                                                                       \
    "ldr.w r7, [r0, #8]\n"                                                                                             \
    "add.w r5, r5, r8, lsl #2\n"                                                                                       \
    "add.w r8, r5, r10, lsl #1\n"                                                                                      \
    "ldr.w r9, [r0, #20]\n"                                                                                            \
    "sub.w r5, r5, r10, lsl #1\n"                                                                                      \
    "ldr.w r10, [r0, #32]\n"                                                                                           \
    "sxtab16 r9, r12, r9" half "\n"                                                                                    \
    "str.w r6, [r1]\n"                                                                                                 \
    "sxtab16 r10, r11, r10" half "\n"                                                                                  \
    "sxtab16 r7, r11, r7" half "\n"                                                                                    \
    "add.w r7, r7, r10, lsl #2\n"                                                                                      \
    "add.w r10, r7, r9, lsl #1\n"                                                                                      \
    "str.w r10, [r2, r3, lsl #2]\n"                                                                                    \
    "sub.w r7, r7, r9, lsl #1\n"                                                                                       \
    "add.w r9, r6, r10\n"                                                                                              \
    "add.w r6, r6, r10, lsl #2\n"                                                                                      \
    "add.w r10, r9, r8\n"                                                                                              \
    "sub.w r9, r9, r8\n"                                                                                               \
    "str.w r9, [r1, r3, lsl #1]\n"                                                                                     \
    "str.w r10, [r1, r3]\n"                                                                                            \
    "add.w r10, r6, r8, lsl #1\n"                                                                                      \
    "str.w r10, [r2, r3, lsl #1]\n"                                                                                    \
    "sub.w r6, r6, r8, lsl #1\n"                                                                                       \
    "add.w r9, r4, r7\n"                                                                                               \
    "add.w r8, r1, r3, lsl #1\n"                                                                                       \
    "str.w r6, [r1, r3, lsl #2]\n"                                                                                     \
    "add.w r6, r8, r3, lsl #2\n"                                                                                       \
    "add.w r8, r6, r3\n"                                                                                               \
    "add.w r1, r1, #16\n"                                                                                              \
    "str.w r4, [r6]\n"                                                                                                 \
    "add.w r2, r2, #16\n"                                                                                              \
    "str.w r7, [r8, r3, lsl #2]\n"                                                                                     \
    "add.w r4, r4, r7, lsl #2\n"                                                                                       \
    "add.w r7, r9, r5\n"                                                                                               \
    "str.w r7, [r6, r3]\n"                                                                                             \
    "sub.w r9, r9, r5\n"                                                                                               \
    "str.w r9, [r6, r3, lsl #1]\n"                                                                                     \
    "add.w r7, r4, r5, lsl #1\n"                                                                                       \
    "str.w r7, [r8, r3, lsl #1]\n"                                                                                     \
    "sub.w r4, r4, r5, lsl #1\n"                                                                                       \
    "str.w r4, [r6, r3, lsl #2]\n"

#pragma GCC diagnostic ignored "-Wunused-parameter" /* Naked functions take them from the registers. */
#define LOOP ".balign 8\n1:\n"

TA_NAKED TA_FAST_CODE(ta_winograd_4x4_outer) static void transform_outer(const int8_t *weights, const int8_t *end,
                                                                         uint32_t *panels, uint32_t panel_bytes) {
    __asm volatile(ENTER "mov.w r11, #512\n mov.w r12, #256\n"
                         "add.w lr, r3, r3, lsl #1\n lsl.w lr, lr, #1\n" LOOP OUTER_QUAD NEXT_QUAD);
}

TA_NAKED TA_FAST_CODE(ta_winograd_4x4_near) static void transform_near(const int8_t *weights, const int8_t *end,
                                                                       uint32_t *panels, uint32_t panel_bytes) {
    __asm volatile(ENTER "mov.w r11, #1024\n mov.w r12, #256\n mov.w lr, #512\n" LOOP NEAR_WORD(EVEN) NEAR_WORD(ODD)
                       NEXT_QUAD);
}

TA_NAKED TA_FAST_CODE(ta_winograd_4x4_far) static void transform_far(const int8_t *weights, const int8_t *end,
                                                                     uint32_t *panels, uint32_t panel_bytes) {
    __asm volatile(ENTER "mov.w r11, #512\n mov.w r12, #256\n mov.w lr, #128\n" LOOP FAR_WORD(EVEN) FAR_WORD(ODD)
                       NEXT_QUAD);
}

TA_FAST_CODE(ta_winograd_4x4_weights)
void ta_winograd_4x4_weights(uint32_t round, const int8_t *weights, uint32_t quads, uint32_t *panels,
                             uint32_t panel_stride) {
    const int8_t *end = weights + quads * TA_TAPS * TA_QUAD;
    const uint32_t panel_bytes = panel_stride * (uint32_t)sizeof(uint32_t);
    if (round == 0u) {
        transform_outer(weights, end, panels, panel_bytes);
    } else if (round == 1u) {
        transform_near(weights, end, panels, panel_bytes);
    } else {
        transform_far(weights, end, panels, panel_bytes);
    }
}

#else

enum { ROW_TAPS = 3 };

/* The word of a tap, with its constant in the low lane, which is so never negative: lanes and numbers are the same. */
static inline uint32_t widened(const int8_t *weights, uint32_t row, uint32_t column, uint32_t half) {
    const uint32_t factor = (row == 1u ? 1u : 2u) * (column == 1u ? 1u : 2u);
    const uint32_t constant = TA_WINOGRAD_4X4_UNIT * factor;
    const uint32_t bytes = ta_load_word(weights + (ROW_TAPS * row + column) * TA_QUAD);
    return half == 0u ? ta_number_even(constant, bytes) : ta_number_odd(constant, bytes);
}

/* The place in the next panel. With the 8 registers of ARMv6-M the compiler must not know that all places are those of
 * one pointer: it would keep each of them in memory. */
static inline uint32_t *next_panel(uint32_t *panel, uint32_t panel_stride) {
    panel += panel_stride;
#if defined(__ARM_ARCH_6M__)
    __asm("" : "+l"(panel));
#endif
    return panel;
}

/* The u of a row, to panels from `panel` on; returns the place of the next row. */
static inline uint32_t *store_row(uint32_t h0, uint32_t h1, uint32_t h2, uint32_t *panel, uint32_t panel_stride) {
    const uint32_t near = h0 + h2, far = h0 + (h2 << 2), middle = h1 << 1;
    *panel = h0;
    panel = next_panel(panel, panel_stride);
    *panel = near + h1;
    panel = next_panel(panel, panel_stride);
    *panel = near - h1;
    panel = next_panel(panel, panel_stride);
    *panel = far + middle;
    panel = next_panel(panel, panel_stride);
    *panel = far - middle;
    panel = next_panel(panel, panel_stride);
    *panel = h2;
    return next_panel(panel, panel_stride);
}

/* Both rows of a round: g0 and g2, or (g0 + 4^r g2) + 2^r g1 and (g0 + 4^r g2) - 2^r g1 with r = round - 1. */
static inline void transform_half(uint32_t round, const int8_t *weights, uint32_t half, uint32_t *panel,
                                  uint32_t panel_stride) {
    uint32_t first[ROW_TAPS], second[ROW_TAPS];
    for (uint32_t column = 0; column < ROW_TAPS; column++) {
        first[column] = widened(weights, 0, column, half);
        second[column] = widened(weights, 2, column, half);
        if (round != 0u) {
            const uint32_t outer = first[column] + (second[column] << (2u * (round - 1u)));
            const uint32_t middle = widened(weights, 1, column, half) << (round - 1u);
            first[column] = outer + middle;
            second[column] = outer - middle;
        }
    }
    panel = store_row(first[0], first[1], first[2], panel, panel_stride);
    store_row(second[0], second[1], second[2], panel, panel_stride);
}

/* Inlined for each round: its shifts are then constants. */
static inline __attribute__((always_inline)) void transform_round(uint32_t round, const int8_t *weights, uint32_t quads,
                                                                  uint32_t *panels, uint32_t panel_stride) {
    for (uint32_t quad = 0; quad < quads; quad++) {
        transform_half(round, weights, 0, panels, panel_stride);
        transform_half(round, weights, 1, panels + TA_PANEL_CHANNELS, panel_stride);
        panels += TA_QUAD_WORDS * TA_PANEL_CHANNELS;
        weights += TA_TAPS * TA_QUAD;
    }
}

TA_FAST_CODE(ta_winograd_4x4_weights)
void ta_winograd_4x4_weights(uint32_t round, const int8_t *weights, uint32_t quads, uint32_t *panels,
                             uint32_t panel_stride) {
    if (round == 0u) {
        transform_round(0, weights, quads, panels, panel_stride);
    } else if (round == 1u) {
        transform_round(1, weights, quads, panels, panel_stride);
    } else {
        transform_round(2, weights, quads, panels, panel_stride);
    }
}

#endif
