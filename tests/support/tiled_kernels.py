"""The kernels of `firmware/kernels/ta_tiles.h` for convolutions, and one-operator networks that they take."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from tests.support.convolve_cases import Part, convolve_call, engine_filters
from tests.support.kernel_case import Kernel, KernelCase
from tests.support.one_op import OneOp, clamps, one_op, out_size, values, zero_points
from tinyanime.codegen.ir.ops import Clamp, Conv2D, Filter, Padding, Size2D
from tinyanime.codegen.ir.tensor import Quantization, Tensor
from tinyanime.codegen.kernels.stride2 import STRIDE2
from tinyanime.codegen.kernels.winograd import TiledConvolution
from tinyanime.codegen.kernels.winograd_2x2 import WINOGRAD_2X2
from tinyanime.codegen.kernels.winograd_4x4 import WINOGRAD_4X4

KERNEL_3X3 = Size2D(3, 3)
UNCLAMPED, UNPADDED, PADDED = Clamp(), Padding(), Padding(1, 1, 1, 1)


@dataclass(frozen=True, slots=True)
class TiledKernel:
    """A kernel and what the compiler knows of it."""

    kernel: Kernel
    entry: TiledConvolution

    @property
    def stride(self) -> int:
        return self.entry.kind.stride

    def call(self, case: OneOp, part: Part, block: int) -> KernelCase:
        return convolve_call(self.kernel, self.entry, case, part, block)


TILED_4X4 = TiledKernel(Kernel.CONVOLVE_WINOGRAD_4X4, WINOGRAD_4X4)
TILED_2X2 = TiledKernel(Kernel.CONVOLVE_WINOGRAD_2X2, WINOGRAD_2X2)
TILED_STRIDE2 = TiledKernel(Kernel.CONVOLVE_STRIDE2, STRIDE2)
TILED_KERNELS = (TILED_4X4, TILED_2X2, TILED_STRIDE2)


@st.composite
def tiled_convolutions(draw: st.DrawFn, stride: int) -> OneOp:
    """Maps of one to four tiles and a part of one, any padding, channels that are and that are not multiples of 4."""
    padding = Padding(*(draw(st.sampled_from([0, 1, 1, 2])) for _ in range(4)))
    height = draw(st.integers(max(1, 3 - padding.top - padding.bottom), 11 * stride))
    width = draw(st.integers(max(1, 3 - padding.left - padding.right), 11 * stride))
    in_channels, out_channels = draw(st.sampled_from([1, 2, 3, 4, 7, 8, 13, 20])), draw(st.integers(1, 9))
    op = Conv2D(
        name="conv",
        inputs=("x",),
        output="y",
        filter=draw(engine_filters(out_channels, KERNEL_3X3, in_channels)),
        stride=Size2D(stride, stride),
        padding=padding,
        clamp=draw(clamps()),
    )
    x = values(draw, (1, height, width, in_channels))
    return one_op(op, (x,), (Quantization(1.0, draw(zero_points())),), _output(op, x, draw(zero_points())))


def tiled_case(
    x: np.ndarray,
    weights: np.ndarray,
    *,
    stride: int,
    zero_point: int = 0,
    clamp: Clamp = UNCLAMPED,
    padding: Padding = PADDED,
    scale: float | None = None,
    bias: int = 0,
) -> OneOp:
    """A 3x3 convolution with a scale under which extreme sums still differ, unless one is given."""
    count, elements = weights.shape[0], weights[0].size
    op = Conv2D(
        name="conv",
        inputs=("x",),
        output="y",
        filter=Filter(weights, np.full(count, scale or 0.9 / (255.0 * elements)), np.full(count, bias, np.int32)),
        stride=Size2D(stride, stride),
        padding=padding,
        clamp=clamp,
    )
    return one_op(op, (x,), (Quantization(1.0, zero_point),), _output(op, x, -3))


def whole(case: OneOp) -> Part:
    return Part((0, case.output.height))


def filled(shape: tuple[int, ...], value: int | None, low: int) -> np.ndarray:
    """One value everywhere, or (None) the two ends of the range in turn."""
    if value is not None:
        return np.full(shape, value, np.int8)
    return np.where(np.indices(shape).sum(axis=0) % 2, 127, low).astype(np.int8)


def _output(op: Conv2D, x: np.ndarray, zero_point: int) -> Tensor:
    height = out_size(x.shape[1], op.padding.top + op.padding.bottom, 3, op.stride.height)
    width = out_size(x.shape[2], op.padding.left + op.padding.right, 3, op.stride.width)
    return Tensor("y", (1, height, width, op.filter.out_channels), Quantization(1.0, zero_point))
