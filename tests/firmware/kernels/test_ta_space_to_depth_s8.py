"""`ta_space_to_depth_s8` against the reference."""

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
from tinyanime.codegen.ir.ops import SpaceToDepth
from tinyanime.codegen.ir.tensor import Quantization, Tensor


@st.composite
def _cases(draw: st.DrawFn) -> OneOp:
    height, width, block = draw(st.integers(1, 5)), draw(st.integers(1, 5)), draw(st.integers(1, 3))
    channels = draw(st.integers(1, 6))
    op = SpaceToDepth(name="s2d", inputs=("x",), output="y", block=block)
    one = Quantization(1.0, 0)
    x = values(draw, (1, height * block, width * block, channels))
    return one_op(op, (x,), (one,), Tensor("y", (1, height, width, channels * block * block), one))


@settings(max_examples=60, deadline=None)
@given(st.data(), _cases())
def test_bands_of_space_to_depth_equal_the_reference(data: st.DataObject, case: OneOp) -> None:
    begin, end = data.draw(bands(case.output.height))
    op = case.op
    assert isinstance(op, SpaceToDepth)
    parameters = (case.input.width, case.input.channels, op.block, 0)
    in_rows = begin * op.block, end * op.block
    call = row_band_call(Kernel.SPACE_TO_DEPTH, case, in_rows, (begin, end), parameters)
    assert_exact_everywhere(call, case.rows_out(begin, end))


# Scalars: in_row_begin, out_row_begin, out_row_end, width, channels, block, mode (unused).
@pytest.mark.parametrize(("index", "value"), [(0, 3), (1, 3), (3, 0), (3, 5), (4, 0), (5, 0)])
def test_parameters_out_of_range_are_refused(index: int, value: int) -> None:
    good = KernelCase(Kernel.SPACE_TO_DEPTH, (2, 1, 2, 4, 3, 2, 0), (np.zeros(24, np.int8),), 0, 24)
    assert_exact_everywhere(good, np.zeros(24, np.int8))
    assert_refused_everywhere(with_scalar(good, index, value))
