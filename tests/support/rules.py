"""Kernel rules for tests of schedules."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter

from tinyanime.boards.schema import Board
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Op
from tinyanime.codegen.kernels.family import KernelFamily
from tinyanime.codegen.kernels.kernel import Kernel
from tinyanime.codegen.kernels.plain_scratch import PlainScratch
from tinyanime.codegen.kernels.rule import NO_LIMIT, Candidate, KernelRule, kernel_rule


def plain_rule(board: Board) -> KernelRule:
    """Plain CMSIS-NN calls: the kernels that weights come to in tiles."""
    return kernel_rule(board, pinned=True, family=KernelFamily.CMSIS_NN)


@dataclass(frozen=True, slots=True)
class _NoScratch(PlainScratch):
    def bytes(self, graph: Graph, op: Op, kernel: Kernel, rows: int) -> int:
        return 0


no_scratch = KernelRule(KernelFamily.CMSIS_NN, _NoScratch(dsp=True, pinned=True), (NO_LIMIT,))
"""Plain kernels that need no working memory."""


@dataclass(eq=False, slots=True)
class _OneKernel(KernelRule):
    """Chooses `function`, all columns of a call at a time, wherever it can compute the operator; else the plain one."""

    function: str = ""

    def choose(self, graph: Graph, op: Op, rows: int, scratch_limit: int = NO_LIMIT) -> Candidate:
        candidates = self.candidates(graph, op, rows)
        wanted = [item for item in candidates if item.kernel.function == self.function]
        if wanted:
            return max(wanted, key=attrgetter("kernel.block"))
        return next((item for item in candidates if not item.kernel.block), candidates[0])


def one_kernel_rule(board: Board, function: str) -> KernelRule:
    """One kernel of convolve.h wherever it is exact, whatever it costs."""
    return _OneKernel(KernelFamily.AUTO, PlainScratch.of(board, pinned=True), (NO_LIMIT,), function=function)
