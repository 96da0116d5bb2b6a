#include "ta_stride2_inputs.h"

#include "ta_naked.h"
#include "tinyanime/fast_code.h"

enum { INPUTS = 5, MIDDLE = 2 };

#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FEATURE_SIMD32) && defined(__thumb2__)

/* One word of all 25 inputs. r0 first pixel of the middle row of inputs, r1 bytes between pixels, r2 first transformed
 * input, r3 bytes between them, r12 offset in both lanes; lr steps from row to row, and to where no shifted r1 or r3
 * reaches. r4 to r8 hold the middle row (2), then rows 1 and 3; r9 to r11 hold rows 0 and 4. Stack: bytes between rows,
 * from the last row of transformed inputs back to the first of the next word, end of r0, offset. The order keeps apart
 * what waits for one another. */
#define WORD(half)                                                                                                     \
    "add.w lr, r0, r1\n"                                                                                               \
    "ldr.w r6, [r0, r1, lsl #1]\n"                                                                                     \
    "ldr.w r7, [lr, r1, lsl #1]\n"                                                                                     \
    "sxtab16 r6, r12, r6" half "\n"                                                                                    \
    "ldr.w r8, [r0, r1, lsl #2]\n"                                                                                     \
    "ldr.w lr, [sp, #36]\n"                                                                                            \
    "sxtab16 r8, r12, r8" half "\n"                                                                                    \
    "ldr.w r4, [r0]\n"                                                                                                 \
    "ldr.w r5, [r0, r1]\n"                                                                                             \
    "sub.w r0, r0, lr, lsl #1\n"                                                                                       \
    "sxtab16 r7, r12, r7" half "\n"                                                                                    \
    "sxtab16 r4, r12, r4" half "\n"                                                                                    \
    "ldr.w r9, [r0]\n"                                                                                                 \
    "sxtab16 r5, r12, r5" half "\n"                                                                                    \
    "ldr.w r10, [r0, r1, lsl #1]\n"                                                                                    \
    "sxtab16 r9, r12, r9" half "\n"                                                                                    \
    "sxtab16 r10, r12, r10" half "\n"                                                                                  \
    "ldr.w r11, [r0, r1, lsl #2]\n"                                                                                    \
    "ssub16 r9, r9, r4\n"                                                                                              \
    "sxtab16 r11, r12, r11" half "\n"                                                                                  \
    "ssub16 r11, r11, r8\n"                                                                                            \
    "add.w lr, r0, r1\n"                                                                                               \
    "ssub16 r10, r10, r6\n"                                                                                            \
    "ssub16 r9, r9, r10\n"                                                                                             \
    "str.w r9, [r2]\n"                                                                                                 \
    "ssub16 r11, r10, r11\n"                                                                                           \
    "ldr.w r9, [r0, r1]\n"                                                                                             \
    "str.w r11, [r2, r3, lsl #1]\n"                                                                                    \
    "ldr.w r11, [lr, r1, lsl #1]\n"                                                                                    \
    "sxtab16 r9, r12, r9" half "\n"                                                                                    \
    "add.w lr, r2, r3\n"                                                                                               \
    "sxtab16 r11, r12, r11" half "\n"                                                                                  \
    "str.w r10, [r2, r3]\n"                                                                                            \
    "ssub16 r11, r11, r7\n"                                                                                            \
    "str.w r11, [r2, r3, lsl #2]\n"                                                                                    \
    "ssub16 r9, r9, r5\n"                                                                                              \
    "add.w r2, lr, r3, lsl #2\n"                                                                                       \
    "str.w r9, [lr, r3, lsl #1]\n"                                                                                     \
    "ssub16 r9, r4, r6\n"                                                                                              \
    "str.w r9, [r2]\n"                                                                                                 \
    "ssub16 r10, r6, r8\n"                                                                                             \
    "str.w r6, [r2, r3]\n"                                                                                             \
    "str.w r10, [r2, r3, lsl #1]\n"                                                                                    \
    "add.w lr, r2, r3\n"                                                                                               \
    "str.w r7, [r2, r3, lsl #2]\n"                                                                                     \
    "add.w r2, lr, r3, lsl #2\n"                                                                                       \
    "str.w r5, [lr, r3, lsl #1]\n"                                                                                     \
    "ldr.w lr, [sp, #36]\n"                                                                                            \
    "add.w r0, r0, lr, lsl #2\n"                                                                                       \
    "ldr.w r9, [r0]\n"                                                                                                 \
    "ldr.w r10, [r0, r1, lsl #1]\n"                                                                                    \
    "sxtab16 r9, r12, r9" half "\n"                                                                                    \
    "add.w lr, r0, r1\n"                                                                                               \
    "ssub16 r9, r4, r9\n"                                                                                              \
    "ldr.w r11, [r0, r1, lsl #2]\n"                                                                                    \
    "sxtab16 r10, r12, r10" half "\n"                                                                                  \
    "sxtab16 r11, r12, r11" half "\n"                                                                                  \
    "ssub16 r10, r6, r10\n"                                                                                            \
    "ssub16 r9, r9, r10\n"                                                                                             \
    "str.w r9, [r2]\n"                                                                                                 \
    "ssub16 r11, r8, r11\n"                                                                                            \
    "ldr.w r9, [r0, r1]\n"                                                                                             \
    "ssub16 r11, r10, r11\n"                                                                                           \
    "str.w r10, [r2, r3]\n"                                                                                            \
    "str.w r11, [r2, r3, lsl #1]\n"                                                                                    \
    "ldr.w r11, [lr, r1, lsl #1]\n"                                                                                    \
    "sxtab16 r9, r12, r9" half "\n"                                                                                    \
    "sxtab16 r11, r12, r11" half "\n"                                                                                  \
    "add.w lr, r2, r3\n"                                                                                               \
    "ssub16 r11, r7, r11\n"                                                                                            \
    "str.w r11, [r2, r3, lsl #2]\n"                                                                                    \
    "ssub16 r9, r5, r9\n"                                                                                              \
    "str.w r9, [lr, r3, lsl #1]\n"                                                                                     \
    "add.w r2, lr, r3, lsl #2\n"                                                                                       \
    "ldr.w lr, [sp, #36]\n"                                                                                            \
    "sub.w r0, r0, lr\n"                                                                                               \
    "sub.w r0, r0, lr, lsl #1\n"                                                                                       \
    "ldr.w r4, [r0]\n"                                                                                                 \
    "ldr.w r5, [r0, r1]\n"                                                                                             \
    "add.w lr, r0, r1\n"                                                                                               \
    "sxtab16 r4, r12, r4" half "\n"                                                                                    \
    "ldr.w r6, [r0, r1, lsl #1]\n"                                                                                     \
    "sxtab16 r5, r12, r5" half "\n"                                                                                    \
    "sxtab16 r6, r12, r6" half "\n"                                                                                    \
    "ldr.w r8, [r0, r1, lsl #2]\n"                                                                                     \
    "ldr.w r7, [lr, r1, lsl #1]\n"                                                                                     \
    "add.w lr, r2, r3\n"                                                                                               \
    "ssub16 r4, r4, r6\n"                                                                                              \
    "str.w r6, [r2, r3]\n"                                                                                             \
    "sxtab16 r7, r12, r7" half "\n"                                                                                    \
    "str.w r7, [r2, r3, lsl #2]\n"                                                                                     \
    "sxtab16 r8, r12, r8" half "\n"                                                                                    \
    "ssub16 r6, r6, r8\n"                                                                                              \
    "str.w r4, [r2]\n"                                                                                                 \
    "str.w r6, [r2, r3, lsl #1]\n"                                                                                     \
    "add.w r2, lr, r3, lsl #2\n"                                                                                       \
    "str.w r5, [lr, r3, lsl #1]\n"                                                                                     \
    "ldr.w lr, [sp, #36]\n"                                                                                            \
    "add.w r0, r0, lr, lsl #1\n"                                                                                       \
    "ldr.w r5, [r0, r1]\n"                                                                                             \
    "add.w lr, r0, r1\n"                                                                                               \
    "ldr.w r4, [r0]\n"                                                                                                 \
    "sxtab16 r5, r12, r5" half "\n"                                                                                    \
    "ldr.w r6, [r0, r1, lsl #1]\n"                                                                                     \
    "sxtab16 r4, r12, r4" half "\n"                                                                                    \
    "ldr.w r8, [r0, r1, lsl #2]\n"                                                                                     \
    "sxtab16 r6, r12, r6" half "\n"                                                                                    \
    "str.w r6, [r2, r3]\n"                                                                                             \
    "ssub16 r4, r4, r6\n"                                                                                              \
    "ldr.w r7, [lr, r1, lsl #1]\n"                                                                                     \
    "add.w lr, r2, r3\n"                                                                                               \
    "str.w r4, [r2]\n"                                                                                                 \
    "sxtab16 r8, r12, r8" half "\n"                                                                                    \
    "str.w r5, [lr, r3, lsl #1]\n"                                                                                     \
    "ssub16 r6, r6, r8\n"                                                                                              \
    "str.w r6, [r2, r3, lsl #1]\n"                                                                                     \
    "sxtab16 r7, r12, r7" half "\n"                                                                                    \
    "str.w r7, [r2, r3, lsl #2]\n"                                                                                     \
    "add.w r2, lr, r3, lsl #2\n"                                                                                       \
    "ldr.w lr, [sp, #36]\n"                                                                                            \
    "sub.w r0, r0, lr\n"                                                                                               \
    "ldr.w lr, [sp, #40]\n"                                                                                            \
    "sub.w r2, r2, lr\n"

