"""Virtual time: one instruction is one core cycle, and waiting for the host passes time as sleep would."""

from __future__ import annotations

from collections.abc import Callable

from tinyanime.host.emulate.block_counter import BlockCounter


class CoreClock:
    """Cycles since power-on or reset of this run."""

    def __init__(self, counter: BlockCounter, core_hz: Callable[[], int]) -> None:
        self.counter = counter
        self.core_hz = core_hz
        self.idle_cycles = 0

    def cycles(self) -> int:
        """At the end of the current block; see Dwt for reads within one."""
        return self.counter.instructions + self.idle_cycles

    def idle(self, seconds: float) -> None:
        """Lets `seconds` pass without instructions."""
        cycles = int(seconds * self.core_hz())
        self.idle_cycles += cycles
        self.counter.bring_deadline_forward(cycles)

    def set_deadline(self, seconds: float | None) -> None:
        """Stops the emulation `seconds` from now; None: never."""
        if seconds is None:
            self.counter.set_deadline(None)
        else:
            self.counter.set_deadline(self.counter.instructions + int(seconds * self.core_hz()))
