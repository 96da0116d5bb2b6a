"""Working memory of the ESP-NN calls: what the ESP32-S3's versions ask for, and what they take of it.

Versions of other chips take none. Source: ESP-NN 1.2.6, src/convolution/esp_nn_conv_esp32s3.c and
esp_nn_depthwise_conv_s8_esp32s3.c with the assembly they call. `*_asked_bytes` are twins of
`esp_nn_get_conv_scratch_size_esp32s3` and `esp_nn_get_depthwise_conv_scratch_size_esp32s3`. The first one asks for two
copies of all weights, of which the kernel makes one or none (`convolve_used_bytes`); the second one asks in two cases
for less than its kernel writes (`depthwise_used_bytes`). The buffer begins on a 16-byte boundary.
"""

from __future__ import annotations

from collections.abc import Iterator

from tinyanime.codegen.esp_nn.window import WindowCall, band_calls
from tinyanime.codegen.ir.ops import Padding, Size2D

_MARGIN_BYTES = 64
_INT16_BYTES = 2
_INT32_BYTES = 4
_VECTOR_BYTES = 16
_WHOLE_MAP_BYTES = 40 * 1024
"""Padded maps up to this size are copied as a whole by the 3x3 depthwise kernel, others row by row."""
_WHOLE_INT16_BYTES = 48 * 1024
"""The same for weights and map as int16, by the depthwise kernels of other sizes."""


def convolve_scratch_bytes(whole: WindowCall, rows: int, *, pinned: bool) -> int:
    """For any call of at most `rows` output rows of the map `whole`; `pinned`: by version 1.2.6."""
    size = convolve_used_bytes if pinned else convolve_asked_bytes
    return max(size(call) for call in band_calls(whole, rows))


def depthwise_scratch_bytes(whole: WindowCall, rows: int) -> int:
    """For any call of at most `rows` output rows of the map `whole`."""
    return max(max(depthwise_asked_bytes(call), depthwise_used_bytes(call)) for call in _calls_up_to(whole, rows))


def most_asked_bytes(whole: WindowCall, rows: int, *, depthwise: bool) -> int:
    """The most that the library asks for in calls of at most `rows` output rows: firmware compares at start-up."""
    asked = depthwise_asked_bytes if depthwise else convolve_asked_bytes
    return max(asked(call) for call in _calls_up_to(whole, rows))


def _calls_up_to(whole: WindowCall, rows: int) -> Iterator[WindowCall]:
    """A lower call may ask for more: it is copied as a whole where a higher one is not."""
    return (call for count in range(1, rows + 1) for call in band_calls(whole, count))


def convolve_asked_bytes(call: WindowCall) -> int:
    """`esp_nn_get_conv_scratch_size_esp32s3`."""
    if call.is_pointwise:
        channels = _round_up(call.in_channels, 8)
        transposed = 2 * 8 * channels if call.in_width * call.in_height >= 8 else 0
        widened = call.in_width * call.in_height * channels if call.in_channels % 8 else 0
        return widened + channels * call.out_channels + transposed + _MARGIN_BYTES
    if takes_whole_windows(call):
        window = _round_up(call.window_elements, _VECTOR_BYTES)
        return call.out_channels * (_INT32_BYTES + window) + 2 * 16 + window + _MARGIN_BYTES
    channels = _round_up(call.in_channels, _VECTOR_BYTES)
    weights = call.kernel.width * call.kernel.height * channels * call.out_channels
    aligned = _round_up(call.row_elements, _VECTOR_BYTES) * call.kernel.height * call.out_channels
    return _padded_bytes(call) + weights + aligned + _MARGIN_BYTES + call.out_channels * _INT32_BYTES


def convolve_used_bytes(call: WindowCall) -> int:
    """What `esp_nn_conv_s8_esp32s3` takes where the weights begin on a 16-byte boundary."""
    if call.is_pointwise:
        return 2 * 8 * _round_up(call.in_channels, 8) + _MARGIN_BYTES
    if takes_whole_windows(call):
        return convolve_asked_bytes(call)
    aligned = _round_up(call.row_elements, _VECTOR_BYTES)
    copied = aligned * call.kernel.height * call.out_channels if aligned != call.row_elements else 0
    return copied + _padded_bytes(call) + call.out_channels * _INT32_BYTES + _MARGIN_BYTES


def takes_whole_windows(call: WindowCall) -> bool:
    """Whether the convolution gathers every window into one vector: few channels, not pointwise."""
    return not call.is_pointwise and call.row_elements < _VECTOR_BYTES <= call.window_elements


