#include "ta_winograd_4x4_inputs.h"

#include "ta_naked.h"
#include "tinyanime/fast_code.h"

enum { INPUTS = 6 };

/* Two int16 lanes as one number, high * 2^16 + low with a signed low one: sums and multiples of such numbers are those
 * of both lanes, in one instruction each, with shifts for free. Lanes become such a number by being positive, and a
 * number becomes lanes by adding CARRY (so that the low one is positive) and flipping its bit. CARRY is added to four
 * of the inputs: those with the factor 1 in every result, in both dimensions. */
#define CARRY 0x8000u
#define UNSIGNED 128u /* Makes an int8 positive. */

/* For the columns: bytes between pixels; what is added to the inputs, and to the last two of the last two columns. */
enum { PIXEL_BYTES = 0, OFFSET = 1, LATE = 2, CONSTANTS = 3 };

#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FEATURE_SIMD32) && defined(__thumb2__)

/* r4 to r9: d0 to d5, then v0 to v5; r10, r11 are lost. */
#define SPREAD                                                                                                         \
    "sub.w r10, r7, r5\n"                                                                                              \
    "sub.w r11, r8, r6\n"                                                                                              \
    "sub.w r4, r4, r6\n"                                                                                               \
    "sub.w r9, r9, r7\n"                                                                                               \
    "sub.w r7, r7, r5, lsl #2\n"                                                                                       \
    "sub.w r8, r8, r6, lsl #2\n"                                                                                       \
    "add.w r4, r11, r4, lsl #2\n"                                                                                      \
    "add.w r5, r8, r7\n"                                                                                               \
    "sub.w r9, r9, r10, lsl #2\n"                                                                                      \
    "sub.w r6, r8, r7\n"                                                                                               \
    "add.w r7, r11, r10, lsl #1\n"                                                                                     \
    "sub.w r8, r11, r10, lsl #1\n"

/* `columns` [column][row]: one word of the v of each column of inputs, of which the first pixel is `top`.
 * r0 pixel, r1 bytes between rows, r2 column of results, r3 bytes between pixels, r12 offset, lr offset of the last two
 * rows. Stack: end of the columns with this lr, late offset. */
#define COLUMNS(half)                                                                                                  \
    "push {r4-r11, lr}\n"                                                                                              \
    "ldr.w r4, [r3, #8]\n"                                                                                             \
    "ldr.w r12, [r3, #4]\n"                                                                                            \
    "ldr.w r3, [r3]\n"                                                                                                 \
    "mov.w lr, r12\n"                                                                                                  \
    "add.w r5, r2, #96\n" /* four columns */                                                                           \
    "push {r4, r5}\n"                                                                                                  \
    ".balign 8\n"                                                                                                      \
    "1:\n"                                                                                                             \
    "ldr.w r4, [r0]\n"                                                                                                 \
    "add.w r10, r0, r1\n"                                                                                              \
    "ldr.w r5, [r0, r1]\n"                                                                                             \
    "ldr.w r6, [r0, r1, lsl #1]\n"                                                                                     \
    "sxtab16 r4, r12, r4" half "\n"                                                                                    \
    "ldr.w r8, [r0, r1, lsl #2]\n"                                                                                     \
    "sxtab16 r5, r12, r5" half "\n"                                                                                    \
    "ldr.w r7, [r10, r1, lsl #1]\n"                                                                                    \
    "sxtab16 r6, r12, r6" half "\n"                                                                                    \
    "ldr.w r9, [r10, r1, lsl #2]\n"                                                                                    \
    "sxtab16 r8, lr, r8" half "\n"                                                                                     \
    "add.w r0, r0, r3\n"                                                                                               \
    "sxtab16 r7, r12, r7" half "\n"                                                                                    \
    "sxtab16 r9, lr, r9" half "\n" SPREAD "ldr.w r10, [sp, #4]\n"                                                      \
    "stmia.w r2!, {r4-r9}\n"                                                                                           \
    "cmp.w r2, r10\n"                                                                                                  \
    "bne.w 1b\n"                                                                                                       \
    "ldr.w r4, [sp]\n"                                                                                                 \
    "add.w r10, r10, #48\n" /* the other two */                                                                        \
    "cmp.w lr, r4\n"                                                                                                   \
    "mov.w lr, r4\n"                                                                                                   \
    "str.w r10, [sp, #4]\n"                                                                                            \
    "bne.w 1b\n"                                                                                                       \
    "pop {r4, r5}\n"                                                                                                   \
    "pop {r4-r11, pc}\n"

