"""`ta_depthwise_3x3_s8` against the reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.convolve_cases import Part, convolve_call, engine_filters, expected_output, refusals
from tests.support.kernel_benches import kernel_benches, small_core_benches
from tests.support.kernel_case import UNWRITTEN, Kernel, KernelCase, assert_exact
from tests.support.one_op import OneOp, bands, clamps, one_op, values, zero_points
from tests.support.own_cases import assert_exact_everywhere, with_scalar
from tinyanime.codegen.ir.ops import Clamp, Conv2D, Filter, Padding, Size2D
from tinyanime.codegen.ir.tensor import Quantization, Tensor
from tinyanime.codegen.kernels.depthwise_3x3 import DEPTHWISE_3X3

_SIDE = 3
_UNCLAMPED = Clamp()
_BLOCKS = st.sampled_from([2, 6, 16, 40, 1024])
_PC = 2
"""Benches up to here are emulated, the others are programs on the PC."""


def _call(case: OneOp, part: Part, block: int) -> KernelCase:
    return convolve_call(Kernel.DEPTHWISE_3X3, DEPTHWISE_3X3, case, part, block)


def _whole(case: OneOp) -> Part:
    return Part((0, case.output.height))


def _network(
    x: np.ndarray,
    filter_: Filter,
    stride: Size2D,
    padding: Padding,
    *,
    zero_point: int = 0,
    clamp: Clamp = _UNCLAMPED,
    out_zero_point: int = -3,
) -> OneOp:
    channels = x.shape[3]
    op = Conv2D(
        name="conv",
        inputs=("x",),
        output="y",
        filter=filter_,
        stride=stride,
        padding=padding,
        groups=channels,
        clamp=clamp,
    )
    rows = (x.shape[1] + padding.top + padding.bottom - _SIDE) // stride.height + 1
    columns = (x.shape[2] + padding.left + padding.right - _SIDE) // stride.width + 1
    out = Tensor("y", (1, rows, columns, channels), Quantization(1.0, out_zero_point))
    return one_op(op, (x,), (Quantization(1.0, zero_point),), out)


@st.composite
def _depthwise(draw: st.DrawFn) -> OneOp:
    """Both strides in each direction; padding on any side, none, and that of one row's end that is
    the next row's begin."""
    stride = Size2D(draw(st.sampled_from([1, 2])), draw(st.sampled_from([1, 2])))
    padding = draw(st.sampled_from([Padding(1, 1, 1, 1), Padding(0, 0, 1, 1), Padding(0, 0, 0, 0), None]))
    if padding is None:
        padding = Padding(*(draw(st.integers(0, _SIDE - 1)) for _ in range(4)))
    height = draw(st.integers(max(1, _SIDE - padding.top - padding.bottom), 9))
    width = draw(st.integers(max(1, _SIDE - padding.left - padding.right), 11))
    channels = draw(st.sampled_from([4, 8, 12]))
    x = values(draw, (1, height, width, channels))
    filter_ = draw(engine_filters(channels, Size2D(_SIDE, _SIDE), 1))
    zero_point = draw(zero_points())
    return _network(x, filter_, stride, padding, zero_point=zero_point, clamp=draw(clamps()), out_zero_point=-7)


@st.composite
def _parts(draw: st.DrawFn, case: OneOp) -> Part:
    """Some rows; some whole groups of 4 channels."""
    groups = case.output.channels // 4
    first = draw(st.integers(0, groups - 1))
    return Part(draw(bands(case.output.height)), (4 * first, 4 * draw(st.integers(first + 1, groups))))


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_any_part_of_a_depthwise_3x3_convolution_equals_the_reference(data: st.DataObject) -> None:
    case = data.draw(_depthwise())
    part, block = data.draw(_parts(case)), data.draw(_BLOCKS)
    assert_exact_everywhere(_call(case, part, block), expected_output(case, part))


@pytest.mark.slow
@settings(max_examples=1500, deadline=None)
@given(data=st.data())
def test_many_parts_of_depthwise_3x3_convolutions_equal_the_reference(data: st.DataObject) -> None:
    case = data.draw(_depthwise())
    part, block = data.draw(_parts(case)), data.draw(_BLOCKS)
    assert_exact_everywhere(_call(case, part, block), expected_output(case, part))


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_part_on_a_core_without_dsp_instructions_equals_the_reference(data: st.DataObject) -> None:
    case = data.draw(_depthwise())
    part, block = data.draw(_parts(case)), data.draw(_BLOCKS)
    for bench in small_core_benches():
        assert_exact(bench, _call(case, part, block), expected_output(case, part))


@settings(max_examples=12, deadline=None)
@given(_depthwise(), _BLOCKS)
def test_the_rows_computed_one_by_one_equal_the_reference(case: OneOp, block: int) -> None:
    for row in range(case.output.height):
        part = Part((row, row + 1))
        for bench in kernel_benches()[_PC:]:
            assert_exact(bench, _call(case, part, block), expected_output(case, part))


