#include "tinyanime/convolve.h"
#include "tinyanime/fast_code.h"
#include "tinyanime/share.h"

#include "ta_convolution.h"
#include "ta_depthwise_3x3.h"
#include "ta_lanes.h"
#include "ta_naked.h"

/* Four channels at a time. A word of the panel is one channel of two input rows that follow each other, so that one
 * dual multiply-accumulate takes two taps of a kernel column: two rows of the kernel from panel row `upper`, the third
 * one from `lower`, where its other factor is 0. There is a panel row for every output row, so all windows have the
 * same taps; and output rows follow each other without a gap: an output row ends with positions that no output
 * belongs to, whose windows reach into the next row, and a channel is one loop over all positions of a part.
 * Taps are widened to twice the weights, since the requantization begins with a doubling. */
/* Positions of `rows` output rows, whole tiles. */
static uint32_t tiled_positions(const ta_depthwise_3x3_sizes *sizes, uint32_t rows) {
    return rounded_up(rows * sizes->positions, TILE);
}

static ta_depthwise_3x3_sizes sizes_of(const ta_convolution *layer) {
    const uint32_t stride = layer->stride_width, width = layer->out_width, rows = layer->block / width;
    /* Where both sides are padded, one column of zeros is the right side of a row and the left side of the next. */
    const bool shared =
        stride == 1 && layer->pad_left != 0 && width >= (uint32_t)layer->in_width + layer->pad_left - 1u;
    ta_depthwise_3x3_sizes sizes = {.rows = at_most(rows == 0 ? 1 : rows, layer->out_height),
                                    .positions = shared ? width + 1u : width + (stride == 1 ? 2u : 1u),
                                    .lower = layer->stride_height == 1 ? 2 : 1};
    sizes.pitch = stride * sizes.positions;
    sizes.columns = sizes.lower * sizes.pitch + stride * (tiled_positions(&sizes, sizes.rows) - 1u) + SIDE;
    return sizes;
}

static uint32_t panel_words(const ta_depthwise_3x3_sizes *sizes) {
    return CHANNELS * sizes->columns;
}

/* Of one core. */
static uint32_t part_bytes(const ta_depthwise_3x3_sizes *sizes) {
    return (uint32_t)sizeof(uint32_t) * (panel_words(sizes) + tiled_positions(sizes, sizes->rows)) +
           CHANNELS * (uint32_t)sizeof(ta_depthwise_3x3_lane);
}

uint32_t ta_depthwise_3x3_s8_scratch_bytes(const ta_convolution *layer) {
    const ta_depthwise_3x3_sizes sizes = sizes_of(layer);
    return TA_CORES * part_bytes(&sizes);
}

/* Panel rows that are alike: what is the same for all columns of all of them. Steps and gaps are in bytes. */
typedef struct {
    uint32_t upper_step, lower_step; /* From a column to the next; 0 reads the same pixel again and again. */
    uint32_t offsets;                /* in_offset in both lanes */
    uint32_t count;                  /* of columns, not 0 */
    uint32_t rows;                   /* not 0; used up */
    uint32_t panel_gap, input_gap;   /* From where a row ends to the next one's begin. */
} widen_job;

#if defined(__ARM_FEATURE_SIMD32) && defined(__thumb2__)

_Static_assert(offsetof(widen_job, count) == 12 && offsetof(widen_job, rows) == 16 &&
                   offsetof(widen_job, panel_gap) == 20 && offsetof(widen_job, input_gap) == 24,
               "as the assembly has it");

/* Two columns in 14 cycles of a Cortex-M7: every store stands behind an instruction that it issues together with.
 * r0 panel, r1 upper, r2 lower, r3 and r4 steps, r5 offsets, r6 pairs of columns left, r7 and r9, r8 and r10 the bytes
 * of two columns, r11 to lr results. */
/* clang-format off */
#define JOB "[sp]"
#pragma GCC diagnostic ignored "-Wunused-parameter" /* Naked functions take them from registers and stack. */

