"""Instructions and modelled cycles of kernel calls on the emulated Cortex-M7."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from tests.support.emulated_core import EmulatedCore
from tests.support.kernel_benches import new_core
from tests.support.kernel_case import KernelCase
from tinyanime.host.cycle_model import CycleModel, MemoryCosts
from tinyanime.host.cycle_model.execution import MachineCode, block_counts
from tinyanime.host.emulate.block_counter import BlockCounter


@dataclass(frozen=True, slots=True)
class MeasuredWork:
    """`cycles` are modelled, all memory as fast as TCM."""

    instructions: int
    cycles: float


def measured_work(call: KernelCase) -> MeasuredWork:
    """What a call that succeeds does, built with -O3."""
    core, counter, model = _measured_core()
    counter.start_profile()
    assert core.run(call).status == 0
    blocks, passages = block_counts(counter)
    report = model.report(blocks, MemoryCosts(), passages=passages)
    return MeasuredWork(report.instructions, report.cycles)


@cache
def _measured_core() -> tuple[EmulatedCore, BlockCounter, CycleModel]:
    core = new_core()
    return core, BlockCounter(core.machine), CycleModel(MachineCode(core.machine))
