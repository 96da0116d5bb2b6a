"""What the compiler knows of `ta_convolve_direct_s8`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.support.convolve_cases import Part, convolve_call
from tests.support.kernel_case import Kernel, KernelCase
from tests.support.kernel_measurement import measured_work
from tests.support.one_op import OneOp, one_op, out_size
from tests.support.own_cases import assert_exact_everywhere
from tinyanime.codegen.ir.ops import AveragePool, Conv2D, Filter, FullyConnected, Padding, Size2D
from tinyanime.codegen.ir.tensor import Quantization, Tensor
from tinyanime.codegen.kernels.channels import SUM_LIMIT
from tinyanime.codegen.kernels.direct import DIRECT

_LARGEST_SUM = 255 * 127
"""Of one element: the input's zero point is -128."""


def _layer(
    in_size: tuple[int, int, int], out_channels: int, kernel: int, *, stride: int = 1, padding: int = 0
) -> OneOp:
    """A convolution with random weights, with the same padding on all sides."""
    random = np.random.default_rng(0)
    height, width, in_channels = in_size
    weights = random.integers(-127, 128, (out_channels, kernel, kernel, in_channels), np.int8)
    op = Conv2D(
        name="conv",
        inputs=("x",),
        output="y",
        filter=Filter(weights, np.full(out_channels, 2e-4), np.zeros(out_channels, np.int32)),
        stride=Size2D(stride, stride),
        padding=Padding(padding, padding, padding, padding),
    )
    x = random.integers(-128, 128, (1, *in_size), np.int8)
    sizes = tuple(out_size(size, 2 * padding, kernel, stride) for size in (height, width))
    out = Tensor("y", (1, *sizes, out_channels), Quantization(1.0, 0))
    return one_op(op, (x,), (Quantization(1.0, -128),), out)


def _with_channel(case: OneOp, *, elements: int, bias: int, scale: float) -> Conv2D:
    """The layer with `elements` weights of 127 in channel 1, the others 0, and with that bias and scale."""
    op = case.op
    assert isinstance(op, Conv2D)
    values, biases, scales = op.filter.values.copy(), op.filter.bias.copy(), op.filter.scales.copy()
    flat = values[1].reshape(-1)
    flat[:], biases[1], scales[1] = 0, bias, scale
    flat[:elements] = 127
    return replace(op, filter=Filter(values, scales, biases))


def _refusal(case: OneOp, op: Conv2D) -> str | None:
    return DIRECT.refusal(replace(case.graph, ops=(op,)), op)


def test_a_layer_is_accepted_up_to_the_largest_sum_and_refused_from_there_on() -> None:
    case = _layer((3, 3, 4), 2, 3, padding=1)
    bias = SUM_LIMIT - 1 - 7 * _LARGEST_SUM
    assert _refusal(case, _with_channel(case, elements=7, bias=bias, scale=1.3e-7)) is None
    refused = _refusal(case, _with_channel(case, elements=7, bias=bias + 1, scale=1.3e-7))
    assert refused == f"the sum of channel 1 can reach {SUM_LIMIT}, the kernel takes less than {SUM_LIMIT}"
    refused = _refusal(case, _with_channel(case, elements=7, bias=-bias - 1, scale=1.3e-7))
    assert refused is not None


@pytest.mark.parametrize(("scale", "accepted"), [(0.499, True), (0.5, False), (2.0**-23, True), (2.0**-24, False)])
def test_a_layer_is_accepted_where_shifts_of_1_to_22_say_its_factors(scale: float, accepted: bool) -> None:
    case = _layer((3, 3, 4), 2, 3, padding=1)
    refused = _refusal(case, _with_channel(case, elements=3, bias=0, scale=scale))
    assert (refused is None) == accepted
    assert accepted or (refused is not None and "channel 1 is rescaled" in refused)


def test_an_accepted_layer_at_the_largest_sum_equals_the_reference() -> None:
    """Inputs of 127 and a zero point of -128 reach it."""
    case = _layer((1, 1, 8), 2, 1)
    op = _with_channel(case, elements=7, bias=SUM_LIMIT - 1 - 7 * _LARGEST_SUM, scale=1.3e-7)
    extreme = one_op(op, (np.full((1, 1, 1, 8), 127, np.int8),), (Quantization(1.0, -128),), case.output)
    assert DIRECT.refusal(extreme.graph, op) is None
    assert_exact_everywhere(_call(extreme, 1, 2), extreme.expected)


