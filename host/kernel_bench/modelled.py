"""Modelled cycles of what ran on an emulated Cortex-M7: the cycle model fed with exact counts, section by section."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tinyanime.boards.schema import Board
from tinyanime.host.kernel_bench.emulation import Execution, Section

if TYPE_CHECKING:
    from tinyanime.host.cycle_model.flow import ExecutedBlock

MODELLED_CORE = "cortex-m7"
"""The only core that there is a model of."""


class SectionCycles:
    """The cycle model for one program on `board`; it remembers blocks that several sections run."""

    def __init__(self, execution: Execution, board: Board) -> None:
        from tinyanime.host.cycle_model.execution import MachineCode
        from tinyanime.host.cycle_model.memory import memory_costs
        from tinyanime.host.cycle_model.report import CycleModel

        self._model = CycleModel(MachineCode(execution.machine))
        self._costs = memory_costs(board)

    def of(self, section: Section) -> int:
        """Modelled cycles: pipeline, mispredicted branches, and the lines that the caches fill and write back."""
        from tinyanime.host.cycle_model.flow import Passage
        from tinyanime.host.cycle_model.memory import LinesTouched

        passages = tuple(
            Passage((p.from_address, p.from_size) if p.from_size else None, (p.address, p.size), p.executions)
            for p in section.passages
        )
        data = tuple(LinesTouched(filled.base, filled.lines) for filled in section.filled)
        return round(self._model.report(_blocks(section), self._costs, passages=passages, data=data).cycles)


def section_cycles(execution: Execution, board: Board) -> tuple[int, ...]:
    """Modelled cycles of each section of a program that ran on MODELLED_CORE with `board`'s memories."""
    model = SectionCycles(execution, board)
    return tuple(model.of(section) for section in execution.sections)


def _blocks(section: Section) -> tuple[ExecutedBlock, ...]:
    from tinyanime.host.cycle_model.flow import ExecutedBlock

    executions: dict[tuple[int, int], int] = defaultdict(int)
    for passage in section.passages:
        executions[(passage.address, passage.size)] += passage.executions
    return tuple(ExecutedBlock(address, size, count) for (address, size), count in sorted(executions.items()))
