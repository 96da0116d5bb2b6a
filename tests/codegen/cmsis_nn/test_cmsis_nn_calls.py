"""Every CMSIS-NN call on the emulated Cortex-M7 and on the PC against the reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.support.cmsis_cases import (
    conv_band,
    convolution_call,
    fully_connected_as_convolution,
    fully_connected_call,
    pool_call,
)
from tests.support.kernel_benches import kernel_benches
from tests.support.kernel_case import assert_exact
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
from tinyanime.codegen.cmsis_nn.limits import convolve_limit, depthwise_limit
from tinyanime.codegen.ir.ops import AveragePool, Conv2D, Filter, FullyConnected, MaxPool, Padding, Size2D
from tinyanime.codegen.ir.tensor import Quantization, Tensor

_MANY = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
_SOME = settings(_MANY, max_examples=50)


def _check_band(case: OneOp, out_rows: tuple[int, int]) -> None:
    band = conv_band(case, out_rows)
    for bench in kernel_benches():
        assert_exact(bench, convolution_call(case, band, bench), case.rows_out(*out_rows))


@_MANY
@given(st.data(), convolutions())
def test_bands_of_a_convolution_equal_the_reference(data: st.DataObject, case: OneOp) -> None:
    out_rows = data.draw(bands(case.output.height))
    op = case.op
    assert isinstance(op, Conv2D)
    assume(not convolve_limit(case.input.channels, case.output.channels, op.filter.kernel, op.padding))
    _check_band(case, out_rows)


@_SOME
@given(st.data(), convolutions(max_kernel=1))
def test_bands_of_a_1x1_convolution_equal_the_reference(data: st.DataObject, case: OneOp) -> None:
    _check_band(case, data.draw(bands(case.output.height)))


@_MANY
@given(st.data(), convolutions(groups="depthwise"))
def test_bands_of_a_depthwise_convolution_equal_the_reference(data: st.DataObject, case: OneOp) -> None:
    out_rows = data.draw(bands(case.output.height))
    assume(case.input.channels > 1 and not _depthwise_limit(case, out_rows))
    _check_band(case, out_rows)


@st.composite
def _convolutions_3x3_depthwise(draw: st.DrawFn) -> OneOp:
    """Channel multiplier 1 and at most one padded row and column on each side: the library's own 3x3 kernel."""
    stride = Size2D(draw(st.integers(1, 2)), draw(st.integers(1, 3)))
    padding = Padding(*(draw(st.integers(0, 1)) for _ in range(4)))
    height, width = draw(st.integers(3, 9)), draw(st.integers(2, 9))
    channels = draw(st.integers(2, 11))
    out_width = out_size(width, padding.left + padding.right, 3, stride.width)
    assume(out_width > 0)
    shape = (1, out_size(height, padding.top + padding.bottom, 3, stride.height), out_width, channels)
    op = Conv2D(
        name="depthwise",
        inputs=("x",),
        output="y",
        filter=filters(draw, channels, Size2D(3, 3), 1),
        stride=stride,
        padding=padding,
        groups=channels,
        clamp=draw(clamps()),
    )
    out = Tensor("y", shape, Quantization(1.0, draw(zero_points())))
    x = values(draw, (1, height, width, channels))
    return one_op(op, (x,), (Quantization(1.0, draw(zero_points())),), out)


@_MANY
@given(st.data(), _convolutions_3x3_depthwise())
def test_bands_of_a_3x3_depthwise_convolution_equal_the_reference(data: st.DataObject, case: OneOp) -> None:
    out_rows = data.draw(bands(case.output.height))
    assume(not _depthwise_limit(case, out_rows))
    _check_band(case, out_rows)


