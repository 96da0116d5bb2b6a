"""What the compiler knows of `ta_depthwise_s8`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.support.convolve_cases import Part, convolve_call
from tests.support.kernel_case import Kernel
from tests.support.kernel_measurement import measured_work
from tests.support.one_op import OneOp, one_op
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Clamp, Conv2D, Filter, MaxPool, Op, Padding, Size2D
from tinyanime.codegen.ir.tensor import Quantization, Tensor
from tinyanime.codegen.kernels.depthwise import DEPTHWISE

_UNCLAMPED = Clamp()


def _case(
    channels: int, size: int, side: int, stride: int = 1, *, clamp: Clamp = _UNCLAMPED, zero_point: int = -128
) -> OneOp:
    random = np.random.default_rng(size)
    weights = random.integers(-127, 128, (channels, side, side, 1), dtype=np.int8)
    op = Conv2D(
        name="conv",
        inputs=("x",),
        output="y",
        filter=Filter(weights, np.full(channels, 2.0**-10), np.zeros(channels, np.int32)),
        stride=Size2D(stride, stride),
        padding=Padding(*(side // 2,) * 4),
        groups=channels,
        clamp=clamp,
    )
    x = random.integers(-128, 128, (1, size, size, channels), np.int8)
    rows = (size + 2 * (side // 2) - side) // stride + 1
    out = Tensor("y", (1, rows, rows, channels), Quantization(1.0, 0))
    return one_op(op, (x,), (Quantization(1.0, zero_point),), out)


def _with_op(case: OneOp, op: Op) -> Graph:
    return replace(case.graph, ops=(op,))


def _refusal(case: OneOp, op: Op) -> str | None:
    return DEPTHWISE.refusal(_with_op(case, op), op)


def test_a_depthwise_convolution_is_accepted() -> None:
    case = _case(8, 6, 3)
    assert DEPTHWISE.refusal(case.graph, case.op) is None


def test_other_operators_groups_and_dilations_are_refused() -> None:
    case = _case(8, 6, 3)
    assert isinstance(case.op, Conv2D)
    pool = MaxPool(name="pool", inputs=("x",), output="y", kernel=Size2D(2, 2), stride=Size2D(2, 2), padding=Padding())
    two = replace(case.op.filter, values=np.ones((8, 3, 3, 4), np.int8))
    assert _refusal(case, pool) == "it is no convolution"
    assert "not depthwise" in (_refusal(case, replace(case.op, groups=2, filter=two)) or "")
    assert _refusal(case, replace(case.op, dilation=Size2D(1, 2))) == "it is dilated"
    assert "larger than 255" in (_refusal(case, replace(case.op, stride=Size2D(256, 1))) or "")


@pytest.mark.parametrize(("zero_point", "distance"), [(-128, 255), (127, 255), (0, 128), (5, 133)])
def test_the_sums_bound_follows_from_weights_bias_and_zero_point(zero_point: int, distance: int) -> None:
    """|sum + bias| must stay below 2**30."""
    case = _case(4, 6, 3, zero_point=zero_point)
    assert isinstance(case.op, Conv2D)
    weights = np.full((4, 3, 3, 1), -127, np.int8)
    products = 9 * 127 * distance
    for bias, legal in (((1 << 30) - 1 - products, True), ((1 << 30) - products, False)):
        filter_ = Filter(weights, np.full(4, 2.0**-22), np.array([0, 0, 0, -bias], np.int32))
        assert (_refusal(case, replace(case.op, filter=filter_)) is None) == legal


def test_factors_that_a_channel_cannot_say_are_refused() -> None:
    case = _case(4, 6, 3)
    assert isinstance(case.op, Conv2D)
    for scale, legal in ((0.499, True), (0.75, False), (2.0**-22, True), (2.0**-24, False)):
        filter_ = replace(case.op.filter, scales=np.full(4, scale))
        assert (_refusal(case, replace(case.op, filter=filter_)) is None) == legal


def test_weights_are_four_channels_of_each_tap_and_the_rest_at_the_end() -> None:
    values = np.arange(6 * 9, dtype=np.int8).reshape(6, 3, 3, 1)
    packed = DEPTHWISE.pack_weights(Filter(values, np.ones(6), np.zeros(6, np.int32)))
    assert packed.shape == (6, 9)
    assert packed.reshape(-1)[:8].tolist() == [0, 9, 18, 27, 1, 10, 19, 28]
    assert packed[4:].reshape(-1)[:4].tolist() == [36, 45, 37, 46]


def test_blocks_are_whole_tiles_and_end_with_a_whole_row() -> None:
    for size, expected in ((3, (4,)), (16, (16,)), (18, (12, 20)), (48, (12, 24, 48))):
        case = _case(4, size, 3)
        assert DEPTHWISE.blocks(case.graph, case.op, 4) == expected
    wide = _case(1, 2, 3)
    target = replace(wide.output, shape=(1, 2, 3000, 1))
    graph = replace(wide.graph, tensors={**wide.graph.tensors, "y": target})
    assert DEPTHWISE.blocks(graph, wide.op, 1)[-1] == 1024


@pytest.mark.parametrize(
    ("channels", "size", "side", "stride", "rows", "block"),
    [
        *[(16, 24, 3, 1, (0, 24), 24), (16, 24, 3, 1, (4, 8), 24), (16, 24, 3, 2, (0, 12), 12)],
        *[(32, 12, 3, 1, (0, 12), 12), (64, 6, 3, 2, (0, 3), 4), (8, 24, 3, 1, (0, 24), 12)],
        *[(16, 16, 5, 1, (0, 16), 16), (16, 16, 5, 2, (2, 6), 8), (8, 16, 7, 1, (0, 16), 16)],
        (6, 24, 3, 1, (0, 24), 24),
    ],
)
def test_the_estimated_work_is_near_what_the_emulated_core_executes(
    channels: int, size: int, side: int, stride: int, rows: tuple[int, int], block: int
) -> None:
    case = _case(channels, size, side, stride)
    measured = measured_work(convolve_call(Kernel.DEPTHWISE_CONVOLVE, DEPTHWISE, case, Part(rows), block))
    work = DEPTHWISE.work(case.graph, case.op, rows[1] - rows[0], block)
    assert work.instructions == pytest.approx(measured.instructions, rel=0.1)
    assert work.cycles == pytest.approx(measured.cycles, rel=0.1)


def test_a_clamp_costs_its_instructions() -> None:
    plain, clamped = (_case(16, 24, 3, clamp=clamp) for clamp in (Clamp(), Clamp(-20, 20)))
    call = convolve_call(Kernel.DEPTHWISE_CONVOLVE, DEPTHWISE, clamped, Part((0, 24)), 24)
    work = DEPTHWISE.work(clamped.graph, clamped.op, 24, 24)
    assert work.instructions == pytest.approx(measured_work(call).instructions, rel=0.1)
    assert work.instructions > DEPTHWISE.work(plain.graph, plain.op, 24, 24).instructions


@pytest.mark.parametrize(
    ("side", "stride", "macs", "most"), [(3, 1, 9, 2.7), (3, 2, 9, 3.6), (5, 1, 25, 1.7), (5, 2, 25, 2.3)]
)
def test_instructions_per_multiplication_stay_low(side: int, stride: int, macs: int, most: float) -> None:
    case = _case(16, 40, side, stride)
    rows = case.output.height
    call = convolve_call(Kernel.DEPTHWISE_CONVOLVE, DEPTHWISE, case, Part((0, rows)), 40)
    assert measured_work(call).instructions / (case.output.element_count * macs) < most
