"""The line between an emulated UART and the host.

Bytes take no time on it. The receive FIFO never overflows: what does not fit waits at the host's end.
"""

from __future__ import annotations

import threading
import time
from typing import Protocol

from tinyanime.host.emulate.endpoint import Endpoint
from tinyanime.host.emulate.uart_fifo import RECEIVE_BYTES, TRANSMIT_BYTES, UartFifo

_IDLE_POLLS = 64
"""So many status reads in a row that find nothing are idling: wait for the host then."""
_IDLE_INSTRUCTIONS = 20_000
"""Status reads further apart than this are not idling, but looking in between work."""
_IDLE_WAIT_S = 0.002


class LineClock(Protocol):
    """The virtual time of the core that polls the UART."""

    @property
    def instructions(self) -> int:
        """Executed so far."""

    def idle(self, seconds: float) -> None:
        """Lets time pass without instructions."""


class SerialLine:
    """Fills and empties the `fifo` of a UART. Its model asks for `status` where the firmware reads that."""

    def __init__(self, fifo: UartFifo, endpoint: Endpoint, clock: LineClock) -> None:
        self._fifo = fifo
        self._endpoint = endpoint
        self._clock = clock
        self._sending = threading.Lock()
        self._polls_without_data = 0
        self._instructions_at_poll = 0

    def status(self) -> int:
        """The UART's status register, after a look at the host."""
        if not self._fifo.waiting:
            self._ask_host()
        elif self._fifo.unsent:
            self.send_waiting()
        return self._fifo.status

    def _ask_host(self) -> None:
        """Takes what the host has sent; waits for it where the firmware only idles."""
        now = self._clock.instructions
        busy = self._fifo.take_moved() or now - self._instructions_at_poll > _IDLE_INSTRUCTIONS
        self._instructions_at_poll = now
        self._polls_without_data = 0 if busy else self._polls_without_data + 1
        self.send_waiting()
        held_back = self._fifo.unsent >= TRANSMIT_BYTES // 2
        if self._polls_without_data > _IDLE_POLLS or held_back:
            start = time.monotonic()
            self._endpoint.wait(_IDLE_WAIT_S, want_write=held_back)
            self._clock.idle(time.monotonic() - start)
        received = self._endpoint.read(RECEIVE_BYTES)
        self._fifo.refill(received)
        if received:
            self._polls_without_data = 0

    def send_waiting(self) -> None:
        """Hands what was transmitted to the host; another thread calls it while the firmware computes."""
        with self._sending:
            if self._fifo.unsent:
                self._fifo.take(self._endpoint.write(self._fifo.unsent_bytes()))
