"""CLOCKS: RP2040 datasheet 2.15. clk_ref, clk_sys and clk_peri; the others are off and stay off."""

from __future__ import annotations

from collections.abc import Callable

from tinyanime.host.emulate.bus import BusError, Peripheral, Register
from tinyanime.host.emulate.rp2040.apb import read_only
from tinyanime.host.emulate.rp2040.chip_time import ChipTime
from tinyanime.host.emulate.rp2040.oscillators import ROSC_HZ, Pll, Xosc

SYS_LIMIT_HZ = 133_000_000
_PERI_LIMIT_HZ = 133_000_000
_ENABLE, _KILL = 1 << 11, 1 << 10
_FC_DONE = 1 << 4
_AUX = {"REF": {0: "PLL_USB"}, "SYS": {0: "PLL_SYS", 1: "PLL_USB", 2: "ROSC", 3: "XOSC"}}
_PERI_AUX = {0: "SYS", 1: "PLL_SYS", 2: "PLL_USB", 3: "ROSC", 4: "XOSC"}
_COUNTED = {1: "PLL_SYS", 2: "PLL_USB", 3: "ROSC", 5: "XOSC", 8: "REF", 9: "SYS", 10: "PERI"}
"""Values of FC0_SRC: 2.15.7."""


class Clocks(Peripheral):
    """Multiplexers and dividers. A clock that would stop or exceed its limit is an error when it is chosen, and when
    its source changes."""

    name = "CLOCKS"
    base = 0x4000_8000
    size_bytes = 0x1000
    registers = (
        Register("CLK_REF_CTRL", 0x30, writable=0x63),
        Register("CLK_REF_DIV", 0x34, reset=0x100, writable=0x300),
        Register("CLK_REF_SELECTED", 0x38, reset=1),
        Register("CLK_SYS_CTRL", 0x3C, writable=0xE1),
        Register("CLK_SYS_DIV", 0x40, reset=0x100, writable=0xFFFF_FFFF),
        Register("CLK_SYS_SELECTED", 0x44, reset=1),
        Register("CLK_PERI_CTRL", 0x48, writable=_ENABLE | _KILL | 0xE0),
        Register("CLK_PERI_SELECTED", 0x50, reset=1),
        Register("CLK_USB_CTRL", 0x54),
        Register("CLK_ADC_CTRL", 0x60),
        Register("CLK_RTC_CTRL", 0x6C),
        Register("CLK_SYS_RESUS_CTRL", 0x78, reset=0xFF, writable=0xFF),
        Register("FC0_REF_KHZ", 0x80, writable=0xF_FFFF),
        Register("FC0_MIN_KHZ", 0x84, writable=0x1FF_FFFF),
        Register("FC0_MAX_KHZ", 0x88, reset=0x1FF_FFFF, writable=0x1FF_FFFF),
        Register("FC0_DELAY", 0x8C, reset=1, writable=0x7),
        Register("FC0_INTERVAL", 0x90, reset=8, writable=0xF),
        Register("FC0_SRC", 0x94, writable=0xFF),
        Register("FC0_STATUS", 0x98),
        Register("FC0_RESULT", 0x9C),
    )

    def __init__(self, time: ChipTime, xosc: Xosc, plls: tuple[Pll, Pll], peri_changed: Callable[[], None]) -> None:
        super().__init__()
        self._time = time
        self._xosc = xosc
        self._plls = {pll.name: pll for pll in plls}
        self._peri_changed = peri_changed
        self.ref_changing: Callable[[], None] = lambda: None
        """Called before clk_ref changes, which the ticks are made of."""

    def hz(self, clock: str) -> int:
        """Of a source or of REF, SYS or PERI; 0 where it stands still."""
        if clock in self._plls:
            return self._plls[clock].hz
        if clock == "ROSC":
            return ROSC_HZ
        if clock == "XOSC":
            return self._xosc.hz
        return {"REF": self._ref_hz, "SYS": self._sys_hz, "PERI": self._peri_hz}[clock]()

    def _ref_hz(self) -> int:
        control = self.values["CLK_REF_CTRL"]
        source = ("ROSC", _AUX["REF"].get(control >> 5 & 3, ""), "XOSC", "")[control & 3]
        divider = self.values["CLK_REF_DIV"] >> 8 & 3 or 4
        return self._source("CLK_REF", source) // divider

    def _sys_hz(self) -> int:
        control = self.values["CLK_SYS_CTRL"]
        source = _AUX["SYS"].get(control >> 5 & 7, "") if control & 1 else "REF"
        divider = self.values["CLK_SYS_DIV"]
        whole = divider >> 8 or 1 << 24
        return int(self._source("CLK_SYS", source) / (whole + (divider & 0xFF) / 256))

    def _peri_hz(self) -> int:
        control = self.values["CLK_PERI_CTRL"]
        if not control & _ENABLE or control & _KILL:
            return 0
        return self._source("CLK_PERI", _PERI_AUX.get(control >> 5 & 7, ""))

    def _source(self, clock: str, source: str) -> int:
        if not source:
            raise BusError(f"selected a source for {clock} that is not modelled")
        return self.hz(source)

    def changed(self) -> None:
        """A source or a choice has changed: the chip's time goes on with the new clk_sys."""
        system = self._sys_hz()
        for name, hz in (("clk_ref", self._ref_hz()), ("clk_sys", system)):
            if not hz:
                raise BusError(f"made {name} stop: its source does not run")
        if system > SYS_LIMIT_HZ:
            raise BusError(f"runs clk_sys at {system} Hz, where {SYS_LIMIT_HZ} Hz are allowed")
        if self._peri_hz() > _PERI_LIMIT_HZ:
            raise BusError(f"runs clk_peri at {self._peri_hz()} Hz, where {_PERI_LIMIT_HZ} Hz are allowed")
        if system != self._time.hz:
            self._time.set_hz(system)

    def write_clk_ref_ctrl(self, value: int) -> None:
        before = self.values["CLK_REF_CTRL"]
        if value & 3 == 1 and before & 3 == 1 and (value ^ before) & 0x60:
            raise BusError("switched the auxiliary source of clk_ref while it is in use, which glitches (2.15.3.2)")
        self.ref_changing()
        self.store("CLK_REF_CTRL", value)
        self.changed()

    def read_clk_ref_selected(self) -> int:
        return 1 << (self.values["CLK_REF_CTRL"] & 3)

    def write_clk_sys_ctrl(self, value: int) -> None:
        before = self.values["CLK_SYS_CTRL"]
        if value & 1 and before & 1 and (value ^ before) & 0xE0:
            raise BusError("switched the auxiliary source of clk_sys while it is in use, which glitches (2.15.3.2)")
        self.store("CLK_SYS_CTRL", value)
        self.changed()

    def read_clk_sys_selected(self) -> int:
        return 1 << (self.values["CLK_SYS_CTRL"] & 1)

    def write_clk_ref_div(self, value: int) -> None:
        self.ref_changing()
        self.store("CLK_REF_DIV", value)
        self.changed()

    def write_clk_sys_div(self, value: int) -> None:
        self.store("CLK_SYS_DIV", value)
        self.changed()

    def write_clk_peri_ctrl(self, value: int) -> None:
        before = self.values["CLK_PERI_CTRL"]
        if before & _ENABLE and value & _ENABLE and (value ^ before) & 0xE0:
            raise BusError("switched the source of clk_peri while it is enabled, which glitches (2.15.3.2)")
        self.store("CLK_PERI_CTRL", value)
        self.changed()
        self._peri_changed()

    def write_clk_ref_selected(self, value: int) -> None:
        raise read_only("CLK_REF_SELECTED")

    def write_clk_sys_selected(self, value: int) -> None:
        raise read_only("CLK_SYS_SELECTED")

    def read_fc0_status(self) -> int:
        """The counter is done at once: 2.15.4."""
        return _FC_DONE

    def read_fc0_result(self) -> int:
        source = self.values["FC0_SRC"]
        if not source:
            return 0
        if source not in _COUNTED:
            raise BusError(f"counts the frequency of source {source} (FC0_SRC), which is not modelled")
        reference = self.values["FC0_REF_KHZ"]
        if not reference:
            raise BusError("counts a frequency with FC0_REF_KHZ at 0")
        # The result is right where FC0_REF_KHZ tells the true clk_ref.
        khz = self.hz(_COUNTED[source]) / 1000 * reference / (self.hz("REF") / 1000)
        return int(khz * 32) & 0x3FFF_FFFF
