"""Joins an upsampling by 2 and the 3x3 convolution that reads it, so that the upsampled map is never stored.

The convolution's output keeps its name and its integers. The network's other operators stay as they are, so this is
for the compiler alone: what runs on a PC to compare with keeps both operators.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Conv2D, Op, Padding, ResizeNearest, Size2D, UpsampleConv2D


def fuse_upsample(graph: Graph, wanted: Callable[[Conv2D], bool]) -> Graph:
    """The graph with every such pair joined whose convolution is `wanted`; each joined operator is the convolution's
    name and stands at its place.

    A pair can be joined where nobody else reads the upsampled map, it is no output of the network, and the convolution
    has stride 1, dilation 1, groups 1 and padding 1 on all sides.
    """
    upsamplings = {op.output: op for op in graph.ops if isinstance(op, ResizeNearest) and _doubles_for_one(graph, op)}
    ops: list[Op] = []
    for op in graph.ops:
        upsampling = upsamplings.get(op.inputs[0])
        if upsampling is None or not isinstance(op, Conv2D) or not (_is_joinable(op) and wanted(op)):
            ops.append(op)
            continue
        ops.remove(upsampling)
        ops.append(
            UpsampleConv2D(name=op.name, inputs=upsampling.inputs, output=op.output, filter=op.filter, clamp=op.clamp)
        )
    read = {*graph.inputs, *graph.outputs, *(name for op in ops for name in (*op.inputs, op.output))}
    tensors = {name: tensor for name, tensor in graph.tensors.items() if name in read}
    return replace(graph, ops=tuple(ops), tensors=tensors)


def _doubles_for_one(graph: Graph, op: ResizeNearest) -> bool:
    """Whether it upsamples by 2 in both directions, for a single reader."""
    readers = sum(op.output in reader.inputs for reader in graph.ops)
    return op.factor == Size2D(2, 2) and readers == 1 and op.output not in graph.outputs


def _is_joinable(op: Conv2D) -> bool:
    one = Size2D(1, 1)
    return (
        op.filter.kernel == Size2D(3, 3)
        and op.stride == one
        and op.dilation == one
        and op.groups == 1
        and op.padding == Padding(1, 1, 1, 1)
    )