TA_NAKED
TA_FAST_CODE(ta_depthwise_3x3_widen)
static void widen_job_rows(uint32_t *to, const int8_t *upper, const int8_t *lower, widen_job *job) {
    __asm volatile("push {r3-r11, lr}\n"
                   "ldm.w r3, {r3, r4, r5}\n"
                   "1:\n" /* a row */
                   "ldr.w r6, " JOB "\n"
                   "ldr.w r7, [r1]\n"
                   "ldr.w r9, [r2]\n"
                   "ldr.w r6, [r6, #12]\n"
                   "lsrs r6, r6, #1\n"
                   "bcc.w 2f\n"
                   "add.w r1, r1, r3\n"
                   "pkhbt r11, r7, r9, lsl #16\n add.w r2, r2, r4\n"
                   "pkhtb r9, r9, r7, asr #16\n"
                   "sxtab16 r12, r5, r11\n"
                   "sxtab16 lr, r5, r11, ror #8\n str.w r12, [r0], #16\n"
                   "sxtab16 r12, r5, r9\n str lr, [r0, #-12]\n"
                   "sxtab16 lr, r5, r9, ror #8\n str r12, [r0, #-8]\n"
                   "cmp.w r6, #0\n str lr, [r0, #-4]\n"
                   "beq.w 4f\n"
                   "ldr.w r7, [r1]\n"
                   "ldr.w r9, [r2]\n"
                   ".balign 8\n"
                   "2:\n" /* two columns */
                   "pkhbt r11, r7, r9, lsl #16\n ldr.w r8, [r1, r3]\n"
                   "pkhtb r9, r9, r7, asr #16\n ldr.w r10, [r2, r4]\n"
                   "sxtab16 r12, r5, r11\n add.w r1, r1, r3, lsl #1\n"
                   "sxtab16 lr, r5, r11, ror #8\n str.w r12, [r0], #32\n"
                   "sxtab16 r12, r5, r9\n str lr, [r0, #-28]\n"
                   "sxtab16 lr, r5, r9, ror #8\n str r12, [r0, #-24]\n"
                   "pkhbt r11, r8, r10, lsl #16\n str lr, [r0, #-20]\n"
                   "pkhtb r10, r10, r8, asr #16\n subs.w r6, r6, #1\n"
                   "sxtab16 r12, r5, r11\n add.w r2, r2, r4, lsl #1\n"
                   "sxtab16 lr, r5, r11, ror #8\n str r12, [r0, #-16]\n"
                   "beq.w 3f\n"
                   "sxtab16 r12, r5, r10\n str lr, [r0, #-12]\n"
                   "ldr.w r7, [r1]\n"
                   "sxtab16 lr, r5, r10, ror #8\n str r12, [r0, #-8]\n"
                   "ldr.w r9, [r2]\n str lr, [r0, #-4]\n"
                   "b.w 2b\n"
                   "3:\n"
                   "sxtab16 r12, r5, r10\n str lr, [r0, #-12]\n"
                   "sxtab16 lr, r5, r10, ror #8\n str r12, [r0, #-8]\n"
                   "str lr, [r0, #-4]\n"
                   "4:\n"
                   "ldr.w r6, " JOB "\n"
                   "ldr.w r8, [r6, #20]\n"
                   "ldr.w r7, [r6, #24]\n"
                   "ldr.w r9, [r6, #16]\n"
                   "add.w r0, r0, r8\n"
                   "add.w r1, r1, r7\n"
                   "add.w r2, r2, r7\n"
                   "subs.w r9, r9, #1\n"
                   "str.w r9, [r6, #16]\n"
                   "bne.w 1b\n"
                   "pop {r3-r11, pc}\n");
}
/* clang-format on */

#else

