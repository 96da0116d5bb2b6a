"""What the compiler knows of the convolutions by tiles: legality, weights, blocks, memory, cost."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.convolve_cases import Part
from tests.support.kernel_measurement import measured_work
from tests.support.one_op import OneOp
from tests.support.tiled_kernels import TILED_2X2, TILED_4X4, TILED_KERNELS, TILED_STRIDE2, TiledKernel, tiled_case
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Conv2D, Filter, FullyConnected, Op, Padding, Size2D
from tinyanime.codegen.ir.tensor import Quantization, Tensor

each_kernel = pytest.mark.parametrize("tiled", TILED_KERNELS, ids=lambda tiled: tiled.kernel.name)


def _filter(values: np.ndarray, scale: float = 2.0**-12, bias: int = 0) -> Filter:
    count = values.shape[0]
    return Filter(values.astype(np.int8), np.full(count, scale), np.full(count, bias, np.int32))


def _graph(op: Op, weights: Filter, stride: int, size: int = 16, *, zero_point: int = -128) -> Graph:
    channels = weights.values.shape[3]
    tensors = (
        Tensor("x", (1, size * stride, size * stride, channels), Quantization(1.0, zero_point)),
        Tensor("y", (1, size, size, weights.out_channels), Quantization(1.0, 0)),
    )
    return Graph("one op", ("x",), ("y",), {tensor.name: tensor for tensor in tensors}, (op,))


def _convolution(tiled: TiledKernel, weights: Filter, **changes: object) -> Conv2D:
    stride = Size2D(tiled.stride, tiled.stride)
    arguments: dict[str, object] = {"stride": stride, "padding": Padding(1, 1, 1, 1), **changes}
    return Conv2D(name="conv", inputs=("x",), output="y", filter=weights, **arguments)  # type: ignore[arg-type]


@each_kernel
def test_other_convolutions_and_operators_are_refused(tiled: TiledKernel) -> None:
    weights = _filter(np.ones((4, 3, 3, 4)))

    def reason(op: Op, used: Filter = weights) -> str | None:
        return tiled.entry.refusal(_graph(op, used, tiled.stride), op)

    assert reason(_convolution(tiled, weights)) is None
    assert reason(FullyConnected(name="fc", inputs=("x",), output="y", filter=weights)) == "it is no convolution"
    assert reason(_convolution(tiled, weights, groups=2)) == "it has 2 groups"
    wide = _filter(np.ones((4, 3, 5, 4)))
    assert reason(_convolution(tiled, wide), wide) == "the kernel is 3x5"
    other = 3 - tiled.stride
    for stride in (Size2D(other, other), Size2D(tiled.stride, other), Size2D(3, 3)):
        assert reason(_convolution(tiled, weights, stride=stride)) == f"the stride is not {tiled.stride}"
    assert reason(_convolution(tiled, weights, dilation=Size2D(1, 2))) == "it is dilated"


@each_kernel
@pytest.mark.parametrize(("zero_point", "distance"), [(-128, 255), (127, 255), (0, 128)])
def test_the_sums_bound_follows_from_weights_bias_and_zero_point(
    tiled: TiledKernel, zero_point: int, distance: int
) -> None:
    limit = {TILED_4X4: 1 << 25, TILED_2X2: 1 << 29, TILED_STRIDE2: 1 << 30}[tiled]
    products = 72 * 127 * distance
    values = np.full((4, 3, 3, 8), -127)
    for total, legal in ((limit - 1, True), (limit, False)):
        weights = _filter(values, 2.0**-22, products - total)
        op = _convolution(tiled, weights)
        assert (tiled.entry.refusal(_graph(op, weights, tiled.stride, zero_point=zero_point), op) is None) == legal


def test_weights_alone_can_be_too_large_for_4x4_tiles_and_fit_2x2_tiles() -> None:
    """128 input channels with the largest weights: 2**25 is passed."""
    weights = _filter(np.full((4, 3, 3, 128), 127), 2.0**-22)
    op = _convolution(TILED_4X4, weights)
    graph = _graph(op, weights, 1)
    assert "the sum of channel 0 can reach 37307520" in (TILED_4X4.entry.refusal(graph, op) or "")
    assert TILED_2X2.entry.refusal(graph, op) is None


@each_kernel
def test_factors_that_a_channel_cannot_say_are_refused(tiled: TiledKernel) -> None:
    weights = _filter(np.ones((4, 3, 3, 4)), scale=1.5)
    op = _convolution(tiled, weights)
    assert "rescaled by" in (tiled.entry.refusal(_graph(op, weights, tiled.stride), op) or "")


@each_kernel
def test_weights_are_four_input_channels_of_each_tap_with_zeros_behind_the_last_one(tiled: TiledKernel) -> None:
    values = np.arange(2 * 9 * 6).reshape(2, 3, 3, 6) % 127
    packed = tiled.entry.pack_weights(_filter(values))
    assert packed.shape == (2, 2 * 9 * 4)
    assert packed[1, :8].tolist() == [*values[1, 0, 0, :4], *values[1, 0, 1, :4]]
    assert packed[1, 36:44].tolist() == [*values[1, 0, 0, 4:], 0, 0, *values[1, 0, 1, 4:], 0, 0]


def _blocks(tiled: TiledKernel, size: int, rows: int) -> tuple[int, ...]:
    weights = _filter(np.ones((4, 3, 3, 4)))
    op = _convolution(tiled, weights)
    return tiled.entry.blocks(_graph(op, weights, tiled.stride, size), op, rows)


def test_blocks_divide_the_tiles_of_a_call_evenly_and_end_with_all_of_them() -> None:
    assert _blocks(TILED_4X4, 32, 32) == (2, 4, 6, 8, 10, 12, 14, 16, 22, 32, 64)
    assert _blocks(TILED_4X4, 18, 4) == (2, 4, 6)
    assert _blocks(TILED_4X4, 3, 1) == (2,)
    assert _blocks(TILED_2X2, 9, 9)[-2:] == (14, 26)


@each_kernel
def test_blocks_are_never_larger_than_the_kernel_takes(tiled: TiledKernel) -> None:
    blocks = _blocks(tiled, 300, 300)
    assert blocks[-1] <= 1024
    assert all(block % 2 == 0 for block in blocks)


def _case(tiled: TiledKernel, size: int, channels: int, outputs: int) -> OneOp:
    random = np.random.default_rng(size)
    x = random.integers(-128, 128, (1, size * tiled.stride, size * tiled.stride, channels), np.int8)
    weights = random.integers(-20, 21, (outputs, 3, 3, channels)).astype(np.int8)
    return tiled_case(x, weights, stride=tiled.stride, zero_point=-128)


@each_kernel
@pytest.mark.parametrize(
    ("size", "channels", "outputs", "rows", "block"),
    [(16, 32, 16, (4, 8), 4), (16, 16, 8, (0, 16), 16), (13, 64, 8, (0, 13), 8), (12, 10, 7, (0, 12), 6)],
)
def test_the_estimated_work_is_near_what_the_emulated_core_executes(
    tiled: TiledKernel, size: int, channels: int, outputs: int, rows: tuple[int, int], block: int
) -> None:
    case = _case(tiled, size, channels, outputs)
    measured = measured_work(tiled.call(case, Part(rows), block))
    work = tiled.entry.work(case.graph, case.op, rows[1] - rows[0], block)
    assert work.instructions == pytest.approx(measured.instructions, rel=0.1)
    assert work.cycles == pytest.approx(measured.cycles, rel=0.1)


@each_kernel
def test_smaller_blocks_read_the_weights_more_often(tiled: TiledKernel) -> None:
    case = _case(tiled, 16, 16, 8)
    tiles = (16 // tiled.entry.kind.out_size) ** 2
    small, large = (tiled.entry.work(case.graph, case.op, 16, block) for block in (tiles // 4, tiles))
    assert large.weight_bytes == 8 * 9 * 16
    assert small.weight_bytes == 4 * large.weight_bytes
    assert small.instructions > large.instructions


@each_kernel
def test_rows_that_fill_no_tile_cost_as_much_as_whole_tiles(tiled: TiledKernel) -> None:
    case = _case(tiled, 16, 16, 8)
    size = tiled.entry.kind.out_size
    whole, cut = (tiled.entry.work(case.graph, case.op, rows, 4).cycles for rows in (size, size - 1))
    assert whole <= cut
