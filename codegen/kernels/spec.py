"""What the compiler knows of a convolution kernel of `tinyanime/convolve.h`: legality, memory, layout, cost.

One module per kernel has one object of this kind; `catalogue.py` lists them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Filter, Op


@dataclass(frozen=True, slots=True)
class Work:
    """What one call does, estimated from fits to counts on the emulated core; working memory in TCM, weights too.

    `instructions` and `cycles` (modelled) are of a Cortex-M7, one core alone. `scratch_bytes` are the bytes of working
    memory read and written (not its size), `weight_bytes` the bytes of weights read where they lie. `meetings` is how
    often the cores meet where several compute the call together.
    """

    instructions: int
    cycles: int
    scratch_bytes: int
    weight_bytes: int
    meetings: int = 0


class ConvolutionKernel(Protocol):
    """`block` is the number of columns computed at a time, as in `ta_convolution`."""

    @property
    def function(self) -> str:
        """Name of the C function."""

    @property
    def layout(self) -> str:
        """The order of the weights in words, for comments."""

    def refusal(self, graph: Graph, op: Op) -> str | None:
        """Why the kernel cannot compute `op` exactly (e.g. "the stride is not 1"), or None where it can.

        Proves the bounds of every sum from the actual weights and the input's quantization.
        """

    def blocks(self, graph: Graph, op: Op, rows: int) -> tuple[int, ...]:
        """Numbers of columns worth considering for calls of `rows` output rows, ascending; the last one is best."""

    def scratch_bytes(self, graph: Graph, op: Op, block: int, cores: int = 1) -> int:
        """The twin of the C function `<function>_scratch_bytes` in a build for so many cores."""

    def pack_weights(self, weights: Filter) -> NDArray[np.int8]:
        """The weights in the order the kernel reads them: int8 [out_channels, bytes per channel]."""

    def work(self, graph: Graph, op: Op, rows: int, block: int) -> Work:
        """What a call of `rows` output rows, all channels, does."""
