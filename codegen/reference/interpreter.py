"""Runs a graph operator by operator in exact integer arithmetic: the only definition of "correct"."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tinyanime.codegen.ir import ops
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.reference.add import add
from tinyanime.codegen.reference.average_pool import average_pool
from tinyanime.codegen.reference.concat import concat
from tinyanime.codegen.reference.conv2d import conv2d
from tinyanime.codegen.reference.depth_to_space import depth_to_space
from tinyanime.codegen.reference.fully_connected import fully_connected
from tinyanime.codegen.reference.max_pool import max_pool
from tinyanime.codegen.reference.pad import pad
from tinyanime.codegen.reference.requantize import requantize
from tinyanime.codegen.reference.reshape import reshape
from tinyanime.codegen.reference.resize_nearest import resize_nearest
from tinyanime.codegen.reference.space_to_depth import space_to_depth
from tinyanime.codegen.reference.transpose_conv2d import transpose_conv2d
from tinyanime.codegen.reference.upsample_conv2d import upsample_conv2d


def run_reference(graph: Graph, inputs: Mapping[str, NDArray[np.int8]]) -> dict[str, NDArray[np.int8]]:
    """Every tensor of a verified graph by name, int8 in the IR's shape (NHWC with the batch axis).

    Raises ValueError where an input is missing or has another shape or type than its tensor.
    """
    values: dict[str, NDArray[np.int8]] = {}
    for name in graph.inputs:
        array = inputs.get(name)
        if array is None or array.dtype != np.int8 or array.shape != graph.tensors[name].shape:
            found = "nothing" if array is None else f"{array.dtype} {list(array.shape)}"
            raise ValueError(f"input {name!r} must be int8 {list(graph.tensors[name].shape)}, got {found}")
        values[name] = array
    for op in graph.ops:
        values[op.output] = run_op(op, graph, tuple(values[name] for name in op.inputs))
    return values


def run_op(op: ops.Op, graph: Graph, inputs: tuple[NDArray[np.int8], ...]) -> NDArray[np.int8]:
    """One operator's output from its inputs; `graph` gives the tensors' shapes and quantization."""
    match op:
        case ops.Conv2D():
            return conv2d(op, graph, inputs)
        case ops.TransposeConv2D():
            return transpose_conv2d(op, graph, inputs)
        case ops.UpsampleConv2D():
            return upsample_conv2d(op, graph, inputs)
        case ops.FullyConnected():
            return fully_connected(op, graph, inputs)
        case ops.Add():
            return add(op, graph, inputs)
        case ops.Concat():
            return concat(op, graph, inputs)
        case ops.Pad():
            return pad(op, graph, inputs)
        case ops.ResizeNearest():
            return resize_nearest(op, graph, inputs)
        case ops.DepthToSpace():
            return depth_to_space(op, graph, inputs)
        case ops.SpaceToDepth():
            return space_to_depth(op, graph, inputs)
        case ops.MaxPool():
            return max_pool(op, graph, inputs)
        case ops.AveragePool():
            return average_pool(op, graph, inputs)
        case ops.Requantize():
            return requantize(op, graph, inputs)
        case ops.Reshape():
            return reshape(op, graph, inputs)
    raise TypeError(f"operator {type(op).__name__} has no reference")
