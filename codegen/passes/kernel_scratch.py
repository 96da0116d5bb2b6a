"""Working memory of each operator's kernel on a board."""

from __future__ import annotations

from dataclasses import replace

from tinyanime.boards.schema import Board
from tinyanime.codegen.cmsis_nn.scratch import (
    average_pool_scratch_bytes,
    convolve_scratch_bytes,
    depthwise_scratch_bytes,
)
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import AveragePool, Conv2D, Op
from tinyanime.codegen.passes.lower_to_cmsis_nn import select_kernel
from tinyanime.codegen.schedule.strips.build import ScratchBytes

DSP_CORES = ("cortex-m4", "cortex-m7", "cortex-m33")
"""Cores with the DSP extension: CMSIS-NN's kernels there widen inputs into a scratch buffer."""


def scratch_rule(board: Board, *, pinned: bool) -> ScratchBytes:
    """Bytes for (graph, operator, output rows of one call) on `board`; `pinned` as in `cmsis_nn.scratch`.

    Generated code compares with the library's own figure at start-up and before each call.
    """
    dsp = board.core in DSP_CORES

    def scratch_bytes(graph: Graph, op: Op, rows: int) -> int:
        if isinstance(op, Conv2D):
            return _convolution(graph, op, rows, dsp=dsp, pinned=pinned)
        if isinstance(op, AveragePool):
            return average_pool_scratch_bytes(graph.output_tensor(op).channels, dsp)
        return 0

    return scratch_bytes


def _convolution(graph: Graph, op: Conv2D, rows: int, *, dsp: bool, pinned: bool) -> int:
    source, target = graph.tensors[op.inputs[0]], graph.output_tensor(op)
    match select_kernel(graph, op).function:
        case "arm_convolve_wrapper_s8":
            # The first band has the map's padding above, the others none: take the larger need.
            return max(
                convolve_scratch_bytes(
                    source.height,
                    source.width,
                    source.channels,
                    rows,
                    target.width,
                    target.channels,
                    op.filter.kernel,
                    op.stride,
                    padding,
                    op.dilation,
                    dsp,
                    pinned=pinned,
                )
                for padding in (op.padding, replace(op.padding, top=0))
            )
        case "arm_depthwise_conv_wrapper_s8":
            return depthwise_scratch_bytes(source.channels, target.channels, op.filter.kernel, op.dilation, dsp)
        case _:
            return 0
