"""Space to depth: out[y, x, k] = in[y * b + i, x * b + j, c].

DCR: k = (i * b + j) * C_in + c (ONNX operator SpaceToDepth). CRD: k = (c * b + i) * b + j (PyTorch PixelUnshuffle).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import DepthToSpaceMode, SpaceToDepth


def space_to_depth(op: SpaceToDepth, graph: Graph, inputs: tuple[NDArray[np.int8], ...]) -> NDArray[np.int8]:
    block = op.block
    one, height, width, depth = inputs[0].shape
    rows, columns = height // block, width // block
    split = inputs[0].reshape(one, rows, block, columns, block, depth)
    order = (0, 1, 3, 2, 4, 5) if op.mode is DepthToSpaceMode.DCR else (0, 1, 3, 5, 2, 4)
    return split.transpose(order).reshape(one, rows, columns, depth * block * block)
