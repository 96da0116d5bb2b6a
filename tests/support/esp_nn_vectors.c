/* In the place of ESP-NN's assembly for the ESP32-S3: the same functions in plain C, which end the program where a
 * pointer is not aligned as the assembly demands. They write as far into working memory as the assembly does, and round
 * as it does. So the C around the assembly runs on the PC with the sizes and addresses that generated code gives it. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEED(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s: not so: %s\n", __func__, #condition);                                                 \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)
#define ALIGNED(pointer, bytes) ((uintptr_t)(pointer) % (bytes) == 0)

static int32_t high(int32_t value, int32_t mult, int32_t shift) {
    const int32_t left = shift > 0 ? shift : 0;
    const int32_t right = left - shift;
    int32_t result = (int32_t)(((int64_t)(int32_t)((uint32_t)value << left) * mult + (1 << 30)) >> 31);
    if (right > 0) {
        result = (int32_t)((uint32_t)result + (1u << (right - 1)) - (result < 0)) >> right;
    }
    return result;
}

static int8_t limited(int32_t value, int32_t minimum, int32_t maximum) {
    return (int8_t)(value < minimum ? minimum : value > maximum ? maximum : value);
}

int32_t esp_nn_dot_s8_aligned_esp32s3(const int8_t *a, const int8_t *b, int32_t len) {
    NEED(ALIGNED(a, 16) && ALIGNED(b, 16) && len % 16 == 0);
    int32_t sum = 0;
    for (int32_t i = 0; i < len; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

int32_t esp_nn_dot_s8_unaligned_esp32s3(const int8_t *a, const int8_t *b, int32_t len_div16) {
    NEED(ALIGNED(a, 16) && len_div16 > 0);
    int32_t sum = 0;
    for (int32_t i = 0; i < 16 * len_div16; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

static void pointwise(const int8_t *in, int32_t size, int32_t channels, int32_t offset, const int8_t *filter,
                      const int32_t *bias, int8_t *out, int32_t outputs, int32_t out_offset, const int32_t *shift,
                      const int32_t *mult, int32_t minimum, int32_t maximum) {
    for (int32_t i = 0; i < size; i++) {
        for (int32_t o = 0; o < outputs; o++) {
            int32_t sum = bias[o];
            for (int32_t c = 0; c < channels; c++) {
                sum += (in[i * channels + c] + offset) * filter[o * channels + c];
            }
            out[i * outputs + o] = limited(high(sum, mult[o], shift[o]) + out_offset, minimum, maximum);
        }
    }
}

void esp_nn_conv_s8_mult8_1x1_esp32s3(const int8_t *in, uint16_t wd, uint16_t ht, uint16_t channels, int32_t offset,
                                      const int8_t *filter, const int32_t *bias, int8_t *out, uint16_t out_wd,
                                      uint16_t out_ht, uint16_t outputs, int32_t out_offset, const int32_t *shift,
                                      const int32_t *mult, int32_t minimum, int32_t maximum, void *buffer) {
    NEED(channels % 8 == 0 && ALIGNED(in, 8) && ALIGNED(filter, 8) && ALIGNED(buffer, 16));
    NEED(wd * ht == out_wd * out_ht);
    if (wd * ht >= 8) {
        memset(buffer, 0x33, 16u * channels); /* Eight positions as int16. */
    }
    pointwise(in, wd * ht, channels, offset, filter, bias, out, outputs, out_offset, shift, mult, minimum, maximum);
}

/* C with vector instructions inline: nothing of it compiles on the PC. */
void esp_nn_conv_s8_1x1(const int8_t *in, uint16_t wd, uint16_t ht, uint16_t channels, int32_t offset,
                        const int8_t *filter, const int32_t *bias, int8_t *out, uint16_t outputs, int32_t out_offset,
                        const int32_t *shift, const int32_t *mult, int32_t minimum, int32_t maximum, void *scratch) {
    if (wd * ht >= 8) {
        memset((void *)(((uintptr_t)scratch + 15) & ~(uintptr_t)15), 0x33, 128u * (channels / 8u));
    }
    pointwise(in, wd * ht, channels, offset, filter, bias, out, outputs, out_offset, shift, mult, minimum, maximum);
}

