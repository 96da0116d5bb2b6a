/* Convolutions of any geometry against sums written tap by tap. */
#include <stdlib.h>
#include <string.h>

#include "fuzz_kernels.h"
#include "tinyanime/convolve.h"
#include "tinyanime/kernels.h"

typedef enum { STRIDED, UPSAMPLED, TRANSPOSED } geometry;
typedef enum { TAPS, QUADS, DEPTHWISE_GROUPS } weight_order;

typedef ta_status convolve_function(const ta_convolution *, const ta_rows *, const ta_weights *, void *, uint32_t);

/* A kernel of convolve.h and what it accepts. */
typedef struct {
    convolve_function *convolve;
    uint32_t (*scratch_bytes)(const ta_convolution *);
    geometry geometry;
    weight_order order;
    uint16_t kernel;   /* Side of the kernel it is made for; 0: any. */
    uint16_t stride;   /* The same of the stride. */
    bool whole_groups; /* Channels are a multiple of 4. */
} kernel_entry;

#define ENTRY(name, ...)                                                                                               \
    { ta_##name##_s8, ta_##name##_s8_scratch_bytes, __VA_ARGS__ }

static const kernel_entry entries[] = {
    ENTRY(convolve_direct, STRIDED, TAPS, 0, 0, false),
    ENTRY(convolve_winograd_4x4, STRIDED, QUADS, 3, 1, false),
    ENTRY(convolve_winograd_2x2, STRIDED, QUADS, 3, 1, false),
    ENTRY(convolve_stride2, STRIDED, QUADS, 3, 2, false),
    ENTRY(upsample_convolve, UPSAMPLED, QUADS, 3, 1, false),
    ENTRY(transpose_convolve, TRANSPOSED, TAPS, 0, 0, false),
    ENTRY(depthwise, STRIDED, DEPTHWISE_GROUPS, 0, 0, false),
    ENTRY(depthwise_3x3, STRIDED, DEPTHWISE_GROUPS, 3, 1, true),
    ENTRY(depthwise_3x3, STRIDED, DEPTHWISE_GROUPS, 3, 2, true),
};
#define ENTRIES ((uint32_t)(sizeof entries / sizeof entries[0]))

/* A layer with its data: weights [out][kernel row][kernel column][in / groups], input of the whole map. */
typedef struct {
    ta_convolution layer;
    geometry geometry;
    uint32_t groups;
    ta_channel *channels;
    int8_t zero_point; /* Of the output. */
    int8_t *weights;
    int8_t *input;
} fuzz_layer;

/* The input row that kernel row `tap` meets at output row `row`, or -1; the same for columns. */
static int32_t source_of(geometry kind, int32_t position, int32_t tap, int32_t stride, int32_t dilation, int32_t pad,
                         int32_t size) {
    int32_t source = position * stride + tap * dilation - pad;
    if (kind == UPSAMPLED) {
        const int32_t upsampled = position + tap - 1;
        source = upsampled < 0 ? -1 : upsampled / 2;
    } else if (kind == TRANSPOSED) {
        const int32_t at = position + pad - tap;
        source = at < 0 || at % stride != 0 ? -1 : at / stride;
    }
    return source < 0 || source >= size ? -1 : source;
}

static int32_t source_row(const fuzz_layer *fuzz, uint32_t row, uint32_t tap) {
    const ta_convolution *p = &fuzz->layer;
    return source_of(fuzz->geometry, (int32_t)row, (int32_t)tap, p->stride_height, p->dilation_height, p->pad_top,
                     p->in_height);
}

static int32_t source_column(const fuzz_layer *fuzz, uint32_t column, uint32_t tap) {
    const ta_convolution *p = &fuzz->layer;
    return source_of(fuzz->geometry, (int32_t)column, (int32_t)tap, p->stride_width, p->dilation_width, p->pad_left,
                     p->in_width);
}

static int64_t slow_sum(const fuzz_layer *fuzz, uint32_t row, uint32_t column, uint32_t channel) {
    const ta_convolution *p = &fuzz->layer;
    const uint32_t depth = p->in_channels / fuzz->groups;
    const uint32_t first = channel / (p->out_channels / fuzz->groups) * depth;
    const int8_t *weight = fuzz->weights + (size_t)channel * p->kernel_height * p->kernel_width * depth;
    int64_t sum = 0;
    for (uint32_t ky = 0; ky < p->kernel_height; ky++) {
        for (uint32_t kx = 0; kx < p->kernel_width; kx++) {
            const int32_t y = source_row(fuzz, row, ky), x = source_column(fuzz, column, kx);
            for (uint32_t in = 0; in < depth; in++) {
                if (y >= 0 && x >= 0) {
                    const size_t pixel = (size_t)y * p->in_width + (size_t)x;
                    sum += (int64_t)(fuzz->input[pixel * p->in_channels + first + in] + p->in_offset) * *weight;
                }
                weight++;
            }
        }
    }
    return sum;
}

static int8_t slow_output(const fuzz_layer *fuzz, uint32_t row, uint32_t column, uint32_t channel) {
    const ta_channel *scale = &fuzz->channels[channel];
    const int64_t sum = slow_sum(fuzz, row, column, channel) + scale->bias;
    return fuzz_clamped(fuzz_requantized(sum, scale->multiplier, -scale->shift) + fuzz->zero_point, fuzz->layer.minimum,
                        fuzz->layer.maximum);
}

/* Rows of the output that there are, or 0 where the kernel does not fit. */
static uint16_t out_size(const fuzz_layer *fuzz, uint32_t size, uint32_t kernel, uint32_t stride, uint32_t dilation,
                         uint32_t pads) {
    if (fuzz->geometry == UPSAMPLED) {
        return (uint16_t)(2u * size);
    }
    if (fuzz->geometry == TRANSPOSED) {
        const uint32_t full = (size - 1u) * stride + kernel;
        return (uint16_t)(full > pads ? full - pads : 0u);
    }
    const uint32_t reach = (kernel - 1u) * dilation + 1u;
    return (uint16_t)(size + pads < reach ? 0u : (size + pads - reach) / stride + 1u);
}

/* Everything but the data; false where the drawn sizes have no output. */
static bool draw_geometry(fuzz_bytes *bytes, const kernel_entry *entry, fuzz_layer *fuzz) {
    ta_convolution *p = &fuzz->layer;
    const bool depthwise = entry->order == DEPTHWISE_GROUPS;
    fuzz->geometry = entry->geometry;
    p->in_height = (uint16_t)fuzz_number(bytes, 1, 11);
    p->in_width = (uint16_t)fuzz_number(bytes, 1, 11);
    p->in_channels = (uint16_t)fuzz_number(bytes, 1, 13);
    if (entry->whole_groups) {
        p->in_channels = (uint16_t)((p->in_channels + 3u) / 4u * 4u);
    }
    p->out_channels = depthwise ? p->in_channels : (uint16_t)fuzz_number(bytes, 1, 10);
    p->kernel_height = entry->kernel != 0 ? entry->kernel : (uint16_t)fuzz_number(bytes, 1, 6);
    p->kernel_width = entry->kernel != 0 ? entry->kernel : (uint16_t)fuzz_number(bytes, 1, 6);
    p->stride_height = entry->stride != 0 ? entry->stride : (uint16_t)fuzz_number(bytes, 1, 4);
    p->stride_width = entry->stride != 0 ? entry->stride : (uint16_t)fuzz_number(bytes, 1, 4);
    const bool dilated = entry->kernel == 0 && entry->geometry == STRIDED && !depthwise;
    p->dilation_height = (uint16_t)(dilated ? fuzz_number(bytes, 1, 3) : 1u);
    p->dilation_width = (uint16_t)(dilated ? fuzz_number(bytes, 1, 3) : 1u);
    p->pad_top = (uint16_t)(entry->geometry == UPSAMPLED ? 1u : fuzz_number(bytes, 0, p->kernel_height - 1u));
    p->pad_left = (uint16_t)(entry->geometry == UPSAMPLED ? 1u : fuzz_number(bytes, 0, p->kernel_width - 1u));
    const uint32_t bottom = fuzz_number(bytes, 0, p->kernel_height - 1u);
    const uint32_t right = fuzz_number(bytes, 0, p->kernel_width - 1u);
    p->out_height =
        out_size(fuzz, p->in_height, p->kernel_height, p->stride_height, p->dilation_height, p->pad_top + bottom);
    p->out_width =
        out_size(fuzz, p->in_width, p->kernel_width, p->stride_width, p->dilation_width, p->pad_left + right);
    p->block = (uint16_t)(2u * fuzz_number(bytes, 1, 40));
    p->in_offset = (int16_t)-fuzz_int8(bytes);
    const int8_t one = fuzz_int8(bytes), other = fuzz_int8(bytes);
    p->minimum = fuzz_number(bytes, 0, 1) == 0 ? INT8_MIN : one < other ? one : other;
    p->maximum = p->minimum == INT8_MIN ? INT8_MAX : one < other ? other : one;
    return p->out_height != 0 && p->out_width != 0;
}

static void draw_data(fuzz_bytes *bytes, fuzz_layer *fuzz) {
    ta_convolution *p = &fuzz->layer;
    const size_t depth = p->in_channels / fuzz->groups;
    fuzz->channels = malloc(p->out_channels * sizeof *fuzz->channels);
    fuzz_expect(fuzz->channels != NULL, "out of memory");
    fuzz->zero_point = fuzz_int8(bytes);
    for (uint32_t channel = 0; channel < p->out_channels; channel++) {
        ta_channel *scale = &fuzz->channels[channel];
        scale->bias = ((int32_t)fuzz_number(bytes, 0, 255) - 128) * 317;
        scale->multiplier = fuzz_multiplier(bytes);
        scale->shift = (int32_t)fuzz_number(bytes, 1, 22);
        scale->rounding = (INT32_C(1) << (scale->shift - 1)) + fuzz->zero_point * (INT32_C(1) << scale->shift);
    }
    p->channels = fuzz->channels;
    fuzz->weights = fuzz_values(bytes, depth * p->out_channels * p->kernel_height * p->kernel_width, -127);
    fuzz->input = fuzz_values(bytes, (size_t)p->in_height * p->in_width * p->in_channels, INT8_MIN);
}

/* The weights of `channels` channels from `first` on, in the order of the kernel; the caller's. */
static int8_t *packed_weights(const fuzz_layer *fuzz, weight_order order, uint32_t first, uint32_t channels) {
    const ta_convolution *p = &fuzz->layer;
    const uint32_t taps = (uint32_t)p->kernel_height * p->kernel_width, depth = p->in_channels / fuzz->groups;
    const uint32_t flat = (taps * depth + 3u) / 4u * 4u, quads = (depth + 3u) / 4u * 4u;
    const uint32_t row = (depth + 3u) / 4u * 4u;
    const bool padded_rows = order == TAPS && fuzz->geometry == TRANSPOSED;
    const uint32_t each = order == QUADS ? quads * taps : order == TAPS ? (padded_rows ? row * taps : flat) : taps;
    int8_t *packed = fuzz_output((size_t)each * channels);
    memset(packed, 0, (size_t)each * channels);
    for (uint32_t channel = 0; channel < channels; channel++) {
        for (uint32_t tap = 0; tap < taps; tap++) {
            for (uint32_t in = 0; in < depth; in++) {
                size_t at = each * channel + (padded_rows ? row : depth) * tap + in;
                if (order == QUADS) {
                    at = each * channel + (in / 4u * taps + tap) * 4u + in % 4u;
                } else if (order == DEPTHWISE_GROUPS) {
                    const uint32_t group = channel / 4u * 4u, lanes = channels - group < 4u ? channels - group : 4u;
                    at = group * taps + tap * lanes + channel % 4u;
                }
                packed[at] = fuzz->weights[((first + channel) * taps + tap) * depth + in];
            }
        }
    }
    return packed;
}

/* The output rows of a call, and a copy of exactly the input rows that they need. */
static int8_t *draw_rows(fuzz_bytes *bytes, const fuzz_layer *fuzz, ta_rows *rows) {
    const ta_convolution *p = &fuzz->layer;
    rows->out_row_begin = (uint16_t)fuzz_number(bytes, 0, p->out_height - 1u);
    rows->out_row_end = (uint16_t)fuzz_number(bytes, rows->out_row_begin + 1u, p->out_height);
    int32_t first = p->in_height, last = -1;
    for (uint32_t row = rows->out_row_begin; row < rows->out_row_end; row++) {
        for (uint32_t tap = 0; tap < p->kernel_height; tap++) {
            const int32_t source = source_row(fuzz, row, tap);
            first = source >= 0 && source < first ? source : first;
            last = source > last ? source : last;
        }
    }
    if (last < 0) {
        first = 0;
    }
    const size_t row_bytes = (size_t)p->in_width * p->in_channels;
    rows->in_row_begin = (uint16_t)first;
    rows->in_rows = (uint16_t)(last - first + 1);
    int8_t *input = fuzz_output(row_bytes * rows->in_rows);
    memcpy(input, fuzz->input + row_bytes * rows->in_row_begin, row_bytes * rows->in_rows);
    rows->input = input;
    return input;
}

static void compare(const fuzz_layer *fuzz, const ta_rows *rows, uint32_t first, uint32_t channels,
                    const int8_t *output) {
    const ta_convolution *p = &fuzz->layer;
    for (uint32_t row = rows->out_row_begin; row < rows->out_row_end; row++) {
        for (uint32_t column = 0; column < p->out_width; column++) {
            for (uint32_t channel = 0; channel < p->out_channels; channel++) {
                const bool computed = channel >= first && channel < first + channels;
                const int8_t right = computed ? slow_output(fuzz, row, column, channel) : FUZZ_UNWRITTEN;
                fuzz_expect(*output++ == right, "a convolution's output differs");
            }
        }
    }
}

static size_t output_bytes(const ta_convolution *p, const ta_rows *rows) {
    return (size_t)(rows->out_row_end - rows->out_row_begin) * p->out_width * p->out_channels;
}

/* The same call with the inputs that the last one packed: right where it is not refused, which it is where channels
 * share no inputs, or not all of them. */
static void run_packed(const kernel_entry *entry, const fuzz_layer *fuzz, ta_rows *rows, const ta_weights *part,
                       void *scratch) {
    const ta_convolution *p = &fuzz->layer;
    memset(rows->output, FUZZ_UNWRITTEN, output_bytes(p, rows));
    rows->packed = 1;
    const ta_status status = entry->convolve(p, rows, part, scratch, entry->scratch_bytes(p));
    const bool shares = entry->order != DEPTHWISE_GROUPS && entry->geometry != TRANSPOSED;
    fuzz_expect(status == TA_ERROR_ARGUMENT || (shares && status == TA_OK), "packed inputs are not refused");
    compare(fuzz, rows, part->first_channel, status == TA_OK ? part->channels : 0u, rows->output);
    rows->packed = 0;
}

static void run_engine(fuzz_bytes *bytes, const kernel_entry *entry, const fuzz_layer *fuzz, ta_rows *rows) {
    const ta_convolution *p = &fuzz->layer;
    const uint32_t first = 4u * fuzz_number(bytes, 0, (p->out_channels - 1u) / 4u);
    uint32_t channels = fuzz_number(bytes, 1, p->out_channels - first);
    if (entry->order == DEPTHWISE_GROUPS && channels % 4u != 0) {
        channels = p->out_channels - first;
    }
    int8_t *weights = packed_weights(fuzz, entry->order, first, channels);
    const ta_weights part = {weights, (uint16_t)first, (uint16_t)channels};
    const uint32_t scratch_bytes = entry->scratch_bytes(p);
    int8_t *scratch = fuzz_output(scratch_bytes);
    if (scratch_bytes != 0) {
        const ta_status status = entry->convolve(p, rows, &part, scratch, scratch_bytes - 1u);
        fuzz_expect(status == TA_ERROR_SCRATCH, "too little working memory is not refused");
    }
    fuzz_expect(entry->convolve(p, rows, &part, scratch, scratch_bytes) == TA_OK, "a convolution is refused");
    compare(fuzz, rows, first, channels, rows->output);
    run_packed(entry, fuzz, rows, &part, scratch);
    ta_convolution wrong = *p;
    wrong.block = (uint16_t)(p->block + 1u);
    fuzz_expect(entry->convolve(&wrong, rows, &part, scratch, scratch_bytes) == TA_ERROR_ARGUMENT, "an odd block");
    free(scratch);
    free(weights);
}

/* The plain kernels of kernels.h. */
static void run_plain(const fuzz_layer *fuzz, const ta_rows *rows) {
    const ta_convolution *p = &fuzz->layer;
    int32_t multipliers[16], shifts[16], bias[16];
    for (uint32_t channel = 0; channel < p->out_channels; channel++) {
        multipliers[channel] = fuzz->channels[channel].multiplier;
        shifts[channel] = -fuzz->channels[channel].shift;
        bias[channel] = fuzz->channels[channel].bias;
    }
    const ta_conv_params params = {.in_height = p->in_height,
                                   .in_width = p->in_width,
                                   .in_channels = p->in_channels,
                                   .out_width = p->out_width,
                                   .out_channels = p->out_channels,
                                   .kernel_height = p->kernel_height,
                                   .kernel_width = p->kernel_width,
                                   .stride_height = p->stride_height,
                                   .stride_width = p->stride_width,
                                   .dilation_height = p->dilation_height,
                                   .dilation_width = p->dilation_width,
                                   .pad_top = p->pad_top,
                                   .pad_left = p->pad_left,
                                   .groups = (uint16_t)fuzz->groups,
                                   .in_offset = p->in_offset,
                                   .out_offset = fuzz->zero_point,
                                   .minimum = p->minimum,
                                   .maximum = p->maximum,
                                   .multipliers = multipliers,
                                   .shifts = shifts,
                                   .weights = fuzz->weights,
                                   .bias = bias};
    const ta_status status = (fuzz->geometry == TRANSPOSED ? ta_transpose_conv_s8 : ta_convolve_grouped_s8)(
        &params, rows->input, rows->in_row_begin, rows->out_row_begin, rows->out_row_end, rows->output);
    fuzz_expect(status == TA_OK, "a plain convolution is refused");
    compare(fuzz, rows, 0, p->out_channels, rows->output);
}

void fuzz_convolution(fuzz_bytes *bytes) {
    const kernel_entry *entry = &entries[fuzz_number(bytes, 0, ENTRIES - 1u)];
    fuzz_layer fuzz = {.groups = 1};
    if (!draw_geometry(bytes, entry, &fuzz)) {
        return;
    }
    fuzz.groups = entry->order == DEPTHWISE_GROUPS ? fuzz.layer.in_channels : 1u;
    draw_data(bytes, &fuzz);
    ta_rows rows = {0};
    int8_t *input = draw_rows(bytes, &fuzz, &rows);
    const size_t out_bytes = output_bytes(&fuzz.layer, &rows);
    rows.output = fuzz_output(out_bytes);
    run_engine(bytes, entry, &fuzz, &rows);
    if (fuzz.geometry != UPSAMPLED) {
        memset(rows.output, FUZZ_UNWRITTEN, out_bytes);
        run_plain(&fuzz, &rows);
    }
    free(rows.output);
    free(input);
    free(fuzz.input);
    free(fuzz.weights);
    free(fuzz.channels);
}
