"""Modelled cycles of what ran on an emulated core: the cycle models fed with exact counts, section by section."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tinyanime.boards.schema import Board
from tinyanime.host.kernel_bench.emulation import Execution, Section

if TYPE_CHECKING:
    from tinyanime.host.cycle_model.flow import ExecutedBlock, Passage

CACHED_CORE = "cortex-m7"
"""The only core whose data cache is modelled: its loads and stores are followed."""
MODELLED_CORES = (CACHED_CORE, "cortex-m0plus", "rv32imc")


class SectionCycles:
    """The Cortex-M7's model for one program on `board`; it remembers blocks that several sections run."""

    def __init__(self, execution: Execution, board: Board) -> None:
        from tinyanime.host.cycle_model.execution import MachineCode
        from tinyanime.host.cycle_model.memory import memory_costs
        from tinyanime.host.cycle_model.report import CycleModel

        self._model = CycleModel(MachineCode(execution.machine))
        self._costs = memory_costs(board)

    def of(self, section: Section) -> int:
        """Modelled cycles: pipeline, mispredicted branches, and the lines that the caches fill and write back."""
        from tinyanime.host.cycle_model.memory import LinesTouched

        data = tuple(LinesTouched(filled.base, filled.lines) for filled in section.filled)
        report = self._model.report(_blocks(section), self._costs, passages=_passages(section), data=data)
        return round(report.cycles)


def section_cycles(execution: Execution, board: Board, core: str) -> tuple[int, ...]:
    """Modelled cycles of each section of a program that ran on `core` (one of MODELLED_CORES), with `board`'s memories
    where the core has a cache."""
    from tinyanime.host.cycle_model.execution import MachineCode
    from tinyanime.host.cycle_model.in_order import CORES, InOrderModel

    if core == CACHED_CORE:
        cached = SectionCycles(execution, board)
        return tuple(cached.of(section) for section in execution.sections)
    model = InOrderModel(CORES[core], MachineCode(execution.machine))
    return tuple(model.cycles(_passages(section)) for section in execution.sections)


def _passages(section: Section) -> tuple[Passage, ...]:
    from tinyanime.host.cycle_model.flow import Passage

    return tuple(
        Passage((p.from_address, p.from_size) if p.from_size else None, (p.address, p.size), p.executions)
        for p in section.passages
    )


def _blocks(section: Section) -> tuple[ExecutedBlock, ...]:
    from tinyanime.host.cycle_model.flow import ExecutedBlock

    executions: dict[tuple[int, int], int] = defaultdict(int)
    for passage in section.passages:
        executions[(passage.address, passage.size)] += passage.executions
    return tuple(ExecutedBlock(address, size, count) for (address, size), count in sorted(executions.items()))
