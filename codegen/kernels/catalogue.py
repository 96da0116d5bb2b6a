"""The kernels of `tinyanime/convolve.h` that the compiler knows."""

from __future__ import annotations

from functools import lru_cache

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Op
from tinyanime.codegen.kernels.direct import DIRECT
from tinyanime.codegen.kernels.kernel import Kernel
from tinyanime.codegen.kernels.spec import ConvolutionKernel, Work

CATALOGUE: tuple[ConvolutionKernel, ...] = (DIRECT,)


def convolution_kernel(kernel: Kernel) -> ConvolutionKernel | None:
    """What the compiler knows of `kernel`; None where it is none of these."""
    return next((entry for entry in CATALOGUE if entry.function == kernel.function), None)


@lru_cache(maxsize=8192)
def convolution_work(kernel: Kernel, graph: Graph, op: Op, rows: int) -> Work:
    """What a call of `rows` output rows does. ValueError where the kernel is none of these."""
    known = convolution_kernel(kernel)
    if known is None:
        raise ValueError(f"{kernel.function} is no kernel of convolve.h")
    return known.work(graph, op, rows, kernel.block)
