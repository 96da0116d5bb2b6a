"""UART0 with its FIFOs: TRM chapter 26.

The data path is compiled (uart_fifo.py); the line is that of serial_line.py.
"""

from __future__ import annotations

from tinyanime.host.emulate.bus import BusError, Peripheral, Register
from tinyanime.host.emulate.endpoint import Endpoint
from tinyanime.host.emulate.esp32c3.analog import XTAL_HZ
from tinyanime.host.emulate.esp32c3.chip_clock import ChipClock
from tinyanime.host.emulate.esp32c3.peripherals import IoMux
from tinyanime.host.emulate.serial_line import SerialLine
from tinyanime.host.emulate.uart_fifo import UartFifo, UartLayout

_FIFO_BYTES = 128
_IDLE_LINES = 0xE000_C000
"""TXD, RTSN, DTRN, RXD and CTSN are high."""
_FULL = _FIFO_BYTES << 16
_FIFO_RESETS = 3 << 17
_RST_CORE = 1 << 23
_CLOCKED = 1 << 22 | 1 << 24 | 1 << 25
_UPDATE = 1 << 31
_EIGHT_BITS_NO_PARITY = 3 << 2 | 1 << 4


class Uart0(Peripheral):
    """The link's serial port."""

    name = "UART0"
    base = 0x6000_0000
    registers = (
        Register("FIFO", 0x00),
        Register("CLKDIV", 0x14, reset=0x2B6, writable=0x00F0_0FFF),
        Register("STATUS", 0x1C),
        Register("CONF0", 0x20, reset=1 << 28 | _EIGHT_BITS_NO_PARITY, writable=0x1006_003F),
        Register("FSM_STATUS", 0x6C),
        Register("CLK_CONF", 0x78, reset=0x0370_1000, writable=0x0FFF_FFFF),
        Register("ID", 0x80, reset=0x4000_0500, writable=_UPDATE),
    )

    def __init__(self, endpoint: Endpoint, baud: int, pins: IoMux, clock: ChipClock) -> None:
        super().__init__()
        self._baud = baud
        self._pins = pins
        self.fifo = UartFifo(
            UartLayout(
                page=self.base,
                status=self.base + 0x1C,
                receive=self.base,
                transmit=self.base,
                ready_flags=_IDLE_LINES,
                waiting_flag=0,
                threshold_flag=0,
                full_flags=_FULL,
                count_limit=_FIFO_BYTES,
            )
        )
        self.line = SerialLine(self.fifo, endpoint, clock)
        self._enabled = False
        self._fifos_reset = False

    def clock_changed(self, on: bool) -> None:
        """A reset puts the registers back; as the ROM leaves the port it talks at another speed."""
        if not on:
            self.values.update({register.name: register.reset for register in self.registers})
            self._disable()

    def _disable(self) -> None:
        self.fifo.disable()
        self._enabled = False
        self._fifos_reset = False

    def _set_up(self, name: str, value: int) -> None:
        if self._enabled:
            raise BusError(f"wrote UART0_{name} while the port works")
        self.store(name, value)

    def write_clkdiv(self, value: int) -> None:
        self._set_up("CLKDIV", value)

    def write_clk_conf(self, value: int) -> None:
        if value & _RST_CORE:
            self._disable()
        self._set_up("CLK_CONF", value)

    def write_conf0(self, value: int) -> None:
        before = self.values["CONF0"]
        self._set_up("CONF0", value)
        self._fifos_reset = before & _FIFO_RESETS == _FIFO_RESETS and not value & _FIFO_RESETS

    def write_id(self, value: int) -> None:
        """The port takes its settings over and works from then on; the bit is gone when it is read."""
        if not value & _UPDATE:
            raise BusError(f"wrote 0x{value:x} to UART0_ID, of which only the update is modelled")
        self.store("ID", value)
        self._check_line()
        self.values["ID"] &= ~_UPDATE
        self.fifo.enable(0, _FIFO_BYTES)
        self._enabled = True

    def _check_line(self) -> None:
        if not self._fifos_reset:
            raise BusError("set UART0 up without a reset of its FIFOs, in which the ROM left bytes")
        if self.values["CONF0"] & 0x3F != _EIGHT_BITS_NO_PARITY or not self.values["CONF0"] >> 28:
            raise BusError(f"set UART0 up with 0x{self.values['CONF0']:08x} in CONF0, where 8N1 is modelled")
        if self._pins.function(20) or self._pins.function(21) or not self._pins.input_enabled(20):
            raise BusError("set UART0 up while GPIO20 or GPIO21 is not its pin")
        clock = self.values["CLK_CONF"]
        if clock & (_CLOCKED | _RST_CORE) != _CLOCKED or clock >> 20 & 3 != 3 or clock & 0xFFF:
            raise BusError(f"set UART0 up with 0x{clock:08x} in CLK_CONF, where the crystal is modelled as its clock")
        sixteenths = (self.values["CLKDIV"] & 0xFFF) << 4 | self.values["CLKDIV"] >> 20
        baud = XTAL_HZ / ((clock >> 12 & 0xFF) + 1) * 16 / max(sixteenths, 1)
        if abs(baud - self._baud) > 0.02 * self._baud:
            raise BusError(f"runs UART0 at {baud:.0f} baud, where the board's link has {self._baud}")

    def _check_enabled(self) -> None:
        if not self._enabled:
            raise BusError("used UART0 before it was set up")

    def read_status(self) -> int:
        self._check_enabled()
        return self.line.status()

    def write_status(self, value: int) -> None:
        raise BusError("wrote to UART0_STATUS, which is read-only")

    def read_fsm_status(self) -> int:
        """Bytes take no time on the line: it never sends."""
        return 0

    def read_fifo(self) -> int:
        self._check_enabled()
        raise BusError("read UART0_FIFO while no byte is waiting")

    def write_fifo(self, value: int) -> None:
        self._check_enabled()
        raise BusError("wrote to UART0_FIFO while it is full")
