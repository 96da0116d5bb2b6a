"""Kernel rules for tests of schedules."""

from __future__ import annotations

from dataclasses import dataclass

from tinyanime.boards.schema import Board
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Op
from tinyanime.codegen.kernels.family import KernelFamily
from tinyanime.codegen.kernels.kernel import Kernel
from tinyanime.codegen.kernels.plain_scratch import PlainScratch
from tinyanime.codegen.kernels.rule import NO_LIMIT, KernelRule, kernel_rule


def plain_rule(board: Board) -> KernelRule:
    """Plain CMSIS-NN calls: the kernels that weights come to in tiles."""
    return kernel_rule(board, pinned=True, family=KernelFamily.CMSIS_NN)


@dataclass(frozen=True, slots=True)
class _NoScratch(PlainScratch):
    def bytes(self, graph: Graph, op: Op, kernel: Kernel, rows: int) -> int:
        return 0


no_scratch = KernelRule(KernelFamily.CMSIS_NN, _NoScratch(dsp=True, pinned=True), (NO_LIMIT,))
"""Plain kernels that need no working memory."""
