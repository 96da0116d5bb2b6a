#include "tinyanime/kernels.h"

#include "ta_arithmetic.h"
#include "ta_bytes.h"
#include "ta_lanes.h"
#include "tinyanime/fast_code.h"

/* (255 << 22) is the largest centred input that fits 31 bits. */
#define MAX_LEFT_SHIFT 22

static bool params_are_valid(const ta_add_params *params) {
    return ta_is_offset(params->a_offset) && ta_is_offset(params->b_offset) && ta_is_int8(params->out_offset) &&
           params->left_shift >= 0 && params->left_shift <= MAX_LEFT_SHIFT &&
           ta_is_multiplier(params->a_multiplier, params->a_shift) &&
           ta_is_multiplier(params->b_multiplier, params->b_shift) &&
           ta_is_multiplier(params->out_multiplier, params->out_shift) && ta_is_clamp(params->minimum, params->maximum);
}

static void add_one_by_one(const ta_add_params *params, const int8_t *a, const int8_t *b, uint32_t count,
                           int8_t *output) {
    const ta_add_params p = *params; /* A copy: `output` may not be assumed to leave *params alone. */
    const int32_t headroom = INT32_C(1) << p.left_shift;
    for (uint32_t i = 0; i < count; i++) {
        const int32_t term_a = ta_requantize((a[i] + p.a_offset) * headroom, p.a_multiplier, p.a_shift);
        const int32_t term_b = ta_requantize((b[i] + p.b_offset) * headroom, p.b_multiplier, p.b_shift);
        const int32_t sum = (int32_t)((uint32_t)term_a + (uint32_t)term_b);
        const int32_t scaled = ta_requantize(sum, p.out_multiplier, p.out_shift);
        output[i] = ta_offset_and_clamp(scaled, p.out_offset, p.minimum, p.maximum);
    }
}

/* How the compiler's parameters usually are: the operand of the larger scale (`x`) is halved exactly, both are shifted
 * left by 20, and the other one (`y`) and the sum are scaled down. Then, with all values doubled as SMMLAR wants them,
 *   doubled sum = (x << 20) + 2 * y' + constant    and    y' = (round((y << 21) * multiplier / 2^32) + half) >> shift
 * with one taken off for negative y, as in ta_doubled_value. Nothing leaves 32 bits: |y'| < 2^28, |sum| < 2^29. */
#define LEFT_SHIFT 20
#define HALF_MULTIPLIER (INT32_C(1) << 30)

typedef struct {
    const int8_t *x, *y;
    uint32_t constant;
    uint32_t y_offset; /* << 21 */
    int32_t y_multiplier, y_half, y_shift;
    ta_channel out;
    int8_t minimum, maximum;
    uint32_t minimums, maximums; /* In all four bytes. */
} quick_sum;

/* Whether an operand is halved exactly. */
static bool is_half(int32_t multiplier, int32_t shift) {
    return multiplier == HALF_MULTIPLIER && shift == 0;
}

/* Whether `params` are as described above; fills `sum`. */
static bool is_quick(const ta_add_params *params, const int8_t *a, const int8_t *b, quick_sum *sum) {
    const bool a_is_half = is_half(params->a_multiplier, params->a_shift);
    const int32_t y_shift = a_is_half ? params->b_shift : params->a_shift;
    const int32_t out_shift = -params->out_shift;
    if ((!a_is_half && !is_half(params->b_multiplier, params->b_shift)) || params->left_shift != LEFT_SHIFT ||
        y_shift > 0 || out_shift < 1 || out_shift > 22) {
        return false;
    }
    sum->x = a_is_half ? a : b;
    sum->y = a_is_half ? b : a;
    sum->constant = (uint32_t)(a_is_half ? params->a_offset : params->b_offset) << LEFT_SHIFT;
    sum->y_offset = (uint32_t)(a_is_half ? params->b_offset : params->a_offset) << (LEFT_SHIFT + 1);
    sum->y_multiplier = a_is_half ? params->b_multiplier : params->a_multiplier;
    sum->y_shift = -y_shift;
    sum->y_half = y_shift == 0 ? 0 : (int32_t)(UINT32_C(1) << (-y_shift - 1));
    sum->out.multiplier = params->out_multiplier;
    sum->out.shift = out_shift;
    sum->out.rounding = (int32_t)((UINT32_C(1) << (out_shift - 1)) + ((uint32_t)params->out_offset << out_shift));
    sum->minimum = (int8_t)params->minimum;
    sum->maximum = (int8_t)params->maximum;
    sum->minimums = ta_four_bytes(sum->minimum);
    sum->maximums = ta_four_bytes(sum->maximum);
    return y_shift != 0 || is_half(sum->y_multiplier, y_shift);
}

