"""The bytes inside an emulated UART, shared with the compiled data path of uart_fifo.c."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

from unicorn.unicorn_py3.unicorn import MMIO_READ_CFUNC, MMIO_WRITE_CFUNC

from tinyanime.host.emulate.block_counter import load_library

RECEIVE_BYTES = 4096
TRANSMIT_BYTES = 65536


class _State(ctypes.Structure):
    """`uart_fifo` in uart_fifo.c."""

    _fields_ = (
        ("enabled", ctypes.c_uint32),
        ("moved", ctypes.c_uint32),
        ("quiet", ctypes.c_uint32),
        ("status_offset", ctypes.c_uint32),
        ("receive_offset", ctypes.c_uint32),
        ("transmit_offset", ctypes.c_uint32),
        ("ready_flags", ctypes.c_uint32),
        ("waiting_flags", ctypes.c_uint32),
        ("threshold_flags", ctypes.c_uint32),
        ("threshold", ctypes.c_uint32),
        ("count_limit", ctypes.c_uint32),
        ("receive_next", ctypes.c_uint32),
        ("receive_count", ctypes.c_uint32),
        ("transmit_head", ctypes.c_uint32),
        ("transmit_tail", ctypes.c_uint32),
        ("read", MMIO_READ_CFUNC),
        ("write", MMIO_WRITE_CFUNC),
        ("receive", ctypes.c_ubyte * RECEIVE_BYTES),
        ("transmit", ctypes.c_ubyte * TRANSMIT_BYTES),
    )


@dataclass(frozen=True, slots=True)
class UartLayout:
    """Where the data path's registers lie, and the status bits it answers with. `page` is a multiple of 4096.

    `ready_flags` is the status while the transmitter takes bytes and nothing waits. In it `waiting_flag` changes
    while a received byte waits, `threshold_flag` while as many wait as `UartFifo.enable` says, `full_flags` while the
    transmitter takes no bytes. Where `count_limit` is not 0 the lowest bits count the received bytes that wait, up to
    it.
    """

    page: int
    status: int
    receive: int
    transmit: int
    ready_flags: int
    waiting_flag: int
    threshold_flag: int
    full_flags: int
    count_limit: int = 0


class UartFifo:
    """Received and transmitted bytes of one UART."""

    def __init__(self, layout: UartLayout) -> None:
        self.layout = layout
        self._library = load_library()
        if self._library.ta_uart_fifo_bytes() != ctypes.sizeof(_State):
            raise AssertionError("uart_fifo.c and uart_fifo.py disagree on the layout")
        self._state = _State()
        self._state.status_offset = layout.status - layout.page
        self._state.receive_offset = layout.receive - layout.page
        self._state.transmit_offset = layout.transmit - layout.page
        self._state.waiting_flags = layout.waiting_flag
        self._state.threshold_flags = layout.threshold_flag
        self._state.count_limit = layout.count_limit

    def handlers(self, read: object, write: object) -> tuple[object, object, object, object]:
        """Callbacks and user data for the UART's page; what they do not answer goes to `read` and `write`."""
        self._state.read = read
        self._state.write = write
        callbacks = (self._library.ta_uart_read, self._library.ta_uart_write, ctypes.byref(self._state))
        on_read, on_write, user = (ctypes.cast(item, ctypes.c_void_p) for item in callbacks)
        return on_read, user, on_write, user

    def enable(self, extra_flags: int, threshold: int) -> None:
        """Lets the compiled path answer; `extra_flags` are set in every status."""
        self._state.ready_flags = self.layout.ready_flags | extra_flags
        self._state.threshold = threshold
        self._state.enabled = 1

    def disable(self) -> None:
        self._state.enabled = 0

    def take_moved(self) -> bool:
        """Whether a byte was moved since this was last asked."""
        moved = bool(self._state.moved)
        self._state.moved = 0
        return moved

    @property
    def waiting(self) -> int:
        """Received bytes that the firmware has not read."""
        return int(self._state.receive_count - self._state.receive_next)

    def refill(self, data: bytes) -> None:
        """Replaces the received bytes, all of which were read; at most RECEIVE_BYTES."""
        ctypes.memmove(self._state.receive, data, len(data))
        self._state.receive_next = 0
        self._state.receive_count = len(data)

    @property
    def status(self) -> int:
        """Status register for the bytes that wait now."""
        flags = int(self._state.ready_flags)
        if self.unsent >= TRANSMIT_BYTES // 2:
            flags ^= self.layout.full_flags
        if self.waiting:
            flags ^= self.layout.waiting_flag
            if self.waiting >= self._state.threshold:
                flags ^= self.layout.threshold_flag
        return flags + min(self.waiting, self.layout.count_limit)

    @property
    def unsent(self) -> int:
        """Transmitted bytes that nobody has taken."""
        return int(self._state.transmit_head - self._state.transmit_tail) & 0xFFFFFFFF

    def unsent_bytes(self) -> bytes:
        """A copy of them."""
        start, count = self._state.transmit_tail % TRANSMIT_BYTES, self.unsent
        ring = memoryview(self._state.transmit).cast("B")
        first = bytes(ring[start : start + count])
        return first + bytes(ring[: count - len(first)])

    def take(self, count: int) -> None:
        """The first `count` of them were handed on."""
        self._state.transmit_tail = (self._state.transmit_tail + count) & 0xFFFFFFFF
