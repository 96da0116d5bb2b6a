"""Working memory of each operator's kernel on a board."""

from __future__ import annotations

from tinyanime.boards.schema import Board
from tinyanime.codegen.cmsis_nn.scratch import (
    average_pool_scratch_bytes,
    convolve_scratch_bytes,
    depthwise_scratch_bytes,
)
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import AveragePool, Conv2D, Op
from tinyanime.codegen.passes.lower_to_cmsis_nn import select_kernel
from tinyanime.codegen.schedule.build import ScratchBytes

DSP_CORES = ("cortex-m4", "cortex-m7", "cortex-m33")
"""Cores with the DSP extension: CMSIS-NN's kernels there widen inputs into a scratch buffer."""


def scratch_rule(board: Board) -> ScratchBytes:
    """Bytes for (graph, operator, output rows of one call) on `board`.

    Generated code compares with the library's own figure at each call and stops with TA_ERROR_SCRATCH.
    """
    dsp = board.core in DSP_CORES

    def scratch_bytes(graph: Graph, op: Op, rows: int) -> int:
        return _scratch_bytes(graph, op, rows, dsp=dsp)

    return scratch_bytes
