"""`ta_upsample_convolve_s8` against the reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.convolve_cases import Part, convolve_call, engine_filters, expected_output, parts, refusals
from tests.support.kernel_benches import kernel_benches, small_core_benches
from tests.support.kernel_case import Kernel, KernelCase, assert_exact
from tests.support.one_op import OneOp, clamps, one_op, values, zero_points
from tests.support.own_cases import with_scalar
from tinyanime.codegen.ir.ops import Clamp, Filter, Size2D, UpsampleConv2D
from tinyanime.codegen.ir.tensor import Quantization, Tensor
from tinyanime.codegen.kernels.upsample import UPSAMPLE_CONVOLVE

_BLOCKS = st.sampled_from([2, 4, 6, 10, 16, 64])
FULL = Clamp()


@st.composite
def _upsamplings(draw: st.DrawFn) -> OneOp:
    """Maps of one to three tiles and a part of one, with channels that are and that are not multiples of 4."""
    height, width = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    in_channels, out_channels = draw(st.sampled_from([1, 2, 3, 4, 7, 8, 13, 20])), draw(st.integers(1, 9))
    op = UpsampleConv2D(
        name="up",
        inputs=("x",),
        output="y",
        filter=draw(engine_filters(out_channels, Size2D(3, 3), in_channels)),
        clamp=draw(clamps()),
    )
    x = values(draw, (1, height, width, in_channels))
    out = Tensor("y", (1, 2 * height, 2 * width, out_channels), Quantization(1.0, draw(zero_points())))
    return one_op(op, (x,), (Quantization(1.0, draw(zero_points())),), out)


def _call(case: OneOp, part: Part, block: int) -> KernelCase:
    return convolve_call(Kernel.UPSAMPLE_CONVOLVE, UPSAMPLE_CONVOLVE, case, part, block)


def _assert_exact_everywhere(call: KernelCase, expected: np.ndarray) -> None:
    """On the small cores too."""
    for bench in (*kernel_benches(), *small_core_benches()):
        assert_exact(bench, call, expected)


def _whole(case: OneOp) -> Part:
    return Part((0, case.output.height))


def _case(
    x: np.ndarray,
    weights: np.ndarray,
    zero_point: int,
    *,
    clamp: Clamp = FULL,
    scale: float | None = None,
    bias: int = 0,
) -> OneOp:
    """A scale under which extreme sums still differ, unless one is given."""
    count, depth = weights.shape[0], weights[0].size
    scales = np.full(count, scale or 0.9 / (255.0 * depth))
    op = UpsampleConv2D(
        name="up",
        inputs=("x",),
        output="y",
        filter=Filter(weights, scales, np.full(count, bias, np.int32)),
        clamp=clamp,
    )
    out = Tensor("y", (1, 2 * x.shape[1], 2 * x.shape[2], count), Quantization(1.0, -3))
    return one_op(op, (x,), (Quantization(1.0, zero_point),), out)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_part_of_an_upsampling_convolution_equals_the_reference(data: st.DataObject) -> None:
    case = data.draw(_upsamplings())
    part, block = data.draw(parts(case)), data.draw(_BLOCKS)
    _assert_exact_everywhere(_call(case, part, block), expected_output(case, part))


@pytest.mark.slow
@settings(max_examples=1500, deadline=None)
@given(data=st.data())
def test_many_parts_of_upsampling_convolutions_equal_the_reference(data: st.DataObject) -> None:
    case = data.draw(_upsamplings())
    part, block = data.draw(parts(case)), data.draw(_BLOCKS)
    _assert_exact_everywhere(_call(case, part, block), expected_output(case, part))


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 6])
def test_every_band_of_a_map_by_itself_equals_the_reference(rows: int) -> None:
    """From even and from odd rows, first and last ones among them."""
    random = np.random.default_rng(rows)
    x = random.integers(-128, 128, (1, 6, 5, 8), np.int8)
    case = _case(x, random.integers(-127, 128, (5, 3, 3, 8), np.int8), 11)
    for begin in range(case.output.height - rows + 1):
        part = Part((begin, begin + rows))
        for bench in (*kernel_benches()[1:], *small_core_benches()):
            assert_exact(bench, _call(case, part, 4), expected_output(case, part))


@pytest.mark.parametrize("weight", [-127, 127, None])
@pytest.mark.parametrize("value", [-128, 127, None])
@pytest.mark.parametrize("zero_point", [-128, 127, 0])
def test_extreme_values_equal_the_reference(weight: int | None, value: int | None, zero_point: int) -> None:
    """None: the two ends of the range in turn."""
    weights = _filled((5, 3, 3, 32), weight, -127)
    case = _case(_filled((1, 4, 5, 32), value, -128), weights, zero_point)
    _assert_exact_everywhere(_call(case, _whole(case), 8), case.expected)


@pytest.mark.parametrize("signs", [(1, -1), (-1, 1)])
def test_the_largest_transformed_inputs_and_weights_equal_the_reference(signs: tuple[int, int]) -> None:
    """Checkerboards of the ends: |x0 - x2| and |w0 - w2| are largest where neighbours but one differ."""
    rows = np.where(np.arange(8) // 2 % 2, *signs)
    board = np.outer(rows, rows)[None, :, :, None]
    x = np.where(np.broadcast_to(board, (1, 8, 8, 8)) > 0, 127, -128).astype(np.int8)
    taps = np.outer([1, 0, -1], [1, 0, -1])[None, :, :, None] * 127
    case = _case(x, np.broadcast_to(taps, (4, 3, 3, 8)).astype(np.int8), 127)
    _assert_exact_everywhere(_call(case, _whole(case), 4), case.expected)


@pytest.mark.parametrize("clamp", [Clamp(-128, 127), Clamp(-3, 127), Clamp(-128, 5), Clamp(7, 7), Clamp(-20, 20)])
@pytest.mark.parametrize("channels", [4, 6])
def test_clamped_words_and_bytes_equal_the_reference(clamp: Clamp, channels: int) -> None:
    random = np.random.default_rng(3)
    x = random.integers(-128, 128, (1, 3, 5, 8), np.int8)
    case = _case(x, random.integers(-127, 128, (channels, 3, 3, 8), np.int8), 0, clamp=clamp, scale=2.0**-10)
    _assert_exact_everywhere(_call(case, _whole(case), 6), case.expected)


@pytest.mark.parametrize("sign", [1, -1])
def test_sums_just_below_the_bound_are_exact_and_one_more_is_not(sign: int) -> None:
    """The bound of the compiler's proof is that of the kernel: at 2**29, four sums leave int32."""
    x = np.full((1, 3, 3, 8), 127, np.int8)
    weights = np.full((4, 3, 3, 8), 127 * sign, np.int8)
    products = 72 * 127 * 255
    below = _case(x, weights, -128, scale=2.0**-22, bias=sign * ((1 << 29) - 1 - products))
    assert UPSAMPLE_CONVOLVE.refusal(below.graph, below.op) is None
    _assert_exact_everywhere(_call(below, _whole(below), 4), below.expected)
    at = _case(x, weights, -128, scale=2.0**-22, bias=sign * ((1 << 29) - products))
    assert "2**29" not in (reason := UPSAMPLE_CONVOLVE.refusal(at.graph, at.op) or "")
    assert str(1 << 29) in reason
    if sign > 0:
        wrong = kernel_benches()[1].run(_call(at, _whole(at), 4)).output
        assert not np.array_equal(wrong, at.expected.reshape(-1))


