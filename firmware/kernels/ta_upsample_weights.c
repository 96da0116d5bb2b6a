#include "ta_upsample_weights.h"

#include "ta_tiles.h"
#include "tinyanime/fast_code.h"

#if defined(TA_HAS_LANE_SUMS)

/* Factors of p0 to p4 of a row of weights, `stride` bytes apart at `to`; returns the place of the next row. */
static inline uint32_t *store_weights(uint32_t *to, size_t stride, const uint32_t w[3]) {
    *to = ta_lanes_of(w[0]);
    *ta_word_at(to, 1, stride) = ta_lanes_of(w[1]);
    *ta_word_at(to, 2, stride) = ta_lanes_of(w[2]);
    *ta_word_at(to, 4, stride) = ta_lanes_of(ta_subtract_numbers(w[0], w[2]));
    to = ta_word_at(to, 1, stride);
    *ta_word_at(to, 2, stride) = ta_lanes_of(ta_add_numbers(ta_add_numbers(w[0], w[1]), w[2]));
    return ta_word_at(to, 4, stride);
}

static inline void widen_taps(uint32_t w[3], const int8_t *taps, bool odd) {
    for (size_t column = 0; column < 3; column++) {
        w[column] = ta_widened(taps + TA_QUAD * column, odd);
    }
}

/* One word of the 25 transformed weights, `stride` bytes apart at `to`. */
static inline void transform_taps(const int8_t *taps, bool odd, uint32_t *to, size_t stride) {
    uint32_t first[3], sum[3], row[3];
    widen_taps(first, taps, odd);
    to = store_weights(to, stride, first);
    widen_taps(row, taps + 3u * TA_QUAD, odd);
    to = store_weights(to, stride, row);
    for (size_t column = 0; column < 3; column++) {
        sum[column] = ta_add_numbers(first[column], row[column]);
    }
    widen_taps(row, taps + 6u * TA_QUAD, odd);
    to = store_weights(to, stride, row);
    for (size_t column = 0; column < 3; column++) {
        sum[column] = ta_add_numbers(sum[column], row[column]);
        first[column] = ta_subtract_numbers(first[column], row[column]);
    }
    to = store_weights(to, stride, sum);
    store_weights(to, stride, first);
}

TA_FAST_CODE(ta_upsample_weights)
void ta_upsample_weights(uint32_t round, const int8_t *weights, uint32_t quads, uint32_t *panels,
                         uint32_t panel_stride) {
    (void)round; /* There is but one. */
    const size_t stride = (size_t)panel_stride * sizeof *panels;
    for (uint32_t quad = 0; quad < quads; quad++) {
        transform_taps(weights, false, panels, stride);
        ta_keep_order();
        transform_taps(weights, true, panels + TA_PANEL_CHANNELS, stride);
        panels += TA_QUAD_WORDS * TA_PANEL_CHANNELS;
        weights += TA_TAPS * TA_QUAD;
    }
}

#else

/* Elements of a word that are computed at a time, as far as registers go: their places differ by a constant. */
#if defined(__ARM_ARCH_6M__)
enum { ELEMENTS = 2, TOGETHER = 1 };
#else
enum { ELEMENTS = 2, TOGETHER = 2 };
#endif

/* Half a word of a panel. */
typedef int16_t __attribute__((may_alias)) ta_element;

typedef struct {
    int32_t w[TOGETHER][3];
} tap_row;

/* The place `stride` bytes behind, which the compiler shall find again and again rather than keep. */
static inline ta_element *next_panel(ta_element *to, size_t stride) {
    to = (ta_element *)(void *)((char *)to + stride);
    __asm("" : "+r"(to));
    return to;
}

/* Factors of p0 to p4 of a row of weights, `stride` bytes apart at `to`; returns the place of the next row. */
static inline ta_element *store_weights(ta_element *to, size_t stride, const tap_row *row) {
    for (size_t product = 0; product < TA_UPSAMPLE_PRODUCTS_ALONG; product++) {
        for (size_t element = 0; element < TOGETHER; element++) {
            const int32_t *w = row->w[element];
            const int32_t sums[2] = {w[0] + w[1] + w[2], w[0] - w[2]};
            to[element] = (int16_t)(product < 3 ? w[product] : sums[product - 3]);
        }
        to = next_panel(to, stride);
    }
    return to;
}

static inline tap_row load_taps(const int8_t *taps) {
    tap_row row;
    for (size_t element = 0; element < TOGETHER; element++) {
        for (size_t column = 0; column < 3; column++) {
            row.w[element][column] = taps[TA_QUAD * column + 2u * element];
        }
    }
    return row;
}

static inline tap_row combined(const tap_row *a, int32_t factor, const tap_row *b) {
    tap_row row;
    for (size_t element = 0; element < TOGETHER; element++) {
        for (size_t column = 0; column < 3; column++) {
            row.w[element][column] = a->w[element][column] + factor * b->w[element][column];
        }
    }
    return row;
}

/* Elements of the 25 transformed weights, `stride` bytes apart at `to`. */
static inline void transform_elements(const int8_t *taps, ta_element *to, size_t stride) {
    const tap_row first = load_taps(taps);
    to = store_weights(to, stride, &first);
    const tap_row middle = load_taps(taps + 3u * TA_QUAD);
    to = store_weights(to, stride, &middle);
    const tap_row upper = combined(&first, 1, &middle);
    const tap_row last = load_taps(taps + 6u * TA_QUAD);
    to = store_weights(to, stride, &last);
    const tap_row sum = combined(&upper, 1, &last), difference = combined(&first, -1, &last);
    to = store_weights(to, stride, &sum);
    store_weights(to, stride, &difference);
}

/* One element of a word after the other: sums of bytes need no more instructions than those of lanes, and LB and SH
 * extend and cut for nothing. */
TA_FAST_CODE(ta_upsample_weights)
void ta_upsample_weights(uint32_t round, const int8_t *weights, uint32_t quads, uint32_t *panels,
                         uint32_t panel_stride) {
    (void)round; /* There is but one. */
    const size_t stride = (size_t)panel_stride * sizeof *panels;
    for (uint32_t quad = 0; quad < quads; quad++) {
        for (size_t element = 0; element < ELEMENTS; element += TOGETHER) {
            transform_elements(weights + 2u * element, (ta_element *)panels + element, stride);
            ta_keep_order();
            transform_elements(weights + 2u * element + 1u, (ta_element *)(panels + TA_PANEL_CHANNELS) + element,
                               stride);
        }
        panels += TA_QUAD_WORDS * TA_PANEL_CHANNELS;
        weights += TA_TAPS * TA_QUAD;
    }
}

#endif
