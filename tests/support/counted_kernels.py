"""What kernel calls execute on the emulated Cortex-M7: instructions, and the cycles that the model gives them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from tests.support.emulated_core import EmulatedCore
from tests.support.kernel_benches import kernel_benches
from tests.support.kernel_case import KernelCase
from tinyanime.host.cycle_model import CycleModel, MemoryCosts
from tinyanime.host.cycle_model.execution import MachineCode, block_counts
from tinyanime.host.emulate.block_counter import BlockCounter

_OPTIMIZED = "Cortex-M7 -O3"


@dataclass(frozen=True, slots=True)
class Executed:
    """Of one call, the shim around it included; cycles with code and data in TCM."""

    instructions: int
    cycles: float


def executed(call: KernelCase) -> Executed:
    """Runs `call`, which must succeed, on the Cortex-M7 of the benches with -O3 as firmware is built."""
    core, counter = _counted_core()
    counter.start_profile()
    assert core.run(call).status == 0
    blocks, passages = block_counts(counter)
    report = CycleModel(MachineCode(core.machine)).report(blocks, MemoryCosts(), passages=passages)
    return Executed(report.instructions, report.cycles)


@cache
def _counted_core() -> tuple[EmulatedCore, BlockCounter]:
    core = next(bench for bench in kernel_benches() if bench.name == _OPTIMIZED)
    assert isinstance(core, EmulatedCore)
    return core, BlockCounter(core.machine)
