"""Working memory of the CMSIS-NN calls: twins of the `arm_*_get_buffer_size` functions.

Source: CMSIS-NN 4.0.0, the function named in each docstring, for cores without MVE. `dsp` is true for cores with the
DSP extension (Cortex-M4, M7, M33) and false for the others and for the PC. With `pinned=False` (a library other than
the pinned one) the answer is an upper bound over the releases up to 7.0.0, which round the convolution's column
length up to 4; firmware compares the library's own answer with the plan at start-up in any case.

All sizes are of one call: for a row band, heights and padding are those of the band, and the plan takes the largest.
"""

from __future__ import annotations

from tinyanime.codegen.ir.ops import Padding, Size2D

_INT16_BYTES = 2
_INT32_BYTES = 4


def convolve_scratch_bytes(
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
    dsp: bool,
    *,
    pinned: bool = True,
) -> int:
    """`arm_convolve_wrapper_s8_get_buffer_size`: two columns of im2col as int16, none for an unpadded 1x1.

    Only `in_channels`, `kernel`, `padding.top`, `padding.left` and `dilation` matter in the pinned version; the
    other sizes choose between variants that need the same.
    """
    unpadded = padding.top == 0 and padding.left == 0
    if kernel == Size2D(1, 1) and dilation == Size2D(1, 1) and unpadded:
        return 0
    column = in_channels * kernel.height * kernel.width
    if not pinned:
        column = (column + 3) // 4 * 4
    return 2 * column * _INT16_BYTES


def depthwise_scratch_bytes(in_channels: int, out_channels: int, kernel: Size2D, dilation: Size2D, dsp: bool) -> int:
    """`arm_depthwise_conv_wrapper_s8_get_buffer_size`: one int16 column of all channels on a DSP core.

    Asked for with a 3x3 kernel too, whose variant does not use it.
    """
    if not dsp or in_channels != out_channels or dilation != Size2D(1, 1):
        return 0
    return in_channels * kernel.height * kernel.width * _INT16_BYTES


def fully_connected_scratch_bytes() -> int:
    """`arm_fully_connected_s8_get_buffer_size`: none without MVE."""
    return 0


def max_pool_scratch_bytes() -> int:
    """`arm_max_pool_s8` has no working memory."""
    return 0


def average_pool_scratch_bytes(channels: int, dsp: bool) -> int:
    """`arm_avgpool_s8_get_buffer_size`: an int32 sum per channel on a DSP core."""
    return channels * _INT32_BYTES if dsp else 0
