"""Multiply-accumulates of an operator, counted as the literature does: kernel taps in the padding included."""

from __future__ import annotations

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Conv2D, FullyConnected, Op, TransposeConv2D, UpsampleConv2D


def op_macs(graph: Graph, op: Op) -> int:
    """Multiply-accumulates of `op`; 0 for operators that only move, compare or add."""
    match op:
        case Conv2D() | UpsampleConv2D() | FullyConnected():
            taps = op.filter.values[0].size
            return int(graph.output_tensor(op).element_count * taps)
        case TransposeConv2D():
            taps = op.filter.values.size // op.filter.values.shape[3]
            return int(graph.input_tensors(op)[0].element_count * taps)
        case _:
            return 0


def graph_macs(graph: Graph) -> int:
    """Sum over all operators."""
    return sum(op_macs(graph, op) for op in graph.ops)
