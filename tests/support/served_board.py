"""Serves an image inside the test process, with a client on its port."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import serial

from tests.support.port_probe import Probe
from tinyanime.boards.schema import Board
from tinyanime.codegen.errors import UserError
from tinyanime.host.emulate.machine import Serve, ServeOptions

START_SECONDS = 20.0


class ServedBoard:
    """A board served in a thread. `error` is what ended it, once `thread` is over."""

    def __init__(self, serve: Serve, board: Board, image: Path, tcp_port: int | None) -> None:
        self._announced: queue.Queue[str] = queue.Queue()
        self.stop = threading.Event()
        self.error: UserError | None = None
        options = ServeOptions(tcp_port, self.stop, self._announced.put)
        self.thread = threading.Thread(target=self._run, args=(serve, board, image, options), daemon=True)
        self.thread.start()

    def _run(self, serve: Serve, board: Board, image: Path, options: ServeOptions) -> None:
        try:
            serve(board, image, options)
        except UserError as error:
            self.error = error

    def port(self) -> str:
        """The announced port; waits for it."""
        return self._announced.get(timeout=START_SECONDS)

    def switch_off(self) -> float:
        """Sets `stop` and waits; seconds until it was off."""
        begin = time.monotonic()
        self.stop.set()
        self.thread.join(START_SECONDS)
        assert not self.thread.is_alive(), "serve() did not return"
        return time.monotonic() - begin


@contextmanager
def served(serve: Serve, board: Board, image: Path, tcp_port: int | None = None) -> Iterator[ServedBoard]:
    """A board that is switched off at the end."""
    running = ServedBoard(serve, board, image, tcp_port)
    try:
        yield running
    finally:
        running.switch_off()


@contextmanager
def probe_on(port: str) -> Iterator[Probe]:
    """The probe behind a port; nothing is expected of it yet."""
    with serial.serial_for_url(port, timeout=START_SECONDS) as line:

        def read(count: int) -> bytes:
            data: bytes = line.read(count)
            assert len(data) == count, f"{len(data)} of {count} bytes came"
            return data

        def write(data: bytes) -> None:
            line.write(data)

        yield Probe(read, write)
