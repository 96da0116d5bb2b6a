"""Calls of the kernels of `tinyanime/convolve.h` for bands and channels of one-operator networks."""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace

import numpy as np
from hypothesis import strategies as st

from tests.support.cmsis_cases import conv_band
from tests.support.kernel_benches import kernel_benches
from tests.support.kernel_case import UNWRITTEN, Array, Kernel, KernelCase, KernelResult
from tests.support.one_op import OneOp, bands, clamps, filters, one_op, values, windows, zero_points
from tinyanime.codegen.ir.ops import Conv2D, Filter, FullyConnected, Padding, Size2D, TransposeConv2D, UpsampleConv2D
from tinyanime.codegen.ir.rescale import FilterOp
from tinyanime.codegen.ir.tensor import Quantization, Tensor
from tinyanime.codegen.kernels.channels import channel_scales
from tinyanime.codegen.kernels.spec import ConvolutionKernel
from tinyanime.codegen.schedule.plan import RowRange
from tinyanime.codegen.schedule.strips.rows import read_rows

_LEAST_SCALE, _MOST_SCALE = 2.0**-22, 0.499
"""Where a `ta_channel` can say the factor."""


@dataclass(frozen=True, slots=True)
class Part:
    """What a call computes: output rows [begin, end), and channels [begin, end) of which the first is a multiple of 4
    (None: all)."""

    rows: tuple[int, int]
    channels: tuple[int, int] | None = None


@st.composite
def engine_filters(draw: st.DrawFn, out_channels: int, kernel: Size2D, in_channels: int) -> Filter:
    """`filters` with factors that a `ta_channel` can say."""
    drawn = filters(draw, out_channels, kernel, in_channels)
    return replace(drawn, scales=np.clip(drawn.scales, _LEAST_SCALE, _MOST_SCALE))


@st.composite
def engine_convolutions(draw: st.DrawFn) -> OneOp:
    """Any window, with channels that are and that are not multiples of 4, of 2 and of 1."""
    window = draw(windows())
    in_channels, out_channels = draw(st.sampled_from([1, 2, 3, 4, 5, 8, 12, 19])), draw(st.integers(1, 9))
    op = Conv2D(
        name="conv",
        inputs=("x",),
        output="y",
        filter=draw(engine_filters(out_channels, window.kernel, in_channels)),
        stride=window.stride,
        padding=window.padding,
        dilation=window.dilation,
        clamp=draw(clamps()),
    )
    x = values(draw, (1, window.in_size.height, window.in_size.width, in_channels))
    out = Tensor("y", (1, window.out_size.height, window.out_size.width, out_channels), draw(_quantizations()))
    return one_op(op, (x,), (draw(_quantizations()),), out)


@st.composite
def parts(draw: st.DrawFn, case: OneOp) -> Part:
    """Some rows, some channels."""
    first = 4 * draw(st.integers(0, (case.output.channels - 1) // 4))
    channels = (first, draw(st.integers(first + 1, case.output.channels)))
    return Part(draw(bands(case.output.height)), draw(st.sampled_from([None, channels])))


def _quantizations() -> st.SearchStrategy[Quantization]:
    return zero_points().map(lambda zero_point: Quantization(1.0, zero_point))


def convolve_call(
    kernel: Kernel, entry: ConvolutionKernel, case: OneOp, part: Part, block: int, cores: int = 1
) -> KernelCase:
    """A call with exactly the input rows that the computed rows need, and exactly the working memory."""
    op = case.op
    assert isinstance(op, FilterOp)
    in_rows, geometry = _geometry(case, part.rows)
    channels = part.channels or (0, case.output.channels)
    scratch_bytes = entry.scratch_bytes(case.graph, op, block, cores)
    scalars = (
        *(in_rows[0], in_rows[1] - in_rows[0], *part.rows),
        *(channels[0], channels[1] - channels[0]),
        *(case.input.height, case.input.width, case.input.channels),
        *(case.output.height, case.output.width, case.output.channels),
        *geometry,
        *(block, -case.input.quantization.zero_point, op.clamp.minimum, op.clamp.maximum),
        *(scratch_bytes, 0),
    )
    scales = np.array([astuple(scale) for scale in channel_scales(case.graph, op)], np.int32)
    weights = entry.pack_weights(op.filter)[slice(*channels)]
    inputs = case.inputs[0] if isinstance(op, FullyConnected) else case.rows_in(*in_rows)
    output_bytes = (part.rows[1] - part.rows[0]) * case.output.row_bytes
    return KernelCase(kernel, scalars, (inputs, weights, scales), scratch_bytes, output_bytes)


def expected_output(case: OneOp, part: Part) -> Array:
    """The reference's rows; channels that the call does not compute stay as they were."""
    rows = case.rows_out(*part.rows).reshape(-1, case.output.channels)
    begin, end = part.channels or (0, case.output.channels)
    expected = np.full_like(rows, UNWRITTEN)
    expected[:, begin:end] = rows[:, begin:end]
    return expected


def refusals(call: KernelCase) -> tuple[KernelResult, ...]:
    """What every bench answers to a call that is to be refused; nothing must be written."""
    results = tuple(bench.run(call) for bench in kernel_benches())
    for result in results:
        assert (result.output == UNWRITTEN).all(), f"{call.kernel.name} wrote something before it refused"
    return results


def _geometry(case: OneOp, out_rows: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, ...]]:
    """Input rows [begin, end), then kernel, stride, dilation, top and left padding as `ta_convolution` has them."""
    if isinstance(case.op, FullyConnected):
        return (0, 1), (1, 1, 1, 1, 1, 1, 0, 0)
    if isinstance(case.op, UpsampleConv2D | TransposeConv2D):
        return _upwards_geometry(case, case.op, out_rows)
    assert isinstance(case.op, Conv2D)
    op = case.op
    stride: Size2D = op.stride
    padding: Padding = op.padding
    rows = conv_band(case, out_rows).rows_in
    size = op.filter.kernel
    in_rows = (rows.begin, max(rows.begin, rows.end))
    return in_rows, (
        *(size.height, size.width, stride.height, stride.width, op.dilation.height, op.dilation.width),
        *(padding.top, padding.left),
    )


def _upwards_geometry(
    case: OneOp, op: UpsampleConv2D | TransposeConv2D, out_rows: tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, ...]]:
    rows = read_rows(case.graph, op, 0, RowRange(*out_rows)).rows
    if isinstance(op, UpsampleConv2D):
        return (rows.begin, rows.end), (3, 3, 1, 1, 1, 1, 1, 1)
    size, stride, padding = op.filter.kernel, op.stride, op.padding
    geometry = (size.height, size.width, stride.height, stride.width, 1, 1, padding.top, padding.left)
    return (rows.begin, rows.end), geometry
