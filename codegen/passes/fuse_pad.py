"""Moves a constant Pad whose value is the zero point into the convolution that reads it.

A convolution pads with its input's zero point, so the integers stay the same and the padded map is never stored.
"""

from __future__ import annotations

from dataclasses import replace

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Conv2D, Op, Pad, Padding, PadMode


def fuse_pad(graph: Graph) -> Graph:
    """The graph with such Pads fused into every convolution behind them; unread Pads are left to fold_unused_ops."""
    pads = {op.output: op for op in graph.ops if isinstance(op, Pad) and _pads_zero(op, graph)}
    return replace(graph, ops=tuple(_fused(op, pads) for op in graph.ops))


def _pads_zero(pad: Pad, graph: Graph) -> bool:
    zero_point = graph.tensors[pad.inputs[0]].quantization.zero_point
    return pad.mode is PadMode.CONSTANT and pad.value == zero_point


def _fused(op: Op, pads: dict[str, Pad]) -> Op:
    while isinstance(op, Conv2D) and op.inputs[0] in pads:
        pad = pads[op.inputs[0]]
        own, more = op.padding, pad.padding
        total = Padding(own.top + more.top, own.left + more.left, own.bottom + more.bottom, own.right + more.right)
        op = replace(op, inputs=pad.inputs, padding=total)
    return op
