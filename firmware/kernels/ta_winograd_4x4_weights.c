#include "ta_winograd_4x4_weights.h"

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
    "ldr.w r4, [sp]\n"                                                                                                 \
    "add.w r0, r0, #36\n"                                                                                              \
    "cmp.w r0, r4\n"                                                                                                   \
    "bne.w 1b\n"                                                                                                       \
    "pop {r1, r4-r11, pc}\n"
#define MOVE_PANELS(distance)                                                                                          \
    "add.w r1, r1, " distance "\n"                                                                                     \
    "add.w r2, r2, " distance "\n"

/* One row of six from h0, h1, h2, all of which are lost, as is `t`:
 * h0, h0 + h1 + h2, h0 - h1 + h2, h0 + 2h1 + 4h2, h0 - 2h1 + 4h2, h2. */
#define STORE_ROW(h0, h1, h2, t, panel, second)                                                                        \
    "str.w " h0 ", [" panel "]\n"                                                                                      \
    "add.w " t ", " h0 ", " h2 "\n"                                                                                    \
    "str.w " h2 ", [" second ", r3, lsl #2]\n"                                                                         \
    "add.w " h0 ", " h0 ", " h2 ", lsl #2\n"                                                                           \
    "add.w " h2 ", " t ", " h1 "\n"                                                                                    \
    "sub.w " t ", " t ", " h1 "\n"                                                                                     \
    "str.w " h2 ", [" panel ", r3]\n"                                                                                  \
    "add.w " h2 ", " h0 ", " h1 ", lsl #1\n"                                                                           \
    "str.w " t ", [" panel ", r3, lsl #1]\n"                                                                           \
    "sub.w " h0 ", " h0 ", " h1 ", lsl #1\n"                                                                           \
    "str.w " h2 ", [" second ", r3, lsl #1]\n"                                                                         \
    "str.w " h0 ", [" panel ", r3, lsl #2]\n"

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

#pragma GCC diagnostic ignored "-Wunused-parameter" /* Naked functions take them from the registers. */
__attribute__((naked, aligned(8)))
TA_FAST_CODE(ta_winograd_4x4_weights_outer) static void transform_outer(const int8_t *weights, const int8_t *end,
                                                                        uint32_t *panels, uint32_t panel_bytes) {
    __asm volatile(
        ENTER "mov.w r11, #512\n"
              "mov.w r12, #256\n"
              "add.w lr, r3, r3, lsl #1\n"
              "lsl.w lr, lr, #1\n"
              ".balign 8\n"
              "1:\n" LOAD_ROW("#0", "#4", "#8") WIDEN_ROW("r7", "r8", "r9", EVEN)
                  STORE_ROW("r7", "r8", "r9", "r10", "r1", "r2") WIDEN_ROW("r4", "r5", "r6", ODD) MOVE_PANELS("#16")
                      STORE_ROW("r4", "r5", "r6", "r10", "r1", "r2") LOAD_ROW("#24", "#28", "#32") MOVE_PANELS("lr")
                          WIDEN_ROW("r7", "r8", "r9", ODD) STORE_ROW("r7", "r8", "r9", "r10", "r1", "r2")
                              WIDEN_ROW("r4", "r5", "r6", EVEN) MOVE_PANELS("#-16")
                                  STORE_ROW("r4", "r5", "r6", "r10", "r1", "r2") "sub.w r1, r1, lr\n"
                                                                                 "sub.w r2, r2, lr\n" MOVE_PANELS("#32")
                                                                                     NEXT_QUAD);
}

/* One word of rounds 1 and 2: rows (r6, r8, r10), then (r4, r5, r7) whose first two panels are r6 and r8 then. */
#define STORE_ROWS                                                                                                     \
    STORE_ROW("r6", "r8", "r10", "r9", "r1", "r2")                                                                     \
    "add.w r6, r1, r3, lsl #1\n"                                                                                       \
    "add.w r6, r6, r3, lsl #2\n"                                                                                       \
    "add.w r8, r6, r3\n" STORE_ROW("r4", "r5", "r7", "r9", "r6", "r8") MOVE_PANELS("#16")

/* Round 1, a column of taps: s = g0 + g2, then s + g1 and s - g1. `both` and `one` are the constants of g0 + g2 and of
 * g1. */
#define ADD_NEAR(top, middle, bottom, column, both, one, half)                                                         \
    "ldr.w " top ", [r0, " column "]\n"                                                                                \
    "ldr.w " bottom ", [r0, " column " + 24]\n"                                                                        \
    "ldr.w " middle ", [r0, " column " + 12]\n"                                                                        \
    "sxtab16 " top ", " both ", " top half "\n"                                                                        \
    "sxtab16 " middle ", " one ", " middle half "\n"                                                                   \
    "sxtab16 " top ", " top ", " bottom half "\n"                                                                      \
    "add.w " bottom ", " top ", " middle "\n"                                                                          \
    "sub.w " top ", " top ", " middle "\n"