def test_groups_windows_that_are_too_large_and_other_operators_are_refused() -> None:
    case = _layer((3, 3, 4), 4, 3, padding=1)
    op = case.op
    assert isinstance(op, Conv2D)
    grouped = replace(op, groups=2, filter=replace(op.filter, values=op.filter.values[..., :2]))
    assert DIRECT.refusal(case.graph, grouped) == "it has 2 groups"
    large = replace(op, filter=replace(op.filter, values=np.zeros((4, 129, 129, 4), np.int8)))
    assert DIRECT.refusal(case.graph, large) == "a window has 66564 elements, the kernel takes 65536"
    pool = AveragePool(name="pool", inputs=("x",), output="y", kernel=Size2D(2, 2), stride=Size2D(2, 2))
    assert DIRECT.refusal(case.graph, pool) == "it is no convolution"


def test_weights_are_padded_with_zeros_to_whole_words() -> None:
    case = _layer((5, 5, 3), 2, 3)
    op = case.op
    assert isinstance(op, Conv2D)
    packed = DIRECT.pack_weights(op.filter)
    assert packed.shape == (2, 28)
    np.testing.assert_array_equal(packed[:, :27].reshape(op.filter.values.shape), op.filter.values)
    assert not packed[:, 27].any()


def test_blocks_are_even_ascending_and_end_with_all_pixels_of_a_call() -> None:
    case = _layer((32, 15, 8), 4, 1)
    assert DIRECT.blocks(case.graph, case.op, 3) == (4, 8, 16, 32, 46)
    assert DIRECT.blocks(case.graph, case.op, 32)[-1] == 480
    single = _layer((1, 1, 8), 4, 1)
    assert DIRECT.blocks(single.graph, single.op, 1) == (2,)


def _call(case: OneOp, rows: int, block: int) -> KernelCase:
    return convolve_call(Kernel.CONVOLVE_DIRECT, DIRECT, case, Part((0, rows)), block)


@pytest.mark.parametrize(
    ("in_size", "out_channels", "kernel", "stride", "rows", "block"),
    [
        ((8, 16, 64), 32, 1, 1, 8, 32),
        ((8, 16, 64), 32, 1, 1, 1, 4),
        ((16, 32, 3), 16, 3, 1, 6, 64),
        ((16, 32, 3), 16, 3, 2, 2, 8),
        ((12, 20, 16), 24, 3, 2, 4, 16),
        ((10, 24, 32), 3, 3, 1, 5, 24),
        ((9, 9, 24), 8, 5, 1, 9, 28),
    ],
)
def test_estimated_work_is_what_a_call_does(
    in_size: tuple[int, int, int], out_channels: int, kernel: int, stride: int, rows: int, block: int
) -> None:
    case = _layer(in_size, out_channels, kernel, stride=stride, padding=kernel // 2)
    estimate = DIRECT.work(case.graph, case.op, rows, block)
    measured = measured_work(_call(case, rows, block))
    assert estimate.instructions == pytest.approx(measured.instructions, rel=0.1)
    assert estimate.cycles == pytest.approx(measured.cycles, rel=0.1)


def test_a_fully_connected_layer_is_a_convolution_of_one_pixel() -> None:
    random = np.random.default_rng(1)
    weights = Filter(random.integers(-127, 128, (10, 1, 1, 64), np.int8), np.full(10, 1e-3), np.zeros(10, np.int32))
    op = FullyConnected(name="fc", inputs=("x",), output="y", filter=weights)
    x = random.integers(-128, 128, (1, 64), np.int8)
    case = one_op(op, (x,), (Quantization(1.0, 0),), Tensor("y", (1, 10), Quantization(1.0, 0)))
    assert DIRECT.refusal(case.graph, op) is None
    assert DIRECT.blocks(case.graph, op, 1) == (2,)
    measured = measured_work(_call(case, 1, 2))
    assert DIRECT.work(case.graph, op, 1, 2).instructions == pytest.approx(measured.instructions, rel=0.1)


def test_larger_blocks_read_the_weights_less_often() -> None:
    case = _layer((32, 32, 64), 64, 1)
    works = [DIRECT.work(case.graph, case.op, 32, block) for block in (16, 64, 1024)]
    assert [work.weight_bytes for work in works] == [64 * 4096, 16 * 4096, 4096]
    assert works[0].instructions > works[1].instructions > works[2].instructions
    assert works[0].scratch_bytes > works[2].scratch_bytes
