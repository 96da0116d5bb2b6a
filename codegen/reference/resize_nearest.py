"""Nearest neighbour by whole factors: out[y, x] = in[y / factor_height, x / factor_width], rounded down.

Source: ONNX operator Resize, mode nearest, asymmetric coordinates, nearest_mode floor.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import ResizeNearest


def resize_nearest(op: ResizeNearest, graph: Graph, inputs: tuple[NDArray[np.int8], ...]) -> NDArray[np.int8]:
    return inputs[0].repeat(op.factor.height, axis=1).repeat(op.factor.width, axis=2)