#pragma GCC diagnostic ignored "-Wunused-parameter" /* Naked functions take them from the registers. */
TA_NAKED TA_FAST_CODE(ta_winograd_4x4_even) static void spread_even(const int8_t *top, uint32_t row_bytes,
                                                                    uint32_t *columns, const uint32_t *constants) {
    __asm volatile(COLUMNS(""));
}

TA_NAKED TA_FAST_CODE(ta_winograd_4x4_odd) static void spread_odd(const int8_t *top, uint32_t row_bytes,
                                                                  uint32_t *columns, const uint32_t *constants) {
    __asm volatile(COLUMNS(", ror #8"));
}

/* Row `row` of all columns to six inputs. r1 and r2 are the first two of them, r3 and lr the bytes between inputs, and
 * between rows of them. */
#define ROW(row, fix)                                                                                                  \
    "ldr.w r5, [r0, #" #row " + 24]\n"                                                                                 \
    "ldr.w r7, [r0, #" #row " + 72]\n"                                                                                 \
    "ldr.w r6, [r0, #" #row " + 48]\n"                                                                                 \
    "ldr.w r8, [r0, #" #row " + 96]\n"                                                                                 \
    "ldr.w r4, [r0, #" #row "]\n"                                                                                      \
    "ldr.w r9, [r0, #" #row " + 120]\n" SPREAD "eor.w r4, r4, #0x8000\n"                                               \
    "eor.w r5, r5, #0x8000\n" fix "str.w r4, [r1]\n"                                                                   \
    "eor.w r6, r6, #0x8000\n"                                                                                          \
    "str.w r5, [r2]\n"                                                                                                 \
    "eor.w r7, r7, #0x8000\n"                                                                                          \
    "str.w r6, [r1, r3, lsl #1]\n"                                                                                     \
    "eor.w r8, r8, #0x8000\n"                                                                                          \
    "str.w r7, [r2, r3, lsl #1]\n"                                                                                     \
    "eor.w r9, r9, #0x8000\n"                                                                                          \
    "str.w r8, [r1, r3, lsl #2]\n"                                                                                     \
    "add.w r1, r1, lr\n"                                                                                               \
    "str.w r9, [r2, r3, lsl #2]\n"                                                                                     \
    "add.w r2, r2, lr\n"

/* One word of all inputs from the v of the columns; the one that a constant in all inputs shows in less `surplus`. */
TA_NAKED TA_FAST_CODE(ta_winograd_4x4_rows) static void spread_rows(const uint32_t *columns, uint32_t *inputs,
                                                                    uint32_t surplus, uint32_t input_bytes) {
    __asm volatile("push {r4-r11, lr}\n"
                   "mov.w r12, r2\n"
                   "add.w r2, r1, r3\n"
                   "add.w lr, r3, r3, lsl #1\n"
                   "lsl.w lr, lr, #1\n" ROW(0, "") ROW(20, "") ROW(4, "ssub16 r5, r5, r12\n") ROW(8, "") ROW(12, "")
                       ROW(16, "") "pop {r4-r11, pc}\n");
}

#else

typedef struct {
    uint32_t v[INPUTS];
} six;

