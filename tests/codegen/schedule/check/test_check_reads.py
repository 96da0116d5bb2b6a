"""Which rows the checker says an operator reads, against what the reference interpreter does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.models.random_networks import LAYERS, layer_network
from tinyanime.codegen.frontend import load_model
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Filter, Op, UpsampleConv2D
from tinyanime.codegen.ir.tensor import Quantization, Tensor
from tinyanime.codegen.reference import run_op
from tinyanime.codegen.schedule.check.reads import keeps_bytes, needed_rows
from tinyanime.codegen.schedule.plan import RowRange
from tinyanime.codegen.schedule.strips.rows import read_rows

TRIALS = 24
"""Fresh inputs and changes per input row; a change may vanish in rounding or behind a larger element."""


def claimed(graph: Graph, op: Op, position: int) -> set[tuple[int, int]]:
    """Pairs (output row, input row) of which the checker says that the one is computed from the other."""
    return {
        (out, int(row))
        for out in range(graph.output_tensor(op).height)
        for row in needed_rows(graph, op, position, RowRange(out, out + 1))
    }


def observed(graph: Graph, op: Op, position: int, wanted: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """Pairs where the output row changes with the input row, until as many as `wanted` were seen."""
    random = np.random.default_rng(1)
    tensor = graph.tensors[op.inputs[position]]
    seen: set[tuple[int, int]] = set()
    for _ in range(TRIALS):
        values = [random.integers(-128, 128, graph.tensors[name].shape, np.int8) for name in op.inputs]
        before = run_op(op, graph, tuple(values)).reshape(graph.output_tensor(op).height, -1)
        for row in range(tensor.height):
            changed = list(values)
            changed[position] = values[position].copy()
            held = changed[position].reshape(tensor.height, -1)
            held[row] = random.integers(-128, 128, held.shape[1], np.int8)
            after = run_op(op, graph, tuple(changed)).reshape(before.shape)
            seen |= {(int(out), row) for out in np.flatnonzero((before != after).any(axis=1))}
        if seen == wanted:
            break
    return seen


@pytest.mark.parametrize("layer", sorted(LAYERS))
def test_the_rows_an_operator_reads_are_those_that_change_its_output(layer: str, tmp_path: Path) -> None:
    path = tmp_path / "layer.onnx"
    onnx.save(layer_network(layer, 3), path)
    graph = load_model(path)
    for op in graph.ops:
        for position in range(len(op.inputs)):
            pairs = claimed(graph, op, position)
            assert observed(graph, op, position, pairs) == pairs, f"{type(op).__name__} {op.name}"


def upsampled(height: int) -> Graph:
    random = np.random.default_rng(height)
    weights = Filter(random.integers(-127, 128, (4, 3, 3, 3), np.int8), np.full(4, 0.002), np.zeros(4, np.int32))
    op = UpsampleConv2D(name="up", inputs=("x",), output="y", filter=weights)
    tensors = (
        Tensor("x", (1, height, 4, 3), Quantization(1.0, 5)),
        Tensor("y", (1, 2 * height, 8, 4), Quantization(1.0, 0)),
    )
    return Graph("up", ("x",), ("y",), {tensor.name: tensor for tensor in tensors}, (op,))


@pytest.mark.parametrize("height", [1, 2, 5])
def test_the_rows_an_upsampling_convolution_reads_are_those_that_change_its_output(height: int) -> None:
    graph = upsampled(height)
    pairs = claimed(graph, graph.ops[0], 0)
    assert observed(graph, graph.ops[0], 0, pairs) == pairs


@pytest.mark.parametrize("height", [1, 2, 5])
def test_the_scheduler_gives_an_upsampling_convolution_the_rows_that_the_checker_asks_for(height: int) -> None:
    graph = upsampled(height)
    for begin in range(2 * height):
        for end in range(begin + 1, 2 * height + 1):
            read = read_rows(graph, graph.ops[0], 0, RowRange(begin, end))
            needed = needed_rows(graph, graph.ops[0], 0, RowRange(begin, end))
            assert list(range(read.rows.begin, read.rows.end)) == needed.tolist()
            assert (read.padding_top, read.padding_bottom) == (0, 0)


def test_rows_of_a_range_are_those_of_its_rows_together(tmp_path: Path) -> None:
    path = tmp_path / "layer.onnx"
    onnx.save(layer_network("movers_in_a_row", 4), path)
    graph = load_model(path)
    for op in graph.ops:
        height = graph.output_tensor(op).height
        for begin in range(height):
            single = [needed_rows(graph, op, 0, RowRange(row, row + 1)) for row in range(begin, min(begin + 3, height))]
            together = needed_rows(graph, op, 0, RowRange(begin, min(begin + 3, height)))
            assert np.array_equal(together, np.unique(np.concatenate(single)))


@pytest.mark.parametrize(
    ("source", "target", "kept"),
    [
        ((1, 1, 1, 8), (1, 8), True),
        ((1, 8), (1, 2, 4, 1), True),
        ((1, 8), (1, 2, 2, 2), False),
        ((1, 2, 4, 3), (1, 4, 2, 3), True),
        ((1, 2, 4, 3), (1, 2, 3, 4), False),
        ((1, 2, 2, 3), (1, 12), False),
    ],
)
def test_a_reshape_keeps_bytes_where_both_orders_agree(
    source: tuple[int, ...], target: tuple[int, ...], kept: bool
) -> None:
    assert keeps_bytes(source, target) == kept
