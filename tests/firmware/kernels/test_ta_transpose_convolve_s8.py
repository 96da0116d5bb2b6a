"""`ta_transpose_convolve_s8` against the reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.support.convolve_cases import Part, convolve_call, engine_filters, expected_output, parts, refusals
from tests.support.kernel_benches import kernel_benches, small_core_benches
from tests.support.kernel_case import Kernel, KernelCase, assert_exact
from tests.support.one_op import OneOp, clamps, one_op, values, zero_points
from tests.support.own_cases import with_scalar
from tinyanime.codegen.ir.ops import Filter, Padding, Size2D, TransposeConv2D
from tinyanime.codegen.ir.tensor import Quantization, Tensor
from tinyanime.codegen.kernels.transpose import TRANSPOSE_CONVOLVE

_BLOCKS = st.sampled_from([2, 4, 6, 10, 16, 64])


@st.composite
def _transposed(draw: st.DrawFn) -> OneOp:
    """Strides below and above the kernel: phases without taps, with one and with several."""
    kernel = Size2D(draw(st.integers(1, 5)), draw(st.integers(1, 5)))
    stride = Size2D(draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    height, width = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    padding = Padding(*(draw(st.integers(0, limit - 1)) for limit in (kernel.height, kernel.width) * 2))
    extra = Size2D(draw(st.integers(0, stride.height - 1)), draw(st.integers(0, stride.width - 1)))
    rows = (height - 1) * stride.height + kernel.height - padding.top - padding.bottom + extra.height
    columns = (width - 1) * stride.width + kernel.width - padding.left - padding.right + extra.width
    assume(rows > 0 and columns > 0)
    in_channels, out_channels = draw(st.sampled_from([1, 2, 3, 4, 7, 8, 12])), draw(st.integers(1, 9))
    op = TransposeConv2D(
        name="deconv",
        inputs=("x",),
        output="y",
        filter=draw(engine_filters(out_channels, kernel, in_channels)),
        stride=stride,
        padding=padding,
        output_padding=extra,
        clamp=draw(clamps()),
    )
    x = values(draw, (1, height, width, in_channels))
    out = Tensor("y", (1, rows, columns, out_channels), Quantization(1.0, draw(zero_points())))
    return one_op(op, (x,), (Quantization(1.0, draw(zero_points())),), out)


def _call(case: OneOp, part: Part, block: int) -> KernelCase:
    return convolve_call(Kernel.TRANSPOSE_CONVOLVE, TRANSPOSE_CONVOLVE, case, part, block)


def _assert_exact_everywhere(call: KernelCase, expected: np.ndarray) -> None:
    """On the small cores too."""
    for bench in (*kernel_benches(), *small_core_benches()):
        assert_exact(bench, call, expected)


def _whole(case: OneOp) -> Part:
    return Part((0, case.output.height))


def _case(x: np.ndarray, weights: np.ndarray, zero_point: int, stride: int = 2) -> OneOp:
    """Padding 1 on all sides; a scale under which extreme sums still differ."""
    count, height, width, _ = weights.shape
    scales = np.full(count, 0.9 / (255.0 * weights[0].size))
    op = TransposeConv2D(
        name="deconv",
        inputs=("x",),
        output="y",
        filter=Filter(weights, scales, np.zeros(count, np.int32)),
        stride=Size2D(stride, stride),
        padding=Padding(1, 1, 1, 1),
    )
    rows, columns = (x.shape[1] - 1) * stride + height - 2, (x.shape[2] - 1) * stride + width - 2
    out = Tensor("y", (1, rows, columns, count), Quantization(1.0, -3))
    return one_op(op, (x,), (Quantization(1.0, zero_point),), out)


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_any_part_of_a_transposed_convolution_equals_the_reference(data: st.DataObject) -> None:
    case = data.draw(_transposed())
    part, block = data.draw(parts(case)), data.draw(_BLOCKS)
    _assert_exact_everywhere(_call(case, part, block), expected_output(case, part))


@pytest.mark.slow
@settings(max_examples=1500, deadline=None)
@given(data=st.data())
def test_many_parts_of_transposed_convolutions_equal_the_reference(data: st.DataObject) -> None:
    case = data.draw(_transposed())
    part, block = data.draw(parts(case)), data.draw(_BLOCKS)
    _assert_exact_everywhere(_call(case, part, block), expected_output(case, part))


@pytest.mark.parametrize("rows", [1, 2, 3])
@pytest.mark.parametrize("kernel", [3, 4])
def test_every_band_of_a_map_by_itself_equals_the_reference(rows: int, kernel: int) -> None:
    random = np.random.default_rng(rows)
    x = random.integers(-128, 128, (1, 4, 5, 8), np.int8)
    case = _case(x, random.integers(-127, 128, (5, kernel, kernel, 8), np.int8), 11)
    for begin in range(case.output.height - rows + 1):
        part = Part((begin, begin + rows))
        for bench in (*kernel_benches()[1:], *small_core_benches()):
            assert_exact(bench, _call(case, part, 4), expected_output(case, part))


@pytest.mark.parametrize("weight", [-127, 127, None])
@pytest.mark.parametrize("value", [-128, 127, None])
@pytest.mark.parametrize("zero_point", [-128, 127, 0])
def test_extreme_values_equal_the_reference(weight: int | None, value: int | None, zero_point: int) -> None:
    """None: the two ends of the range in turn."""
    weights = _filled((5, 4, 4, 32), weight, -127)
    case = _case(_filled((1, 3, 4, 32), value, -128), weights, zero_point)
    _assert_exact_everywhere(_call(case, _whole(case), 8), case.expected)


def _filled(shape: tuple[int, ...], value: int | None, low: int) -> np.ndarray:
    if value is not None:
        return np.full(shape, value, np.int8)
    return np.where(np.indices(shape).sum(axis=0) % 2, 127, low).astype(np.int8)


@pytest.mark.parametrize("stride", [1, 2, 3, 5])
def test_each_stride_equals_the_reference(stride: int) -> None:
    """At stride 5 some rows and columns meet no tap of the kernel: they are the bias."""
    random = np.random.default_rng(stride)
    x = random.integers(-128, 128, (1, 5, 9, 16), np.int8)
    case = _case(x, random.integers(-127, 128, (8, 3, 3, 16), np.int8), -128, stride)
    _assert_exact_everywhere(_call(case, _whole(case), 16), case.expected)


def _plain_case() -> OneOp:
    random = np.random.default_rng(0)
    x = random.integers(-128, 128, (1, 6, 6, 4), np.int8)
    return _case(x, random.integers(-127, 128, (8, 4, 4, 4), np.int8), 0)


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
        *((1, 7), (2, 13), (3, 13), (4, 2), (4, 4), (5, 9), (16, 2), (17, 2), (20, 3), (20, 1026)),
        *((21, -128), (21, 129), (22, 127), (23, -128)),
    ],
)
def test_parameters_out_of_range_are_refused(index: int, value: int) -> None:
    case = _plain_case()
    call = with_scalar(_call(case, _whole(case), 4), 22, -10)
    for result in refusals(with_scalar(with_scalar(call, 23, 10), index, value)):
        assert result.status == 1


def test_rows_that_are_needed_and_are_not_there_are_refused() -> None:
    """Output rows 3 to 5 meet input rows 1 to 3."""
    case = _plain_case()
    call = _call(case, Part((3, 6)), 4)
    assert call.scalars[:2] == (1, 3)
    for change in ((0, 2), (1, 2)):
        for result in refusals(with_scalar(call, *change)):
            assert result.status == 1


def test_a_window_of_too_many_elements_is_refused() -> None:
    case = _plain_case()
    for result in refusals(with_scalar(with_scalar(_call(case, _whole(case), 4), 12, 129), 13, 129)):
        assert result.status == 1


def test_too_little_working_memory_is_refused() -> None:
    case = _plain_case()
    call = _call(case, _whole(case), 4)
    for result in refusals(with_scalar(call, 24, call.scratch_bytes - 1)):
        assert result.status == 2


@settings(max_examples=30, deadline=None)
@given(_transposed(), st.sampled_from([2, 6, 64, 1024]))
def test_the_working_memory_is_the_one_that_the_compiler_plans(case: OneOp, block: int) -> None:
    call = with_scalar(_call(case, _whole(case), block), 25, 1)
    for bench in kernel_benches()[1:3]:
        assert bench.run(KernelCase(call.kernel, call.scalars)).status == call.scratch_bytes
