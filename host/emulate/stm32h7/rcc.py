"""Reset and clock control: RM0433 chapter 8."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntFlag

from tinyanime.host.emulate.bus import BusError, Peripheral, Register
from tinyanime.host.emulate.stm32h7.power import FlashInterface, Pwr, Revision

HSI_HZ = 64_000_000
CSI_HZ = 4_000_000
HSE_HZ = 8_000_000

_HSION, _HSIRDY, _HSEON, _HSERDY, _HSEBYP = 1 << 0, 1 << 2, 1 << 16, 1 << 17, 1 << 18
_PLL1ON, _PLL1RDY = 1 << 24, 1 << 25
_HSIDIV = 3 << 3


class ResetCause(IntFlag):
    """RCC_RSR flags (8.7.39) that each cause sets."""

    POWER_ON = 1 << 23 | 1 << 22 | 1 << 21 | 1 << 20 | 1 << 19 | 1 << 17
    SOFTWARE = 1 << 24 | 1 << 22 | 1 << 17
    WATCHDOG = 1 << 26 | 1 << 22 | 1 << 17


# Clock gates of the enable registers: bit to the name of what it feeds.
_GATES: dict[str, dict[int, str]] = {
    "AHB3ENR": {0: "MDMA"},
    "AHB2ENR": {29: "SRAM1", 30: "SRAM2", 31: "SRAM3"},
    "AHB4ENR": {3: "GPIOD"},
    "APB1LENR": {18: "USART3"},
    "APB4ENR": {1: "SYSCFG"},
}


def _gate_mask(register: str) -> int:
    return sum(1 << bit for bit in _GATES[register])


class Rcc(Peripheral):
    """RCC. Oscillators and PLL are ready after a few polls; what exceeds the chip's limits is a BusError."""

    name = "RCC"
    base = 0x5802_4400
    registers = (
        Register(
            "CR",
            0x00,
            reset=_HSION | _HSIRDY | 1 << 5,
            writable=_HSION | _HSIDIV | _HSEON | _HSEBYP | _PLL1ON,
            ignored=_HSIRDY | 1 << 5 | _HSERDY | _PLL1RDY,
        ),
        Register("CFGR", 0x10, writable=0x7, ignored=0x38),
        Register("D1CFGR", 0x18, writable=0xF7F),
        Register("D2CFGR", 0x1C, writable=0x770),
        Register("D3CFGR", 0x20, writable=0x70),
        Register("PLLCKSELR", 0x28, reset=0x0202_0200, writable=0x3F3),
        Register("PLLCFGR", 0x2C, reset=0x01FF_0000, writable=0x7_000F),
        Register("PLL1DIVR", 0x30, reset=0x0101_0280, writable=0x7F7F_FFFF),
        Register("D2CCIP2R", 0x54, writable=0x7),
        Register("CSR", 0x74, writable=0x1, ignored=0x2),
        Register("RSR", 0xD0, writable=1 << 16, ignored=0xFFFF_FFFF & ~(1 << 16)),
        Register("AHB3ENR", 0xD4, writable=_gate_mask("AHB3ENR")),
        Register("AHB2ENR", 0xDC, writable=_gate_mask("AHB2ENR")),
        Register("AHB4ENR", 0xE0, writable=_gate_mask("AHB4ENR")),
        Register("APB1LENR", 0xE8, writable=_gate_mask("APB1LENR")),
        Register("APB4ENR", 0xF4, writable=_gate_mask("APB4ENR")),
    )
    _POLLS_UNTIL_READY = 3

    def __init__(
        self,
        revision: Revision,
        power: Pwr,
        flash: FlashInterface,
        cause: ResetCause,
        set_clock: Callable[[str, bool], None],
        *,
        hse_works: bool = True,
        pll_locks: bool = True,
    ) -> None:
        super().__init__()
        self._revision = revision
        self._power = power
        self._flash = flash
        self._set_clock = set_clock
        self._hse_works = hse_works
        self._pll_locks = pll_locks
        self._polls = {_HSEON: 0, _PLL1ON: 0}
        self.values["RSR"] = int(cause)

    @property
    def core_hz(self) -> int:
        """sys_d1cpre_ck: RM0433 figure 49."""
        return self._source_hz(self.values["CFGR"] & 7) >> _shift(self.values["D1CFGR"] >> 8)

    @property
    def bus_hz(self) -> int:
        """AXI and AHB clock."""
        return self.core_hz >> _shift(self.values["D1CFGR"])

    @property
    def apb1_hz(self) -> int:
        return self.bus_hz >> _apb_shift(self.values["D2CFGR"] >> 4)

    @property
    def usart3_hz(self) -> int:
        """Kernel clock of USART3: 8.7.20."""
        select = self.values["D2CCIP2R"]
        if select == 0:
            return self.apb1_hz
        if select == 3:
            return HSI_HZ >> ((self.values["CR"] & _HSIDIV) >> 3)
        raise BusError(f"selected clock source {select} for USART3, which is not modelled")

    def _source_hz(self, select: int) -> int:
        if select == 0:
            return HSI_HZ >> ((self.values["CR"] & _HSIDIV) >> 3)
        if select == 2:
            return HSE_HZ
        if select == 3:
            return self._pll_vco_hz() // (((self.values["PLL1DIVR"] >> 9) & 0x7F) + 1)
        raise BusError(f"selected system clock source {select}, which is not modelled")

    def _pll_reference_hz(self) -> int:
        select = self.values["PLLCKSELR"] & 3
        divider = (self.values["PLLCKSELR"] >> 4) & 0x3F
        source = {0: self._source_hz(0), 1: CSI_HZ, 2: HSE_HZ}.get(select, 0)
        return source // divider if divider else 0

    def _pll_vco_hz(self) -> int:
        return self._pll_reference_hz() * ((self.values["PLL1DIVR"] & 0x1FF) + 1)

    def read_cr(self) -> int:
        value = self.values["CR"] & ~(_HSERDY | _PLL1RDY)
        if value & _HSEON and self._hse_works and self._ready_after_polls(_HSEON):
            value |= _HSERDY
        source_ready = self.values["PLLCKSELR"] & 3 == 0 or value & _HSERDY
        if value & _PLL1ON and source_ready and self._pll_locks and self._ready_after_polls(_PLL1ON):
            value |= _PLL1RDY
        self.values["CR"] = value
        return value

    def _ready_after_polls(self, switch: int) -> bool:
        self._polls[switch] += 1
        return self._polls[switch] > self._POLLS_UNTIL_READY

    def write_cr(self, value: int) -> None:
        before = self.values["CR"]
        if value & _PLL1ON and not before & _PLL1ON:
            self._check_pll()
            self._polls[_PLL1ON] = 0
        if before & _PLL1ON and not value & _PLL1ON and self.values["CFGR"] & 7 == 3:
            raise BusError("switched the PLL off that clocks the core")
        if value & _HSEON and not before & _HSEON:
            self._polls[_HSEON] = 0
        if (value ^ before) & _HSEBYP and before & _HSEON:
            raise BusError("changed HSEBYP while the oscillator is on")
        self.store("CR", value)

    def _check_pll(self) -> None:
        reference, vco = self._pll_reference_hz(), self._pll_vco_hz()
        config = self.values["PLLCFGR"]
        low, high = ((1, 2), (2, 4), (4, 8), (8, 16))[(config >> 2) & 3]
        if not low * 1_000_000 <= reference <= high * 1_000_000:
            raise BusError(f"started PLL1 with a reference of {reference} Hz in the range {low} to {high} MHz")
        limits = (150_000_000, 420_000_000) if config & 2 else (192_000_000, self._revision.max_vco_hz)
        if not limits[0] <= vco <= limits[1]:
            raise BusError(f"started PLL1 with a VCO at {vco} Hz, outside {limits[0]} to {limits[1]} Hz")
        if config & 1:
            raise BusError("started PLL1 with a fractional divider, which is not modelled")
        if (self.values["PLL1DIVR"] >> 9) & 1 == 0:
            raise BusError("started PLL1 with an odd divider P")

    def _write_pll(self, name: str, value: int) -> None:
        if self.values["CR"] & _PLL1ON:
            raise BusError(f"wrote RCC_{name} while PLL1 is on")
        self.store(name, value)

    def write_pllckselr(self, value: int) -> None:
        self._write_pll("PLLCKSELR", value)

    def write_pllcfgr(self, value: int) -> None:
        self._write_pll("PLLCFGR", value)

    def write_pll1divr(self, value: int) -> None:
        self._write_pll("PLL1DIVR", value)

    def read_cfgr(self) -> int:
        select = self.values["CFGR"] & 7
        return select | select << 3

    def write_cfgr(self, value: int) -> None:
        ready = {0: _HSIRDY, 2: _HSERDY, 3: _PLL1RDY}.get(value & 7, 0)
        if not self.values["CR"] & ready:
            raise BusError(f"switched the core to clock source {value & 7}, which is not ready")
        self.store("CFGR", value)
        self._check_limits()

    def write_d1cfgr(self, value: int) -> None:
        self.store("D1CFGR", value)
        self._check_limits()

    def write_d2cfgr(self, value: int) -> None:
        self.store("D2CFGR", value)
        self._check_limits()

    def _check_limits(self) -> None:
        """Core, bus and APB clock: DS12110 table 23."""
        scale = self._power.settled_scale
        limit = {0: 480, 1: 400, 2: 300, 3: 200}[scale] * 1_000_000
        if self.core_hz > min(limit, self._revision.max_core_hz):
            raise BusError(f"runs the core at {self.core_hz} Hz at VOS{scale}, where {limit} Hz are allowed")
        if self.bus_hz > limit // 2:
            raise BusError(f"runs the buses at {self.bus_hz} Hz, where {limit // 2} Hz are allowed")
        for register, shift in (("D1CFGR", 4), ("D2CFGR", 4), ("D2CFGR", 8), ("D3CFGR", 4)):
            apb = self.bus_hz >> _apb_shift(self.values[register] >> shift)
            if apb > limit // 4:
                raise BusError(f"runs an APB ({register}) at {apb} Hz, where {limit // 4} Hz are allowed")
        self._flash.check(self.bus_hz, scale)

    def read_csr(self) -> int:
        return self.values["CSR"] | (self.values["CSR"] & 1) << 1

    def write_rsr(self, value: int) -> None:
        if value & 1 << 16:
            self.values["RSR"] = 0

    def _write_gates(self, name: str, value: int) -> None:
        self.store(name, value)
        for bit, target in _GATES[name].items():
            self._set_clock(target, bool(self.values[name] >> bit & 1))

    def write_ahb3enr(self, value: int) -> None:
        self._write_gates("AHB3ENR", value)

    def write_ahb2enr(self, value: int) -> None:
        self._write_gates("AHB2ENR", value)

    def write_ahb4enr(self, value: int) -> None:
        self._write_gates("AHB4ENR", value)

    def write_apb1lenr(self, value: int) -> None:
        self._write_gates("APB1LENR", value)

    def write_apb4enr(self, value: int) -> None:
        self._write_gates("APB4ENR", value)


def _shift(field: int) -> int:
    """HPRE and D1CPRE: 0xxx is 1, 1000 is 2, ... 1100 is 64 (32 is skipped)."""
    field &= 0xF
    return 0 if field < 8 else (1, 2, 3, 4, 6, 7, 8, 9)[field - 8]


def _apb_shift(field: int) -> int:
    """D1PPRE and its like: 0xx is 1, 100 is 2, ... 111 is 16."""
    field &= 7
    return 0 if field < 4 else field - 3
