"""`ta_resize_nearest_s8` against the reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.kernel_case import Kernel, KernelCase
from tests.support.one_op import OneOp, bands, one_op, values
from tests.support.own_cases import (
    assert_exact_everywhere,
    assert_refused_everywhere,
    row_band_call,
    with_scalar,
)
from tinyanime.codegen.ir.ops import ResizeNearest, Size2D
from tinyanime.codegen.ir.tensor import Quantization, Tensor


@st.composite
def _resizes(draw: st.DrawFn) -> OneOp:
    height, width, channels = draw(st.integers(1, 6)), draw(st.integers(1, 6)), draw(st.integers(1, 9))
    factor = Size2D(draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    op = ResizeNearest(name="resize", inputs=("x",), output="y", factor=factor)
    one = Quantization(1.0, 0)
    shape = (1, height * factor.height, width * factor.width, channels)
    return one_op(op, (values(draw, (1, height, width, channels)),), (one,), Tensor("y", shape, one))


@settings(max_examples=60, deadline=None)
@given(st.data(), _resizes())
def test_bands_of_a_resized_map_equal_the_reference(data: st.DataObject, case: OneOp) -> None:
    begin, end = data.draw(bands(case.output.height))
    assert isinstance(case.op, ResizeNearest)
    factor = case.op.factor
    parameters = (case.input.width, case.input.channels, factor.height, factor.width)
    in_rows = begin // factor.height, (end - 1) // factor.height + 1
    call = row_band_call(Kernel.RESIZE_NEAREST, case, in_rows, (begin, end), parameters)
    assert_exact_everywhere(call, case.rows_out(begin, end))


# Scalars: in_row_begin, out_row_begin, out_row_end, width, channels, factor_height, factor_width.
@pytest.mark.parametrize(("index", "value"), [(0, 2), (1, 5), (3, 0), (4, 0), (5, 0), (6, 0)])
def test_parameters_out_of_range_are_refused(index: int, value: int) -> None:
    good = KernelCase(Kernel.RESIZE_NEAREST, (1, 2, 4, 2, 3, 2, 2), (np.zeros(6, np.int8),), 0, 24)
    assert_exact_everywhere(good, np.zeros(24, np.int8))
    assert_refused_everywhere(with_scalar(good, index, value))
