"""USART3 with its FIFOs: RM0433 chapter 48.

The data path is compiled (uart_fifo.py); the line is that of serial_line.py.
"""

from __future__ import annotations

from tinyanime.host.emulate.bus import BusError, Peripheral, Register
from tinyanime.host.emulate.clock import CoreClock
from tinyanime.host.emulate.endpoint import Endpoint
from tinyanime.host.emulate.serial_line import SerialLine
from tinyanime.host.emulate.stm32h7.gpio import GpioD
from tinyanime.host.emulate.stm32h7.rcc import Rcc
from tinyanime.host.emulate.uart_fifo import UartFifo, UartLayout

_UE, _RE, _TE, _FIFOEN = 1 << 0, 1 << 2, 1 << 3, 1 << 29
_RXFNE, _TC, _TXFNF, _TEACK, _REACK = 1 << 5, 1 << 6, 1 << 7, 1 << 21, 1 << 22
_TXFE, _RXFT, _TXFT = 1 << 23, 1 << 26, 1 << 27
_PRESCALERS = (1, 2, 4, 6, 8, 10, 12, 16, 32, 64, 128, 256)
_THRESHOLDS = (2, 4, 8, 12, 14, 16)


class Usart3(Peripheral):
    """The link's serial port."""

    name = "USART3"
    base = 0x4000_4800
    registers = (
        Register("CR1", 0x00, writable=_UE | _RE | _TE | _FIFOEN),
        Register("CR2", 0x04),
        Register("CR3", 0x08, writable=0xEE00_0000),
        Register("BRR", 0x0C, writable=0xFFFF),
        Register("ISR", 0x1C, ignored=0),
        Register("ICR", 0x20),
        Register("RDR", 0x24),
        Register("TDR", 0x28),
        Register("PRESC", 0x2C, writable=0xF),
    )

    def __init__(self, endpoint: Endpoint, baud: int, rcc: Rcc, pins: GpioD, clock: CoreClock) -> None:
        super().__init__()
        self._baud = baud
        self._rcc = rcc
        self._pins = pins
        self.fifo = UartFifo(
            UartLayout(
                page=self.base & ~0xFFF,
                status=self.base + 0x1C,
                receive=self.base + 0x24,
                transmit=self.base + 0x28,
                ready_flags=_TC | _TXFNF | _TXFE | _TXFT,
                waiting_flag=_RXFNE,
                threshold_flag=_RXFT,
                full_flags=_TC | _TXFNF | _TXFE | _TXFT,
            )
        )
        self.line = SerialLine(self.fifo, endpoint, clock)

    def clock_changed(self, on: bool) -> None:
        if not on:
            self.fifo.disable()

    def write_cr1(self, value: int) -> None:
        self.store("CR1", value)
        switches = value & (_UE | _TE | _RE)
        if switches == _UE | _TE | _RE:
            self._check_line()
            threshold = _THRESHOLDS[min(self.values["CR3"] >> 25 & 7, 5)]
            self.fifo.enable(_TEACK | _REACK, threshold)
        elif switches & (_TE | _RE):
            raise BusError("switched on only a part of USART3 (UE, TE, RE), which is not modelled")
        else:
            self.fifo.disable()

    def _check_line(self) -> None:
        if not self.values["CR1"] & _FIFOEN:
            raise BusError("enabled USART3 without FIFO, which is not modelled")
        for pin in (8, 9):
            if self._pins.alternate_function(pin) != 7:
                raise BusError(f"enabled USART3 while PD{pin} is not in alternate function 7")
        divider = self.values["BRR"]
        if divider < 16:
            raise BusError(f"enabled USART3 with a divider of {divider}, below 16")
        baud = self._rcc.usart3_hz / _PRESCALERS[min(self.values["PRESC"], 11)] / divider
        if abs(baud - self._baud) > 0.02 * self._baud:
            raise BusError(f"runs USART3 at {baud:.0f} baud, where the board's link has {self._baud}")

    def write_cr2(self, value: int) -> None:
        self.store("CR2", value)

    def write_cr3(self, value: int) -> None:
        if self.values["CR1"] & _UE:
            raise BusError("wrote USART3_CR3 while the port is enabled")
        self.store("CR3", value)

    def read_isr(self) -> int:
        if not self.values["CR1"] & _RE:
            return 0
        return self.line.status()

    def write_isr(self, value: int) -> None:
        raise BusError("wrote to USART3_ISR, which is read-only")

    def write_icr(self, value: int) -> None:
        """Error flags are never set here: clearing them changes nothing."""

    def read_rdr(self) -> int:
        raise BusError("read USART3_RDR while no byte is waiting")

    def write_rdr(self, value: int) -> None:
        raise BusError("wrote to USART3_RDR, which is read-only")

    def read_tdr(self) -> int:
        raise BusError("read USART3_TDR, which holds nothing to read")

    def write_tdr(self, value: int) -> None:
        raise BusError("wrote to USART3_TDR while the transmitter is off or its FIFO full")
