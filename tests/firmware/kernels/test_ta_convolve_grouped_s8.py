"""`ta_convolve_grouped_s8` against the reference, for any number of groups."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.cmsis_cases import conv_band
from tests.support.kernel_case import Kernel, KernelCase
from tests.support.one_op import OneOp, bands, convolutions
from tests.support.own_cases import (
    assert_exact_everywhere,
    assert_refused_everywhere,
    own_convolution_call,
    with_scalar,
)


def _call(case: OneOp, out_rows: tuple[int, int]) -> KernelCase:
    rows = conv_band(case, out_rows).rows_in
    return own_convolution_call(Kernel.CONVOLVE_GROUPED, case, (rows.begin, rows.end), out_rows)


@pytest.mark.parametrize("groups", ["any", "depthwise", "one"])
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_bands_of_a_convolution_equal_the_reference(groups: str, data: st.DataObject) -> None:
    case = data.draw(convolutions(groups=groups))
    out_rows = data.draw(bands(case.output.height))
    assert_exact_everywhere(_call(case, out_rows), case.rows_out(*out_rows))


@settings(max_examples=30, deadline=None)
@given(st.data(), convolutions(groups="any"))
def test_a_band_that_needs_rows_above_its_input_is_refused(data: st.DataObject, case: OneOp) -> None:
    out_rows = data.draw(bands(case.output.height))
    call = _call(case, out_rows)
    if _first_row_read(case, out_rows) < case.input.height:
        assert_refused_everywhere(with_scalar(call, 0, _first_row_read(case, out_rows) + 1))


def _first_row_read(case: OneOp, out_rows: tuple[int, int]) -> int:
    """Smallest input row that any window of the band touches; the map's height where none does."""
    call = _call(case, out_rows)
    height, stride, dilation, top = (call.scalars[index] for index in (3, 10, 12, 14))
    kernel = call.scalars[8]
    rows = (row * stride - top + tap * dilation for row in range(*out_rows) for tap in range(kernel))
    return min((row for row in rows if 0 <= row < height), default=height)


# Scalars from index 3: in_height, in_width, in_channels, out_width, out_channels, kernel (2), stride (2),
# dilation (2), pad_top, pad_left, groups, in_offset, out_offset, minimum, maximum.
@pytest.mark.parametrize("index", [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16])
@settings(max_examples=2, deadline=None)
@given(data=st.data())
def test_a_size_of_zero_is_refused(index: int, data: st.DataObject) -> None:
    case = data.draw(convolutions(groups="any"))
    assert_refused_everywhere(with_scalar(_call(case, (0, case.output.height)), index, 0))


@pytest.mark.parametrize(("index", "value"), [(16, 60), (17, 129), (17, -128), (18, 128), (19, -129), (20, 128)])
@settings(max_examples=2, deadline=None)
@given(data=st.data())
def test_parameters_out_of_range_are_refused(index: int, value: int, data: st.DataObject) -> None:
    case = data.draw(convolutions(groups="any"))
    assert_refused_everywhere(with_scalar(_call(case, (0, case.output.height)), index, value))
