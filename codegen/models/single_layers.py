"""Networks of one layer each, with random weights: what kernels are measured on.

Names are `<layer>_<input channels>_<output channels>_<side>`: `side` is that of the square input map, of the
output map where the input is upsampled first (`up_`). `s2` is stride 2, `dw` depthwise.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import onnx

from tinyanime.codegen.models.qdq import Activation, QdqBuilder

_RECTIFIED = -128
"""Zero point of a map behind a Relu; layers with three input channels read a picture, whose zero point is 0."""


def conv_layer(
    name: str,
    inputs: int,
    outputs: int,
    side: int,
    *,
    kernel: int = 3,
    stride: int = 1,
    relu: bool = True,
    depthwise: bool = False,
    seed: int = 21,
) -> onnx.ModelProto:
    """A convolution with an odd square kernel and "same" padding: [1, inputs, side, side] in."""
    b = QdqBuilder(seed, name=name)
    margin = kernel // 2
    x = b.input((1, inputs, side, side), zero_point=0 if inputs == 3 else _RECTIFIED, name="map")
    y = _conv(
        b,
        x,
        outputs,
        kernel=(kernel, kernel),
        stride=(stride, stride),
        pads=(margin, margin, margin, margin),
        groups=inputs if depthwise else 1,
        relu=relu,
    )
    return b.finish(y)


def upsampled_conv_layer(name: str, inputs: int, outputs: int, side: int, *, seed: int = 22) -> onnx.ModelProto:
    """Nearest resize x2 and a 3x3 convolution: [1, inputs, side / 2, side / 2] in, [1, outputs, side, side] out."""
    b = QdqBuilder(seed, name=name)
    x = b.input((1, inputs, side // 2, side // 2), zero_point=_RECTIFIED, name="map")
    return b.finish(_conv(b, b.resize(x, (2, 2)), outputs, kernel=(3, 3), pads=(1, 1, 1, 1), relu=True))


def _conv(b: QdqBuilder, x: Activation, outputs: int, *, relu: bool, **options: Any) -> Activation:
    """A convolution whose output range suits uniformly distributed input bytes."""
    value = b.conv_float(x, outputs, **options)
    if x.zero_point == _RECTIFIED:
        # Their root mean square around the lowest value is twice that around the middle, which the builder assumes.
        value = replace(value, spread=2 * value.spread)
    return b.quantize(b.relu_float(value) if relu else value)
