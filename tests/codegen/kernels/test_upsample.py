"""What the compiler knows of the upsampling convolution: legality, weights, blocks, memory, cost."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.convolve_cases import Part, convolve_call
from tests.support.kernel_case import Kernel
from tests.support.kernel_measurement import measured_work
from tests.support.one_op import OneOp, one_op
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Conv2D, Filter, Padding, UpsampleConv2D
from tinyanime.codegen.ir.tensor import Quantization, Tensor
from tinyanime.codegen.kernels.upsample import UPSAMPLE_CONVOLVE


def _graph(weights: Filter, size: int = 8, *, zero_point: int = -128) -> Graph:
    channels = weights.values.shape[3]
    op = UpsampleConv2D(name="up", inputs=("x",), output="y", filter=weights)
    tensors = (
        Tensor("x", (1, size, size, channels), Quantization(1.0, zero_point)),
        Tensor("y", (1, 2 * size, 2 * size, weights.out_channels), Quantization(1.0, 0)),
    )
    return Graph("one op", ("x",), ("y",), {tensor.name: tensor for tensor in tensors}, (op,))


def _filter(values: np.ndarray, scale: float = 2.0**-12, bias: int = 0) -> Filter:
    count = values.shape[0]
    return Filter(values.astype(np.int8), np.full(count, scale), np.full(count, bias, np.int32))


def test_other_operators_are_refused() -> None:
    weights = _filter(np.ones((4, 3, 3, 4)))
    graph = _graph(weights)
    conv = Conv2D(name="c", inputs=("x",), output="y", filter=weights, padding=Padding(1, 1, 1, 1))
    assert UPSAMPLE_CONVOLVE.refusal(graph, conv) == "it is no upsampling with a convolution behind it"
    assert UPSAMPLE_CONVOLVE.refusal(graph, graph.ops[0]) is None


@pytest.mark.parametrize(("zero_point", "distance"), [(-128, 255), (127, 255), (0, 128)])
def test_the_sums_bound_follows_from_weights_bias_and_zero_point(zero_point: int, distance: int) -> None:
    products = 72 * 127 * distance
    weights = np.full((4, 3, 3, 8), -127)
    for bias, legal in (((1 << 29) - 1 - products, True), ((1 << 29) - products, False)):
        graph = _graph(_filter(weights, 2.0**-22, -bias), zero_point=zero_point)
        assert (UPSAMPLE_CONVOLVE.refusal(graph, graph.ops[0]) is None) == legal


def test_factors_that_a_channel_cannot_say_are_refused() -> None:
    graph = _graph(_filter(np.ones((4, 3, 3, 4)), scale=1.5))
    assert "rescaled by" in (UPSAMPLE_CONVOLVE.refusal(graph, graph.ops[0]) or "")


def test_weights_are_four_input_channels_of_each_tap_with_zeros_behind_the_last_one() -> None:
    values = np.arange(2 * 9 * 6).reshape(2, 3, 3, 6) % 127
    packed = UPSAMPLE_CONVOLVE.pack_weights(_filter(values))
    assert packed.shape == (2, 2 * 9 * 4)
    assert packed[1, :8].tolist() == [*values[1, 0, 0, :4], *values[1, 0, 1, :4]]
    assert packed[1, 36:44].tolist() == [*values[1, 0, 0, 4:], 0, 0, *values[1, 0, 1, 4:], 0, 0]


def test_blocks_are_even_ascending_and_end_with_all_tiles_of_a_call() -> None:
    graph = _graph(_filter(np.ones((4, 3, 3, 4))), size=18)
    assert UPSAMPLE_CONVOLVE.blocks(graph, graph.ops[0], 4) == (2, 4, 8, 10)
    assert UPSAMPLE_CONVOLVE.blocks(graph, graph.ops[0], 36) == (2, 4, 8, 16, 32, 64, 82)
    large = _graph(_filter(np.ones((4, 3, 3, 4))), size=256)
    assert UPSAMPLE_CONVOLVE.blocks(large, large.ops[0], 512)[-2:] == (512, 1024)
    tiny = _graph(_filter(np.ones((4, 3, 3, 4))), size=1)
    assert UPSAMPLE_CONVOLVE.blocks(tiny, tiny.ops[0], 2) == (2,)


def _case(size: int, channels: int, outputs: int) -> OneOp:
    random = np.random.default_rng(size)
    weights = _filter(random.integers(-127, 128, (outputs, 3, 3, channels)))
    op = UpsampleConv2D(name="up", inputs=("x",), output="y", filter=weights)
    x = random.integers(-128, 128, (1, size, size, channels), np.int8)
    out = Tensor("y", (1, 2 * size, 2 * size, outputs), Quantization(1.0, 0))
    return one_op(op, (x,), (Quantization(1.0, -128),), out)


@pytest.mark.parametrize(
    ("size", "channels", "outputs", "rows", "block"),
    [(16, 32, 16, (8, 16), 16), (8, 64, 8, (0, 16), 4), (12, 16, 12, (4, 8), 6), (8, 10, 7, (0, 16), 16)],
)
def test_the_estimated_work_is_near_what_the_emulated_core_executes(
    size: int, channels: int, outputs: int, rows: tuple[int, int], block: int
) -> None:
    case = _case(size, channels, outputs)
    measured = measured_work(convolve_call(Kernel.UPSAMPLE_CONVOLVE, UPSAMPLE_CONVOLVE, case, Part(rows), block))
    work = UPSAMPLE_CONVOLVE.work(case.graph, case.op, rows[1] - rows[0], block)
    assert work.instructions == pytest.approx(measured.instructions, rel=0.1)
    assert work.cycles == pytest.approx(measured.cycles, rel=0.1)


def test_smaller_blocks_read_the_weights_more_often() -> None:
    case = _case(8, 16, 8)
    small, large = (UPSAMPLE_CONVOLVE.work(case.graph, case.op, 16, block) for block in (4, 16))
    assert large.weight_bytes == 8 * 9 * 16
    assert small.weight_bytes == 4 * large.weight_bytes
    assert small.instructions > large.instructions
