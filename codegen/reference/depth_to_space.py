"""Depth to space: out[y * b + i, x * b + j, c] = in[y, x, k].

DCR: k = (i * b + j) * C_out + c. CRD: k = (c * b + i) * b + j. Source: ONNX operator DepthToSpace.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import DepthToSpace, DepthToSpaceMode


def depth_to_space(op: DepthToSpace, graph: Graph, inputs: tuple[NDArray[np.int8], ...]) -> NDArray[np.int8]:
    block = op.block
    one, height, width, channels = inputs[0].shape
    depth = channels // (block * block)
    if op.mode is DepthToSpaceMode.DCR:
        split = inputs[0].reshape(one, height, width, block, block, depth).transpose(0, 1, 3, 2, 4, 5)
    else:
        split = inputs[0].reshape(one, height, width, depth, block, block).transpose(0, 1, 4, 2, 5, 3)
    return split.reshape(one, height * block, width * block, depth)
