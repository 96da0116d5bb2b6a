"""RTC_CNTL (TRM chapter 9) with RTC and super watchdog, and the watchdog of timer group 0: TRM chapter 12."""

from __future__ import annotations

from collections.abc import Callable

from tinyanime.host.emulate.bus import BusError, Peripheral, Register
from tinyanime.host.emulate.esp32c3.chip_clock import ChipClock, ResetCause

_KEY, _SUPER_KEY = 0x50D8_3AA1, 0x8F1D_312A
_RC_SLOW_HZ = 136_000
_ALL = 0xFFFF_FFFF
_POWER_DOWN = 1 << 6 | 1 << 8 | 1 << 10
_SW_SYS_RST = 1 << 31
_ENABLE = 1 << 31
_FEED = 1 << 31
_RTC_FLASHBOOT, _RESET_SYSTEM = 1 << 12, 3
_AUTO_FEED, _SUPER_FEED = 1 << 31, 1 << 29
_SUPER_SECONDS = 1.0
"""TRM chapter 12, "Super Watchdog": slightly less than one second."""


class RtcCntl(Peripheral):
    """Power of the PLL, software reset, RTC watchdog and super watchdog, as the ROM leaves them: both run."""

    name = "RTC_CNTL"
    base = 0x6000_8000
    size_bytes = 0x200
    registers = (
        Register("OPTIONS0", 0x00, reset=0x1C00_A000, writable=_POWER_DOWN),
        Register("RESET_STATE", 0x38),
        Register("WDTCONFIG0", 0x90, reset=0x0001_3214, writable=_ALL),
        Register("WDTCONFIG1", 0x94, reset=200_000, writable=_ALL),
        Register("WDTFEED", 0xA4, writable=_FEED),
        Register("WDTWPROTECT", 0xA8, writable=_ALL),
        Register("SWD_CONF", 0xAC, reset=300 << 18, writable=_AUTO_FEED | _SUPER_FEED),
        Register("SWD_WPROTECT", 0xB0, writable=_ALL),
    )

    def __init__(self, clock: ChipClock, cause: ResetCause, reset: Callable[[], None]) -> None:
        super().__init__()
        self._clock = clock
        self._reset = reset
        self.values["RESET_STATE"] = cause.value
        self._restart_watchdog()
        self._clock.set_watchdog(ResetCause.SUPER_WATCHDOG, _SUPER_SECONDS)

    @property
    def pll_powered(self) -> bool:
        return not self.values["OPTIONS0"] & _POWER_DOWN

    def write_options0(self, value: int) -> None:
        if value & _SW_SYS_RST:
            self._reset()
            return
        self.store("OPTIONS0", value)

    def _restart_watchdog(self) -> None:
        """Runs where it is enabled, or left in the mode that protects booting from flash. Stage 0 takes twice its
        ticks (IDF hal/rwdt_ll.h) and has to reset the system: nothing else is modelled."""
        config = self.values["WDTCONFIG0"]
        if config & _RTC_FLASHBOOT or (config & _ENABLE and config >> 28 & 7 == _RESET_SYSTEM):
            self._clock.set_watchdog(ResetCause.RTC_WATCHDOG, 2 * self.values["WDTCONFIG1"] / _RC_SLOW_HZ)
        elif config & _ENABLE:
            raise BusError(f"enabled the RTC watchdog with action {config >> 28 & 7}, which is not modelled")
        else:
            self._clock.set_watchdog(ResetCause.RTC_WATCHDOG, None)

    def _write_protected(self, name: str, value: int) -> None:
        if self.values["WDTWPROTECT"] != _KEY:
            raise BusError(f"wrote RTC_CNTL_{name} without the watchdog's key, which has no effect")
        self.store(name, value)
        self._restart_watchdog()

    def write_wdtconfig0(self, value: int) -> None:
        self._write_protected("WDTCONFIG0", value)

    def write_wdtconfig1(self, value: int) -> None:
        self._write_protected("WDTCONFIG1", value)

    def write_wdtfeed(self, value: int) -> None:
        if value != _FEED:
            raise BusError(f"wrote 0x{value:x} to RTC_CNTL_WDTFEED, which does not feed the watchdog")
        self._write_protected("WDTFEED", 0)

    def write_swd_conf(self, value: int) -> None:
        if self.values["SWD_WPROTECT"] != _SUPER_KEY:
            raise BusError("wrote RTC_CNTL_SWD_CONF without the super watchdog's key, which has no effect")
        self.store("SWD_CONF", value & ~_SUPER_FEED)
        fed_by_hardware = bool(self.values["SWD_CONF"] & _AUTO_FEED)
        self._clock.set_watchdog(ResetCause.SUPER_WATCHDOG, None if fed_by_hardware else _SUPER_SECONDS)


_TIMG_FLASHBOOT, _CONF_UPDATE = 1 << 14, 1 << 22


class TimerGroup0(Peripheral):
    """Its watchdog, which runs while the ROM boots from flash: 26 million ticks of the bus clock, then the chip starts
    again. Only switching it off is modelled."""

    name = "TIMG0"
    base = 0x6001_F000
    registers = (
        Register("WDTCONFIG0", 0x48, reset=0x0004_C000, writable=_ALL),
        Register("WDTWPROTECT", 0x64, reset=_KEY, writable=_ALL),
    )
    _BOOT_SECONDS = 26_000_000 / 40_000_000

    def __init__(self, clock: ChipClock) -> None:
        super().__init__()
        self._clock = clock
        clock.set_watchdog(ResetCause.TIMER_WATCHDOG, self._BOOT_SECONDS)

    def write_wdtconfig0(self, value: int) -> None:
        if self.values["WDTWPROTECT"] != _KEY:
            raise BusError("wrote TIMG0_WDTCONFIG0 without the watchdog's key, which has no effect")
        if value & (_ENABLE | _TIMG_FLASHBOOT):
            raise BusError(f"wrote 0x{value:08x} to TIMG0_WDTCONFIG0: this watchdog is only modelled as off")
        self.store("WDTCONFIG0", value & ~_CONF_UPDATE)
        if value & _CONF_UPDATE:
            self._clock.set_watchdog(ResetCause.TIMER_WATCHDOG, None)
