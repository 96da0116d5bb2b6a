"""`ta_transpose_conv_s8` against the reference."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.support.kernel_case import Kernel, KernelCase
from tests.support.one_op import OneOp, bands, clamps, filters, one_op, values, zero_points
from tests.support.own_cases import (
    assert_exact_everywhere,
    assert_refused_everywhere,
    own_convolution_call,
    with_scalar,
)
from tinyanime.codegen.ir.ops import Padding, Size2D, TransposeConv2D
from tinyanime.codegen.ir.tensor import Quantization, Tensor


@st.composite
def _transposed(draw: st.DrawFn) -> OneOp:
    kernel = Size2D(draw(st.integers(1, 5)), draw(st.integers(1, 5)))
    stride = Size2D(draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    height, width = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    sides = [draw(st.integers(0, limit - 1)) for limit in (kernel.height, kernel.width) * 2]
    padding = Padding(*sides)
    extra = Size2D(draw(st.integers(0, stride.height - 1)), draw(st.integers(0, stride.width - 1)))
    rows = (height - 1) * stride.height + kernel.height - padding.top - padding.bottom + extra.height
    columns = (width - 1) * stride.width + kernel.width - padding.left - padding.right + extra.width
    assume(rows > 0 and columns > 0)
    in_channels, out_channels = draw(st.integers(1, 9)), draw(st.integers(1, 6))
    op = TransposeConv2D(
        name="deconv",
        inputs=("x",),
        output="y",
        filter=filters(draw, out_channels, kernel, in_channels),
        stride=stride,
        padding=padding,
        output_padding=extra,
        clamp=draw(clamps()),
    )
    out = Tensor("y", (1, rows, columns, out_channels), Quantization(1.0, draw(zero_points())))
    x = values(draw, (1, height, width, in_channels))
    return one_op(op, (x,), (Quantization(1.0, draw(zero_points())),), out)


def _rows_needed(case: OneOp, out_rows: tuple[int, int]) -> tuple[int, int]:
    """Input rows that reach any output row of the band."""
    op = case.op
    assert isinstance(op, TransposeConv2D)
    touched = [
        row
        for row in range(case.input.height)
        for tap in range(op.filter.kernel.height)
        if out_rows[0] <= row * op.stride.height + tap - op.padding.top < out_rows[1]
    ]
    return (min(touched), max(touched) + 1) if touched else (0, 1)


def _call(case: OneOp, out_rows: tuple[int, int]) -> KernelCase:
    return own_convolution_call(Kernel.TRANSPOSE_CONV, case, _rows_needed(case, out_rows), out_rows)


@settings(max_examples=80, deadline=None)
@given(st.data(), _transposed())
def test_bands_of_a_transposed_convolution_equal_the_reference(data: st.DataObject, case: OneOp) -> None:
    out_rows = data.draw(bands(case.output.height))
    assert_exact_everywhere(_call(case, out_rows), case.rows_out(*out_rows))


@settings(max_examples=20, deadline=None)
@given(_transposed())
def test_a_band_that_needs_rows_above_its_input_is_refused(case: OneOp) -> None:
    call = _call(case, (0, case.output.height))
    assume(case.input.height > 1 and call.inputs[0].shape[1] == case.input.height)
    assert_refused_everywhere(with_scalar(call, 0, 1))


# Dilation, groups, a stride and a kernel of zero, quantization.
@pytest.mark.parametrize(
    ("index", "value"), [(12, 2), (13, 2), (16, 2), (10, 0), (9, 0), (17, 129), (18, -129), (19, 128), (20, -129)]
)
@settings(max_examples=2, deadline=None)
@given(case=_transposed())
def test_parameters_out_of_range_are_refused(index: int, value: int, case: OneOp) -> None:
    assert_refused_everywhere(with_scalar(_call(case, (0, case.output.height)), index, value))