void esp_nn_conv_s8_filter_aligned_input_padded_esp32s3(const int8_t *in, uint16_t wd, uint16_t ht, uint16_t channels,
                                                        int32_t offset, uint16_t stride_wd, uint16_t stride_ht,
                                                        const int8_t *filter, uint16_t filter_wd, uint16_t filter_ht,
                                                        const int32_t *bias, int8_t *out, uint16_t out_wd,
                                                        uint16_t out_ht, uint16_t outputs, int32_t out_offset,
                                                        const int32_t *shift, const int32_t *mult, int32_t minimum,
                                                        int32_t maximum, void *scratch) {
    const int32_t row = (filter_wd * channels + 15) / 16 * 16;
    NEED(ALIGNED(filter, 16));
    NEED((out_ht - 1) * stride_ht + filter_ht <= ht && (out_wd - 1) * stride_wd + filter_wd <= wd);
    for (int32_t o = 0; o < outputs; o++) {
        int32_t sum = 0;
        for (int32_t i = 0; i < row * filter_ht; i++) {
            sum += filter[o * row * filter_ht + i];
        }
        sum = sum * offset + bias[o];
        memcpy((int8_t *)scratch + 4 * o, &sum, 4);
    }
    for (int32_t y = 0; y < out_ht; y++) {
        for (int32_t x = 0; x < out_wd; x++) {
            for (int32_t o = 0; o < outputs; o++) {
                int32_t sum;
                memcpy(&sum, (int8_t *)scratch + 4 * o, 4);
                for (int32_t fy = 0; fy < filter_ht; fy++) {
                    const int8_t *from = in + ((y * stride_ht + fy) * wd + x * stride_wd) * channels;
                    for (int32_t i = 0; i < filter_wd * channels; i++) {
                        sum += from[i] * filter[(o * filter_ht + fy) * row + i];
                    }
                }
                *out++ = limited(high(sum, mult[o], shift[o]) + out_offset, minimum, maximum);
            }
        }
    }
}

void esp_nn_s8_to_s16_esp32s3(const int8_t *src, int16_t *dst, int size) {
    NEED(ALIGNED(dst, 16));
    for (int i = 0; i < size; i++) {
        dst[i] = src[i];
    }
}

void esp_nn_aligned_s8_to_s16_with_offset_esp32s3(const int8_t *src, int16_t *dst, int size, int32_t offset) {
    NEED(ALIGNED(src, 16) && ALIGNED(dst, 16));
    for (int i = 0; i < size; i++) {
        dst[i] = (int16_t)(src[i] + offset);
    }
}

/* One position of a depthwise convolution whose inputs are centred. */
static int32_t window(const int16_t *in, int32_t wd, int32_t ht, int32_t channels, int32_t top, int32_t left,
                      const int16_t *filter, int32_t filter_wd, int32_t filter_ht, int32_t c) {
    int32_t sum = 0;
    for (int32_t fy = 0; fy < filter_ht; fy++) {
        for (int32_t fx = 0; fx < filter_wd; fx++) {
            const int32_t y = top + fy, x = left + fx;
            if (y >= 0 && y < ht && x >= 0 && x < wd) {
                sum += in[(y * wd + x) * channels + c] * filter[(fy * filter_wd + fx) * channels + c];
            }
        }
    }
    return sum;
}

void esp_nn_depthwise_conv_s16_mult1_esp32s3(const int16_t *in, uint16_t wd, uint16_t ht, uint16_t channels,
                                             uint16_t pad_wd, uint16_t pad_ht, uint16_t stride_wd, uint16_t stride_ht,
                                             const int16_t *filter, uint16_t filter_wd, uint16_t filter_ht,
                                             const int32_t *bias, int8_t *out, uint16_t out_wd, uint16_t out_ht,
                                             int32_t out_offset, const int32_t *shift, const int32_t *mult,
                                             int32_t minimum, int32_t maximum) {
    NEED(channels % 8 == 0 && ALIGNED(in, 16) && ALIGNED(filter, 16) && ALIGNED(out, 8));
    for (int32_t y = 0; y < out_ht; y++) {
        for (int32_t x = 0; x < out_wd; x++) {
            for (int32_t c = 0; c < channels; c++) {
                const int32_t sum = window(in, wd, ht, channels, y * stride_ht - pad_ht, x * stride_wd - pad_wd, filter,
                                           filter_wd, filter_ht, c);
                *out++ = limited(high(sum + bias[c], mult[c], shift[c]) + out_offset, minimum, maximum);
            }
        }
    }
}

void esp_nn_depthwise_conv_s16_mult1_3x3_esp32s3(const int16_t *in, uint16_t wd, uint16_t ht, uint16_t channels,
                                                 uint16_t pad_wd, uint16_t pad_ht, uint16_t stride_wd,
                                                 uint16_t stride_ht, const int16_t *filter, const int32_t *bias,
                                                 int8_t *out, uint16_t out_wd, uint16_t out_ht, int32_t out_offset,
                                                 const int32_t *shift, const int32_t *mult, int32_t minimum,
                                                 int32_t maximum) {
    esp_nn_depthwise_conv_s16_mult1_esp32s3(in, wd, ht, channels, pad_wd, pad_ht, stride_wd, stride_ht, filter, 3, 3,
                                            bias, out, out_wd, out_ht, out_offset, shift, mult, minimum, maximum);
}

