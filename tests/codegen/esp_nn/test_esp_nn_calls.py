"""Every ESP-NN call on the PC against the reference: the C for every chip, and the ESP32-S3's C around its assembly."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.support.cmsis_cases import conv_band
from tests.support.esp_nn_cases import (
    add_case,
    convolution_case,
    esp_nn_programs,
    fully_connected_case,
    pool_case,
    window_call,
)
from tests.support.kernel_case import KernelCase, assert_exact
from tests.support.one_op import (
    OneOp,
    bands,
    clamps,
    convolutions,
    filters,
    one_op,
    out_size,
    pools,
    values,
    zero_points,
)
from tinyanime.codegen.esp_nn.limits import convolve_limit, depthwise_limit
from tinyanime.codegen.esp_nn.scratch import (
    convolve_asked_bytes,
    depthwise_asked_bytes,
    depthwise_used_bytes,
    most_asked_bytes,
)
from tinyanime.codegen.esp_nn.window import WindowCall, whole_call
from tinyanime.codegen.ir.ops import Add, AveragePool, Conv2D, Filter, FullyConnected, MaxPool, Padding, Size2D
from tinyanime.codegen.ir.tensor import Quantization, Tensor
from tinyanime.codegen.kernels.esp_nn_kernel import esp_nn_choice

pytestmark = pytest.mark.skipif(not (shutil.which("gcc") or shutil.which("clang")), reason="needs a C compiler")

_MANY = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
_SOME = settings(_MANY, max_examples=30)


def _is_exact(case: OneOp) -> bool:
    choice = esp_nn_choice(case.graph, case.op)
    return choice is not None and choice.refusal is None


def _whole(case: OneOp) -> WindowCall:
    assert isinstance(case.op, Conv2D)
    return whole_call(case.graph, case.op)


def _check(call: KernelCase, case: OneOp, out_rows: tuple[int, int]) -> None:
    for program in esp_nn_programs().all:
        assert_exact(program, call, case.rows_out(*out_rows))


def _check_asked(case: OneOp, out_rows: tuple[int, int], twin: int, most: int) -> None:
    asked = convolution_case(case, out_rows, asked=True)
    assert esp_nn_programs().generic.run(asked).status == 0
    assert esp_nn_programs().esp32s3.run(asked).status == twin <= most


@st.composite
def _conv(
    draw: st.DrawFn,
    channels: int,
    outputs: int,
    kernel: Size2D,
    *,
    strides: tuple[int, int] = (1, 3),
    groups: int = 1,
    padded: int = 2,
) -> OneOp:
    """Undilated, with these channels; sides are padded by less than the kernel."""
    stride = Size2D(draw(st.integers(*strides)), draw(st.integers(*strides)))
    vertical, horizontal = min(padded, kernel.height - 1), min(padded, kernel.width - 1)
    sides = [draw(st.integers(0, side)) for side in (vertical, horizontal, vertical, horizontal)]
    if draw(st.booleans()):
        sides = [sides[0]] * 4 if vertical == horizontal else sides
    padding = Padding(*sides)
    height = draw(st.integers(max(1, kernel.height - padding.top - padding.bottom), kernel.height + 9))
    width = draw(st.integers(max(1, kernel.width - padding.left - padding.right), kernel.width + 9))
    op = Conv2D(
        name="conv",
        inputs=("x",),
        output="y",
        filter=filters(draw, outputs, kernel, channels // groups),
        stride=stride,
        padding=padding,
        groups=groups,
        clamp=draw(clamps()),
    )
    shape = (
        *(1, out_size(height, padding.top + padding.bottom, kernel.height, stride.height)),
        *(out_size(width, padding.left + padding.right, kernel.width, stride.width), outputs),
    )
    out = Tensor("y", shape, Quantization(1.0, draw(zero_points())))
    x = values(draw, (1, height, width, channels))
    return one_op(op, (x,), (Quantization(1.0, draw(zero_points())),), out)


@_MANY
@given(st.data(), convolutions())
def test_bands_of_a_convolution_equal_the_reference(data: st.DataObject, case: OneOp) -> None:
    op = case.op
    assert isinstance(op, Conv2D)
    assume(op.dilation == Size2D(1, 1) and _is_exact(case))
    out_rows = data.draw(bands(case.output.height))
    _check(convolution_case(case, out_rows), case, out_rows)


@_MANY
@given(st.data(), st.sampled_from([1, 3, 4, 8, 16, 19, 24]), st.integers(1, 9))
def test_bands_of_a_convolution_of_many_channels_equal_the_reference(
    data: st.DataObject, channels: int, outputs: int
) -> None:
    kernel = data.draw(st.sampled_from([Size2D(3, 3), Size2D(1, 1), Size2D(5, 2), Size2D(4, 4)]))
    case = data.draw(_conv(channels, outputs, kernel))
    assume(_is_exact(case))
    out_rows = data.draw(bands(case.output.height))
    call = convolution_case(case, out_rows)
    _check(call, case, out_rows)
    twin = convolve_asked_bytes(window_call(case, conv_band(case, out_rows)))
    rows = out_rows[1] - out_rows[0]
    _check_asked(case, out_rows, twin, most_asked_bytes(_whole(case), rows, depthwise=False))


def test_a_convolution_with_many_weights_equals_the_reference() -> None:
    """Above 16,384 weights the kernel sums them itself."""

    @settings(_SOME, max_examples=3)
    @given(_conv(48, 48, Size2D(3, 3)))
    def check(case: OneOp) -> None:
        assume(_is_exact(case))
        _check(convolution_case(case, (0, case.output.height)), case, (0, case.output.height))

    check()


@_MANY
@given(st.data(), st.sampled_from([2, 3, 5, 8, 12, 16, 24, 32, 40]))
def test_bands_of_a_depthwise_convolution_equal_the_reference(data: st.DataObject, channels: int) -> None:
    kernel = data.draw(st.sampled_from([Size2D(3, 3), Size2D(3, 3), Size2D(5, 5), Size2D(2, 3), Size2D(1, 1)]))
    multiplier = data.draw(st.sampled_from([1, 1, 1, 2, 3]))
    case = data.draw(_conv(channels, channels * multiplier, kernel, groups=channels))
    assume(_is_exact(case))
    out_rows = data.draw(bands(case.output.height))
    _check(convolution_case(case, out_rows), case, out_rows)
    twin = depthwise_asked_bytes(window_call(case, conv_band(case, out_rows)))
    _check_asked(case, out_rows, twin, most_asked_bytes(_whole(case), out_rows[1] - out_rows[0], depthwise=True))


@pytest.mark.parametrize(
    ("channels", "kernel", "padding", "side"),
    [
        (64, 3, Padding(1, 1, 1, 1), 28),
        (64, 3, Padding(), 28),
        (64, 3, Padding(0, 1, 0, 1), 28),
        (64, 5, Padding(0, 2, 0, 2), 24),
    ],
)
def test_large_depthwise_maps_equal_the_reference(channels: int, kernel: int, padding: Padding, side: int) -> None:
    """Beyond 40 and 48 KB the kernels take the map row by row."""
    case = _large(channels, kernel, padding, side, zero_point=-7)
    assert _is_exact(case)
    for out_rows in ((0, case.output.height), (2, 9)):
        _check(convolution_case(case, out_rows), case, out_rows)


def _large(channels: int, kernel: int, padding: Padding, side: int, zero_point: int) -> OneOp:
    return _fixed(Size2D(kernel, kernel), channels, channels, padding, side, zero_point=zero_point, groups=channels)


def _fixed(
    kernel: Size2D,
    channels: int,
    outputs: int,
    padding: Padding,
    side: int,
    *,
    stride: int = 1,
    zero_point: int = -7,
    groups: int = 1,
) -> OneOp:
    """A convolution of a square map with random values."""
    random = np.random.default_rng(channels)
    weights = Filter(
        random.integers(-127, 128, (outputs, kernel.height, kernel.width, channels // groups), np.int8),
        np.full(outputs, 1 / 900.0),
        random.integers(-3000, 3000, outputs, np.int32),
    )
    op = Conv2D(
        name="c",
        inputs=("x",),
        output="y",
        filter=weights,
        padding=padding,
        stride=Size2D(stride, stride),
        groups=groups,
    )
    high = out_size(side, padding.top + padding.bottom, kernel.height, stride)
    wide = out_size(side, padding.left + padding.right, kernel.width, stride)
    out = Tensor("y", (1, high, wide, outputs), Quantization(1.0, 3))
    x = random.integers(-128, 128, (1, side, side, channels), np.int8)
    return one_op(op, (x,), (Quantization(1.0, zero_point),), out)


POINT, THREE, FIVE = Size2D(1, 1), Size2D(3, 3), Size2D(5, 5)


@pytest.mark.parametrize(
    ("case", "out_rows", "what_happens"),
    [
        (_fixed(FIVE, 64, 64, Padding(2, 2, 2, 2), 24, groups=64), (0, 24), "Mismatched elements"),
        (_fixed(FIVE, 8, 8, Padding(2, 2, 2, 2), 9, groups=8), (3, 4), "ALIGNED"),
        (_fixed(THREE, 8, 8, Padding(1, 1, 1, 1), 9, groups=8), (2, 4), "ALIGNED"),
        (_fixed(THREE, 16, 16, Padding(1, 1, 2, 2), 9, groups=16), (0, 10), "out_ht - 1"),
        (_fixed(THREE, 3, 4, Padding(0, 0, 1, 1), 8, stride=2), (3, 4), "heap-buffer-overflow"),
        (_fixed(POINT, 8, 4, Padding(0, 0, 1, 1), 6), (0, 7), "heap-buffer-overflow|Mismatched|out_wd"),
        (_fixed(THREE, 8, 32, Padding(1, 1, 1, 1), 8, groups=8), (0, 8), "ended the program"),
    ],
    ids=[
        *("rows outside of large maps", "rows of 72 bytes", "3x3 rows of 72 bytes", "wide padding"),
        *("windows cut off below", "padded 1x1", "four outputs per channel"),
    ],
)
def test_what_is_refused_is_wrong_or_ends_the_program(
    case: OneOp, out_rows: tuple[int, int], what_happens: str
) -> None:
    assert not _is_exact(case)
    with pytest.raises(AssertionError, match=what_happens):
        _check(convolution_case(case, out_rows), case, out_rows)


def _geometry(value: object) -> str:
    if not isinstance(value, OneOp) or not isinstance(value.op, Conv2D):
        return ""
    return f"{value.op.filter.values.shape} at {value.input.width}, stride {value.op.stride.width}"


@pytest.mark.parametrize(
    ("case", "slack"),
    [
        (_fixed(FIVE, 64, 64, Padding(2, 2, 2, 2), 24, groups=64, zero_point=0), None),
        (_fixed(FIVE, 8, 8, Padding(2, 2, 2, 2), 10, groups=8), 32),
        (_fixed(THREE, 8, 8, Padding(1, 1, 1, 1), 10, groups=8), 32),
        (_fixed(THREE, 24, 24, Padding(1, 1, 1, 1), 9, groups=24), None),
        (_fixed(THREE, 32, 32, Padding(), 9, groups=32), 16),
        (_fixed(THREE, 3, 4, Padding(1, 1, 0, 0), 8, stride=2), None),
        (_fixed(POINT, 16, 5, Padding(), 4), 64),
        (_fixed(POINT, 19, 5, Padding(), 4), None),
        (_fixed(POINT, 16, 5, Padding(), 7, stride=2), 64),
        (_fixed(THREE, 32, 5, Padding(1, 1, 1, 1), 7), 64),
        (_fixed(THREE, 6, 5, Padding(1, 1, 1, 1), 7), 64),
    ],
    ids=_geometry,
)
def test_their_neighbours_are_exact_in_the_memory_planned(case: OneOp, slack: int | None) -> None:
    """`slack`: what of it the kernel leaves alone; with less than the rest it would write beyond."""
    assert _is_exact(case)
    call = convolution_case(case, (0, case.output.height))
    _check(call, case, (0, case.output.height))
    if slack is not None:
        with pytest.raises(AssertionError, match=r"heap-buffer-overflow|unknown-crash"):
            esp_nn_programs().esp32s3.run(replace(call, scratch_bytes=call.scratch_bytes - slack - 1))


def test_channels_that_are_no_multiple_of_four_are_not_pooled() -> None:
    op = MaxPool(name="p", inputs=("x",), output="y", kernel=Size2D(2, 2), stride=Size2D(2, 2))
    x = np.zeros((1, 4, 4, 6), np.int8)
    case = one_op(op, (x,), (Quantization(1.0, 0),), Tensor("y", (1, 2, 2, 6), Quantization(1.0, 0)))
    assert not _is_exact(case)
    with pytest.raises(AssertionError, match="channels % 4"):
        _check(pool_case(case, (0, 2)), case, (0, 2))


def test_rows_that_are_no_whole_vectors_are_not_added() -> None:
    """An output between two boundaries of 8 bytes, inputs on boundaries of 16."""
    shape, unit = (1, 4, 1, 12), Quantization(0.5, 0)
    x = np.arange(48, dtype=np.int8).reshape(shape)
    op = Add(name="add", inputs=("a", "b"), output="y")
    case = one_op(op, (x, x), (unit, unit), Tensor("y", shape, unit))
    assert not _is_exact(case)
    with pytest.raises(AssertionError, match="ALIGNED"):
        esp_nn_programs().esp32s3.run(add_case(case, (0, 4), output_begin=12))


def test_the_library_asks_for_less_than_it_takes_where_padding_is_uneven() -> None:
    case = _large(64, 3, Padding(0, 1, 0, 1), 20, zero_point=4)
    call = window_call(case, conv_band(case, (4, 8)))
    asked = depthwise_asked_bytes(call)
    assert asked < depthwise_used_bytes(call)
    too_small = replace(convolution_case(case, (4, 8)), scratch_bytes=asked)
    with pytest.raises(AssertionError, match="heap-buffer-overflow"):
        esp_nn_programs().esp32s3.run(too_small)


@st.composite
def _fully_connected(draw: st.DrawFn) -> OneOp:
    inputs, outputs = draw(st.integers(1, 70)), draw(st.integers(1, 9))
    op = FullyConnected(
        name="fc",
        inputs=("x",),
        output="y",
        filter=filters(draw, outputs, Size2D(1, 1), inputs),
        clamp=draw(clamps()),
    )
    out = Tensor("y", (1, outputs), Quantization(1.0, draw(zero_points())))
    return one_op(op, (values(draw, (1, inputs)),), (Quantization(1.0, draw(zero_points())),), out)


@_SOME
@given(_fully_connected())
def test_a_fully_connected_layer_equals_the_reference(case: OneOp) -> None:
    assume(_is_exact(case))
    for program in esp_nn_programs().all:
        assert_exact(program, fully_connected_case(case), case.expected)


@_SOME
@given(st.data(), pools(MaxPool) | pools(AveragePool))
def test_bands_of_a_pool_equal_the_reference(data: st.DataObject, case: OneOp) -> None:
    assume(_is_exact(case))
    out_rows = data.draw(bands(case.output.height))
    _check(pool_case(case, out_rows), case, out_rows)


@st.composite
def _additions(draw: st.DrawFn) -> OneOp:
    shape = (1, draw(st.integers(1, 5)), draw(st.integers(1, 7)), draw(st.sampled_from([2, 4, 8])))
    first, second, result = (Quantization(draw(st.floats(0.01, 2.0)), draw(zero_points())) for _ in range(3))
    op = Add(name="add", inputs=("a", "b"), output="y", clamp=draw(clamps()))
    return one_op(op, (values(draw, shape), values(draw, shape)), (first, second), Tensor("y", shape, result))


@_SOME
@given(st.data(), _additions())
def test_bands_of_an_addition_equal_the_reference(data: st.DataObject, case: OneOp) -> None:
    assume(_is_exact(case))
    out_rows = data.draw(bands(case.output.height))
    _check(add_case(case, out_rows), case, out_rows)


def test_limits_name_a_reason() -> None:
    case = _large(64, 3, Padding(1, 1, 1, 1), 8, zero_point=0)
    whole = _whole(case)
    assert convolve_limit(whole, 64, Size2D(1, 1)) == "it has groups"
    assert convolve_limit(whole, 1, Size2D(2, 1)) == "it is dilated, which the library ignores"
    assert depthwise_limit(whole, Size2D(1, 2), 0) == "it is dilated, which the library ignores"
    wide = replace(whole, in_channels=256, out_channels=256)
    assert depthwise_limit(wide, Size2D(1, 1), 0) == "it takes too much of the stack"
    several = replace(whole, out_channels=256)
    assert depthwise_limit(several, Size2D(1, 1), 0) == "it has several outputs per channel"
