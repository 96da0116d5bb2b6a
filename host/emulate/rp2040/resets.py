"""What is held in reset: RESETS (datasheet 2.14), the power-on state machine (2.13) and the causes of resets (2.12)."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from tinyanime.host.emulate.bus import BusError, Peripheral, Register
from tinyanime.host.emulate.rp2040.apb import read_only

BITS = {
    2: "DMA",
    5: "IO_BANK0",
    6: "IO_QSPI",
    8: "PADS_BANK0",
    9: "PADS_QSPI",
    12: "PLL_SYS",
    13: "PLL_USB",
    19: "SYSINFO",
    21: "TIMER",
    22: "UART0",
}
"""Bits of RESET (2.14.3) whose peripherals are modelled."""
_ALL = 0x01FF_FFFF
BOOT_ROM_RELEASES = 1 << 6 | 1 << 9 | 1 << 21
"""IO_QSPI, PADS_QSPI and TIMER: the boot ROM uses them (2.8.1)."""

_PROC1 = 1 << 16
_PSM_ALL = 0x1_FFFF
_PSM_NEEDED = _PSM_ALL & ~0x3
"""All but the oscillators: what the watchdog has to reset so that the chip starts anew."""


class ResetCause(Enum):
    """Why the chip starts: WATCHDOG_REASON (4.7.6)."""

    POWER_ON = 0
    WATCHDOG = 1 << 0
    """The time of the watchdog is over."""
    FORCED = 1 << 1
    """Software has pulled the watchdog's trigger: WATCHDOG_CTRL."""


class Resets(Peripheral):
    """RESETS. `clocked` says whether a peripheral's clock runs: without it, it does not leave the reset."""

    name = "RESETS"
    base = 0x4000_C000
    size_bytes = 0x1000
    registers = (
        Register("RESET", 0x0, reset=_ALL, writable=_ALL),
        Register("WDSEL", 0x4, writable=_ALL),
        Register("RESET_DONE", 0x8),
    )

    def __init__(self, set_clock: Callable[[str, bool], None], clocked: Callable[[str], bool]) -> None:
        super().__init__()
        self._set_clock = set_clock
        self._clocked = clocked

    def release_for_boot(self) -> None:
        """As the boot ROM leaves it."""
        self.write_reset(_ALL & ~BOOT_ROM_RELEASES)

    def write_reset(self, value: int) -> None:
        self.store("RESET", value)
        for bit, name in BITS.items():
            self._set_clock(name, not value >> bit & 1 and self._clocked(name))

    def read_reset_done(self) -> int:
        done = _ALL & ~self.values["RESET"]
        for bit, name in BITS.items():
            if done >> bit & 1 and not self._clocked(name):
                done &= ~(1 << bit)
        return done

    def clocks_changed(self) -> None:
        """A peripheral's clock was switched: one that waited for it may leave the reset."""
        self.write_reset(self.values["RESET"])

    def write_reset_done(self, value: int) -> None:
        raise read_only("RESETS_RESET_DONE")


class PowerStateMachine(Peripheral):
    """PSM: 2.13.5. Only core 1 can be switched off."""

    name = "PSM"
    base = 0x4001_0000
    size_bytes = 0x1000
    registers = (
        Register("FRCE_ON", 0x0),
        Register("FRCE_OFF", 0x4, writable=_PROC1),
        Register("WDSEL", 0x8, writable=_PSM_ALL),
        Register("DONE", 0xC, reset=_PSM_ALL),
    )

    def __init__(self, power_core1: Callable[[bool], None]) -> None:
        super().__init__()
        self._power_core1 = power_core1

    def write_frce_off(self, value: int) -> None:
        before = self.values["FRCE_OFF"]
        self.store("FRCE_OFF", value)
        if (before ^ value) & _PROC1:
            self._power_core1(not value & _PROC1)

    def read_done(self) -> int:
        return _PSM_ALL & ~self.values["FRCE_OFF"]

    def write_done(self, value: int) -> None:
        raise read_only("PSM_DONE")

    def check_watchdog_resets_all(self) -> None:
        """BusError where the watchdog would leave parts of the chip as they are."""
        spared = _PSM_NEEDED & ~self.values["WDSEL"]
        if spared:
            raise BusError(
                f"let the watchdog reset the chip while PSM_WDSEL spares parts of it (bits 0x{spared:05x}), which is "
                "not modelled"
            )


class VoltageAndReset(Peripheral):
    """VREG_AND_CHIP_RESET: 2.10.6. `CHIP_RESET` keeps what the last power-on was."""

    name = "VREG_AND_CHIP_RESET"
    base = 0x4006_4000
    size_bytes = 0x1000
    registers = (
        Register("VREG", 0x0, reset=0xB1, writable=0xF0, ignored=1 << 12),
        Register("BOD", 0x4, reset=0x91, writable=0xF1),
        Register("CHIP_RESET", 0x8, reset=1 << 8),
    )

    def read_vreg(self) -> int:
        """The regulator is always in regulation (ROK)."""
        return self.values["VREG"] | 1 << 12
