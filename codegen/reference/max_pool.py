"""Max pooling: the largest element of the window's part inside the map, clamped.

Source: CMSIS-NN `arm_max_pool_s8`; padding counts as -128, which never wins over an element.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import MaxPool
from tinyanime.codegen.ir.quantization import INT8_MIN


def max_pool(op: MaxPool, graph: Graph, inputs: tuple[NDArray[np.int8], ...]) -> NDArray[np.int8]:
    target = graph.output_tensor(op)
    around = ((op.padding.top, op.padding.bottom), (op.padding.left, op.padding.right), (0, 0))
    padded = np.pad(inputs[0][0], around, constant_values=INT8_MIN)
    result = np.full(target.shape[1:], INT8_MIN, np.int8)
    for ky in range(op.kernel.height):
        for kx in range(op.kernel.width):
            window = padded[
                ky : ky + (target.height - 1) * op.stride.height + 1 : op.stride.height,
                kx : kx + (target.width - 1) * op.stride.width + 1 : op.stride.width,
            ]
            np.maximum(result, window, out=result)
    return np.clip(result, op.clamp.minimum, op.clamp.maximum)[None]