def _filled(shape: tuple[int, ...], value: int | None, low: int) -> np.ndarray:
    if value is not None:
        return np.full(shape, value, np.int8)
    return np.where(np.indices(shape).sum(axis=0) % 2, 127, low).astype(np.int8)


def _plain_case() -> OneOp:
    random = np.random.default_rng(0)
    x = random.integers(-128, 128, (1, 6, 6, 4), np.int8)
    return _case(x, random.integers(-127, 128, (8, 3, 3, 4), np.int8), 0)


# Scalars: 0 in_row_begin, 1 in_rows, 2 and 3 output rows, 4 first_channel, 5 channels, 6 to 8 input, 9 to 11 output,
# 12 to 17 kernel, stride, dilation, 18 and 19 padding, 20 block, 21 in_offset, 22 and 23 clamp, 24 working memory.
@pytest.mark.parametrize("index", [5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20])
def test_a_size_of_zero_is_refused(index: int) -> None:
    case = _plain_case()
    for result in refusals(with_scalar(_call(case, _whole(case), 4), index, 0)):
        assert result.status == 1


@pytest.mark.parametrize(
    ("index", "value"),
    [
        *((1, 7), (2, 13), (3, 13), (4, 2), (4, 4), (5, 9), (9, 11), (10, 13), (12, 5), (13, 1), (14, 2), (15, 2)),
        *((16, 2), (17, 2), (18, 2), (19, 2), (20, 3), (20, 1026), (21, -128), (21, 129), (22, 127), (23, -128)),
    ],
)
def test_parameters_out_of_range_are_refused(index: int, value: int) -> None:
    case = _plain_case()
    call = with_scalar(_call(case, _whole(case), 4), 22, -10)
    for result in refusals(with_scalar(with_scalar(call, 23, 10), index, value)):
        assert result.status == 1


@pytest.mark.parametrize(("rows", "needed"), [((3, 6), (1, 3)), ((4, 6), (1, 3)), ((4, 7), (1, 3)), ((5, 7), (2, 2))])
def test_rows_that_are_needed_and_are_not_there_are_refused(rows: tuple[int, int], needed: tuple[int, int]) -> None:
    """`needed`: the first input row, and how many."""
    case = _plain_case()
    call = _call(case, Part(rows), 4)
    assert call.scalars[:2] == needed
    for change in ((0, needed[0] + 1), (1, needed[1] - 1)):
        for result in refusals(with_scalar(call, *change)):
            assert result.status == 1


def test_too_little_working_memory_is_refused() -> None:
    case = _plain_case()
    call = _call(case, _whole(case), 4)
    for result in refusals(with_scalar(call, 24, call.scratch_bytes - 1)):
        assert result.status == 2


@settings(max_examples=30, deadline=None)
@given(_upsamplings(), st.sampled_from([2, 6, 64, 1024]))
def test_the_working_memory_is_the_one_that_the_compiler_plans(case: OneOp, block: int) -> None:
    call = with_scalar(_call(case, _whole(case), block), 25, 1)
    for bench in kernel_benches()[1:3]:
        assert bench.run(KernelCase(call.kernel, call.scalars)).status == call.scratch_bytes
