"""Calls that CMSIS-NN 4.0.0 computes wrongly or refuses, so that the compiler never makes them.

Each function answers None where the call is exact, else the reason. Heights, padding and output rows are those of
one call: check every row band. `ta_convolve_grouped_s8` computes what is refused here.
"""

from __future__ import annotations

from tinyanime.codegen.ir.ops import Padding, Size2D

_UINT16_MAX = 65535
_INT16_MAX = 32767


def convolve_limit(in_channels: int, out_channels: int, kernel: Size2D, padding: Padding) -> str | None:
    """Why `arm_convolve_wrapper_s8` cannot compute this call, or None."""
    if kernel == Size2D(1, 1) and padding != Padding():
        # Taken for unpadded where only the bottom or the right is padded: arm_convolve_1x1_s8*.c never look there.
        return "the 1x1 kernels ignore padding"
    if in_channels * kernel.height * kernel.width > _UINT16_MAX or out_channels > _UINT16_MAX:
        # uint16_t num_col_a and output_ch of arm_nn_mat_mult_kernel_s8_s16.c.
        return "the filter is longer than 65535 elements"
    return None


def depthwise_limit(
    in_height: int,
    in_width: int,
    in_channels: int,
    out_height: int,
    out_width: int,
    out_channels: int,
    kernel: Size2D,
    stride: Size2D,
    padding: Padding,
    dilation: Size2D,
) -> str | None:
    """Why `arm_depthwise_conv_wrapper_s8` cannot compute this call, or None."""
    if max(in_height, in_width, out_height * stride.height, out_width * stride.width) > _INT16_MAX:
        # int16_t base_idx_x and base_idx_y of arm_depthwise_conv_s8*.c.
        return "a side of the map is longer than 32767 elements"
    if in_channels * kernel.height * kernel.width > _UINT16_MAX or out_channels > _UINT16_MAX:
        return "the filter is longer than 65535 elements"
    if in_channels != out_channels or dilation != Size2D(1, 1):
        return None
    if kernel == Size2D(3, 3) and padding.top <= 1 and padding.left <= 1:
        # arm_depthwise_conv_3x3_s8.c reads the middle column of every window without asking whether it exists.
        if _last_start(out_width, stride.width, padding.left) + 1 >= in_width:
            return "the 3x3 kernel reads the middle column of windows that begin in the last column"
        return None
    if padding.top >= kernel.height or _last_start(out_height, stride.height, padding.top) >= in_height:
        # The column buffer of arm_depthwise_conv_s8_opt.c is filled past its end then.
        return "a window lies wholly in the padding above or below the map"
    return None


def pool_limit(
    in_height: int,
    in_width: int,
    out_height: int,
    out_width: int,
    kernel: Size2D,
    stride: Size2D,
    padding: Padding,
) -> str | None:
    """Why `arm_avgpool_s8` or `arm_max_pool_s8` cannot compute this call, or None."""
    above = padding.top >= kernel.height or padding.left >= kernel.width
    below = _last_start(out_height, stride.height, padding.top) >= in_height
    right = _last_start(out_width, stride.width, padding.left) >= in_width
    return "a window lies wholly in the padding" if above or below or right else None


def _last_start(out_size: int, stride: int, padding: int) -> int:
    """First input row (or column) of the last window; negative in the padding."""
    return (out_size - 1) * stride - padding