def _case(
    x: np.ndarray, weights: np.ndarray, zero_point: int = 0, *, stride: int = 1, clamp: Clamp = _UNCLAMPED
) -> OneOp:
    """A scale under which extreme sums still differ."""
    channels = len(weights)
    filter_ = Filter(
        weights[..., np.newaxis], np.full(channels, 0.9 / (255.0 * 9)), np.arange(channels, dtype=np.int32)
    )
    padding = Padding(1, 1, 1, 1)
    return _network(x, filter_, Size2D(stride, stride), padding, zero_point=zero_point, clamp=clamp)


def _filled(shape: tuple[int, ...], value: int | None, low: int) -> np.ndarray:
    if value is not None:
        return np.full(shape, value, np.int8)
    return np.where(np.indices(shape).sum(axis=0) % 2, 127, low).astype(np.int8)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("weight", [-127, 127, None])
@pytest.mark.parametrize("value", [-128, 127, None])
def test_extreme_values_equal_the_reference(stride: int, weight: int | None, value: int | None) -> None:
    """None: the two ends of the range in turn."""
    weights = _filled((8, _SIDE, _SIDE), weight, -127)
    for zero_point in (-128, 127, 0, 33):
        case = _case(_filled((1, 6, 7, 8), value, -128), weights, zero_point, stride=stride)
        assert_exact_everywhere(_call(case, _whole(case), 28), case.expected)


@pytest.mark.parametrize("clamp", [Clamp(-128, 127), Clamp(-3, 127), Clamp(-128, 5), Clamp(7, 7), Clamp(-20, 20)])
def test_clamped_results_equal_the_reference(clamp: Clamp) -> None:
    random = np.random.default_rng(3)
    x = random.integers(-128, 128, (1, 5, 9, 8), np.int8)
    case = _case(x, random.integers(-127, 128, (8, _SIDE, _SIDE), np.int8), clamp=clamp)
    assert_exact_everywhere(_call(case, _whole(case), 18), case.expected)


def _plain_case() -> OneOp:
    random = np.random.default_rng(0)
    x = random.integers(-128, 128, (1, 6, 6, 8), np.int8)
    return _case(x, random.integers(-127, 128, (8, _SIDE, _SIDE), np.int8))


# Scalars: 0 in_row_begin, 1 in_rows, 2 and 3 output rows, 4 first_channel, 5 channels, 6 to 8 input, 9 to 11 output,
# 12 to 17 kernel, stride, dilation, 18 and 19 padding, 20 block, 21 in_offset, 22 and 23 clamp, 24 working memory.
@pytest.mark.parametrize("index", [5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 20])
def test_a_size_of_zero_is_refused(index: int) -> None:
    case = _plain_case()
    for result in refusals(with_scalar(_call(case, _whole(case), 36), index, 0)):
        assert result.status == 1


@pytest.mark.parametrize(
    ("index", "value"),
    [
        *[(1, 7), (2, 7), (3, 7), (4, 2), (4, 4), (5, 9), (5, 6), (8, 9), (11, 4), (12, 2), (12, 5), (13, 1), (13, 5)],
        *[(14, 3), (15, 3), (16, 2), (17, 2), (20, 3), (20, 1026), (21, -128), (21, 129), (22, 127), (23, -128)],
    ],
)
def test_parameters_out_of_range_are_refused(index: int, value: int) -> None:
    case = _plain_case()
    call = with_scalar(_call(case, _whole(case), 36), 22, -10)
    for result in refusals(with_scalar(with_scalar(call, 23, 10), index, value)):
        assert result.status == 1


@pytest.mark.parametrize(("begin", "count"), [(2, 3), (1, 2), (4, 2)])
def test_rows_that_windows_need_and_are_not_there_are_refused(begin: int, count: int) -> None:
    """Output rows 2 and 3 need input rows 1 to 4."""
    case = _plain_case()
    call = _call(case, Part((2, 4)), 36)
    assert call.scalars[:2] == (1, 4)
    for result in refusals(with_scalar(with_scalar(call, 0, begin), 1, count)):
        assert result.status == 1


def test_too_little_working_memory_is_refused() -> None:
    case = _plain_case()
    call = _call(case, _whole(case), 36)
    for result in refusals(with_scalar(call, 24, call.scratch_bytes - 1)):
        assert result.status == 2


@settings(max_examples=40, deadline=None)
@given(_depthwise(), st.sampled_from([2, 6, 64, 1024]))
def test_the_working_memory_is_the_one_that_the_compiler_plans(case: OneOp, block: int) -> None:
    call = with_scalar(_call(case, _whole(case), block), 25, 1)
    for bench in kernel_benches()[1:3]:
        assert bench.run(KernelCase(call.kernel, call.scalars)).status == call.scratch_bytes


def test_no_rows_are_no_work() -> None:
    case = _plain_case()
    call = with_scalar(_call(case, _whole(case), 36), 3, 0)
    for bench in kernel_benches():
        result = bench.run(call)
        assert result.status == 0
        assert (result.output == UNWRITTEN).all()
