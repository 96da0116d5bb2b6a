/* Calls ESP-NN as generated code does, by number (tests/support/kernel_case.py), for kernel_driver.c.
 *
 * Convolutions: scalars in height, width, channels, out height, width, channels, kernel height, width, stride height,
 * width, padding above, left, offset of the input, of the output, minimum, maximum, bytes from the map's begin to the
 * first row that is read; buffers map, weights, bias, multipliers, shifts, working memory, output. */
#include <stddef.h>
#include <stdint.h>

#include "esp_nn.h"

static int32_t convolve(uint32_t kernel, const int32_t *s, void *const *b) {
    const data_dims_t input = {.width = s[1], .height = s[0], .channels = s[2], .extra = 1};
    const data_dims_t output = {.width = s[4], .height = s[3], .channels = s[5], .extra = 1};
    const int8_t *rows = (const int8_t *)b[0] + s[16];
    const quant_data_t factors = {.shift = b[4], .mult = b[3]};
    if (kernel < 66) {
        const data_dims_t filter = {.width = s[7], .height = s[6], .channels = s[2], .extra = s[5]};
        const conv_params_t params = {s[12], s[13], {s[9], s[8]}, {s[11], s[10]}, {1, 1}, {s[14], s[15]}};
        if (kernel == 65) {
            return esp_nn_get_conv_scratch_size(&input, &filter, &output, &params);
        }
        esp_nn_set_conv_scratch_buf(b[5]);
        esp_nn_conv_s8(&input, rows, &filter, b[1], b[2], &output, b[6], &params, &factors);
        return 0;
    }
    const data_dims_t filter = {.width = s[7], .height = s[6], .channels = s[5], .extra = 1};
    const dw_conv_params_t params = {s[12], s[13], s[5] / s[2], {s[9], s[8]}, {s[11], s[10]}, {1, 1}, {s[14], s[15]}};
    if (kernel == 67) {
        return esp_nn_get_depthwise_conv_scratch_size(&input, &filter, &output, &params);
    }
    esp_nn_set_depthwise_conv_scratch_buf(b[5]);
    esp_nn_depthwise_conv_s8(&input, rows, &filter, b[1], b[2], &output, b[6], &params, &factors);
    return 0;
}

/* Pools: scalars in height, width, channels, out height, width, kernel height, width, stride height, width, padding
 * above, left, minimum, maximum, bytes to the first row; buffers map, working memory (none), output. */
static int32_t pool(uint32_t kernel, const int32_t *s, void *const *b) {
    const int8_t *rows = (const int8_t *)b[0] + s[13];
    if (kernel == 69) {
        esp_nn_max_pool_s8(rows, s[1], s[0], b[2], s[4], s[3], s[8], s[7], s[6], s[5], s[10], s[9], s[11], s[12], s[2]);
    } else {
        esp_nn_avg_pool_s8(rows, s[1], s[0], b[2], s[4], s[3], s[8], s[7], s[6], s[5], s[10], s[9], s[11], s[12], s[2]);
    }
    return 0;
}

int32_t run_kernel(uint32_t kernel, const int32_t *s, void *const *b) {
    switch (kernel) {
    case 64:
    case 65:
    case 66:
    case 67:
        return convolve(kernel, s, b);
    case 68: /* Inputs, outputs, offsets of both, minimum, maximum; input, weights, bias, multipliers, shifts. */
        esp_nn_fully_connected_per_ch_s8(b[0], s[2], s[0], b[1], 0, b[2], b[6], s[1], s[3], b[4], b[3], s[4], s[5]);
        return 0;
    case 69:
    case 70:
        return pool(kernel, s, b);
    case 71: /* As ta_add_params, then elements, bytes to the first of them, to the output; both inputs. */
        esp_nn_add_elementwise_s8((const int8_t *)b[0] + s[13], (const int8_t *)b[1] + s[13], s[0], s[3], s[1], s[4],
                                  s[2], s[5], s[6], (int8_t *)b[3] + s[14], s[7], s[8], s[9], s[10], s[11], s[12]);
        return 0;
    default:
        return -1;
    }
}
