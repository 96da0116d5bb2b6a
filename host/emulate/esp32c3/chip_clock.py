"""Virtual time of the ESP32-C3: core cycles, seconds over changes of the core's clock, and the watchdogs' deadlines."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from tinyanime.host.emulate.block_counter import BlockCounter
from tinyanime.host.emulate.clock import CoreClock


class ResetCause(Enum):
    """Values of RTC_CNTL_RESET_CAUSE: TRM chapter 6 (IDF soc/reset_reasons.h)."""

    POWER_ON = 0x01
    SOFTWARE = 0x03
    TIMER_WATCHDOG = 0x07
    RTC_WATCHDOG = 0x09
    SUPER_WATCHDOG = 0x12


class ChipClock(CoreClock):
    """Time since the reset, known to a block of instructions."""

    def __init__(self, counter: BlockCounter, hz: int, stop: Callable[[], None]) -> None:
        super().__init__(counter, lambda: self._hz, stop)
        self._hz = hz
        self._anchor_cycles = 0
        self._anchor_seconds = 0.0
        self._deadlines: dict[ResetCause, float] = {}

    @property
    def seconds(self) -> float:
        return self._anchor_seconds + (self.block_cycles - self._anchor_cycles) / self._hz

    def set_hz(self, hz: int) -> None:
        """The core's clock changes now."""
        self._anchor_seconds, self._anchor_cycles = self.seconds, self.block_cycles
        self._hz = hz
        self._arm()

    def set_watchdog(self, cause: ResetCause, seconds: float | None) -> None:
        """The watchdog behind `cause` resets the chip so long from now; None: it does not run."""
        if seconds is None:
            self._deadlines.pop(cause, None)
        else:
            self._deadlines[cause] = self.seconds + seconds
        self._arm()

    @property
    def first_watchdog(self) -> ResetCause:
        """The one that comes first, of those that run."""
        return min(self._deadlines, key=lambda cause: self._deadlines[cause])

    def _arm(self) -> None:
        if not self._deadlines:
            self.counter.set_deadline(None)
            return
        left = self._deadlines[self.first_watchdog] - self.seconds
        self.counter.set_deadline(self.counter.instructions + max(0, int(left * self._hz)))
