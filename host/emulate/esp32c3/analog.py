"""What lies on the internal bus to the analog parts: PLL and supply of the digital part (IDF soc/regi2c_*.h).

Firmware reaches it through functions of the boot ROM (rom.py); two registers of the bus's master are on the chip's bus.
"""

from __future__ import annotations

from collections.abc import Callable

from tinyanime.host.emulate.bus import BusError, Peripheral, Register

XTAL_HZ = 40_000_000
_PLL, _SUPPLY = 0x66, 0x6D
_PLL_OFF_BUS = 1 << 17
_STOP_HIGH, _STOP_LOW = 1 << 2, 1 << 3
_LOCK_SECONDS = 50e-6
_AFTER_RESET = {_PLL: {2: 0x50, 3: 4, 4: 0x69, 5: 0, 6: 0x93, 9: 0}, _SUPPLY: {4: 20, 6: 20, 13: 0}}
"""Registers that the model knows, by part: 320 MHz, about 1.05 V."""


class AnalogBus(Peripheral):
    """Master of the bus, and the parts behind it.

    `powered` says whether the PLL has power; `locks` is False for a PLL that never gets to its frequency.
    """

    name = "I2C_MST"
    base = 0x6000_E000
    registers = (
        Register("ANA_CONF0", 0x40, reset=_STOP_HIGH, writable=_STOP_HIGH | _STOP_LOW),
        Register("ANA_CONFIG", 0x44, writable=0x3FF << 8),
    )

    def __init__(self, powered: Callable[[], bool], seconds: Callable[[], float], *, locks: bool) -> None:
        super().__init__()
        self._powered = powered
        self._seconds = seconds
        self.locks = locks
        self._parts = {part: dict(registers) for part, registers in _AFTER_RESET.items()}
        self._calibrates_since: float | None = None

    def write_ana_conf0(self, value: int) -> None:
        self.store("ANA_CONF0", value)
        calibrates = value & (_STOP_HIGH | _STOP_LOW) == _STOP_LOW
        self._calibrates_since = self._seconds() if calibrates else None

    def read_part(self, part: int, register: int) -> int:
        """Register of a part; BusError where the model has none."""
        if register not in self._parts.get(part, {}):
            raise BusError(f"used register {register} of the analog part 0x{part:02x}, which is not modelled")
        if part == _PLL and self.values["ANA_CONFIG"] & _PLL_OFF_BUS:
            raise BusError("used the PLL's registers while it is off the analog bus (ANA_CONFIG bit 17)")
        return self._parts[part][register]

    def write_part(self, part: int, register: int, value: int) -> None:
        if part == _PLL and not self._powered():
            raise BusError("wrote to the PLL's registers while it is powered down")
        self.read_part(part, register)
        self._parts[part][register] = value & 0xFF
        if part == _PLL and self._calibrates_since is not None:
            self._calibrates_since = self._seconds()

    @property
    def pll_hz(self) -> int:
        """Frequency of the PLL; BusError where it does not run or had no time to lock."""
        if not self._powered() or self._calibrates_since is None:
            raise BusError("switched the core to the PLL, which is not running")
        if self._seconds() - self._calibrates_since < _LOCK_SECONDS:
            raise BusError(f"switched the core to the PLL less than {_LOCK_SECONDS * 1e6:.0f} us after it was started")
        registers = self._parts[_PLL]
        hz = XTAL_HZ * (registers[3] + 4) // ((registers[2] & 0xF) + 1)
        if registers[4] != {480_000_000: 0x6B, 320_000_000: 0x69}.get(hz):
            raise BusError(f"set the PLL to {hz} Hz in mode 0x{registers[4]:02x}, which do not go together")
        return hz if self.locks else hz // 2

    @property
    def supply_code(self) -> int:
        """Of the core's supply: about 1.09 V at 20 and 21 mV more per step (IDF soc/rtc.h)."""
        return self._parts[_SUPPLY][6] & 0x1F
