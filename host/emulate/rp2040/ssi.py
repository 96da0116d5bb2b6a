"""SSI, the flash's interface (RP2040 datasheet 4.10), and the control of the cache in front of it (2.6.3).

Two uses are modelled: single commands of bytes in standard SPI mode, and reads by the cache (XIP). Flash is mapped
while the SSI is enabled with a setting for reads that the flash understands.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from tinyanime.host.emulate.bus import BusError, Peripheral, Register
from tinyanime.host.emulate.rp2040.apb import read_only
from tinyanime.host.emulate.rp2040.flash_chip import FlashChip

_BUSY_FREE = 1 << 2 | 1 << 1
_RFNE = 1 << 3
_FIFO_ENTRIES = 16
_FLASH_LIMIT_HZ = 133_000_000
_STANDARD, _QUAD = 0, 2
_TMOD_BOTH, _TMOD_EEPROM = 0, 3
_READ, _FAST_READ, _QUAD_READ = 0x03, 0x0B, 0xEB
_SERIAL_READ_LIMIT_HZ = 50_000_000
"""Of the command 03h: W25Q16JV 9.6."""


class Ssi(Peripheral):
    """`map_flash` makes the flash answer at its addresses or not."""

    name = "SSI"
    base = 0x1800_0000
    size_bytes = 0x1000
    registers = (
        Register("CTRLR0", 0x00, writable=0x017F_FFFF),
        Register("CTRLR1", 0x04, writable=0xFFFF),
        Register("SSIENR", 0x08, writable=1),
        Register("SER", 0x10, writable=1),
        Register("BAUDR", 0x14, writable=0xFFFF),
        Register("TXFLR", 0x20),
        Register("RXFLR", 0x24),
        Register("SR", 0x28),
        Register("ICR", 0x48),
        Register("DR0", 0x60),
        Register("RX_SAMPLE_DLY", 0xF0, writable=0xFF),
        Register("SPI_CTRLR0", 0xF4, reset=0x0300_0000, writable=0xFF07_FB3F),
    )

    def __init__(self, flash: FlashChip, sys_hz: Callable[[], int], map_flash: Callable[[bool], None]) -> None:
        super().__init__()
        self._flash = flash
        self._sys_hz = sys_hz
        self._map_flash = map_flash
        self._received: deque[int] = deque()
        self._read_command: list[int] = []
        """Words of a command 0xEB that the firmware has sent to switch the flash to continuous reads."""
        self._continuous = False
        """Whether the flash takes addresses without a command (mode bits 0xA0)."""

    @property
    def _enabled(self) -> bool:
        return bool(self.values["SSIENR"])

    def _field(self, register: str, shift: int, bits: int) -> int:
        return self.values[register] >> shift & (1 << bits) - 1

    @property
    def _serial_bytes(self) -> bool:
        """Standard SPI with 8 bits a frame, in both directions."""
        return (
            self._field("CTRLR0", 21, 2) == _STANDARD
            and self._field("CTRLR0", 16, 5) == 7
            and self._field("CTRLR0", 8, 2) == _TMOD_BOTH
        )

    def _configure(self, name: str, value: int) -> None:
        if self._enabled:
            raise BusError(f"wrote SSI_{name} while the SSI is enabled, which it ignores (4.10.13)")
        self.store(name, value)

    def write_ctrlr0(self, value: int) -> None:
        self._configure("CTRLR0", value)

    def write_ctrlr1(self, value: int) -> None:
        self._configure("CTRLR1", value)

    def write_baudr(self, value: int) -> None:
        if value & 1:
            raise BusError(f"set the SSI's clock divider to {value}, where it is even (4.10.13)")
        self._configure("BAUDR", value)

    def write_rx_sample_dly(self, value: int) -> None:
        self._configure("RX_SAMPLE_DLY", value)

    def write_spi_ctrlr0(self, value: int) -> None:
        self._configure("SPI_CTRLR0", value)

    def write_ssienr(self, value: int) -> None:
        was_on = self._enabled
        self.store("SSIENR", value)
        if was_on and not value:
            self._deselect()
            self._map_flash(False)
        elif value and not was_on:
            if self.values["BAUDR"] < 2:
                raise BusError("enabled the SSI with its clock off (BAUDR is 0)")
            if not self._serial_bytes and self._field("CTRLR0", 8, 2) == _TMOD_EEPROM:
                self._enable_reads()

    def _deselect(self) -> None:
        if self._read_command:
            if self._read_command != [_QUAD_READ, 0xA0]:
                raise BusError("sent words to the flash in quad mode that are no read with mode bits 0xA0")
            self._continuous = True
            self._read_command = []
        self._flash.deselect()
        self._received.clear()

    def _enable_reads(self) -> None:
        """CTRLR0, CTRLR1 and SPI_CTRLR0 as a read through the cache needs them (4.10.2.3): 32-bit words."""
        if self._field("CTRLR0", 16, 5) != 31 or self.values["CTRLR1"]:
            raise BusError("enabled the SSI for reads of the cache without frames of 32 bits, one at a time (NDF 0)")
        instruction_bits = (0, 4, 8, 16)[self._field("SPI_CTRLR0", 8, 2)]
        address_bits = 4 * self._field("SPI_CTRLR0", 2, 4)
        command, wait = self._field("SPI_CTRLR0", 24, 8), self._field("SPI_CTRLR0", 11, 5)
        quad, transfer = self._field("CTRLR0", 21, 2) == _QUAD, self._field("SPI_CTRLR0", 0, 2)
        if not quad:
            known = {(_READ, 0), (_FAST_READ, 8)}
            right = instruction_bits == 8 and address_bits == 24 and transfer == 0 and (command, wait) in known
        elif not self._flash.quad_enabled:
            raise BusError("enabled the SSI for quad reads while the flash's quad enable bit is 0")
        elif instruction_bits == 8:
            right = (transfer, address_bits, wait) == (1, 32, 4)  # The command comes through DR0.
        else:
            setting = (instruction_bits, command, transfer, address_bits, wait)
            right = self._continuous and setting == (0, 0xA0, 2, 32, 4)
        if not right:
            raise BusError(
                f"enabled the SSI for reads of the cache with CTRLR0 0x{self.values['CTRLR0']:08x} and SPI_CTRLR0 "
                f"0x{self.values['SPI_CTRLR0']:08x}, which the flash does not understand"
            )
        self._check_speed(_SERIAL_READ_LIMIT_HZ if not quad and command == _READ else _FLASH_LIMIT_HZ)
        if instruction_bits != 8 or not quad:
            self._map_flash(True)

    def _check_speed(self, limit_hz: int) -> None:
        hz = self._sys_hz() // self.values["BAUDR"]
        if hz > limit_hz:
            raise BusError(f"clocks the flash at {hz} Hz, where this command allows {limit_hz} Hz")

    def clock_changed_to(self, mapped: bool) -> None:
        """clk_sys has changed: the flash's clock with it."""
        if mapped and self._enabled and self.values["BAUDR"]:
            serial = self._field("CTRLR0", 21, 2) == _STANDARD and self._field("SPI_CTRLR0", 24, 8) == _READ
            self._check_speed(_SERIAL_READ_LIMIT_HZ if serial else _FLASH_LIMIT_HZ)

    def write_dr0(self, value: int) -> None:
        if not self._enabled or not self.values["SER"]:
            raise BusError("wrote SSI_DR0 while the SSI is disabled or the flash not selected (SER)")
        if self._serial_bytes:
            if len(self._received) == _FIFO_ENTRIES:
                raise BusError("sent a byte to the flash while 16 received ones wait: the receive FIFO overflows")
            self._received.append(self._flash.exchange(value & 0xFF))
        elif self._field("CTRLR0", 21, 2) == _QUAD:
            self._read_command.append(value)
        else:
            raise BusError("wrote SSI_DR0 in a mode that is not modelled")

    def read_dr0(self) -> int:
        if self._read_command:
            return 0
        if not self._received:
            raise BusError("read SSI_DR0 while nothing was received")
        byte = self._received.popleft()
        if not self._received:
            self._flash.deselect()
        return byte

    def read_sr(self) -> int:
        """Never busy: commands take no time."""
        return _BUSY_FREE | (_RFNE if self._received or self._read_command else 0)

    def read_rxflr(self) -> int:
        return len(self._received)

    def write_sr(self, value: int) -> None:
        raise read_only("SSI_SR")


class XipControl(Peripheral):
    """XIP_CTRL: the cache, which is on after a reset; hit counters are not modelled."""

    name = "XIP_CTRL"
    base = 0x1400_0000
    size_bytes = 0x1000
    registers = (
        Register("CTRL", 0x00, reset=0x3, writable=0x1),
        Register("FLUSH", 0x04, writable=1),
        Register("STAT", 0x08, reset=0x2 | 0x1),
    )

    def read_flush(self) -> int:
        return 0

    def write_stat(self, value: int) -> None:
        raise read_only("XIP_STAT")
