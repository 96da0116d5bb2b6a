"""Graphs by hand for tests of the scheduler."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Add, Conv2D, DepthToSpace, Filter, Op, Padding, ResizeNearest, Size2D
from tinyanime.codegen.ir.tensor import Quantization, Tensor

Q = Quantization(0.1, 0)


def conv(name: str, source: str, out: str, channels: int, outputs: int, stride: int = 1) -> Conv2D:
    values = np.ones((outputs, 3, 3, channels), dtype=np.int8)
    weights = Filter(values, np.ones(outputs), np.zeros(outputs, dtype=np.int32))
    return Conv2D(
        name=name,
        inputs=(source,),
        output=out,
        filter=weights,
        stride=Size2D(stride, stride),
        padding=Padding(1, 1, 1, 1),
    )


def tensor(name: str, height: int, channels: int) -> Tensor:
    return Tensor(name, (1, height, height, channels), Q)


def generator(height: int) -> Graph:
    """A small U-shaped generator: down, up, skip, head with depth to space, global residual."""
    half, quarter = height // 2, height // 4
    tensors = (
        tensor("photo", height, 3),
        tensor("stem", half, 8),
        tensor("down", quarter, 16),
        tensor("up", half, 16),
        tensor("wide", half, 8),
        tensor("skip", half, 8),
        tensor("head", half, 12),
        tensor("pixels", height, 3),
        tensor("anime", height, 3),
    )
    ops: tuple[Op, ...] = (
        conv("stem", "photo", "stem", 3, 8, stride=2),
        conv("down", "stem", "down", 8, 16, stride=2),
        ResizeNearest(name="up", inputs=("down",), output="up", factor=Size2D(2, 2)),
        conv("wide", "up", "wide", 16, 8),
        Add(name="skip", inputs=("wide", "stem"), output="skip"),
        conv("head", "skip", "head", 8, 12),
        DepthToSpace(name="pixels", inputs=("head",), output="pixels", block=2),
        Add(name="anime", inputs=("pixels", "photo"), output="anime"),
    )
    return Graph("generator", ("photo",), ("anime",), {t.name: t for t in tensors}, ops)


def with_small_scales(graph: Graph) -> Graph:
    """`graph` with factors that the kernels of convolve.h can say."""
    ops = (
        replace(op, filter=replace(op.filter, scales=op.filter.scales / 1000)) if isinstance(op, Conv2D) else op
        for op in graph.ops
    )
    return replace(graph, ops=tuple(ops))