/* v of numbers; d4 and d5 have CARRY in them, and so has every result. */
static inline six spread(uint32_t d0, uint32_t d1, uint32_t d2, uint32_t d3, uint32_t d4, uint32_t d5) {
    const uint32_t even = d4 - (d2 << 2), odd = d3 - (d1 << 2);
    const uint32_t narrow_even = d4 - d2, narrow_odd = d3 - d1;
    return (six){{narrow_even + ((d0 - d2) << 2), even + odd, even - odd, narrow_even + (narrow_odd << 1),
                  narrow_even - (narrow_odd << 1), (d5 - d3) - (narrow_odd << 2)}};
}

static inline void spread_half(const int8_t *top, uint32_t row_bytes, uint32_t *columns, const uint32_t *constants,
                               uint32_t half) {
    for (uint32_t column = 0; column < INPUTS; column++) {
        uint32_t d[INPUTS];
        for (uint32_t row = 0; row < INPUTS; row++) {
            const uint32_t offset = column >= 4u && row >= 4u ? constants[LATE] : constants[OFFSET];
            const uint32_t bytes = ta_load_word(top + row * row_bytes);
            /* UNSIGNED keeps the low lane positive: lanes and numbers are the same. */
            d[row] = half == 0u ? ta_number_even(offset, bytes) : ta_number_odd(offset, bytes);
        }
        const six v = spread(d[0], d[1], d[2], d[3], d[4], d[5]);
        for (uint32_t row = 0; row < INPUTS; row++) {
            *columns++ = v.v[row];
        }
        top += constants[PIXEL_BYTES];
    }
}

static void spread_even(const int8_t *top, uint32_t row_bytes, uint32_t *columns, const uint32_t *constants) {
    spread_half(top, row_bytes, columns, constants, 0);
}

static void spread_odd(const int8_t *top, uint32_t row_bytes, uint32_t *columns, const uint32_t *constants) {
    spread_half(top, row_bytes, columns, constants, 1);
}

static void spread_rows(const uint32_t *columns, uint32_t *inputs, uint32_t surplus, uint32_t input_bytes) {
    static const uint8_t row_order[INPUTS] = {0, 5, 1, 2, 3, 4};
    const uint32_t stride = input_bytes / sizeof(uint32_t);
    for (uint32_t place = 0; place < INPUTS; place++) {
        const uint32_t *row = columns + row_order[place];
        const six v = spread(row[0], row[6], row[12], row[18], row[24], row[30]);
        for (uint32_t column = 0; column < INPUTS; column++) {
            const uint32_t lanes = v.v[column] ^ CARRY;
            *inputs = row_order[place] == 1u && column == 1u ? ta_subtract_lanes(lanes, surplus) : lanes;
            inputs += stride;
        }
    }
}

#endif

TA_FAST_CODE(ta_winograd_4x4_inputs)
void ta_winograd_4x4_inputs(const ta_tile_inputs *tile, uint32_t *panels, uint32_t input_stride) {
    const ta_tile_inputs from = *tile;
    const uint32_t offset = ((uint32_t)from.in_offset << 16) | UNSIGNED;
    const uint32_t constants[CONSTANTS] = {from.pixel_bytes, offset, offset | CARRY};
    const uint32_t surplus = 36u * (UNSIGNED - (uint32_t)from.in_offset) & 0xFFFFu;
    const uint32_t input_bytes = input_stride * (uint32_t)sizeof(uint32_t);
    const int8_t *top = from.first;
    for (uint32_t quad = 0; quad < from.quads; quad++) {
        uint32_t columns[INPUTS * INPUTS];
        spread_even(top, from.row_bytes, columns, constants);
        spread_rows(columns, panels, surplus, input_bytes);
        spread_odd(top, from.row_bytes, columns, constants);
        spread_rows(columns, panels + TA_PANEL_COLUMNS, surplus, input_bytes);
        panels += TA_QUAD_WORDS * TA_PANEL_COLUMNS;
        top += TA_QUAD;
    }
}