static void widen_job_rows(uint32_t *to, const int8_t *upper, const int8_t *lower, widen_job *job) {
    for (; job->rows != 0; job->rows--) {
        const int8_t *above = upper, *below = lower;
        for (uint32_t column = 0; column < job->count; column++) {
            const uint32_t high = ta_load_word(above), low = ta_load_word(below);
            const uint32_t front = ta_low_lanes(high, low), back = ta_high_lanes(high, low);
            to[0] = ta_widen_even(job->offsets, front);
            to[1] = ta_widen_odd(job->offsets, front);
            to[2] = ta_widen_even(job->offsets, back);
            to[3] = ta_widen_odd(job->offsets, back);
            to += CHANNELS;
            above += job->upper_step;
            below += job->lower_step;
        }
        to += job->panel_gap / sizeof *to;
        if (job->rows != 1) {
            upper += job->count * job->upper_step + job->input_gap;
            lower += job->count * job->lower_step + job->input_gap;
        }
    }
}

#endif

/* Widens the panel rows that `count` output rows from `row` on need; `input` is the first readable row's pixel 0. Rows
 * of which both halves are readable follow each other; of the others, a half outside of the map is one pixel of zero
 * points that is read again and again. A half in the map that is not readable only meets taps of zeros. */
static void widen_rows(const ta_depthwise_3x3_call *call, uint32_t row, uint32_t count, const int8_t *input) {
    const ta_convolution *layer = call->layer;
    const uint32_t zero_points = (uint32_t)(uint8_t)-layer->in_offset * 0x01010101u;
    const uint32_t channels = layer->in_channels, row_bytes = channels * layer->in_width;
    const uint32_t stride = layer->stride_height, readable = call->rows->in_rows;
    widen_job job = {.offsets = ((uint32_t)layer->in_offset & 0xFFFFu) * 0x00010001u,
                     .count = call->count,
                     .panel_gap = CHANNELS * (uint32_t)sizeof(uint32_t) * (call->sizes.pitch - call->count),
                     .input_gap = stride * row_bytes - call->count * channels};
    uint32_t above = (uint32_t)(ta_input_row(layer, row, 0) - call->rows->in_row_begin);
    uint32_t *to = call->panel + CHANNELS * call->inside;
    for (uint32_t left = count + call->sizes.lower, done; left != 0 && call->count != 0; left -= done) {
        const int8_t *upper = (const int8_t *)&zero_points, *lower = upper;
        job.upper_step = job.lower_step = 0;
        done = 1;
        if (above < readable) {
            upper = input + above * row_bytes;
            job.upper_step = channels;
        }
        if (above + 1u < readable) {
            lower = input + (above + 1u) * row_bytes;
            job.lower_step = channels;
        }
        if (job.upper_step != 0 && job.lower_step != 0) {
            done = at_most(left, (readable - 2u - above) / stride + 1u);
        }
        job.rows = done;
        widen_job_rows(to, upper, lower, &job);
        above += done * stride;
        to += CHANNELS * done * call->sizes.pitch;
    }
}

static void clear_columns(uint32_t *to, uint32_t columns) {
    for (uint32_t word = 0; word < CHANNELS * columns; word++) {
        to[word] = 0;
    }
}

/* Columns beside the map are zeros in all rows, and in the one behind the last, which rows that share one end in. */
static void clear_sides(const ta_depthwise_3x3_call *call) {
    const uint32_t end = call->inside + call->count, pitch = call->sizes.pitch;
    uint32_t *row = call->panel;
    for (uint32_t left = call->sizes.rows + call->sizes.lower; left != 0; left--) {
        clear_columns(row, call->inside);
        clear_columns(row + CHANNELS * end, pitch - end);
        row += CHANNELS * pitch;
    }
    clear_columns(row, 1);
}

