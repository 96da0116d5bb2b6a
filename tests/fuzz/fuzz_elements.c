/* Element-wise kernels and kernels that move bytes against their definitions. */
#include <stdlib.h>
#include <string.h>

#include "fuzz_kernels.h"
#include "tinyanime/kernels.h"

static void expect_same(const int8_t *output, const int8_t *right, size_t count, const char *what) {
    fuzz_expect(memcmp(output, right, count) == 0, what);
}

/* Elements of the vectors: few, so that every remainder of a word comes up, or enough for a table. */
static uint32_t draw_count(fuzz_bytes *bytes) {
    return fuzz_number(bytes, 0, 1) == 0 ? fuzz_number(bytes, 1, 40) : 500u + fuzz_number(bytes, 0, 255);
}

static int32_t draw_right_shift(fuzz_bytes *bytes, uint32_t most) {
    return -(int32_t)fuzz_number(bytes, 0, most);
}

static void draw_clamp(fuzz_bytes *bytes, int32_t *minimum, int32_t *maximum) {
    const int8_t one = fuzz_int8(bytes), other = fuzz_int8(bytes);
    const bool full = fuzz_number(bytes, 0, 1) == 0;
    *minimum = full ? INT8_MIN : one < other ? one : other;
    *maximum = full ? INT8_MAX : one < other ? other : one;
}

static void fuzz_add(fuzz_bytes *bytes) {
    const int32_t half = INT32_C(1) << 30;
    const uint32_t count = draw_count(bytes), halves = fuzz_number(bytes, 0, 3);
    ta_add_params p = {.a_offset = -fuzz_int8(bytes), .b_offset = -fuzz_int8(bytes), .out_offset = fuzz_int8(bytes)};
    p.left_shift = fuzz_number(bytes, 0, 3) == 0 ? (int32_t)fuzz_number(bytes, 0, 20) : 20;
    p.a_multiplier = (halves & 1u) != 0 ? half : fuzz_multiplier(bytes);
    p.a_shift = (halves & 1u) != 0 ? 0 : draw_right_shift(bytes, 31);
    p.b_multiplier = (halves & 2u) != 0 ? half : fuzz_multiplier(bytes);
    p.b_shift = (halves & 2u) != 0 ? 0 : draw_right_shift(bytes, 31);
    p.out_multiplier = fuzz_multiplier(bytes);
    p.out_shift = draw_right_shift(bytes, 31);
    draw_clamp(bytes, &p.minimum, &p.maximum);
    int8_t *a = fuzz_values(bytes, count, INT8_MIN), *b = fuzz_values(bytes, count, INT8_MIN);
    int8_t *output = fuzz_output(count), *right = fuzz_output(count);
    for (uint32_t i = 0; i < count; i++) {
        const int64_t scale = INT64_C(1) << p.left_shift;
        const int64_t term_a = fuzz_requantized((a[i] + p.a_offset) * scale, p.a_multiplier, p.a_shift);
        const int64_t term_b = fuzz_requantized((b[i] + p.b_offset) * scale, p.b_multiplier, p.b_shift);
        const int64_t sum = fuzz_requantized(term_a + term_b, p.out_multiplier, p.out_shift);
        right[i] = fuzz_clamped(sum + p.out_offset, p.minimum, p.maximum);
    }
    fuzz_expect(ta_add_s8(&p, a, b, count, output) == TA_OK, "a sum is refused");
    expect_same(output, right, count, "a sum differs");
    fuzz_expect(ta_add_s8(&p, a, b, count, b) == TA_OK, "a sum in place is refused");
    expect_same(b, right, count, "a sum in place differs");
    free(a);
    free(b);
    free(output);
    free(right);
}

static ta_rescale draw_rescale(fuzz_bytes *bytes) {
    ta_rescale rescale = {.in_zero_point = fuzz_int8(bytes), .out_zero_point = fuzz_int8(bytes)};
    rescale.multiplier = fuzz_multiplier(bytes);
    rescale.shift = fuzz_number(bytes, 0, 1) == 0 ? draw_right_shift(bytes, 31) : (int32_t)fuzz_number(bytes, 0, 22);
    draw_clamp(bytes, &rescale.minimum, &rescale.maximum);
    return rescale;
}

static int8_t rescaled(const ta_rescale *rescale, int8_t value) {
    const int64_t scaled = fuzz_requantized(value - rescale->in_zero_point, rescale->multiplier, rescale->shift);
    return fuzz_clamped(scaled + rescale->out_zero_point, rescale->minimum, rescale->maximum);
}