#pragma GCC diagnostic ignored "-Wunused-parameter" /* A naked function takes them from registers and stack. */
TA_NAKED TA_FAST_CODE(ta_stride2_quads) static void transform_quads(const int8_t *middle, uint32_t pixel_bytes,
                                                                    uint32_t *inputs, uint32_t input_bytes,
                                                                    uint32_t row_bytes, uint32_t back,
                                                                    const int8_t *end, uint32_t offset) {
    __asm volatile("push {r4-r11, lr}\n"
                   "ldr.w r12, [sp, #48]\n"
                   ".balign 8\n"
                   "1:\n" WORD("") WORD(", ror #8") "ldr.w r9, [sp, #44]\n"
                                                    "add.w r0, r0, #4\n"
                                                    "cmp.w r0, r9\n"
                                                    "bne.w 1b\n"
                                                    "pop {r4-r11, pc}\n");
}

TA_FAST_CODE(ta_stride2_inputs)
void ta_stride2_inputs(const ta_tile_inputs *tile, uint32_t *panels, uint32_t input_stride) {
    const int8_t *middle = tile->first + MIDDLE * tile->row_bytes;
    const uint32_t input_bytes = input_stride * (uint32_t)sizeof(uint32_t);
    const uint32_t back = INPUTS * INPUTS * input_bytes - TA_PANEL_COLUMNS * (uint32_t)sizeof(uint32_t);
    transform_quads(middle, tile->pixel_bytes, panels, input_bytes, tile->row_bytes, back,
                    middle + tile->quads * TA_QUAD, ((uint32_t)tile->in_offset & 0xFFFFu) * 0x10001u);
}