/* The constants of 4 channels, from the weights [3][3][4]. */
static void prepare_lanes(const ta_depthwise_3x3_call *call, const int8_t *weights, const ta_channel *channels) {
    ta_depthwise_3x3_lane *lanes = call->constants;
    for (uint32_t column = 0; column < SIDE; column++) {
        const uint32_t upper = ta_load_word(weights), lower = ta_load_word(weights + SIDE * CHANNELS);
        const uint32_t last = ta_load_word(weights + 2 * SIDE * CHANNELS);
        const uint32_t front = ta_low_lanes(upper, lower), back = ta_high_lanes(upper, lower);
        const uint32_t even = ta_widen_even(ta_widen_even(0, last), last);
        const uint32_t odd = ta_widen_odd(ta_widen_odd(0, last), last);
        lanes[0].taps[column] = ta_widen_even(ta_widen_even(0, front), front);
        lanes[1].taps[column] = ta_widen_odd(ta_widen_odd(0, front), front);
        lanes[2].taps[column] = ta_widen_even(ta_widen_even(0, back), back);
        lanes[3].taps[column] = ta_widen_odd(ta_widen_odd(0, back), back);
        lanes[0].taps[SIDE + column] = even & 0xFFFFu;
        lanes[1].taps[SIDE + column] = odd & 0xFFFFu;
        lanes[2].taps[SIDE + column] = even >> 16;
        lanes[3].taps[SIDE + column] = odd >> 16;
        weights += CHANNELS;
    }
    for (uint32_t lane = 0; lane < CHANNELS; lane++) {
        lanes[lane].doubled_bias = (int32_t)((uint32_t)channels[lane].bias << 1);
        lanes[lane].multiplier = channels[lane].multiplier;
        lanes[lane].rounding = channels[lane].rounding;
        lanes[lane].shift = channels[lane].shift;
    }
}

/* Clamps the bytes of a word. */
static inline uint32_t clamp_word(uint32_t bytes, uint32_t minimums, uint32_t maximums) {
#if defined(__ARM_FEATURE_SIMD32)
    (void)__ssub8((int8x4_t)bytes, (int8x4_t)minimums);
    bytes = (uint32_t)__sel((uint8x4_t)bytes, (uint8x4_t)minimums);
    (void)__ssub8((int8x4_t)maximums, (int8x4_t)bytes);
    return (uint32_t)__sel((uint8x4_t)bytes, (uint8x4_t)maximums);
#else
    uint32_t result = 0;
    for (uint32_t bit = 0; bit < 32; bit += 8) {
        const int8_t minimum = (int8_t)(uint8_t)minimums, maximum = (int8_t)(uint8_t)maximums;
        result |= (uint32_t)(uint8_t)ta_clamped((int8_t)(uint8_t)(bytes >> bit), minimum, maximum) << bit;
    }
    return result;
#endif
}

static inline void store_word(int8_t *to, uint32_t word) {
    memcpy(__builtin_assume_aligned(to, CHANNELS), &word, sizeof word);
}

/* Stores `count` words `step` bytes apart. */
TA_FAST_CODE(ta_depthwise_3x3_store)
__attribute__((noinline)) static void store_row(const uint32_t *words, uint32_t count, int8_t *to, uint32_t step) {
    for (; count >= 4u; count -= 4u) {
        const uint32_t a = words[0], b = words[1], c = words[2], d = words[3];
        store_word(to, a);
        store_word(to + step, b);
        to += 2u * step;
        store_word(to, c);
        store_word(to + step, d);
        to += 2u * step;
        words += 4;
    }
    for (; count != 0; count--) {
        store_word(to, *words++);
        to += step;
    }
}

static void clamp_row(uint32_t *words, uint32_t count, const ta_convolution *layer) {
    const uint32_t minimums = (uint8_t)layer->minimum * 0x01010101u, maximums = (uint8_t)layer->maximum * 0x01010101u;
    for (; count != 0; count--) {
        *words = clamp_word(*words, minimums, maximums);
        words++;
    }
}

