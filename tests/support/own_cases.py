"""Calls of our own kernels (firmware/kernels) for bands of one-operator networks."""

from __future__ import annotations

from tests.support.cmsis_cases import quantization_arrays
from tests.support.kernel_benches import kernel_benches
from tests.support.kernel_case import Array, Kernel, KernelCase, assert_exact, assert_refused
from tests.support.one_op import OneOp
from tinyanime.codegen.ir.ops import Conv2D, Size2D, TransposeConv2D
from tinyanime.codegen.ir.quantization import Multiplier
from tinyanime.codegen.ir.rescale import RescaleParameters

Int8Values = Array


def assert_exact_everywhere(call: KernelCase, expected: Int8Values) -> None:
    """`assert_exact` on every bench."""
    for bench in kernel_benches():
        assert_exact(bench, call, expected)


def assert_refused_everywhere(call: KernelCase) -> None:
    """`assert_refused` on every bench."""
    for bench in kernel_benches():
        assert_refused(bench, call)


def rescale_scalars(parameters: RescaleParameters) -> tuple[int, ...]:
    """Fields of a `ta_rescale`."""
    multiplier, clamp = parameters.multiplier, parameters.clamp
    zero_points = parameters.in_zero_point, parameters.out_zero_point
    return (
        *(zero_points[0], multiplier.mantissa, multiplier.shift),
        *(zero_points[1], clamp.minimum, clamp.maximum),
    )


def pair(multiplier: Multiplier) -> tuple[int, int]:
    """Mantissa and shift, as they follow each other in parameter structures."""
    return multiplier.mantissa, multiplier.shift


def row_band_call(
    kernel: Kernel,
    case: OneOp,
    in_rows: tuple[int, int],
    out_rows: tuple[int, int],
    parameters: tuple[int, ...],
    constants: tuple[Array, ...] = (),
) -> KernelCase:
    """A kernel that takes (in_row_begin, out_row_begin, out_row_end), then `parameters`.

    The input holds rows [begin, end) of the map only, so that an access to any other row is noticed.
    """
    return KernelCase(
        kernel,
        (in_rows[0], *out_rows, *parameters),
        (case.rows_in(*in_rows), *constants),
        0,
        (out_rows[1] - out_rows[0]) * case.output.row_bytes,
    )


def own_convolution_call(
    kernel: Kernel, case: OneOp, in_rows: tuple[int, int], out_rows: tuple[int, int]
) -> KernelCase:
    """`ta_convolve_grouped_s8` or `ta_transpose_conv_s8`."""
    op = case.op
    assert isinstance(op, Conv2D | TransposeConv2D)
    dilation, groups = (op.dilation, op.groups) if isinstance(op, Conv2D) else (Size2D(1, 1), 1)
    size = op.filter.kernel
    parameters = (
        *(case.input.height, case.input.width, case.input.channels, case.output.width, case.output.channels),
        *(size.height, size.width, op.stride.height, op.stride.width, dilation.height, dilation.width),
        *(op.padding.top, op.padding.left, groups),
        *(-case.input.quantization.zero_point, case.output.quantization.zero_point),
        *(op.clamp.minimum, op.clamp.maximum),
    )
    constants = (op.filter.values, op.filter.bias, *quantization_arrays(case, op))
    return row_band_call(kernel, case, in_rows, out_rows, parameters, constants)


def with_scalar(call: KernelCase, index: int, value: int) -> KernelCase:
    """The same call with one scalar replaced."""
    scalars = (*call.scalars[:index], value, *call.scalars[index + 1 :])
    return KernelCase(call.kernel, scalars, call.inputs, call.scratch_bytes, call.output_bytes)
