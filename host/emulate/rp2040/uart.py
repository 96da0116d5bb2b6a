"""UART0, a PL011 with its FIFOs: RP2040 datasheet 4.2.

The data path is compiled (uart_fifo.py); the line is that of serial_line.py.
"""

from __future__ import annotations

from collections.abc import Callable

from tinyanime.host.emulate.bus import BusError, Register
from tinyanime.host.emulate.endpoint import Endpoint
from tinyanime.host.emulate.rp2040.apb import ResettablePeripheral
from tinyanime.host.emulate.rp2040.chip_time import ChipTime
from tinyanime.host.emulate.rp2040.pins import IoBank0, PadsBank0
from tinyanime.host.emulate.serial_line import SerialLine
from tinyanime.host.emulate.uart_fifo import UartFifo, UartLayout

_BUSY, _RXFE, _TXFF, _RXFF, _TXFE = 1 << 3, 1 << 4, 1 << 5, 1 << 6, 1 << 7
_UARTEN, _TXE, _RXE = 1 << 0, 1 << 8, 1 << 9
_FEN, _WLEN_8 = 1 << 4, 3 << 5
_FIFO_BYTES = 32
_TX_PIN, _RX_PIN = 0, 1
_FUNCTION_UART = 2


class Uart0(ResettablePeripheral):
    """The link's serial port, on GP0 and GP1."""

    name = "UART0"
    base = 0x4003_4000
    size_bytes = 0x1000
    registers = (
        Register("DR", 0x00),
        Register("RSR", 0x04),
        Register("FR", 0x18),
        Register("IBRD", 0x24, writable=0xFFFF),
        Register("FBRD", 0x28, writable=0x3F),
        Register("LCR_H", 0x2C, writable=0xFF),
        Register("CR", 0x30, reset=_RXE | _TXE, writable=_UARTEN | _TXE | _RXE),
        Register("IFLS", 0x34, reset=0x12, writable=0x3F),
        Register("IMSC", 0x38),
        Register("RIS", 0x3C),
        Register("ICR", 0x44),
        Register("DMACR", 0x48),
    )

    def __init__(
        self,
        endpoint: Endpoint,
        baud: int,
        peri_hz: Callable[[], int],
        pins: IoBank0,
        pads: PadsBank0,
        time: ChipTime,
    ) -> None:
        super().__init__()
        self._baud = baud
        self._peri_hz = peri_hz
        self._pins = pins
        self._pads = pads
        self._time = time
        self._divider = 0
        """16 + 6 bits as they count: taken over by a write of LCR_H (4.2.7.1)."""
        self.fifo = UartFifo(
            UartLayout(
                page=self.base,
                status=self.base + 0x18,
                receive=self.base + 0x00,
                transmit=self.base + 0x00,
                ready_flags=_RXFE | _TXFE,
                waiting_flag=_RXFE,
                threshold_flag=_RXFF,
                full_flags=_TXFE | _TXFF | _BUSY,
            )
        )
        self.line = SerialLine(self.fifo, endpoint, time)

    def clock_changed(self, on: bool) -> None:
        super().clock_changed(on)
        self.fifo.disable()

    def _check_off(self, register: str) -> None:
        if self.values["CR"] & _UARTEN:
            raise BusError(f"wrote UART0_{register} while the port is enabled (4.2.7)")

    def write_ibrd(self, value: int) -> None:
        self._check_off("IBRD")
        self.store("IBRD", value)

    def write_fbrd(self, value: int) -> None:
        self._check_off("FBRD")
        self.store("FBRD", value)

    def write_lcr_h(self, value: int) -> None:
        self._check_off("LCR_H")
        self.store("LCR_H", value)
        self._divider = self.values["IBRD"] << 6 | self.values["FBRD"]

    def write_cr(self, value: int) -> None:
        self.store("CR", value)
        if not value & _UARTEN:
            self.fifo.disable()
            return
        if value & (_TXE | _RXE) != _TXE | _RXE:
            raise BusError("switched on only a part of UART0 (TXE, RXE), which is not modelled")
        self.line_changed()

    def line_changed(self) -> None:
        """Pins or a register have changed: bytes move from the moment at which all is right."""
        if not self.values["CR"] & _UARTEN:
            return
        try:
            self._check_line()
        except BusError:
            self.fifo.disable()
        else:
            self.fifo.enable(0, _FIFO_BYTES)

    def _check_line(self) -> None:
        if self.values["LCR_H"] != _FEN | _WLEN_8:
            raise BusError("uses UART0 with another format than 8N1 with FIFOs, which is not modelled")
        for pin in (_TX_PIN, _RX_PIN):
            if self._pins.function(pin) != _FUNCTION_UART:
                raise BusError(f"uses UART0 while GP{pin} is not in function {_FUNCTION_UART}")
        if not self._pads.drives(_TX_PIN) or not self._pads.reads(_RX_PIN):
            raise BusError("uses UART0 while the pad of GP0 does not drive or that of GP1 does not read")
        if self._divider < 1 << 6:
            raise BusError("uses UART0 with a divider below 1 (IBRD and FBRD count from the write of LCR_H on)")
        baud = self._peri_hz() * 64 / (16 * self._divider)
        if abs(baud - self._baud) > 0.02 * self._baud:
            raise BusError(f"runs UART0 at {baud:.0f} baud, where the board's link has {self._baud}")

    def read_fr(self) -> int:
        if not self.values["CR"] & _UARTEN:
            return _RXFE | _TXFE
        if self._time.active:
            raise BusError("polled UART0 on core 1, which is not modelled")
        self._check_line()
        return self.line.status()

    def write_fr(self, value: int) -> None:
        raise BusError("wrote to UART0_FR, which is read-only")

    def read_dr(self) -> int:
        raise BusError("read UART0_DR while no byte is waiting, or on core 1")

    def write_dr(self, value: int) -> None:
        self._check_line()
        raise BusError("wrote to UART0_DR while the port is off, its FIFO full, or on core 1")

    def write_rsr(self, value: int) -> None:
        """Errors of the line never happen here: clearing them changes nothing."""

    def write_icr(self, value: int) -> None:
        """No interrupt is ever pending: clearing them changes nothing."""