/* Computes `count` output rows from `row` on of the 4 channels whose constants are there; `output` is the first one. */
static void compute_rows(const ta_depthwise_3x3_call *call, uint32_t row, uint32_t count, const int8_t *input,
                         int8_t *output) {
    const ta_convolution *layer = call->layer;
    const ta_depthwise_3x3_sizes *sizes = &call->sizes;
    widen_rows(call, row, count, input);
    ta_depthwise_3x3_compute_lanes(call, tiled_positions(sizes, count));
    uint32_t *words = call->stage;
    const bool clamped = layer->minimum != INT8_MIN || layer->maximum != INT8_MAX;
    for (; count != 0; count--) {
        if (clamped) {
            clamp_row(words, layer->out_width, layer);
        }
        store_row(words, layer->out_width, output, layer->out_channels);
        words += sizes->positions;
        output += (uint32_t)layer->out_width * layer->out_channels;
    }
}

/* The output rows `share` of the call, of the 4 channels from `first` on whose weights begin at `data`. */
static void compute_channels(const ta_depthwise_3x3_call *call, uint32_t first, const int8_t *data, ta_share share) {
    const ta_convolution *layer = call->layer;
    const ta_rows *rows = call->rows;
    /* Without a readable row there need be no map. */
    const int8_t *input = rows->in_rows != 0 ? rows->input + first : rows->input;
    prepare_lanes(call, data, layer->channels + first);
    for (uint32_t row = share.begin; row < share.end; row += call->sizes.rows) {
        const uint32_t count = at_most(share.end - row, call->sizes.rows);
        int8_t *output = rows->output + (size_t)row * layer->out_width * layer->out_channels;
        compute_rows(call, rows->out_row_begin + row, count, input, output + first);
    }
}

static bool is_accepted(const ta_convolution *layer, const ta_rows *rows, const ta_weights *weights) {
    return ta_convolution_is_valid(layer) && ta_rows_are_valid(layer, rows) && ta_weights_are_valid(layer, weights) &&
           ta_windows_are_readable(layer, rows) && rows->packed == 0 && layer->in_channels == layer->out_channels &&
           layer->in_channels % CHANNELS == 0 && weights->channels % CHANNELS == 0 && layer->kernel_height == SIDE &&
           layer->kernel_width == SIDE && layer->stride_height <= MAX_STRIDE && layer->stride_width <= MAX_STRIDE &&
           layer->dilation_height == 1 && layer->dilation_width == 1;
}

ta_status ta_depthwise_3x3_s8(const ta_convolution *layer, const ta_rows *rows, const ta_weights *weights,
                              void *scratch, uint32_t scratch_bytes) {
    if (!is_accepted(layer, rows, weights)) {
        return TA_ERROR_ARGUMENT;
    }
    if (scratch_bytes < ta_depthwise_3x3_s8_scratch_bytes(layer)) {
        return TA_ERROR_SCRATCH;
    }
    ta_depthwise_3x3_call call = {.layer = layer, .rows = rows, .sizes = sizes_of(layer)};
    call.constants = (void *)((char *)scratch + ta_team_rank() * part_bytes(&call.sizes));
    call.panel = (uint32_t *)(call.constants + CHANNELS);
    call.stage = call.panel + panel_words(&call.sizes);
    /* What windows read of a row: no window reads the map's columns behind that. */
    const uint32_t read = (layer->out_width - 1u) * layer->stride_width + SIDE;
    call.inside = at_most(layer->pad_left, at_most(read, call.sizes.pitch));
    call.count = at_most(layer->in_width, at_most(read, call.sizes.pitch) - call.inside);
    clear_sides(&call);
    const uint32_t groups = weights->channels / CHANNELS;
    const uint32_t row_count = (uint32_t)(rows->out_row_end - rows->out_row_begin);
    const int8_t *data = weights->data;
    for (uint32_t done = 0; done < weights->channels; done += CHANNELS) {
        const ta_share share = ta_share_of_group(done / CHANNELS, groups, row_count);
        if (TA_CORES == 1 || ta_share_count(share) != 0u) {
            compute_channels(&call, weights->first_channel + done, data, share);
        }
        data += SIDE * SIDE * CHANNELS;
    }
    return TA_OK;
}
