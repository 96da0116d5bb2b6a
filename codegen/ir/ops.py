"""Quantized operators as frozen dataclasses.

All activations are int8 NHWC with N == 1 (`tensor.py`). Each operator's exact integer meaning is defined in
`codegen/reference/<op>.py` and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from tinyanime.codegen.ir.quantization import INT8_MAX, INT8_MIN


@dataclass(frozen=True, slots=True)
class Clamp:
    """Range of the quantized output, both ends included (fused Relu, ReLU6, Clip)."""

    minimum: int = INT8_MIN
    maximum: int = INT8_MAX


@dataclass(frozen=True, slots=True)
class Padding:
    """Rows and columns added on each side of a map."""

    top: int = 0
    left: int = 0
    bottom: int = 0
    right: int = 0


@dataclass(frozen=True, slots=True)
class Size2D:
    """A pair (height, width) in elements: kernel sizes, strides, dilations, factors."""

    height: int
    width: int


@dataclass(frozen=True, eq=False, slots=True)
class Filter:
    """Weights and bias of a convolution or a fully connected layer.

    `values`: int8 [out_channels, kernel_h, kernel_w, in_channels / groups], in [-127, 127], zero point 0.
    `scales`: float64 [out_channels]. `bias`: int32 [out_channels] at scale `input scale * scales[c]`.
    """

    values: NDArray[np.int8]
    scales: NDArray[np.float64]
    bias: NDArray[np.int32]

    @property
    def out_channels(self) -> int:
        return int(self.values.shape[0])

    @property
    def kernel(self) -> Size2D:
        return Size2D(int(self.values.shape[1]), int(self.values.shape[2]))


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Op:
    """Base of all operators: `name` is the ONNX node's name, `inputs` and `output` are tensor names."""

    name: str
    inputs: tuple[str, ...]
    output: str


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Conv2D(Op):
    """Convolution; depthwise where `groups` equals the input channels; padded with the input's zero point."""

    filter: Filter
    stride: Size2D = Size2D(1, 1)
    padding: Padding = Padding()
    dilation: Size2D = Size2D(1, 1)
    groups: int = 1
    clamp: Clamp = Clamp()


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class TransposeConv2D(Op):
    """Transposed convolution, groups 1. Output size = (in - 1) * stride + kernel - padding (both sides summed),
    plus `output_padding` rows and columns at the bottom and right."""

    filter: Filter
    stride: Size2D
    padding: Padding = Padding()
    output_padding: Size2D = Size2D(0, 0)
    clamp: Clamp = Clamp()


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class UpsampleConv2D(Op):
    """Each element repeated twice in both directions, then a 3x3 convolution of that map: stride 1, groups 1, padding 1
    on all sides."""

    filter: Filter
    clamp: Clamp = Clamp()


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class FullyConnected(Op):
    """Gemm / MatMul on a rank-2 tensor; filter values are [out, 1, 1, in]."""

    filter: Filter
    clamp: Clamp = Clamp()


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Add(Op):
    """Element-wise sum of two tensors of equal shape and any quantization."""

    clamp: Clamp = Clamp()


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Concat(Op):
    """Join along `axis` (index into the NHWC or [N, F] shape, 1 to 3); inputs are rescaled to the output."""

    axis: int


class PadMode(Enum):
    CONSTANT = "constant"
    REFLECT = "reflect"


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Pad(Op):
    """Pad rows and columns; `value` is the quantized constant. Input and output quantization are equal."""

    padding: Padding
    mode: PadMode = PadMode.CONSTANT
    value: int = 0


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class ResizeNearest(Op):
    """Repeat each element `factor` times in each direction. Input and output quantization are equal."""

    factor: Size2D


class DepthToSpaceMode(Enum):
    """Order of the block elements within the input channels, as in ONNX."""

    DCR = "DCR"
    CRD = "CRD"


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class DepthToSpace(Op):
    """[1, H, W, C] to [1, H*b, W*b, C/b/b]. Input and output quantization are equal."""

    block: int
    mode: DepthToSpaceMode = DepthToSpaceMode.DCR


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class SpaceToDepth(Op):
    """[1, H, W, C] to [1, H/b, W/b, C*b*b] in ONNX's order DCR (block row, block column, channel).

    CRD is PyTorch's pixel unshuffle (channel, block row, block column); `passes/fold_unshuffle_order.py` turns it
    into DCR, the only order there is a kernel for.
    """

    block: int
    mode: DepthToSpaceMode = DepthToSpaceMode.DCR


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class MaxPool(Op):
    """Largest element of the window; padding never wins. Input and output quantization are equal."""

    kernel: Size2D
    stride: Size2D
    padding: Padding = Padding()
    clamp: Clamp = Clamp()


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class AveragePool(Op):
    """Mean of the window's elements inside the map. Input and output quantization are equal."""

    kernel: Size2D
    stride: Size2D
    padding: Padding = Padding()
    clamp: Clamp = Clamp()


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Requantize(Op):
    """Change scale and zero point and clamp (a Relu, a Clip or a Q/DQ pair that nothing could absorb)."""

    clamp: Clamp = Clamp()


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Reshape(Op):
    """Same elements in ONNX's (NCHW) order under another shape; equal quantization."""
