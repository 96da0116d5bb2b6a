"""Networks of one layer each, with random weights: what kernels are measured on.

Names are `<layer>_<input channels>_<output channels>_<side>`: `side` is that of the square input map, of the
output map where the input is upsampled first (`up_`). `s2` is stride 2, `dw` depthwise.
"""

from __future__ import annotations

import onnx

from tinyanime.codegen.models.qdq import QdqBuilder


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
    x = b.input((1, inputs, side, side), zero_point=0 if inputs == 3 else -128, name="map")
    y = b.conv(
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
    x = b.input((1, inputs, side // 2, side // 2), zero_point=-128, name="map")
    return b.finish(b.conv(b.resize(x, (2, 2)), outputs, kernel=(3, 3), pads=(1, 1, 1, 1), relu=True))
