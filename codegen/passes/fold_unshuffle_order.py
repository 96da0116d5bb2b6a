"""Turns PyTorch's pixel unshuffle (CRD) into ONNX's SpaceToDepth (DCR) by permuting the weights behind it.

Only the order of channels differs. Every reader must be a convolution without groups: permuting the input channels
of its weights alike gives the same sums.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tinyanime.codegen.errors import ModelError
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Conv2D, DepthToSpaceMode, Op, SpaceToDepth


def fold_unshuffle_order(graph: Graph) -> Graph:
    """The graph with DCR SpaceToDepth only.

    Raises ModelError naming the node that reads the channels in an order that cannot be changed.
    """
    for op in graph.ops:
        if isinstance(op, SpaceToDepth) and op.mode is DepthToSpaceMode.CRD:
            graph = _fold(graph, op)
    return graph


def _fold(graph: Graph, unshuffle: SpaceToDepth) -> Graph:
    readers = graph.consumers(unshuffle.output)
    names = [op.name for op in readers if not (isinstance(op, Conv2D) and op.groups == 1)]
    if unshuffle.output in graph.outputs:
        names.append("the network output")
    if names:
        raise ModelError(
            f"Node '{unshuffle.name}' is a pixel unshuffle (channel-major) that '{names[0]}' reads; only "
            "convolutions without groups may.",
            hint="Put a convolution behind it, or use SpaceToDepth.",
        )
    order = dcr_order(unshuffle.block, graph.tensors[unshuffle.inputs[0]].channels)

    def rewritten(op: Op) -> Op:
        if op is unshuffle:
            return replace(unshuffle, mode=DepthToSpaceMode.DCR)
        if isinstance(op, Conv2D) and unshuffle.output in op.inputs:
            values = np.ascontiguousarray(op.filter.values[:, :, :, order])
            return replace(op, filter=replace(op.filter, values=values))
        return op

    return replace(graph, ops=tuple(rewritten(op) for op in graph.ops))


def dcr_order(block: int, channels: int) -> NDArray[np.int64]:
    """For each DCR channel (block row, block column, channel) its number in CRD order."""
    crd = np.arange(channels * block * block, dtype=np.int64).reshape(channels, block, block)
    return crd.transpose(1, 2, 0).ravel()
