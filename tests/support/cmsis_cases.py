"""CMSIS-NN calls for (bands of) one-operator networks, made as generated code makes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.support.kernel_benches import kernels_are_pinned
from tests.support.kernel_case import Array, Bench, Kernel, KernelCase
from tests.support.one_op import OneOp
from tinyanime.codegen.cmsis_nn import scratch
from tinyanime.codegen.ir.ops import AveragePool, Conv2D, FullyConnected, MaxPool, Padding
from tinyanime.codegen.ir.rescale import FilterOp, conv_multipliers
from tinyanime.codegen.schedule.plan import RowRange


@dataclass(frozen=True, slots=True)
class BandCall:
    """A band as the library sees it: a map of the rows that are read, padded above where they begin outside.

    Rows below the band's last input row count as padding.
    """

    rows_in: RowRange
    rows_out: RowRange
    padding: Padding


def band_call(
    in_height: int, out_rows: tuple[int, int], kernel: int, stride: int, dilation: int, padding: Padding
) -> BandCall:
    """Input rows, and padding above and below, of output rows [begin, end)."""
    begin, end = out_rows
    first = begin * stride - padding.top
    behind = (end - 1) * stride - padding.top + (kernel - 1) * dilation + 1
    rows_in = RowRange(max(0, first), min(in_height, behind))
    above, below = max(0, -first), max(0, behind - in_height)
    return BandCall(rows_in, RowRange(begin, end), Padding(above, padding.left, below, padding.right))


def quantization_arrays(case: OneOp, op: FilterOp) -> tuple[Array, Array]:
    """Multipliers and shifts per output channel, int32."""
    multipliers = conv_multipliers(op, case.graph)
    return (
        np.array([item.mantissa for item in multipliers], np.int32),
        np.array([item.shift for item in multipliers], np.int32),
    )


def conv_band(case: OneOp, out_rows: tuple[int, int]) -> BandCall:
    op = case.op
    assert isinstance(op, Conv2D)
    kernel = op.filter.kernel
    return band_call(case.input.height, out_rows, kernel.height, op.stride.height, op.dilation.height, op.padding)


def convolution_call(case: OneOp, band: BandCall, bench: Bench) -> KernelCase:
    """`arm_convolve_wrapper_s8`, or the depthwise wrapper where the groups are the input channels (and not one)."""
    op = case.op
    assert isinstance(op, Conv2D)
    source, target, kernel = case.input, case.output, op.filter.kernel
    depthwise = op.groups > 1
    scalars = (
        *(band.rows_in.count, source.width, source.channels),
        *(band.rows_out.count, target.width, target.channels),
        *(kernel.height, kernel.width, op.stride.height, op.stride.width),
        *(band.padding.top, band.padding.left, op.dilation.height, op.dilation.width),
        *(-source.quantization.zero_point, target.quantization.zero_point, op.clamp.minimum, op.clamp.maximum),
    )
    weights = op.filter.values[:, :, :, 0].transpose(1, 2, 0) if depthwise else op.filter.values
    if depthwise:
        size = scratch.depthwise_scratch_bytes(source.channels, target.channels, kernel, op.dilation, dsp=bench.has_dsp)
    else:
        size = scratch.convolve_scratch_bytes(
            band.rows_in.count,
            source.width,
            source.channels,
            band.rows_out.count,
            target.width,
            target.channels,
            kernel,
            op.stride,
            band.padding,
            op.dilation,
            dsp=bench.has_dsp,
            pinned=kernels_are_pinned(),
        )
    return KernelCase(
        Kernel.DEPTHWISE if depthwise else Kernel.CONVOLVE,
        scalars,
        (
            case.rows_in(band.rows_in.begin, band.rows_in.end),
            weights,
            op.filter.bias,
            *quantization_arrays(case, op),
        ),
        size,
        band.rows_out.count * target.row_bytes,
    )


def fully_connected_call(case: OneOp) -> KernelCase:
    """`arm_fully_connected_s8`; weights must have one scale."""
    op = case.op
    assert isinstance(op, FullyConnected)
    multiplier = conv_multipliers(op, case.graph)[0]
    scalars = (
        *(case.input.channels, case.output.channels),
        *(-case.input.quantization.zero_point, case.output.quantization.zero_point),
        *(op.clamp.minimum, op.clamp.maximum, multiplier.mantissa, multiplier.shift),
    )
    inputs = (case.inputs[0], op.filter.values, op.filter.bias)
    return KernelCase(Kernel.FULLY_CONNECTED, scalars, inputs, 0, case.output.size_bytes)


def fully_connected_as_convolution(case: OneOp) -> KernelCase:
    """A fully connected layer with a scale per output: a 1x1 convolution of a 1x1 map."""
    op = case.op
    assert isinstance(op, FullyConnected)
    scalars = (
        *(1, 1, case.input.channels, 1, 1, case.output.channels, 1, 1, 1, 1, 0, 0, 1, 1),
        *(-case.input.quantization.zero_point, case.output.quantization.zero_point),
        *(op.clamp.minimum, op.clamp.maximum),
    )
    inputs = (case.inputs[0], op.filter.values, op.filter.bias, *quantization_arrays(case, op))
    return KernelCase(Kernel.CONVOLVE, scalars, inputs, 0, case.output.size_bytes)


def pool_call(case: OneOp, out_rows: tuple[int, int], bench: Bench) -> KernelCase:
    """`arm_max_pool_s8` or `arm_avgpool_s8`."""
    op = case.op
    assert isinstance(op, MaxPool | AveragePool)
    band = band_call(case.input.height, out_rows, op.kernel.height, op.stride.height, 1, op.padding)
    average = isinstance(op, AveragePool)
    scalars = (
        *(band.rows_in.count, case.input.width, case.input.channels),
        *(band.rows_out.count, case.output.width),
        *(op.kernel.height, op.kernel.width, op.stride.height, op.stride.width),
        *(band.padding.top, band.padding.left, op.clamp.minimum, op.clamp.maximum),
    )
    size = scratch.average_pool_scratch_bytes(case.input.channels, dsp=bench.has_dsp) if average else 0
    return KernelCase(
        Kernel.AVERAGE_POOL if average else Kernel.MAX_POOL,
        scalars,
        (case.rows_in(band.rows_in.begin, band.rows_in.end),),
        size,
        band.rows_out.count * case.output.row_bytes,
    )
