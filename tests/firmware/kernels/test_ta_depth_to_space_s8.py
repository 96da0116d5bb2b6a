"""`ta_depth_to_space_s8` against the reference."""

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
from tinyanime.codegen.ir.ops import DepthToSpace, DepthToSpaceMode
from tinyanime.codegen.ir.tensor import Quantization, Tensor


@st.composite
def _cases(draw: st.DrawFn) -> OneOp:
    height, width, block = draw(st.integers(1, 5)), draw(st.integers(1, 5)), draw(st.sampled_from([1, 2, 2, 3]))
    channels = draw(st.sampled_from([1, 2, 3, 4, 5, 8, 12]))
    mode = draw(st.sampled_from(DepthToSpaceMode))
    op = DepthToSpace(name="d2s", inputs=("x",), output="y", block=block, mode=mode)
    one = Quantization(1.0, 0)
    x = values(draw, (1, height, width, channels * block * block))
    return one_op(op, (x,), (one,), Tensor("y", (1, height * block, width * block, channels), one))


@settings(max_examples=60, deadline=None)
@given(st.data(), _cases())
def test_bands_of_depth_to_space_equal_the_reference(data: st.DataObject, case: OneOp) -> None:
    begin, end = data.draw(bands(case.output.height))
    op = case.op
    assert isinstance(op, DepthToSpace)
    parameters = (
        *(case.input.width, case.input.channels, op.block),
        0 if op.mode is DepthToSpaceMode.DCR else 1,
    )
    in_rows = begin // op.block, (end - 1) // op.block + 1
    call = row_band_call(Kernel.DEPTH_TO_SPACE, case, in_rows, (begin, end), parameters)
    assert_exact_everywhere(call, case.rows_out(begin, end))


# Scalars: in_row_begin, out_row_begin, out_row_end, width, channels, block, mode.
@pytest.mark.parametrize(("index", "value"), [(0, 2), (1, 5), (3, 0), (4, 0), (4, 6), (5, 0), (6, 2)])
def test_parameters_out_of_range_are_refused(index: int, value: int) -> None:
    good = KernelCase(Kernel.DEPTH_TO_SPACE, (1, 2, 4, 2, 8, 2, 0), (np.zeros(16, np.int8),), 0, 16)
    assert_exact_everywhere(good, np.zeros(16, np.int8))
    assert_refused_everywhere(with_scalar(good, index, value))
