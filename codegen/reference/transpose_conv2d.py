"""Transposed convolution.

    acc[y, x, c] = bias[c] + sum over i and all (iy, ky), (ix, kx) with
        iy * sy + ky == y + top and ix * sx + kx == x + left of
        w[c, ky, kx, i] * (in[iy, ix, i] - in_zero_point)
    out = clamp(arm_nn_requantize(acc, multiplier[c]) + out_zero_point)

Output rows and columns that no input reaches (output padding) hold the bias alone. Source: ONNX operator
ConvTranspose for the geometry, CMSIS-NN `arm_transpose_conv_s8` for the arithmetic.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Padding, TransposeConv2D
from tinyanime.codegen.reference.conv2d import centred, finish


def transpose_conv2d(op: TransposeConv2D, graph: Graph, inputs: tuple[NDArray[np.int8], ...]) -> NDArray[np.int8]:
    source, target = graph.tensors[op.inputs[0]], graph.output_tensor(op)
    values = centred(inputs[0], source.quantization.zero_point, Padding())
    kernel, stride = op.filter.kernel, op.stride
    spread_rows = (source.height - 1) * stride.height + 1
    spread_columns = (source.width - 1) * stride.width + 1
    canvas = np.zeros(
        (
            max(spread_rows + kernel.height - 1, op.padding.top + target.height),
            max(spread_columns + kernel.width - 1, op.padding.left + target.width),
            target.channels,
        )
    )
    for ky in range(kernel.height):
        for kx in range(kernel.width):
            weights = op.filter.values[:, ky, kx, :].astype(np.float64)
            reached = canvas[ky : ky + spread_rows : stride.height, kx : kx + spread_columns : stride.width]
            reached += values @ weights.T
    top, left = op.padding.top, op.padding.left
    return finish(canvas[top : top + target.height, left : left + target.width], op, graph)
