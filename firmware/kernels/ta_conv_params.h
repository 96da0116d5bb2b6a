/* Checks that the convolutions share. Private to firmware/kernels. */
#ifndef TINYANIME_KERNELS_CONV_PARAMS_H
#define TINYANIME_KERNELS_CONV_PARAMS_H

#include <stdbool.h>

#include "ta_arithmetic.h"
#include "tinyanime/kernels.h"

static inline bool ta_conv_sizes_are_valid(const ta_conv_params *p) {
    return p->in_height != 0 && p->in_width != 0 && p->in_channels != 0 && p->out_width != 0 && p->out_channels != 0 &&
           p->kernel_height != 0 && p->kernel_width != 0 && p->stride_height != 0 && p->stride_width != 0 &&
           p->dilation_height != 0 && p->dilation_width != 0 && p->groups != 0 && p->in_channels % p->groups == 0 &&
           p->out_channels % p->groups == 0;
}

static inline bool ta_conv_quantization_is_valid(const ta_conv_params *p) {
    if (!ta_is_offset(p->in_offset) || !ta_is_int8(p->out_offset) || !ta_is_clamp(p->minimum, p->maximum)) {
        return false;
    }
    for (uint32_t channel = 0; channel < p->out_channels; channel++) {
        if (!ta_is_multiplier(p->multipliers[channel], p->shifts[channel])) {
            return false;
        }
    }
    return true;
}

#endif