#define NEAR_WORD(half)                                                                                                \
    ADD_NEAR("r4", "r5", "r6", "#0", "r11", "r12", half)                                                               \
    "mov.w r9, #128\n" ADD_NEAR("r5", "r7", "r8", "#4", "lr", "r9", half)                                              \
        ADD_NEAR("r7", "r9", "r10", "#8", "r11", "r12", half) STORE_ROWS

__attribute__((naked, aligned(8)))
TA_FAST_CODE(ta_winograd_4x4_weights_near) static void transform_near(const int8_t *weights, const int8_t *end,
                                                                      uint32_t *panels, uint32_t panel_bytes) {
    __asm volatile(ENTER "mov.w r11, #1024\n"
                         "mov.w r12, #256\n"
                         "mov.w lr, #512\n"
                         ".balign 8\n"
                         "1:\n" NEAR_WORD(EVEN) NEAR_WORD(ODD) NEXT_QUAD);
}

/* Round 2, a column of taps: t = g0 + 4g2, then t + 2g1 and t - 2g1. */
#define ADD_FAR(top, middle, bottom, column, outer, inner, half)                                                       \
    "ldr.w " top ", [r0, " column "]\n"                                                                                \
    "ldr.w " bottom ", [r0, " column " + 24]\n"                                                                        \
    "ldr.w " middle ", [r0, " column " + 12]\n"                                                                        \
    "sxtab16 " bottom ", " outer ", " bottom half "\n"                                                                 \
    "sxtab16 " top ", " outer ", " top half "\n"                                                                       \
    "sxtab16 " middle ", " inner ", " middle half "\n"                                                                 \
    "add.w " top ", " top ", " bottom ", lsl #2\n"                                                                     \
    "add.w " bottom ", " top ", " middle ", lsl #1\n"                                                                  \
    "sub.w " top ", " top ", " middle ", lsl #1\n"
#define FAR_WORD(half)                                                                                                 \
    ADD_FAR("r4", "r5", "r6", "#0", "r11", "r12", half)                                                                \
    ADD_FAR("r5", "r7", "r8", "#4", "r12", "lr", half)                                                                 \
    ADD_FAR("r7", "r9", "r10", "#8", "r11", "r12", half) STORE_ROWS

__attribute__((naked, aligned(8)))
TA_FAST_CODE(ta_winograd_4x4_weights_far) static void transform_far(const int8_t *weights, const int8_t *end,
                                                                    uint32_t *panels, uint32_t panel_bytes) {
    __asm volatile(ENTER "mov.w r11, #512\n"
                         "mov.w r12, #256\n"
                         "mov.w lr, #128\n"
                         ".balign 8\n"
                         "1:\n" FAR_WORD(EVEN) FAR_WORD(ODD) NEXT_QUAD);
}

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

enum { ROW_TAPS = 3, ROW_PANELS = 6 };

/* The word of a tap, with its constant in the low lane. */
static uint32_t widened(const int8_t *weights, uint32_t row, uint32_t column, uint32_t half) {
    static const uint8_t k[ROW_TAPS] = {2, 1, 2};
    const uint32_t constant = (uint32_t)TA_WINOGRAD_4X4_UNIT * k[row] * k[column];
    const uint32_t bytes = ta_load_word(weights + (ROW_TAPS * row + column) * TA_QUAD);
    return half == 0u ? ta_widen_even(constant, bytes) : ta_widen_odd(constant, bytes);
}

static void store_row(const uint32_t *h, uint32_t *panel, uint32_t panel_stride) {
    const uint32_t near = h[0] + h[2], far = h[0] + (h[2] << 2), middle = h[1] << 1;
    panel[0] = h[0];
    panel[panel_stride] = near + h[1];
    panel[2u * panel_stride] = near - h[1];
    panel[3u * panel_stride] = far + middle;
    panel[4u * panel_stride] = far - middle;
    panel[5u * panel_stride] = h[2];
}

void ta_winograd_4x4_weights(uint32_t round, const int8_t *weights, uint32_t quads, uint32_t *panels,
                             uint32_t panel_stride) {
    for (uint32_t quad = 0; quad < quads; quad++) {
        for (uint32_t half = 0; half < TA_QUAD_WORDS; half++) {
            uint32_t first[ROW_TAPS], second[ROW_TAPS];
            for (uint32_t column = 0; column < ROW_TAPS; column++) {
                const uint32_t top = widened(weights, 0, column, half), bottom = widened(weights, 2, column, half);
                const uint32_t shift = round == 2u ? 1u : 0u;
                const uint32_t outer = top + (bottom << (2u * shift));
                const uint32_t middle = widened(weights, 1, column, half) << shift;
                first[column] = round == 0u ? top : outer + middle;
                second[column] = round == 0u ? bottom : outer - middle;
            }
            store_row(first, panels, panel_stride);
            store_row(second, panels + ROW_PANELS * panel_stride, panel_stride);
            panels += TA_PANEL_CHANNELS;
        }
        weights += TA_TAPS * TA_QUAD;
    }
}

#endif