def _padded_bytes(call: WindowCall) -> int:
    around = call.padding
    right = max(0, (call.out_width - 1) * call.stride.width + call.kernel.width - around.left - call.in_width)
    below = max(0, (call.out_height - 1) * call.stride.height + call.kernel.height - around.top - call.in_height)
    if not (around.left or around.top or right or below):
        return 0
    return (call.in_width + around.left + right) * (call.in_height + around.top + below) * call.in_channels


def depthwise_asked_bytes(call: WindowCall) -> int:
    """`esp_nn_get_depthwise_conv_scratch_size_esp32s3`."""
    channels, multiplier = call.in_channels, call.out_channels // call.in_channels
    filter_bytes = call.kernel.width * call.kernel.height * call.out_channels
    map_bytes = call.in_width * call.in_height * channels
    if multiplier == 1 and channels % 8 == 0:
        if call.kernel == Size2D(3, 3):
            return _asked_3x3_bytes(call, filter_bytes, map_bytes)
        whole = depthwise_whole_bytes(call)
        if whole <= _WHOLE_INT16_BYTES + 32:
            return whole
        return _INT16_BYTES * (filter_bytes + call.in_width * call.kernel.height * channels) + 32
    if multiplier == 1 and channels > 3:
        wide = _round_up(channels, 8)
        size = _round_up(call.kernel.width * call.kernel.height * wide * _INT16_BYTES, 16)
        size = _round_up(size + call.in_width * call.in_height * wide * _INT16_BYTES, 16)
        size = _round_up(size + call.out_width * call.out_height * wide, 16)
        return size + 3 * wide * _INT32_BYTES + 16
    if multiplier % 4 == 0:
        return _INT16_BYTES * (filter_bytes + map_bytes) + 32
    return 32


def depthwise_whole_bytes(call: WindowCall) -> int:
    """Of a depthwise kernel that widens weights and map to int16 at once, other windows than 3x3."""
    filter_bytes = call.kernel.width * call.kernel.height * call.out_channels
    return _INT16_BYTES * (filter_bytes + call.in_width * call.in_height * call.in_channels) + 32


def _asked_3x3_bytes(call: WindowCall, filter_bytes: int, map_bytes: int) -> int:
    around, channels = call.padding, call.in_channels
    reach_width = call.out_width * call.stride.width + 2 - call.in_width
    reach_height = call.out_height * call.stride.height + 2 - call.in_height
    if channels % 16 == 0:
        padded = bool(around.left or around.top)
        wider = 2 * around.left if padded else reach_width
        higher = 2 * around.top if padded else reach_height
        if not wider and not higher:
            return filter_bytes + 16
        whole = (call.in_width + wider) * (call.in_height + higher) * channels
        strip = (call.in_width + wider) * call.kernel.height * channels
        return filter_bytes + (whole if whole <= _WHOLE_MAP_BYTES else strip) + 16
    if channels < 12:
        return _INT16_BYTES * (filter_bytes + map_bytes) + 32
    wide = _round_up(channels, 16)
    width = call.in_width + 2 * around.left + max(0, reach_width)
    height = call.in_height + 2 * around.top + max(0, reach_height)
    return (9 + width * height + call.out_width * call.out_height) * wide + 64


def depthwise_used_bytes(call: WindowCall) -> int:
    """Bytes that `esp_nn_depthwise_conv_s8_esp32s3` writes where its twin asks for less; 0 elsewhere."""
    around, channels = call.padding, call.in_channels
    if call.kernel != Size2D(3, 3) or channels != call.out_channels or channels % 16:
        return 0
    sides = Padding(around.top, around.left)
    if sides == Padding(1, 1):
        return 0
    filter_bytes = 9 * channels
    width = max(call.in_width + 2 * around.left, call.out_width * call.stride.width + 2)
    height = max(call.in_height + 2 * around.top, call.out_height * call.stride.height + 2)
    padded = width * height * channels
    if sides == Padding():
        # Copied as a whole, whatever the size, where windows end outside; else read where it lies.
        return filter_bytes + 16 + (padded if (height, width) != (call.in_height, call.in_width) else 0)
    # Unevenly padded: with a copy of the output besides.
    return filter_bytes + 16 + padded + call.out_width * call.out_height * channels


def _round_up(value: int, step: int) -> int:
    return -(-value // step) * step
