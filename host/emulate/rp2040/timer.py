"""TIMER: RP2040 datasheet 4.6. 64 bits of microseconds, without alarms."""

from __future__ import annotations

from collections.abc import Callable

from tinyanime.host.emulate.bus import BusError, Register
from tinyanime.host.emulate.rp2040.apb import ResettablePeripheral
from tinyanime.host.emulate.rp2040.chip_time import ROUNDING, ChipTime

_ALL = 0xFFFF_FFFF


class Timer(ResettablePeripheral):
    """Counts the ticks of the watchdog (4.7.2), whatever their rate is."""

    name = "TIMER"
    base = 0x4005_4000
    size_bytes = 0x1000
    registers = (
        Register("TIMEHW", 0x00),
        Register("TIMELW", 0x04),
        Register("TIMEHR", 0x08),
        Register("TIMELR", 0x0C),
        Register("TIMERAWH", 0x24),
        Register("TIMERAWL", 0x28),
        Register("DBGPAUSE", 0x2C, reset=0x7, writable=0x6),
        Register("PAUSE", 0x30),
    )

    def __init__(self, time: ChipTime, tick_hz: Callable[[], float]) -> None:
        super().__init__()
        self._time = time
        self._tick_hz = tick_hz
        self._ticks = 0.0
        self._at_ns = 0.0

    def clock_changed(self, on: bool) -> None:
        super().clock_changed(on)
        self._ticks, self._at_ns = 0.0, self._time.ns

    def settle(self) -> None:
        """Counts what has ticked; called before the rate of the tick changes."""
        now = self._time.ns
        self._ticks += max(0.0, now - self._at_ns) * self._tick_hz() / 1e9
        self._at_ns = now

    @property
    def ticks(self) -> int:
        now = self._time.ns
        # A core may be at an earlier moment than the one that was counted to.
        return int(self._ticks + (now - self._at_ns) * self._tick_hz() / 1e9 + ROUNDING)

    def read_timelr(self) -> int:
        self.values["TIMEHR"] = self.ticks >> 32
        return self.ticks & _ALL

    def read_timerawl(self) -> int:
        return self.ticks & _ALL

    def read_timerawh(self) -> int:
        return self.ticks >> 32

    def write_timehw(self, value: int) -> None:
        raise BusError("set the TIMER, which is not modelled")

    write_timelw = write_timehw
