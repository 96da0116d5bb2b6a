"""Nearest-neighbour upsampling by 2, then a 3x3 convolution.

    up[y, x] = in[y / 2, x / 2] - in_zero_point, rounded down; 0 outside of the map
    acc[y, x, c] = bias[c] + sum over ky, kx, i of w[c, ky, kx, i] * up[y + ky - 1, x + kx - 1, i]
    out = clamp(arm_nn_requantize(acc, multiplier[c]) + out_zero_point)

The same integers as `resize_nearest.py` and then `conv2d.py`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Padding, UpsampleConv2D
from tinyanime.codegen.reference.conv2d import centred, finish

_AROUND = Padding(1, 1, 1, 1)


def upsample_conv2d(op: UpsampleConv2D, graph: Graph, inputs: tuple[NDArray[np.int8], ...]) -> NDArray[np.int8]:
    source, target = graph.tensors[op.inputs[0]], graph.output_tensor(op)
    upsampled = inputs[0].repeat(2, axis=1).repeat(2, axis=2)
    padded = centred(upsampled, source.quantization.zero_point, _AROUND)
    accumulator = np.zeros(target.shape[1:], np.float64)
    for ky in range(3):
        for kx in range(3):
            window = padded[ky : ky + target.height, kx : kx + target.width]
            accumulator += window @ op.filter.values[:, ky, kx, :].astype(np.float64).T
    return finish(accumulator, op, graph)
