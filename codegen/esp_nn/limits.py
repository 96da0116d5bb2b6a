"""Calls that ESP-NN 1.2.6 computes wrongly, or for which it reads or writes beyond its buffers, on any chip.

A project for ESP-IDF is built for the ESP32-S3, the ESP32-C3 and others, so a call must be exact with each chip's
version. Each function answers None where all bands of an operator are exact, else the reason; what is refused here our
kernels compute. Found by reading the C and assembly of the ESP32-S3, and by running the C.
"""

from __future__ import annotations

from tinyanime.codegen.esp_nn.scratch import depthwise_asked_bytes, depthwise_whole_bytes, takes_whole_windows
from tinyanime.codegen.esp_nn.window import WindowCall
from tinyanime.codegen.ir.ops import Padding, Size2D
from tinyanime.codegen.ir.quantization import Multiplier

_UINT16_MAX = 65535
_INT16_MAX = 32767
_INT32_LIMIT = 1 << 31
_MOST_STACK_BYTES = 1536
"""Arrays of variable length that a kernel may have on the stack, which the board has 8 KB of."""


def rounding_limit(bound: int, multiplier: Multiplier) -> str | None:
    """`bound` is the largest |accumulator|."""
    right = -multiplier.shift
    if right > 0 and (bound * multiplier.mantissa >> 31) + 1 + (1 << (right - 1)) >= _INT32_LIMIT:
        # esp_nn_div_by_power_of_two_fast and its twins in assembly add the half before they shift.
        return "rounding could leave int32"
    return None


def convolve_limit(whole: WindowCall, groups: int, dilation: Size2D) -> str | None:
    """Why `esp_nn_conv_s8` cannot compute some band of this convolution, or None."""
    if groups != 1:
        return "it has groups"
    if dilation != Size2D(1, 1):
        return "it is dilated, which the library ignores"
    if whole.kernel == Size2D(1, 1) and whole.padding != Padding():
        return "the 1x1 kernels ignore padding"
    if reason := _extent_limit(whole):
        return reason
    if takes_whole_windows(whole):
        # esp_nn_conv_s8_im2col_s3 takes windows for inside the map where (rows - kernel) / stride rounds up to 0.
        narrow = whole.stride.width > 1 and whole.in_width + whole.padding.left < whole.kernel.width
        if narrow or (whole.stride.height > 1 and whole.padding.bottom):
            return "with strides and few channels it reads beyond the map's end"
    return None


def depthwise_limit(whole: WindowCall, dilation: Size2D, in_offset: int) -> str | None:
    """Why `esp_nn_depthwise_conv_s8` cannot compute some band of this depthwise convolution, or None."""
    channels, around = whole.in_channels, whole.padding
    if dilation != Size2D(1, 1):
        return "it is dilated, which the library ignores"
    if reason := _extent_limit(whole):
        return reason
    if whole.out_channels % channels or (whole.out_channels != channels and whole.out_channels // channels % 4 == 0):
        return "it has several outputs per channel"
    if whole.out_channels != channels or channels % 8:
        return None
    if around.top >= whole.kernel.height or around.left >= whole.kernel.width:
        return "a window lies wholly in the padding"
    if around.bottom >= whole.kernel.height or around.right >= whole.kernel.width:
        return "a window lies wholly in the padding"
    if depthwise_input_alignment(whole) > 1 and whole.in_width * channels % 16:
        return "rows are no whole vectors of 16 bytes"
    if whole.kernel == Size2D(3, 3):
        return _depthwise_3x3_limit(whole)
    if depthwise_asked_bytes(whole) != depthwise_whole_bytes(whole) and in_offset and (around.top or around.bottom):
        # The tiled path writes the offset itself into rows outside the map, which ought to be 0 there.
        return "rows outside of large maps get a wrong value"
    return None


def _depthwise_3x3_limit(whole: WindowCall) -> str | None:
    channels, around = whole.in_channels, whole.padding
    if channels == 8:
        return None
    if max(around.left, around.top, around.right, around.bottom) > 1:
        return "it is padded by more than one row or column"
    copies = channels % 16 or around.left != around.top or around.top
    if copies and 3 * 4 * -(-channels // 16) * 16 > _MOST_STACK_BYTES:
        return "it takes too much of the stack"
    return None


def depthwise_input_alignment(whole: WindowCall) -> int:
    """Bytes to which the ESP32-S3's version wants its input aligned."""
    channels = whole.in_channels
    if whole.out_channels != channels or channels % 8:
        return 1
    # esp_nn_aligned_s8_to_s16_with_offset_esp32s3 (8 channels, other windows than 3x3), and maps of whole vectors that
    # are read where they lie; 3x3 with 24, 40, ... channels is copied.
    return 1 if whole.kernel == Size2D(3, 3) and channels % 16 and channels != 8 else 16


def fully_connected_limit(in_features: int, out_features: int) -> str | None:
    """Why `esp_nn_fully_connected_per_ch_s8` cannot compute this layer, or None."""
    if max(in_features, out_features) > _UINT16_MAX:
        return "it has more than 65535 inputs or outputs"
    if out_features * 4 > _MOST_STACK_BYTES:
        return "it takes too much of the stack"
    return None


def pool_limit(height: int, width: int, channels: int) -> str | None:
    """Why `esp_nn_max_pool_s8` and `esp_nn_avg_pool_s8` cannot compute this pooling, or None."""
    if channels % 4:
        # The ESP32-S3's max pooling returns without a word; its average pooling adds in int16.
        return "the channels are no multiple of 4"
    if max(height, width, channels) > _INT16_MAX:
        return "a side of the map is longer than 32767 elements"
    return None


def add_limit(row_bytes: int, shifts: tuple[int, ...]) -> str | None:
    """Why `esp_nn_add_elementwise_s8` cannot compute this sum, or None; `shifts` as in `AddParameters`."""
    if any(shift > 0 for shift in shifts):
        return "a factor is not below 1"
    if row_bytes % 8:
        # Vectors of 8 are stored to the boundary below where the output is not aligned as the inputs are.
        return "rows are no whole vectors of 8 bytes"
    return None


def _extent_limit(call: WindowCall) -> str | None:
    sides = (call.in_height, call.in_width, call.out_height * call.stride.height, call.out_width * call.stride.width)
    if max(sides) > _INT16_MAX:
        return "a side of the map is longer than 32767 elements"
    if max(call.window_elements, call.in_channels, call.out_channels) > _UINT16_MAX:
        return "the filter is longer than 65535 elements"
    return None