#else

typedef struct {
    uint32_t numbers[INPUTS];
} five;

static inline uint32_t widen(const int8_t *bytes, uint32_t half, uint32_t number) {
    return half == 0u ? ta_number_even(number, ta_load_word(bytes)) : ta_number_odd(number, ta_load_word(bytes));
}

static inline five load_row(const int8_t *row, uint32_t pixel_bytes, uint32_t half, uint32_t offset) {
    const int8_t *later = row + 3u * pixel_bytes;
    return (five){{widen(row, half, offset), widen(row + pixel_bytes, half, offset),
                   widen(row + 2u * pixel_bytes, half, offset), widen(later, half, offset),
                   widen(later + pixel_bytes, half, offset)}};
}

static inline five subtracted(five a, five b) {
    return (five){{ta_subtract_numbers(a.numbers[0], b.numbers[0]), ta_subtract_numbers(a.numbers[1], b.numbers[1]),
                   ta_subtract_numbers(a.numbers[2], b.numbers[2]), ta_subtract_numbers(a.numbers[3], b.numbers[3]),
                   ta_subtract_numbers(a.numbers[4], b.numbers[4])}};
}

/* The v of a row, to inputs from `input` on; returns the place of the next row. */
static inline uint32_t *store_inputs(five d, uint32_t *input, uint32_t input_stride) {
    uint32_t *later = ta_steps_behind(input, 2, input_stride);
    *input = ta_lanes_of(ta_subtract_numbers(d.numbers[0], d.numbers[2]));
    *ta_steps_behind(input, 1, input_stride) = ta_lanes_of(d.numbers[2]);
    *later = ta_lanes_of(ta_subtract_numbers(d.numbers[2], d.numbers[4]));
    *ta_steps_behind(later, 1, input_stride) = ta_lanes_of(d.numbers[1]);
    *ta_steps_behind(later, 2, input_stride) = ta_lanes_of(d.numbers[3]);
    later = ta_steps_behind(later, 1, input_stride);
    return ta_steps_behind(later, 2, input_stride);
}

/* One word of all 25 inputs. */
static inline void transform_half(const ta_tile_inputs *tile, const int8_t *top, uint32_t half, uint32_t *input,
                                  uint32_t input_stride) {
    const uint32_t offset = ta_number_of(tile->in_offset);
    const uint32_t row = tile->row_bytes, pixel = tile->pixel_bytes;
    const five middle = load_row(top + 2u * row, pixel, half, offset);
    input = store_inputs(subtracted(load_row(top, pixel, half, offset), middle), input, input_stride);
    input = store_inputs(middle, input, input_stride);
    input = store_inputs(subtracted(middle, load_row(top + 4u * row, pixel, half, offset)), input, input_stride);
    input = store_inputs(load_row(top + row, pixel, half, offset), input, input_stride);
    store_inputs(load_row(top + 3u * row, pixel, half, offset), input, input_stride);
}

void ta_stride2_inputs(const ta_tile_inputs *tile, uint32_t *panels, uint32_t input_stride) {
    const int8_t *top = tile->first;
    for (uint32_t quad = 0; quad < tile->quads; quad++) {
        transform_half(tile, top, 0, panels, input_stride);
        transform_half(tile, top, 1, panels + TA_PANEL_COLUMNS, input_stride);
        panels += TA_QUAD_WORDS * TA_PANEL_COLUMNS;
        top += TA_QUAD;
    }
}

#endif
