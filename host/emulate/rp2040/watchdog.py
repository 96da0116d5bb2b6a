"""WATCHDOG: RP2040 datasheet 4.7. It also makes the microsecond tick of TIMER and SysTick."""

from __future__ import annotations

from collections.abc import Callable

from tinyanime.host.emulate.bus import BusError, Peripheral, Register
from tinyanime.host.emulate.rp2040.apb import write_only
from tinyanime.host.emulate.rp2040.chip_time import ROUNDING, ChipTime
from tinyanime.host.emulate.rp2040.resets import ResetCause

_TRIGGER, _ENABLE, _PAUSE = 1 << 31, 1 << 30, 7 << 24
_TIME = 0xFF_FFFF
_TICK_ENABLE, _TICK_RUNNING = 1 << 9, 1 << 10
_COUNTS_PER_TICK = 2
"""Erratum RP2040-E1: the counter goes down by two per tick."""


class Watchdog(Peripheral):
    """`deadline_changed` is told that `deadline_ns` is another one."""

    name = "WATCHDOG"
    base = 0x4005_8000
    size_bytes = 0x1000
    registers = (
        Register("CTRL", 0x00, reset=_PAUSE, writable=_ENABLE | _PAUSE, ignored=_TIME),
        Register("LOAD", 0x04, writable=_TIME),
        Register("REASON", 0x08),
        *(Register(f"SCRATCH{index}", 0x0C + 4 * index, writable=0xFFFF_FFFF) for index in range(8)),
        Register("TICK", 0x2C, reset=_TICK_ENABLE, writable=_TICK_ENABLE | 0x1FF, ignored=0xF_FC00),
    )

    def __init__(
        self,
        time: ChipTime,
        ref_hz: Callable[[], int],
        cause: ResetCause,
        reset: Callable[[ResetCause], None],
        deadline_changed: Callable[[], None],
    ) -> None:
        super().__init__()
        self._time = time
        self._ref_hz = ref_hz
        self._reset = reset
        self._deadline_changed = deadline_changed
        self._loaded = 0
        self._loaded_at_ns = 0.0
        self.deadline_ns: float | None = None
        """When the chip is reset if nothing is loaded before; None: not at all."""
        self.ticks_changing: Callable[[], None] = lambda: None
        """Called before the tick changes."""
        self.values["REASON"] = int(cause.value)

    def keep_scratch(self, before: Watchdog) -> None:
        """The scratch registers survive all resets but power-on."""
        for index in range(8):
            self.values[f"SCRATCH{index}"] = before.values[f"SCRATCH{index}"]

    @property
    def tick_hz(self) -> float:
        """Of clk_ref divided by TICK's CYCLES; 0 while it is off."""
        cycles = self.values["TICK"] & 0x1FF
        return self._ref_hz() / cycles if self.values["TICK"] & _TICK_ENABLE and cycles else 0.0

    def read_tick(self) -> int:
        return self.values["TICK"] | (_TICK_RUNNING if self.tick_hz else 0)

    def write_tick(self, value: int) -> None:
        self.ticks_changing()
        self.store("TICK", value)
        self._set_deadline()

    def read_load(self) -> int:
        raise write_only("WATCHDOG_LOAD")

    def write_load(self, value: int) -> None:
        self.store("LOAD", value)
        self._loaded = value & _TIME
        self._loaded_at_ns = self._time.ns
        self._set_deadline()

    def write_ctrl(self, value: int) -> None:
        if value & _TRIGGER:
            self._reset(ResetCause.FORCED)
            return
        self.store("CTRL", value)
        self._set_deadline()

    def read_ctrl(self) -> int:
        return self.values["CTRL"] & ~_TIME | self._left

    @property
    def _left(self) -> int:
        if not self.values["CTRL"] & _ENABLE:
            return self._loaded
        passed = (self._time.ns - self._loaded_at_ns) * self.tick_hz / 1e9 * _COUNTS_PER_TICK
        return max(0, self._loaded - int(passed + ROUNDING))

    def _set_deadline(self) -> None:
        self.deadline_ns = None
        if self.values["CTRL"] & _ENABLE:
            if not self.tick_hz:
                raise BusError("enabled the watchdog without its tick (WATCHDOG_TICK): it would never bite")
            self.deadline_ns = self._loaded_at_ns + self._loaded / _COUNTS_PER_TICK / self.tick_hz * 1e9
        self._deadline_changed()

    def write_reason(self, value: int) -> None:
        raise BusError("wrote to WATCHDOG_REASON, which is read-only")
