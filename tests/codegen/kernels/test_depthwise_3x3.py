"""What the compiler knows of `ta_depthwise_3x3_s8`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.support.convolve_cases import Part, convolve_call
from tests.support.kernel_case import Kernel
from tests.support.kernel_measurement import measured_work
from tests.support.one_op import OneOp, one_op
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Clamp, Conv2D, Filter, Op, Padding, Size2D
from tinyanime.codegen.ir.tensor import Quantization, Tensor
from tinyanime.codegen.kernels.depthwise import DEPTHWISE
from tinyanime.codegen.kernels.depthwise_3x3 import DEPTHWISE_3X3

_UNCLAMPED = Clamp()


def _case(channels: int, size: int, stride: int = 1, *, clamp: Clamp = _UNCLAMPED, pad: int = 1) -> OneOp:
    random = np.random.default_rng(size)
    weights = random.integers(-127, 128, (channels, 3, 3, 1), dtype=np.int8)
    padding = Padding(pad, pad, 1, 1)
    op = Conv2D(
        name="conv",
        inputs=("x",),
        output="y",
        filter=Filter(weights, np.full(channels, 2.0**-10), np.zeros(channels, np.int32)),
        stride=Size2D(stride, stride),
        padding=padding,
        groups=channels,
        clamp=clamp,
    )
    x = random.integers(-128, 128, (1, size, size, channels), np.int8)
    rows = (size + pad + 1 - 3) // stride + 1
    out = Tensor("y", (1, rows, rows, channels), Quantization(1.0, 0))
    return one_op(op, (x,), (Quantization(1.0, -128),), out)


def _refusal(case: OneOp, op: Op) -> str | None:
    return DEPTHWISE_3X3.refusal(_with_op(case, op), op)


def _with_op(case: OneOp, op: Op) -> Graph:
    return replace(case.graph, ops=(op,))


def test_a_depthwise_3x3_convolution_is_accepted_and_others_are_not() -> None:
    case = _case(8, 6)
    op = case.op
    assert isinstance(op, Conv2D)
    wide = replace(op.filter, values=np.ones((8, 3, 5, 1), np.int8))
    assert _refusal(case, op) is None
    assert _refusal(case, replace(op, stride=Size2D(2, 1))) is None
    assert "not 3x3" in (_refusal(case, replace(op, filter=wide)) or "")
    assert "larger than 2" in (_refusal(case, replace(op, stride=Size2D(1, 3))) or "")
    assert "no multiple of 4" in (_refusal(_case(6, 6), _case(6, 6).op) or "")


def test_what_no_depthwise_kernel_computes_is_refused_for_the_same_reason() -> None:
    """|sum + bias| must stay below 2**30."""
    case = _case(4, 6)
    assert isinstance(case.op, Conv2D)
    weights, products = np.full((4, 3, 3, 1), -127, np.int8), 9 * 127 * 255
    for bias, legal in (((1 << 30) - 1 - products, True), ((1 << 30) - products, False)):
        filter_ = Filter(weights, np.full(4, 2.0**-22), np.array([0, 0, 0, -bias], np.int32))
        op = replace(case.op, filter=filter_)
        assert (_refusal(case, op) is None) == legal
        assert _refusal(case, op) == DEPTHWISE.refusal(_with_op(case, op), op)


def test_blocks_are_whole_rows_down_to_one() -> None:
    case = _case(8, 24)
    assert DEPTHWISE_3X3.blocks(case.graph, case.op, 24) == (24, 48, 72, 144, 288, 576)
    assert DEPTHWISE_3X3.blocks(case.graph, case.op, 1) == (24,)
    odd = _case(8, 7)
    assert DEPTHWISE_3X3.blocks(odd.graph, odd.op, 3) == (8, 14, 22)
    large = _case(4, 600)
    assert DEPTHWISE_3X3.blocks(large.graph, large.op, 600) == (600,)


_SHAPES = [
    *[(128, 6, 1, 1, (0, 6), 36), (64, 3, 1, 1, (0, 3), 10), (64, 6, 2, 0, (0, 3), 10), (32, 12, 2, 0, (0, 6), 36)],
    *[
        (32, 12, 1, 1, (0, 12), 144),
        (16, 24, 1, 1, (0, 24), 576),
        (16, 24, 1, 1, (4, 8), 48),
        (8, 24, 1, 0, (0, 6), 24),
    ],
    *[(8, 48, 1, 1, (0, 21), 1008), (16, 48, 2, 0, (0, 24), 576), (16, 25, 2, 1, (0, 13), 40)],
]


@pytest.mark.parametrize(("channels", "size", "stride", "pad", "rows", "block"), _SHAPES)
def test_the_cost_is_the_measured_one(
    channels: int, size: int, stride: int, pad: int, rows: tuple[int, int], block: int
) -> None:
    case = _case(channels, size, stride, pad=pad)
    call = convolve_call(Kernel.DEPTHWISE_3X3, DEPTHWISE_3X3, case, Part(rows), block)
    work, measured = DEPTHWISE_3X3.work(case.graph, case.op, rows[1] - rows[0], block), measured_work(call)
    assert work.instructions == pytest.approx(measured.instructions, rel=0.1)
    assert work.cycles == pytest.approx(measured.cycles, rel=0.1)


def test_a_clamp_costs_its_instructions() -> None:
    plain, clamped = (_case(16, 24, clamp=clamp) for clamp in (Clamp(), Clamp(-20, 20)))
    call = convolve_call(Kernel.DEPTHWISE_3X3, DEPTHWISE_3X3, clamped, Part((0, 24)), 576)
    work = DEPTHWISE_3X3.work(clamped.graph, clamped.op, 24, 576)
    measured = measured_work(call)
    assert work.instructions == pytest.approx(measured.instructions, rel=0.1)
    assert work.cycles == pytest.approx(measured.cycles, rel=0.1)
    assert work.instructions > DEPTHWISE_3X3.work(plain.graph, plain.op, 24, 576).instructions


@pytest.mark.parametrize(("size", "channels"), [(3, 64), (6, 32), (24, 16)])
def test_many_rows_at_a_time_take_fewer_cycles_than_the_kernel_for_any_window(size: int, channels: int) -> None:
    case, rows = _case(channels, size), Part((0, size))
    entries = ((Kernel.DEPTHWISE_3X3, DEPTHWISE_3X3), (Kernel.DEPTHWISE_CONVOLVE, DEPTHWISE))
    three, every = (
        measured_work(convolve_call(kernel, entry, case, rows, entry.blocks(case.graph, case.op, size)[-1]))
        for kernel, entry in entries
    )
    assert three.cycles < 0.9 * every.cycles
