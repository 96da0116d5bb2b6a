"""Sources of the RP2040's clocks: crystal oscillator (datasheet 2.16), ring oscillator (2.17), PLLs (2.18)."""

from __future__ import annotations

from collections.abc import Callable

from tinyanime.host.emulate.bus import BusError, Peripheral, Register
from tinyanime.host.emulate.rp2040.apb import ResettablePeripheral
from tinyanime.host.emulate.rp2040.chip_time import ChipTime

XOSC_HZ = 12_000_000
ROSC_HZ = 6_500_000
"""Nominal frequency after a reset: 2.17.1. On silicon 1.8 to 12 MHz."""

_FREQUENCY_1_15_MHZ = 0xAA0
_ENABLE, _DISABLE = 0xFAB, 0xD1E
_STABLE, _ENABLED = 1 << 31, 1 << 12
_LOCK = 1 << 31
_LOCK_NS = 30_000.0
"""A PLL's time to lock is not specified; this is what the model takes."""
_PLL_OFF = 0x2D
_PD, _DSMPD, _POSTDIVPD, _VCOPD = 1 << 0, 1 << 2, 1 << 3, 1 << 5


class Xosc(Peripheral):
    """XOSC with the 12 MHz crystal of the Pico; stable when the time of STARTUP (2.16.7) is over."""

    name = "XOSC"
    base = 0x4002_4000
    size_bytes = 0x1000
    registers = (
        Register("CTRL", 0x00, writable=0xFF_FFFF),
        Register("STATUS", 0x04),
        Register("DORMANT", 0x08),
        Register("STARTUP", 0x0C, reset=0xC4, writable=1 << 20 | 0x3FFF),
        Register("COUNT", 0x1C, writable=0xFF),
    )

    def __init__(self, time: ChipTime, changed: Callable[[], None], *, works: bool = True) -> None:
        super().__init__()
        self._time = time
        self._changed = changed
        self._works = works
        self._stable_at_ns: float | None = None

    def write_ctrl(self, value: int) -> None:
        self.store("CTRL", value)
        if value & 0xFFF != _FREQUENCY_1_15_MHZ:
            raise BusError(f"set XOSC_CTRL to the frequency range 0x{value & 0xFFF:03x}, where 1 to 15 MHz is 0xaa0")
        switch = value >> 12
        if switch == _ENABLE and self._stable_at_ns is None:
            cycles = (self.values["STARTUP"] & 0x3FFF) * 256 * (4 if self.values["STARTUP"] >> 20 else 1)
            self._stable_at_ns = self._time.ns + cycles * 1e9 / XOSC_HZ
        elif switch == _DISABLE:
            self._stable_at_ns = None
            self._changed()
        elif switch not in (0, _ENABLE):
            raise BusError(f"wrote 0x{switch:03x} to ENABLE of XOSC_CTRL, which has no meaning")

    @property
    def hz(self) -> int:
        """0 while it is not stable."""
        running = self._works and self._stable_at_ns is not None and self._time.ns >= self._stable_at_ns
        return XOSC_HZ if running else 0

    def read_status(self) -> int:
        return (_STABLE if self.hz else 0) | (_ENABLED if self._stable_at_ns is not None else 0)

    def write_status(self, value: int) -> None:
        """BADWRITE is never set here: clearing it changes nothing."""

    def write_dormant(self, value: int) -> None:
        raise BusError("wrote to XOSC_DORMANT, which is not modelled")


class Rosc(Peripheral):
    """ROSC at its nominal frequency; it cannot be switched off here, nor tuned."""

    name = "ROSC"
    base = 0x4006_0000
    size_bytes = 0x1000
    registers = (
        Register("CTRL", 0x00, reset=0xAA0),
        Register("FREQA", 0x04),
        Register("FREQB", 0x08),
        Register("DORMANT", 0x0C),
        Register("DIV", 0x10, reset=0xAA0),
        Register("PHASE", 0x14, reset=0x8),
        Register("STATUS", 0x18, reset=_STABLE | _ENABLED),
    )


