"""Reshape: the elements in ONNX's order (channel, row, column) under another shape.

A map [1, H, W, C] is read channel by channel and written likewise; a rank-2 tensor is read as it lies.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Reshape


def reshape(op: Reshape, graph: Graph, inputs: tuple[NDArray[np.int8], ...]) -> NDArray[np.int8]:
    values = inputs[0]
    ordered = values.transpose(0, 3, 1, 2) if values.ndim == 4 else values
    shape = graph.output_tensor(op).shape
    if len(shape) != 4:
        return ordered.reshape(shape)
    one, height, width, channels = shape
    return np.ascontiguousarray(ordered.reshape(one, channels, height, width).transpose(0, 2, 3, 1))
