"""`ta_depthwise_s8` against the reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.convolve_cases import Part, convolve_call, engine_filters, expected_output, refusals
from tests.support.kernel_benches import kernel_benches, small_core_benches
from tests.support.kernel_case import UNWRITTEN, Kernel, KernelCase, assert_exact
from tests.support.one_op import OneOp, Window, bands, clamps, one_op, values, windows, zero_points
from tests.support.own_cases import assert_exact_everywhere, with_scalar
from tinyanime.codegen.ir.ops import Clamp, Conv2D, Filter, Padding, Size2D
from tinyanime.codegen.ir.tensor import Quantization, Tensor
from tinyanime.codegen.kernels.depthwise import DEPTHWISE

_BLOCKS = st.sampled_from([2, 4, 6, 10, 16, 64])
_UNCLAMPED, _UNPADDED = Clamp(), Padding()
_PC = 2
"""Benches up to here are emulated, the others are programs on the PC."""


def _call(case: OneOp, part: Part, block: int) -> KernelCase:
    return convolve_call(Kernel.DEPTHWISE_CONVOLVE, DEPTHWISE, case, part, block)


def _whole(case: OneOp) -> Part:
    return Part((0, case.output.height))


@st.composite
def _depthwise(draw: st.DrawFn, kernels: st.SearchStrategy[int | None]) -> OneOp:
    """Any window, or a square kernel of the given side with strides 1 and 2."""
    window, side = draw(windows(dilated=False)), draw(kernels)
    if side is not None:
        window = draw(_square_windows(side))
    channels = draw(st.sampled_from([1, 2, 3, 4, 4, 5, 8, 8, 11]))
    filter_ = draw(engine_filters(channels, window.kernel, 1))
    op = Conv2D(
        name="conv",
        inputs=("x",),
        output="y",
        filter=filter_,
        stride=window.stride,
        padding=window.padding,
        groups=channels,
        clamp=draw(clamps()),
    )
    x = values(draw, (1, window.in_size.height, window.in_size.width, channels))
    out = Tensor("y", (1, window.out_size.height, window.out_size.width, channels), Quantization(1.0, -7))
    return one_op(op, (x,), (Quantization(1.0, draw(zero_points())),), out)


@st.composite
def _square_windows(draw: st.DrawFn, side: int) -> Window:
    kernel, strides = Size2D(side, side), st.sampled_from([1, 2])
    pads = st.integers(0, side - 1)
    padding = Padding(draw(pads), draw(pads), draw(pads), draw(pads))
    stride = Size2D(draw(strides), draw(strides))
    size = Size2D(draw(st.integers(side, side + 6)), draw(st.integers(side, side + 9)))
    out = Size2D(
        (size.height + padding.top + padding.bottom - side) // stride.height + 1,
        (size.width + padding.left + padding.right - side) // stride.width + 1,
    )
    return Window(size, out, kernel, stride, padding, Size2D(1, 1))


@st.composite
def _parts(draw: st.DrawFn, case: OneOp) -> Part:
    """Some rows; some whole groups of 4 channels, or all from one of them on."""
    groups = case.output.channels // 4
    first = draw(st.integers(0, max(0, (case.output.channels - 1) // 4)))
    ends = [4 * group for group in range(first + 1, groups + 1)]
    end = draw(st.sampled_from([*ends, case.output.channels]))
    return Part(draw(bands(case.output.height)), (4 * first, end))


_KERNELS = st.sampled_from([None, 3, 3, 5])


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_any_part_of_a_depthwise_convolution_equals_the_reference(data: st.DataObject) -> None:
    case = data.draw(_depthwise(_KERNELS))
    part, block = data.draw(_parts(case)), data.draw(_BLOCKS)
    assert_exact_everywhere(_call(case, part, block), expected_output(case, part))


@pytest.mark.slow
@settings(max_examples=1500, deadline=None)
@given(data=st.data())
def test_many_parts_of_depthwise_convolutions_equal_the_reference(data: st.DataObject) -> None:
    case = data.draw(_depthwise(_KERNELS))
    part, block = data.draw(_parts(case)), data.draw(_BLOCKS)
    assert_exact_everywhere(_call(case, part, block), expected_output(case, part))


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_part_on_a_core_without_dsp_instructions_equals_the_reference(data: st.DataObject) -> None:
    case = data.draw(_depthwise(_KERNELS))
    part, block = data.draw(_parts(case)), data.draw(_BLOCKS)
    for bench in small_core_benches():
        assert_exact(bench, _call(case, part, block), expected_output(case, part))


@settings(max_examples=12, deadline=None)
@given(_depthwise(_KERNELS), _BLOCKS)
def test_the_rows_computed_one_by_one_equal_the_reference(case: OneOp, block: int) -> None:
    for row in range(case.output.height):
        part = Part((row, row + 1))
        for bench in kernel_benches()[_PC:]:
            assert_exact(bench, _call(case, part, block), expected_output(case, part))


def _case(
    x: np.ndarray,
    weights: np.ndarray,
    zero_point: int = 0,
    *,
    stride: int = 1,
    clamp: Clamp = _UNCLAMPED,
    padding: Padding = _UNPADDED,
) -> OneOp:
    """A scale under which extreme sums still differ."""
    count, height, width = weights.shape
    scales = np.full(count, 0.9 / (255.0 * height * width))
    op = Conv2D(
        name="conv",
        inputs=("x",),
        output="y",
        filter=Filter(weights[..., np.newaxis], scales, np.arange(count, dtype=np.int32)),
        stride=Size2D(stride, stride),
        padding=padding,
        groups=count,
        clamp=clamp,
    )
    rows = (x.shape[1] + padding.top + padding.bottom - height) // stride + 1
    columns = (x.shape[2] + padding.left + padding.right - width) // stride + 1
    out = Tensor("y", (1, rows, columns, count), Quantization(1.0, -3))
    return one_op(op, (x,), (Quantization(1.0, zero_point),), out)


@pytest.mark.parametrize("side", [3, 5])
@pytest.mark.parametrize("weight", [-127, 127, None])
@pytest.mark.parametrize("value", [-128, 127, None])
def test_extreme_values_equal_the_reference(side: int, weight: int | None, value: int | None) -> None:
    """None: the two ends of the range in turn."""
    weights = _filled((8, side, side), weight, -127)
    for zero_point in (-128, 127, 0, 33):
        case = _case(_filled((1, 6, 7, 8), value, -128), weights, zero_point, padding=Padding(1, 1, 1, 1))
        assert_exact_everywhere(_call(case, _whole(case), 8), case.expected)


def _filled(shape: tuple[int, ...], value: int | None, low: int) -> np.ndarray:
    if value is not None:
        return np.full(shape, value, np.int8)
    return np.where(np.indices(shape).sum(axis=0) % 2, 127, low).astype(np.int8)


@pytest.mark.parametrize("clamp", [Clamp(-128, 127), Clamp(-3, 127), Clamp(-128, 5), Clamp(7, 7), Clamp(-20, 20)])
@pytest.mark.parametrize("channels", [8, 7])
def test_clamped_words_and_bytes_equal_the_reference(clamp: Clamp, channels: int) -> None:
    random = np.random.default_rng(3)
    x = random.integers(-128, 128, (1, 5, 9, channels), np.int8)
    case = _case(x, random.integers(-127, 128, (channels, 3, 3), np.int8), clamp=clamp)
    assert_exact_everywhere(_call(case, _whole(case), 6), case.expected)


@pytest.mark.parametrize(("height", "width"), [(7, 1), (1, 7), (6, 6), (2, 3), (4, 5), (9, 3)])
@pytest.mark.parametrize("stride", [1, 2, 3, 7])
def test_unusual_kernels_and_strides_equal_the_reference(height: int, width: int, stride: int) -> None:
    """Strides larger than the kernel skip input rows."""
    random = np.random.default_rng(height)
    x = random.integers(-128, 128, (1, 17, 18, 4), np.int8)
    weights = random.integers(-127, 128, (4, height, width), np.int8)
    case = _case(x, weights, 5, stride=stride, padding=Padding(height // 2, width // 2, 0, width - 1))
    assert_exact_everywhere(_call(case, _whole(case), 8), case.expected)


@pytest.mark.parametrize("pad", [(0, 9), (9, 0), (6, 6)])
def test_blocks_that_lie_in_the_padding_equal_the_reference(pad: tuple[int, int]) -> None:
    random = np.random.default_rng(1)
    x = random.integers(-128, 128, (1, 3, 2, 4), np.int8)
    weights = random.integers(-127, 128, (4, 3, 3), np.int8)
    case = _case(x, weights, -128, padding=Padding(4, pad[0], 5, pad[1]))
    for block in (2, 4, 64):
        assert_exact_everywhere(_call(case, _whole(case), block), case.expected)


def _plain_case() -> OneOp:
    random = np.random.default_rng(0)
    x = random.integers(-128, 128, (1, 6, 6, 8), np.int8)
    return _case(x, random.integers(-127, 128, (8, 3, 3), np.int8), padding=Padding(1, 1, 1, 1))


# Scalars: 0 in_row_begin, 1 in_rows, 2 and 3 output rows, 4 first_channel, 5 channels, 6 to 8 input, 9 to 11 output,
# 12 to 17 kernel, stride, dilation, 18 and 19 padding, 20 block, 21 in_offset, 22 and 23 clamp, 24 working memory.
@pytest.mark.parametrize("index", [5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 20])
def test_a_size_of_zero_is_refused(index: int) -> None:
    case = _plain_case()
    for result in refusals(with_scalar(_call(case, _whole(case), 4), index, 0)):
        assert result.status == 1


@pytest.mark.parametrize(
    ("index", "value"),
    [
        *[(1, 7), (2, 7), (3, 7), (4, 2), (4, 4), (5, 9), (5, 6), (8, 9), (11, 4), (12, 256), (13, 256), (14, 256)],
        *[(15, 256), (16, 2), (17, 2), (20, 3), (20, 1026), (21, -128), (21, 129), (22, 127), (23, -128)],
    ],
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


def test_too_little_working_memory_is_refused() -> None:
    case = _plain_case()
    call = _call(case, _whole(case), 4)
    for result in refusals(with_scalar(call, 24, call.scratch_bytes - 1)):
        assert result.status == 2


@settings(max_examples=40, deadline=None)
@given(_depthwise(_KERNELS), st.sampled_from([2, 6, 64, 1024]))
def test_the_working_memory_is_the_one_that_the_compiler_plans(case: OneOp, block: int) -> None:
    call = with_scalar(_call(case, _whole(case), block), 25, 1)
    for bench in kernel_benches()[1:3]:
        assert bench.run(KernelCase(call.kernel, call.scalars)).status == call.scratch_bytes


def test_no_rows_are_no_work() -> None:
    case = _plain_case()
    call = with_scalar(_call(case, _whole(case), 4), 3, 0)
    for bench in kernel_benches():
        result = bench.run(call)
        assert result.status == 0
        assert (result.output == UNWRITTEN).all()