void esp_nn_depthwise_conv_s8_mult1_3x3_padded_esp32s3(const int8_t *in, uint16_t wd, uint16_t ht, uint16_t channels,
                                                       int32_t offset, uint16_t stride_wd, uint16_t stride_ht,
                                                       const int8_t *filter, const int32_t *bias, int8_t *out,
                                                       uint16_t out_wd, uint16_t out_ht, int32_t out_offset,
                                                       const int32_t *shift, const int32_t *mult, int32_t minimum,
                                                       int32_t maximum) {
    NEED(channels % 16 == 0 && ALIGNED(in, 16) && ALIGNED(filter, 16) && ALIGNED(out, 16));
    NEED((out_ht - 1) * stride_ht + 3 <= ht && (out_wd - 1) * stride_wd + 3 <= wd);
    for (int32_t y = 0; y < out_ht; y++) {
        for (int32_t x = 0; x < out_wd; x++) {
            for (int32_t c = 0; c < channels; c++) {
                int32_t sum = bias[c];
                for (int32_t f = 0; f < 9; f++) {
                    const int32_t at = ((y * stride_ht + f / 3) * wd + x * stride_wd + f % 3) * channels + c;
                    sum += (in[at] + offset) * filter[f * channels + c];
                }
                *out++ = limited(high(sum, mult[c], shift[c]) + out_offset, minimum, maximum);
            }
        }
    }
}

/* Channel multipliers that are multiples of four are never asked for. */
void esp_nn_depthwise_conv_s16_mult4_esp32s3(void) {
    abort();
}
void esp_nn_depthwise_conv_s16_mult8_esp32s3(void) {
    abort();
}
void esp_nn_depthwise_conv_s16_mult8_3x3_esp32s3(void) {
    abort();
}

void esp_nn_fc_per_ch_s16_esp32s3(const int8_t *in, int32_t offset, uint16_t length, const int8_t *filter,
                                  int32_t filter_offset, const int32_t *bias, int8_t *out, uint16_t outputs,
                                  int32_t out_offset, const int32_t *shift, const int32_t *mult, int32_t minimum,
                                  int32_t maximum) {
    NEED(ALIGNED(in, 8) && filter_offset == 0);
    pointwise(in, 1, length, offset, filter, bias, out, outputs, out_offset, shift, mult, minimum, maximum);
}

/* One factor for all outputs is never asked for. */
void esp_nn_fc_s16_esp32s3(void) {
    abort();
}

#define POOL_ARGUMENTS                                                                                                 \
    const int8_t *in, uint16_t wd, uint16_t ht, int8_t *out, uint16_t out_wd, uint16_t out_ht, uint16_t stride_wd,     \
        uint16_t stride_ht, uint16_t filter_wd, uint16_t filter_ht, uint16_t pad_wd, uint16_t pad_ht, int32_t least,   \
        int32_t most, uint16_t channels
#define POOL_CALL                                                                                                      \
    in, wd, ht, out, out_wd, out_ht, stride_wd, stride_ht, filter_wd, filter_ht, pad_wd, pad_ht, least, most, channels

void esp_nn_max_pool_s8_ansi(POOL_ARGUMENTS);
void esp_nn_avg_pool_s8_ansi(POOL_ARGUMENTS);

void esp_nn_max_pool_s8_esp32s3(POOL_ARGUMENTS) {
    NEED(channels % 4 == 0 && ALIGNED(in, channels % 8 ? 4 : 8) && ALIGNED(out, channels % 8 ? 4 : 8));
    esp_nn_max_pool_s8_ansi(POOL_CALL);
}

void esp_nn_avg_pool_s8_esp32s3_asm(POOL_ARGUMENTS) {
    NEED(channels % 4 == 0 && ALIGNED(in, channels % 8 ? 4 : 8) && ALIGNED(out, channels % 8 ? 4 : 8));
    esp_nn_avg_pool_s8_ansi(POOL_CALL);
}

void esp_nn_add_elementwise_s8_esp32s3(const int8_t *a, const int8_t *b, int32_t a_offset, int32_t b_offset,
                                       int32_t a_mult, int32_t b_mult, int32_t a_shift, int32_t b_shift, int32_t left,
                                       int8_t *out, int32_t out_offset, int32_t out_mult, int32_t out_shift,
                                       int32_t minimum, int32_t maximum, int32_t size) {
    NEED(a_shift <= 0 && b_shift <= 0 && out_shift <= 0);
    NEED(size < 12 || !ALIGNED(a, 16) || !ALIGNED(b, 16) || ALIGNED(out, 8));
    for (int32_t i = 0; i < size; i++) {
        const int32_t sum = high((a[i] + a_offset) * (1 << left), a_mult, a_shift) +
                            high((b[i] + b_offset) * (1 << left), b_mult, b_shift);
        out[i] = limited(high(sum, out_mult, out_shift) + out_offset, minimum, maximum);
    }
}
