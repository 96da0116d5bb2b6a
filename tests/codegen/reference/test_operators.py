"""Operators on numbers small enough to work out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tinyanime.codegen.ir import ops
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Clamp, Filter, Op, Padding, Size2D
from tinyanime.codegen.ir.tensor import Quantization, Tensor
from tinyanime.codegen.ir.verify import verify_graph
from tinyanime.codegen.reference import run_reference

UNIT = Quantization(1.0, 0)


def run(
    op: Op, inputs: list[NDArray[np.int8]], shape: tuple[int, ...], quantizations: list[Quantization] | None = None
) -> list[int]:
    """Output of `op` (inputs "a", "b", ...; output "y"), flat; the last quantization is the output's."""
    given = quantizations or [UNIT] * (len(inputs) + 1)
    tensors = {
        name: Tensor(name, array.shape, quantization)
        for name, array, quantization in zip(op.inputs, inputs, given[:-1], strict=True)
    }
    tensors["y"] = Tensor("y", shape, given[-1])
    graph = Graph("by hand", op.inputs, ("y",), tensors, (op,))
    verify_graph(graph)
    feeds = dict(zip(op.inputs, inputs, strict=True))
    return [int(value) for value in run_reference(graph, feeds)["y"].ravel()]


def image(rows: list[list[int]]) -> NDArray[np.int8]:
    return np.array(rows, np.int8)[None, :, :, None]


def kernel(values: list[list[int]], bias: int = 0) -> Filter:
    weights = np.array(values, np.int8)[None, :, :, None]
    return Filter(weights, np.ones(1), np.array([bias], np.int32))


def test_a_convolution_pads_with_the_zero_point() -> None:
    op = ops.Conv2D(name="c", inputs=("a",), output="y", filter=kernel([[1, 1, 1]], 10), padding=Padding(0, 1, 0, 1))
    result = run(op, [image([[5, 6, 7]])], (1, 1, 3, 1), [Quantization(1.0, 4), Quantization(1.0, -2)])
    assert result == [(1 + 2) + 10 - 2, (1 + 2 + 3) + 10 - 2, (2 + 3) + 10 - 2]


def test_a_clamp_limits_the_quantized_output() -> None:
    op = ops.Conv2D(name="c", inputs=("a",), output="y", filter=kernel([[2]]), clamp=Clamp(-3, 9))
    assert run(op, [image([[-7, 1, 50]])], (1, 1, 3, 1)) == [-3, 2, 9]


def test_a_transposed_convolution_spreads_each_input() -> None:
    op = ops.TransposeConv2D(
        name="t",
        inputs=("a",),
        output="y",
        filter=kernel([[1, 10, 100]], 1),
        stride=Size2D(1, 2),
        padding=Padding(0, 1, 0, 0),
        output_padding=Size2D(0, 1),
    )
    result = run(op, [image([[1, -1]])], (1, 1, 5, 1))
    assert result == [10 + 1, 100 - 1 + 1, -10 + 1, -100 + 1, 1]


def test_an_upsampled_convolution_sees_each_input_twice_and_zero_points_around() -> None:
    op = ops.UpsampleConv2D(name="u", inputs=("a",), output="y", filter=kernel([[0, 0, 0], [1, 0, 10], [0, 0, 0]], 5))
    result = run(op, [image([[1, 2]])], (1, 2, 4, 1), [Quantization(1.0, -1), Quantization(1.0, 0)])
    row = [2 * 10 + 5, 2 + 3 * 10 + 5, 2 + 3 * 10 + 5, 3 + 5]
    assert result == [*row, *row]


def test_an_upsampled_convolution_equals_an_upsampling_and_a_convolution() -> None:
    random = np.random.default_rng(0)
    values = random.integers(-127, 128, (5, 3, 3, 4), np.int8)
    weights = Filter(values, np.full(5, 1.0 / 900), random.integers(-999, 999, 5, np.int32))
    x = random.integers(-128, 128, (1, 4, 3, 4), np.int8)
    quantizations = [Quantization(1.0, 7), Quantization(1.0, -3)]
    joined = ops.UpsampleConv2D(name="u", inputs=("a",), output="y", filter=weights, clamp=Clamp(-90, 80))
    apart = ops.Conv2D(
        name="c", inputs=("a",), output="y", filter=weights, padding=Padding(1, 1, 1, 1), clamp=Clamp(-90, 80)
    )
    upsampled = x.repeat(2, axis=1).repeat(2, axis=2)
    assert run(joined, [x], (1, 8, 6, 5), quantizations) == run(apart, [upsampled], (1, 8, 6, 5), quantizations)