def _depthwise_limit(case: OneOp, out_rows: tuple[int, int]) -> str | None:
    op, band = case.op, conv_band(case, out_rows)
    assert isinstance(op, Conv2D)
    return depthwise_limit(
        band.rows_in.count,
        case.input.width,
        case.input.channels,
        band.rows_out.count,
        case.output.width,
        case.output.channels,
        op.filter.kernel,
        op.stride,
        band.padding,
        op.dilation,
    )


@st.composite
def _fully_connected(draw: st.DrawFn, *, per_tensor: bool) -> OneOp:
    features, outputs = draw(st.integers(1, 70)), draw(st.integers(1, 12))
    op = FullyConnected(
        name="fc",
        inputs=("x",),
        output="y",
        filter=filters(draw, outputs, Size2D(1, 1), features, per_tensor=per_tensor),
        clamp=draw(clamps()),
    )
    out = Tensor("y", (1, outputs), Quantization(1.0, draw(zero_points())))
    return one_op(op, (values(draw, (1, features)),), (Quantization(1.0, draw(zero_points())),), out)


@_SOME
@given(_fully_connected(per_tensor=True))
def test_a_fully_connected_layer_with_one_scale_equals_the_reference(case: OneOp) -> None:
    for bench in kernel_benches():
        assert_exact(bench, fully_connected_call(case), case.expected.reshape(-1))


@_SOME
@given(_fully_connected(per_tensor=False))
def test_a_fully_connected_layer_with_many_scales_is_a_1x1_convolution(case: OneOp) -> None:
    for bench in kernel_benches():
        assert_exact(bench, fully_connected_as_convolution(case), case.expected.reshape(-1))


@_SOME
@given(st.data(), pools(MaxPool))
def test_bands_of_a_max_pool_equal_the_reference(data: st.DataObject, case: OneOp) -> None:
    out_rows = data.draw(bands(case.output.height))
    for bench in kernel_benches():
        assert_exact(bench, pool_call(case, out_rows, bench), case.rows_out(*out_rows))


@_SOME
@given(st.data(), pools(AveragePool))
def test_bands_of_an_average_pool_equal_the_reference(data: st.DataObject, case: OneOp) -> None:
    out_rows = data.draw(bands(case.output.height))
    for bench in kernel_benches():
        assert_exact(bench, pool_call(case, out_rows, bench), case.rows_out(*out_rows))


def _plain_conv(
    x_shape: tuple[int, int, int], y_shape: tuple[int, int, int], groups: int, op_padding: Padding
) -> OneOp:
    """A convolution of ones with `groups`, over a map of 100s."""
    size = 1 if groups == 1 else 3
    filter_ = Filter(
        np.ones((y_shape[2], size, size, x_shape[2] // groups), np.int8),
        np.full(y_shape[2], 0.1),
        np.zeros(y_shape[2], np.int32),
    )
    op = Conv2D(name="conv", inputs=("x",), output="y", filter=filter_, padding=op_padding, groups=groups)
    one = Quantization(1.0, 0)
    return one_op(op, (np.full((1, *x_shape), 100, np.int8),), (one,), Tensor("y", (1, *y_shape), one))


def test_the_limit_on_padded_1x1_convolutions_is_a_real_defect() -> None:
    case = _plain_conv((2, 3, 4), (2, 4, 2), 1, Padding(right=1))
    assert convolve_limit(4, 2, Size2D(1, 1), Padding(right=1)) is not None
    m7 = kernel_benches()[0]
    result = m7.run(convolution_call(case, conv_band(case, (0, 2)), m7))
    assert not np.array_equal(result.output, case.expected.reshape(-1))


def test_the_limit_on_wide_right_padding_of_3x3_depthwise_is_a_real_defect() -> None:
    case = _plain_conv((4, 4, 4), (2, 4, 4), 4, Padding(right=2))
    assert _depthwise_limit(case, (0, 2)) is not None
    m7 = kernel_benches()[0]
    with pytest.raises(AssertionError):
        assert_exact(m7, convolution_call(case, conv_band(case, (0, 2)), m7), case.expected.reshape(-1))