static void fuzz_requantize(fuzz_bytes *bytes) {
    const ta_rescale rescale = draw_rescale(bytes);
    const uint32_t count = draw_count(bytes);
    int8_t *input = fuzz_values(bytes, count, INT8_MIN), *output = fuzz_output(count), *right = fuzz_output(count);
    for (uint32_t i = 0; i < count; i++) {
        right[i] = rescaled(&rescale, input[i]);
    }
    fuzz_expect(ta_requantize_s8(&rescale, input, count, output) == TA_OK, "a requantization is refused");
    expect_same(output, right, count, "a requantization differs");
    fuzz_expect(ta_requantize_s8(&rescale, input, count, input) == TA_OK, "one in place is refused");
    expect_same(input, right, count, "a requantization in place differs");
    free(input);
    free(output);
    free(right);
}

static void fuzz_concat(fuzz_bytes *bytes) {
    const ta_rescale rescale = draw_rescale(bytes);
    const bool copy = fuzz_number(bytes, 0, 2) == 0;
    const uint32_t outer = fuzz_number(bytes, 1, 30), in_inner = fuzz_number(bytes, 1, 40);
    const uint32_t out_inner = in_inner + fuzz_number(bytes, 0, 9);
    const size_t out_bytes = (size_t)(outer - 1u) * out_inner + in_inner;
    int8_t *input = fuzz_values(bytes, (size_t)outer * in_inner, INT8_MIN);
    int8_t *output = fuzz_output(out_bytes), *right = fuzz_output(out_bytes);
    for (uint32_t block = 0; block < outer; block++) {
        for (uint32_t i = 0; i < in_inner; i++) {
            const int8_t value = input[block * in_inner + i];
            right[block * out_inner + i] = copy ? value : rescaled(&rescale, value);
        }
    }
    fuzz_expect(ta_concat_s8(copy ? NULL : &rescale, input, outer, in_inner, out_inner, output) == TA_OK, "refused");
    expect_same(output, right, out_bytes, "a concatenation differs");
    free(input);
    free(output);
    free(right);
}

void fuzz_elements(fuzz_bytes *bytes) {
    switch (fuzz_number(bytes, 0, 2)) {
    case 0:
        fuzz_add(bytes);
        break;
    case 1:
        fuzz_requantize(bytes);
        break;
    default:
        fuzz_concat(bytes);
        break;
    }
}

typedef enum { RESIZE, PAD, DEPTH_TO_SPACE, SPACE_TO_DEPTH, RESHAPE, MOVERS } mover;

/* Sizes of a move; parameters that a kernel does not have are 0. */
typedef struct {
    mover kind;
    int32_t height, width, channels;
    int32_t out_height, out_width, out_channels;
    int32_t block, mode, top, left;
    int8_t value;
} move;

static int32_t reflected(int32_t index, int32_t size) {
    return index < 0 ? -index : index < size ? index : 2 * (size - 1) - index;
}

/* The element of the input that goes to (y, x, c), as a number in [row][column][channel] order; -1: `value`. */
static int64_t origin(const move *m, int32_t y, int32_t x, int32_t c) {
    int32_t row, column, channel = c;
    if (m->kind == RESIZE) {
        row = y / m->block;
        column = x / m->mode;
    } else if (m->kind == PAD) {
        row = y - m->top;
        column = x - m->left;
        if (m->mode == TA_PAD_REFLECT) {
            row = reflected(row, m->height);
            column = reflected(column, m->width);
        } else if (row < 0 || row >= m->height || column < 0 || column >= m->width) {
            return -1;
        }
    } else if (m->kind == DEPTH_TO_SPACE) {
        const int32_t within = y % m->block * m->block + x % m->block;
        row = y / m->block;
        column = x / m->block;
        channel = m->mode == TA_DEPTH_DCR ? within * m->out_channels + c : c * m->block * m->block + within;
    } else if (m->kind == SPACE_TO_DEPTH) {
        row = y * m->block + c / m->channels / m->block;
        column = x * m->block + c / m->channels % m->block;
        channel = c % m->channels;
    } else {
        const int32_t number = (c * m->out_height + y) * m->out_width + x;
        channel = number / (m->height * m->width);
        row = number / m->width % m->height;
        column = number % m->width;
    }
    return ((int64_t)row * m->width + column) * m->channels + channel;
}