/* y' of a value of y. */
static inline int32_t scaled_down(const quick_sum *sum, int32_t y) {
    const int32_t shifted = (int32_t)(sum->y_offset + ((uint32_t)y << (LEFT_SHIFT + 1)));
    const int32_t scaled = ta_scaled_double_onto(sum->y_half, shifted, sum->y_multiplier);
    return (scaled - (shifted < 0 ? 1 : 0)) >> sum->y_shift;
}

/* Before the clamp. */
static inline int32_t sum_value(const quick_sum *sum, int32_t x, int32_t y_scaled) {
    const uint32_t doubled = ((uint32_t)x << LEFT_SHIFT) + sum->constant + ((uint32_t)y_scaled << 1);
    return ta_doubled_value(&sum->out, (int32_t)doubled);
}

#if defined(TA_HAS_BYTE_LANES)

/* `count` is a multiple of 4, and not 0. There are not enough registers for all constants and four values: first the
 * constants of y are loaded, then, behind the barrier, those of the sum. */
static inline __attribute__((always_inline)) void add_words(const quick_sum *sum, uint32_t count, int8_t *output,
                                                            bool y_is_half, bool clamp) {
    const int8_t *x = sum->x, *y = sum->y;
    const int8_t *const end = output + count;
    do {
        const uint32_t word_y = ta_load_bytes(y);
        int32_t y0 = ta_byte(word_y, 0), y1 = ta_byte(word_y, 1), y2 = ta_byte(word_y, 2), y3 = ta_byte(word_y, 3);
        if (y_is_half) {
            y0 = (int32_t)((uint32_t)y0 << (LEFT_SHIFT - 1));
            y1 = (int32_t)((uint32_t)y1 << (LEFT_SHIFT - 1));
            y2 = (int32_t)((uint32_t)y2 << (LEFT_SHIFT - 1));
            y3 = (int32_t)((uint32_t)y3 << (LEFT_SHIFT - 1));
        } else {
            y0 = scaled_down(sum, y0);
            y1 = scaled_down(sum, y1);
            y2 = scaled_down(sum, y2);
            y3 = scaled_down(sum, y3);
        }
        __asm volatile("" : "+r"(y0), "+r"(y1), "+r"(y2), "+r"(y3) : : "memory");
        const uint32_t word_x = ta_load_bytes(x);
        y0 = ta_saturated(sum_value(sum, ta_byte(word_x, 0), y0));
        y1 = ta_saturated(sum_value(sum, ta_byte(word_x, 1), y1));
        y2 = ta_saturated(sum_value(sum, ta_byte(word_x, 2), y2));
        y3 = ta_saturated(sum_value(sum, ta_byte(word_x, 3), y3));
        uint32_t values = ta_gathered(y0, y1, y2, y3);
        if (clamp) {
            values = ta_clamped_bytes(values, sum->minimums, sum->maximums);
        }
        ta_store_bytes(output, values);
        x += 4;
        y += 4;
        output += 4;
    } while (output != end);
}

#define ADD_WORDS(name, y_is_half, clamp)                                                                              \
    TA_FAST_CODE(ta_add_##name)                                                                                        \
    static __attribute__((noinline)) void add_##name(const quick_sum *sum, uint32_t count, int8_t *output) {           \
        add_words(sum, count, output, y_is_half, clamp);                                                               \
    }

ADD_WORDS(scaled, false, false)
ADD_WORDS(scaled_clamped, false, true)
ADD_WORDS(halves_clamped, true, true)

/* Computes as many elements as it can; returns how many. */
static uint32_t add_quickly(quick_sum *sum, uint32_t count, int8_t *output) {
    const uint32_t whole = count - count % 4u;
    if (whole == 0) {
        return 0;
    }
    if (sum->y_shift == 0) {
        sum->constant += (uint32_t)((int32_t)sum->y_offset >> 1);
        add_halves_clamped(sum, whole, output);
    } else if (sum->minimum == INT8_MIN && sum->maximum == INT8_MAX) {
        add_scaled(sum, whole, output);
    } else {
        add_scaled_clamped(sum, whole, output);
    }
    return whole;
}

#else

static uint32_t add_quickly(const quick_sum *quick, uint32_t count, int8_t *output) {
    const quick_sum sum = *quick; /* A copy: `output` may not be assumed to leave it alone. */
    if (sum.y_shift == 0) {
        return 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        const int32_t value = sum_value(&sum, sum.x[i], scaled_down(&sum, sum.y[i]));
        output[i] = ta_clamped(value, sum.minimum, sum.maximum);
    }
    return count;
}

#endif

ta_status ta_add_s8(const ta_add_params *params, const int8_t *a, const int8_t *b, uint32_t count, int8_t *output) {
    if (!params_are_valid(params)) {
        return TA_ERROR_ARGUMENT;
    }
    quick_sum sum;
    const uint32_t done = is_quick(params, a, b, &sum) ? add_quickly(&sum, count, output) : 0;
    add_one_by_one(params, a + done, b + done, count - done, output + done);
    return TA_OK;
}