def test_an_average_rounds_halves_away_from_zero_and_leaves_padding_out() -> None:
    op = ops.AveragePool(
        name="p", inputs=("a",), output="y", kernel=Size2D(1, 2), stride=Size2D(1, 2), padding=Padding(0, 1, 0, 0)
    )
    assert run(op, [image([[7, 1, 2, -1, -2]])], (1, 1, 3, 1)) == [7, 2, -2]


def test_a_maximum_ignores_padding_even_among_the_smallest_values() -> None:
    op = ops.MaxPool(
        name="p", inputs=("a",), output="y", kernel=Size2D(1, 2), stride=Size2D(1, 1), padding=Padding(0, 1, 0, 0)
    )
    assert run(op, [image([[-128, -127, 3]])], (1, 1, 3, 1)) == [-128, -127, 3]


def test_a_sum_rescales_both_sides() -> None:
    op = ops.Add(name="s", inputs=("a", "b"), output="y")
    quantizations = [Quantization(0.5, 10), Quantization(0.25, -4), Quantization(1.0, 1)]
    # (30 - 10) / 2 + (36 + 4) / 4 = 20; (11 - 10) / 2 = 0.5 rounds away from zero; -0.25 rounds to zero.
    result = run(op, [image([[30, 11, 10]]), image([[36, -4, -5]])], (1, 1, 3, 1), quantizations)
    assert result == [21, 2, 1]


def test_a_reflection_does_not_repeat_the_edge() -> None:
    op = ops.Pad(name="p", inputs=("a",), output="y", padding=Padding(0, 2, 0, 1), mode=ops.PadMode.REFLECT)
    assert run(op, [image([[1, 2, 3]])], (1, 1, 6, 1)) == [3, 2, 1, 2, 3, 2]


def test_a_constant_pad_writes_its_value() -> None:
    op = ops.Pad(name="p", inputs=("a",), output="y", padding=Padding(1, 0, 0, 1), value=-9)
    assert run(op, [image([[1, 2]])], (1, 2, 3, 1)) == [-9, -9, -9, 1, 2, -9]


def test_a_concatenation_rescales_what_differs() -> None:
    op = ops.Concat(name="c", inputs=("a", "b"), output="y", axis=2)
    quantizations = [Quantization(2.0, 1), Quantization(1.0, 0), Quantization(1.0, 0)]
    assert run(op, [image([[3, 100]]), image([[5]])], (1, 1, 3, 1), quantizations) == [4, 127, 5]


def test_a_requantization_saturates() -> None:
    op = ops.Requantize(name="q", inputs=("a",), output="y", clamp=Clamp(-100, 127))
    result = run(op, [image([[-90, 2, 90]])], (1, 1, 3, 1), [Quantization(2.0, 0), Quantization(1.0, 3)])
    assert result == [-100, 7, 127]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [(ops.DepthToSpaceMode.DCR, [1, 2, 3, 4, 5, 6, 7, 8]), (ops.DepthToSpaceMode.CRD, [1, 5, 2, 6, 3, 7, 4, 8])],
)
def test_depth_to_space_orders_channels_by_mode(mode: ops.DepthToSpaceMode, expected: list[int]) -> None:
    op = ops.DepthToSpace(name="d", inputs=("a",), output="y", block=2, mode=mode)
    values = np.arange(1, 9, dtype=np.int8).reshape(1, 1, 1, 8)
    assert run(op, [values], (1, 2, 2, 2)) == expected


@pytest.mark.parametrize("mode", list(ops.DepthToSpaceMode))
def test_space_to_depth_undoes_depth_to_space(mode: ops.DepthToSpaceMode) -> None:
    deep = np.random.default_rng(0).integers(-128, 128, (1, 2, 3, 12)).astype(np.int8)
    there = ops.DepthToSpace(name="d", inputs=("a",), output="y", block=2, mode=mode)
    back = ops.SpaceToDepth(name="s", inputs=("a",), output="y", block=2, mode=mode)
    wide = np.array(run(there, [deep], (1, 4, 6, 3)), np.int8).reshape(1, 4, 6, 3)
    assert run(back, [wide], (1, 2, 3, 12)) == [int(value) for value in deep.ravel()]


def test_a_reshape_reads_channel_by_channel() -> None:
    op = ops.Reshape(name="r", inputs=("a",), output="y")
    values = np.array([[1, 10], [2, 20]], np.int8).reshape(1, 1, 2, 2)
    assert run(op, [values], (1, 4)) == [1, 2, 10, 20]


def test_a_fully_connected_layer_sums_over_its_features() -> None:
    values = np.array([[1, 2], [-3, 4]], np.int8)[:, None, None, :]
    weights = Filter(values, np.array([1.0, 0.5]), np.array([0, 6], np.int32))
    op = ops.FullyConnected(name="f", inputs=("a",), output="y", filter=weights)
    assert run(op, [np.array([[5, 7]], np.int8)], (1, 2)) == [19, (-15 + 28 + 6 + 1) // 2]