/* A move of any kind with its output's size. */
static move draw_move(fuzz_bytes *bytes) {
    move m = {.kind = (mover)fuzz_number(bytes, 0, MOVERS - 1)};
    m.height = (int32_t)fuzz_number(bytes, 1, 6);
    m.width = (int32_t)fuzz_number(bytes, 1, 6);
    m.channels = (int32_t)fuzz_number(bytes, 1, 20);
    m.block = (int32_t)fuzz_number(bytes, 1, 4);
    m.mode = (int32_t)fuzz_number(bytes, 0, 1);
    m.out_height = m.height, m.out_width = m.width, m.out_channels = m.channels;
    if (m.kind == RESIZE) {
        m.mode = (int32_t)fuzz_number(bytes, 1, 4);
        m.out_height *= m.block;
        m.out_width *= m.mode;
    } else if (m.kind == PAD) {
        m.value = fuzz_int8(bytes);
        const uint32_t rows = m.mode == TA_PAD_REFLECT ? (uint32_t)m.height - 1u : 5u;
        const uint32_t columns = m.mode == TA_PAD_REFLECT ? (uint32_t)m.width - 1u : 5u;
        m.top = (int32_t)fuzz_number(bytes, 0, rows);
        m.left = (int32_t)fuzz_number(bytes, 0, columns);
        m.out_height += m.top + (int32_t)fuzz_number(bytes, 0, rows);
        m.out_width += m.left + (int32_t)fuzz_number(bytes, 0, columns);
    } else if (m.kind == DEPTH_TO_SPACE) {
        m.channels *= m.block * m.block;
        m.out_height *= m.block;
        m.out_width *= m.block;
    } else if (m.kind == SPACE_TO_DEPTH) {
        m.height *= m.block;
        m.width *= m.block;
        m.out_channels *= m.block * m.block;
    } else {
        m.out_height = m.channels, m.out_width = m.height, m.out_channels = m.width;
    }
    return m;
}

/* Output rows [begin, end) from the whole input. */
static ta_status run_move(const move *m, const int8_t *input, uint32_t begin, uint32_t end, int8_t *output) {
    const uint16_t height = (uint16_t)m->height, width = (uint16_t)m->width, channels = (uint16_t)m->channels;
    if (m->kind == RESIZE) {
        const ta_resize_params params = {width, channels, (uint16_t)m->block, (uint16_t)m->mode};
        return ta_resize_nearest_s8(&params, input, 0, begin, end, output);
    }
    if (m->kind == PAD) {
        const uint16_t bottom = (uint16_t)(m->out_height - m->height - m->top);
        const uint16_t right = (uint16_t)(m->out_width - m->width - m->left);
        const ta_pad_params params = {.in_height = height,
                                      .in_width = width,
                                      .channels = channels,
                                      .top = (uint16_t)m->top,
                                      .left = (uint16_t)m->left,
                                      .bottom = bottom,
                                      .right = right,
                                      .mode = (ta_pad_mode)m->mode,
                                      .value = m->value};
        return ta_pad_s8(&params, input, 0, begin, end, output);
    }
    if (m->kind == RESHAPE) {
        const ta_reshape_params params = {
            height, width, channels, (uint16_t)m->out_height, (uint16_t)m->out_width, (uint16_t)m->out_channels};
        return ta_reshape_s8(&params, input, output);
    }
    const ta_depth_params params = {width, channels, (uint16_t)m->block, (ta_depth_mode)m->mode};
    return (m->kind == DEPTH_TO_SPACE ? ta_depth_to_space_s8 : ta_space_to_depth_s8)(&params, input, 0, begin, end,
                                                                                     output);
}

void fuzz_movers(fuzz_bytes *bytes) {
    const move m = draw_move(bytes);
    uint32_t begin = fuzz_number(bytes, 0, (uint32_t)m.out_height - 1u);
    uint32_t end = fuzz_number(bytes, begin + 1u, (uint32_t)m.out_height);
    if (m.kind == RESHAPE) {
        begin = 0;
        end = (uint32_t)m.out_height;
    }
    const size_t count = (size_t)(end - begin) * (size_t)m.out_width * (size_t)m.out_channels;
    int8_t *input = fuzz_values(bytes, (size_t)m.height * (size_t)m.width * (size_t)m.channels, INT8_MIN);
    int8_t *output = fuzz_output(count), *right = fuzz_output(count), *next = right;
    for (int32_t y = (int32_t)begin; y < (int32_t)end; y++) {
        for (int32_t x = 0; x < m.out_width; x++) {
            for (int32_t c = 0; c < m.out_channels; c++) {
                const int64_t from = origin(&m, y, x, c);
                *next++ = from < 0 ? m.value : input[from];
            }
        }
    }
    fuzz_expect(run_move(&m, input, begin, end, output) == TA_OK, "a move is refused");
    expect_same(output, right, count, "a move differs");
    free(input);
    free(output);
    free(right);
}
