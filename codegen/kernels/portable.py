"""Our portable kernels for what `plain.py` gives to CMSIS-NN, where there are such."""

from __future__ import annotations

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Conv2D, FullyConnected, Op
from tinyanime.codegen.kernels.kernel import Kernel, own
from tinyanime.codegen.kernels.plain import plain_kernel


def portable_kernel(graph: Graph, op: Op) -> Kernel:
    """Pools stay CMSIS-NN's: these functions are portable C on every core without MVE but for a few intrinsics."""
    if isinstance(op, Conv2D | FullyConnected):
        return own("ta_convolve_grouped_s8")
    return plain_kernel(graph, op)
