"""`ta_convolve_direct_s8` against the reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.convolve_cases import (
    Part,
    convolve_call,
    engine_convolutions,
    engine_filters,
    expected_output,
    parts,
    refusals,
)
from tests.support.kernel_benches import kernel_benches, small_core_benches
from tests.support.kernel_case import Array, Kernel, KernelCase, assert_exact
from tests.support.one_op import OneOp, clamps, one_op, values
from tests.support.own_cases import with_scalar
from tinyanime.codegen.ir.ops import Clamp, Conv2D, Filter, FullyConnected, Padding, Size2D
from tinyanime.codegen.ir.tensor import Quantization, Tensor
from tinyanime.codegen.kernels.direct import DIRECT

_BLOCKS = st.sampled_from([2, 4, 6, 10, 16, 64])
_UNCLAMPED, _UNPADDED = Clamp(), Padding()
_PC = 2
"""Benches up to here are emulated, the others are programs on the PC."""


def _call(case: OneOp, part: Part, block: int) -> KernelCase:
    return convolve_call(Kernel.CONVOLVE_DIRECT, DIRECT, case, part, block)


def _assert_exact_everywhere(call: KernelCase, expected: Array) -> None:
    for bench in (*kernel_benches(), *small_core_benches()):
        assert_exact(bench, call, expected)


def _whole(case: OneOp) -> Part:
    return Part((0, case.output.height))


def _case(
    x: Array, weights: Array, zero_point: int, *, clamp: Clamp = _UNCLAMPED, padding: Padding = _UNPADDED
) -> OneOp:
    """Stride 1; a scale under which extreme sums still differ."""
    size = Size2D(weights.shape[1], weights.shape[2])
    count = weights.shape[0]
    scales = np.full(count, 0.9 / (255.0 * np.prod(weights.shape[1:])))
    op = Conv2D(
        name="conv",
        inputs=("x",),
        output="y",
        filter=Filter(weights, scales, np.zeros(count, np.int32)),
        padding=padding,
        clamp=clamp,
    )
    height = x.shape[1] + padding.top + padding.bottom - size.height + 1
    width = x.shape[2] + padding.left + padding.right - size.width + 1
    out = Tensor("y", (1, height, width, count), Quantization(1.0, -3))
    return one_op(op, (x,), (Quantization(1.0, zero_point),), out)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_any_part_of_a_convolution_equals_the_reference(data: st.DataObject) -> None:
    case = data.draw(engine_convolutions())
    part, block = data.draw(parts(case)), data.draw(_BLOCKS)
    _assert_exact_everywhere(_call(case, part, block), expected_output(case, part))


@pytest.mark.slow
@settings(max_examples=1500, deadline=None)
@given(data=st.data())
def test_many_parts_of_convolutions_equal_the_reference(data: st.DataObject) -> None:
    case = data.draw(engine_convolutions())
    part, block = data.draw(parts(case)), data.draw(_BLOCKS)
    _assert_exact_everywhere(_call(case, part, block), expected_output(case, part))


@settings(max_examples=12, deadline=None)
@given(engine_convolutions(), _BLOCKS)
def test_the_rows_computed_one_by_one_equal_the_reference(case: OneOp, block: int) -> None:
    for row in range(case.output.height):
        part = Part((row, row + 1))
        for bench in kernel_benches()[_PC:]:
            assert_exact(bench, _call(case, part, block), expected_output(case, part))


@pytest.mark.parametrize("weight", [-127, 127, None])
@pytest.mark.parametrize("value", [-128, 127, None])
@pytest.mark.parametrize("zero_point", [-128, 127, 0])
def test_extreme_values_equal_the_reference(weight: int | None, value: int | None, zero_point: int) -> None:
    """None: the two ends of the range in turn."""
    weights = _filled((5, 3, 3, 33), weight, -127)
    case = _case(_filled((1, 4, 5, 33), value, -128), weights, zero_point, padding=Padding(1, 1, 1, 1))
    _assert_exact_everywhere(_call(case, _whole(case), 8), case.expected)


def _filled(shape: tuple[int, ...], value: int | None, low: int) -> Array:
    if value is not None:
        return np.full(shape, value, np.int8)
    return np.where(np.indices(shape).sum(axis=0) % 2, 127, low).astype(np.int8)


@pytest.mark.parametrize("words", [2, 14, 16, 18, 32, 34])
def test_every_remainder_of_the_unrolled_products_equals_the_reference(words: int) -> None:
    random = np.random.default_rng(words)
    for channels in (2 * words, 2 * words - 1):
        x = random.integers(-128, 128, (1, 1, 5, channels), np.int8)
        case = _case(x, random.integers(-127, 128, (8, 1, 1, channels), np.int8), 17)
        _assert_exact_everywhere(_call(case, _whole(case), 4), case.expected)


@pytest.mark.parametrize(
    "clamp",
    # Of -20 and 19, as of -128 and 127, each is the other's complement.
    [Clamp(-128, 127), Clamp(-3, 127), Clamp(-128, 5), Clamp(7, 7), Clamp(-20, 20), Clamp(-20, 19)],
)
def test_clamped_words_and_bytes_equal_the_reference(clamp: Clamp) -> None:
    random = np.random.default_rng(3)
    x = random.integers(-128, 128, (1, 3, 7, 8), np.int8)
    case = _case(x, random.integers(-127, 128, (7, 1, 1, 8), np.int8), 0, clamp=clamp)
    assert len(np.unique(case.expected)) == 1 or clamp != Clamp(7, 7)
    _assert_exact_everywhere(_call(case, _whole(case), 6), case.expected)


@st.composite
def _fully_connected(draw: st.DrawFn) -> OneOp:
    inputs, outputs = draw(st.integers(1, 70)), draw(st.integers(1, 11))
    op = FullyConnected(
        name="fc",
        inputs=("x",),
        output="y",
        filter=draw(engine_filters(outputs, Size2D(1, 1), inputs)),
        clamp=draw(clamps()),
    )
    x = values(draw, (1, inputs))
    return one_op(op, (x,), (Quantization(1.0, 5),), Tensor("y", (1, outputs), Quantization(1.0, -9)))


@settings(max_examples=20, deadline=None)
@given(_fully_connected())
def test_a_fully_connected_layer_equals_the_reference(case: OneOp) -> None:
    _assert_exact_everywhere(_call(case, Part((0, 1)), 2), case.expected)


def _plain_case() -> OneOp:
    random = np.random.default_rng(0)
    x = random.integers(-128, 128, (1, 6, 6, 4), np.int8)
    return _case(x, random.integers(-127, 128, (8, 3, 3, 4), np.int8), 0, padding=Padding(1, 1, 1, 1))


# Scalars: 0 in_row_begin, 1 in_rows, 2 and 3 output rows, 4 first_channel, 5 channels, 6 to 8 input, 9 to 11 output,
# 12 to 17 kernel, stride, dilation, 18 and 19 padding, 20 block, 21 in_offset, 22 and 23 clamp, 24 working memory.
@pytest.mark.parametrize("index", [5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 20])
def test_a_size_of_zero_is_refused(index: int) -> None:
    case = _plain_case()
    for result in refusals(with_scalar(_call(case, _whole(case), 4), index, 0)):
        assert result.status == 1


@pytest.mark.parametrize(
    ("index", "value"),
    [(1, 7), (2, 7), (3, 7), (4, 2), (4, 4), (5, 9), (20, 3), (20, 1026), (21, -128), (21, 129), (22, 127), (23, -128)],
)
def test_parameters_out_of_range_are_refused(index: int, value: int) -> None:
    case = _plain_case()
    call = with_scalar(_call(case, _whole(case), 4), 22, -10)
    for result in refusals(with_scalar(with_scalar(call, 23, 10), index, value)):
        assert result.status == 1


@pytest.mark.parametrize(("begin", "count"), [(2, 3), (1, 2), (4, 2)])
def test_rows_that_windows_need_and_are_not_there_are_refused(begin: int, count: int) -> None:
    """Output rows 2 and 3 need input rows 1 to 4."""
    case = _plain_case()
    call = _call(case, Part((2, 4)), 4)
    assert call.scalars[:2] == (1, 4)
    for result in refusals(with_scalar(with_scalar(call, 0, begin), 1, count)):
        assert result.status == 1


def test_a_window_of_too_many_elements_is_refused() -> None:
    case = _plain_case()
    call = with_scalar(with_scalar(_call(case, _whole(case), 4), 12, 129), 13, 129)
    for result in refusals(call):
        assert result.status == 1


@pytest.mark.parametrize("axis", [0, 1])
def test_windows_whose_positions_leave_int32_are_refused(axis: int) -> None:
    """65535 outputs 65535 apart; other parameters are such that only the positions are wrong."""
    case = _plain_case()
    call = with_scalar(with_scalar(_call(case, Part((0, 1)), 4), 9 + axis, 65535), 14 + axis, 65535)
    for result in refusals(call):
        assert result.status == 1


def test_too_little_working_memory_is_refused() -> None:
    case = _plain_case()
    call = _call(case, _whole(case), 4)
    for result in refusals(with_scalar(call, 24, call.scratch_bytes - 1)):
        assert result.status == 2


@settings(max_examples=40, deadline=None)
@given(engine_convolutions(), st.sampled_from([2, 6, 64, 1024]))
def test_the_working_memory_is_the_one_that_the_compiler_plans(case: OneOp, block: int) -> None:
    call = with_scalar(_call(case, _whole(case), block), 25, 1)
    for bench in kernel_benches()[1:3]:
        assert bench.run(KernelCase(call.kernel, call.scalars)).status == call.scratch_bytes