class Pll(ResettablePeripheral):
    """A PLL: 2.18.2 has the limits that are checked when its VCO starts."""

    size_bytes = 0x1000
    registers = (
        Register("CS", 0x0, reset=1, writable=1 << 8 | 0x3F, ignored=_LOCK),
        Register("PWR", 0x4, reset=_PLL_OFF, writable=_PLL_OFF),
        Register("FBDIV_INT", 0x8, writable=0xFFF),
        Register("PRIM", 0xC, reset=0x7_7000, writable=0x7_7000),
    )

    def __init__(self, time: ChipTime, xosc: Xosc, changed: Callable[[], None], *, locks: bool = True) -> None:
        super().__init__()
        self._time = time
        self._xosc = xosc
        self._changed = changed
        self._locks = locks
        self._locked_at_ns: float | None = None

    def clock_changed(self, on: bool) -> None:
        super().clock_changed(on)
        if not on and self._locked_at_ns is not None:
            self._locked_at_ns = None
            self._changed()

    def write_cs(self, value: int) -> None:
        if self._locked_at_ns is not None and (value ^ self.values["CS"]) & 0x3F:
            raise BusError(f"changed the reference divider of {self.name} while it runs")
        if value & 1 << 8:
            raise BusError(f"set {self.name} to bypass, which is not modelled")
        self.store("CS", value)

    def read_cs(self) -> int:
        return self.values["CS"] | (_LOCK if self._locked else 0)

    def write_fbdiv_int(self, value: int) -> None:
        if self._locked_at_ns is not None:
            raise BusError(f"changed the feedback divider of {self.name} while it runs")
        self.store("FBDIV_INT", value)

    def write_pwr(self, value: int) -> None:
        self.store("PWR", value)
        on = not value & (_PD | _VCOPD)
        if on and self._locked_at_ns is None:
            self._check_vco()
            self._locked_at_ns = self._time.ns + _LOCK_NS
        elif not on:
            self._locked_at_ns = None
        if on and not value & _DSMPD:
            raise BusError(f"powered the modulator of {self.name}, which has no use (DSMPD)")
        self._changed()

    def _check_vco(self) -> None:
        reference, feedback = self._reference_hz, self.values["FBDIV_INT"]
        if not self._xosc.hz:
            raise BusError(f"started {self.name} while the crystal oscillator is not stable")
        if reference < 5_000_000:
            raise BusError(f"started {self.name} with a reference of {reference} Hz, below 5 MHz")
        if not 16 <= feedback <= 320:
            raise BusError(f"started {self.name} with a feedback divider of {feedback}, outside 16 to 320")
        if not 750_000_000 <= reference * feedback <= 1_600_000_000:
            raise BusError(f"started {self.name} with a VCO at {reference * feedback} Hz, outside 750 to 1600 MHz")

    @property
    def _reference_hz(self) -> int:
        divider = self.values["CS"] & 0x3F
        return XOSC_HZ // divider if divider else 0

    @property
    def _locked(self) -> bool:
        return self._locks and self._locked_at_ns is not None and self._time.ns >= self._locked_at_ns

    @property
    def hz(self) -> int:
        """Output behind the post dividers; 0 while it does not run."""
        if not self._locked or self.values["PWR"] & _POSTDIVPD:
            return 0
        first, second = self.values["PRIM"] >> 16 & 7, self.values["PRIM"] >> 12 & 7
        if not first or not second:
            raise BusError(f"set a post divider of {self.name} to 0")
        return self._reference_hz * self.values["FBDIV_INT"] // (first * second)

    def write_prim(self, value: int) -> None:
        self.store("PRIM", value)
        self._changed()


class PllSys(Pll):
    """PLL_SYS."""

    name = "PLL_SYS"
    base = 0x4002_8000


class PllUsb(Pll):
    """PLL_USB."""

    name = "PLL_USB"
    base = 0x4002_C000
