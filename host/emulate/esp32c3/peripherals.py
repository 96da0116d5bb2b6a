"""Small peripherals of the ESP32-C3: system timer (TRM chapter 10), IO MUX (5), eFuses (4)."""

from __future__ import annotations

from tinyanime.host.emulate.bus import BusError, Peripheral, Register
from tinyanime.host.emulate.esp32c3.chip_clock import ChipClock

_UNIT0_WORK_EN = 1 << 30
_UPDATE, _VALID = 1 << 30, 1 << 29
_HZ = 16_000_000


class Systimer(Peripheral):
    """Unit 0: 16 MHz whatever clocks the core. Its count is taken over at an update and valid a few polls later."""

    name = "SYSTIMER"
    base = 0x6002_3000
    registers = (
        Register("CONF", 0x00, reset=0x4600_0000, writable=_UNIT0_WORK_EN),
        Register("UNIT0_OP", 0x04, writable=_UPDATE),
        Register("UNIT0_VALUE_HI", 0x40),
        Register("UNIT0_VALUE_LO", 0x44),
    )
    _POLLS_UNTIL_VALID = 2

    def __init__(self, clock: ChipClock) -> None:
        super().__init__()
        self._clock = clock
        self._polls_left: int | None = None

    def write_unit0_op(self, value: int) -> None:
        if value != _UPDATE:
            raise BusError(f"wrote 0x{value:x} to SYSTIMER_UNIT0_OP, of which only the update is modelled")
        if not self.values["CONF"] & _UNIT0_WORK_EN:
            raise BusError("asked for the count of SYSTIMER unit 0, which stands still")
        ticks = int(self._clock.seconds * _HZ)
        self.values["UNIT0_VALUE_HI"], self.values["UNIT0_VALUE_LO"] = ticks >> 32 & 0xF_FFFF, ticks & 0xFFFF_FFFF
        self._polls_left = self._POLLS_UNTIL_VALID

    def read_unit0_op(self) -> int:
        if self._polls_left is None:
            return 0
        self._polls_left = max(0, self._polls_left - 1)
        return 0 if self._polls_left else _VALID

    def read_unit0_value_lo(self) -> int:
        if self._polls_left != 0:
            raise BusError("read the count of SYSTIMER unit 0 before it was valid")
        return self.values["UNIT0_VALUE_LO"]


class IoMux(Peripheral):
    """The pins of UART0."""

    name = "IO_MUX"
    base = 0x6000_9000
    registers = (
        Register("GPIO20", 0x54, reset=0xB00, writable=0x7F80),
        Register("GPIO21", 0x58, reset=0xB00, writable=0x7F80),
    )

    def function(self, pin: int) -> int:
        return self.values[f"GPIO{pin}"] >> 12 & 7

    def input_enabled(self, pin: int) -> bool:
        return bool(self.values[f"GPIO{pin}"] >> 9 & 1)


class Efuse(Peripheral):
    """Delay of the RTC watchdog (none), the MAC address of the virtual board (02:74:61:76:62:01), supply for 160 MHz.

    The chip is one of those that need more than the usual code 28.
    """

    name = "EFUSE"
    base = 0x6000_8800
    size_bytes = 0x200
    registers = (
        Register("RD_REPEAT_DATA1", 0x34),
        Register("RD_MAC_SPI_SYS_0", 0x44, reset=0x6176_6201),
        Register("RD_MAC_SPI_SYS_1", 0x48, reset=0x0274),
        Register("RD_MAC_SPI_SYS_5", 0x58, reset=25 << 5),
    )

    @property
    def supply_code(self) -> int:
        """Of the core's supply for 160 MHz: the measured one and what IDF adds (rtc_init.c)."""
        return (self.values["RD_MAC_SPI_SYS_5"] >> 5 & 0x1F) + 4
