"""Virtual time: one instruction is one core cycle, and waiting for the host passes time as sleep would."""

from __future__ import annotations

from collections.abc import Callable

from tinyanime.host.emulate.block_counter import BlockCounter


class CoreClock:
    """Cycles since the last reset.

    The counter knows whole blocks. How far into its block a load of the cycle counter is, unicorn tells only by
    stopping there: that is done once per load instruction, then remembered.
    """

    def __init__(self, counter: BlockCounter, core_hz: Callable[[], int], stop: Callable[[], None]) -> None:
        self.counter = counter
        self.core_hz = core_hz
        self._stop = stop
        self._idle_cycles = 0
        self._left_in_block: dict[tuple[int, int, int], int] = {}
        self._located: set[int] = set()
        self._last_read = (0, 0)
        self._reads_in_block = 0
        self.locating = False
        """Whether the machine was stopped to find the load; `located` must be called then."""

    @property
    def instructions(self) -> int:
        """Executed so far."""
        return self.counter.instructions

    @property
    def block_cycles(self) -> int:
        """At the end of the current block."""
        return self.counter.instructions + self._idle_cycles

    def cycles(self) -> int | None:
        """Before the instruction that asks; None where the machine stops first and the load is repeated."""
        begin, end = self.counter.block
        instructions = self.counter.instructions
        self._reads_in_block = self._reads_in_block + 1 if (instructions, begin) == self._last_read else 0
        self._last_read = (instructions, begin)
        key = (begin, end, self._reads_in_block)
        left = self._left_in_block.get(key)
        if left is None:
            if begin not in self._located or self._reads_in_block:
                self.locating = True
                self._stop()
                return None
            left = self._left_in_block[key] = self.counter.count_between(begin, end)
        return instructions - left + self._idle_cycles

    def located(self, pc: int) -> None:
        """The load that asked is at `pc`; the machine goes on there with a new block."""
        begin, end = self.counter.block
        left = self.counter.count_between(pc, end)
        self._left_in_block[(begin, end, self._reads_in_block)] = left
        self._located.add(pc)
        self.counter.take_back(left)
        self._last_read = (0, 0)
        self.locating = False

    def forget_code(self) -> None:
        """Code has changed (instruction cache invalidated)."""
        self.counter.forget_code()
        self._left_in_block.clear()
        self._located.clear()

    def idle(self, seconds: float) -> None:
        """Lets `seconds` pass without instructions."""
        cycles = int(seconds * self.core_hz())
        self._idle_cycles += cycles
        self.counter.bring_deadline_forward(cycles)

    def set_deadline(self, seconds: float) -> None:
        """Stops the emulation `seconds` from now."""
        self.counter.set_deadline(self.counter.instructions + int(seconds * self.core_hz()))
