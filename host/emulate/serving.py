"""Serves one virtual board from the main thread of this process until a signal ends it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from tinyanime.boards.schema import Board, EmulatorKind
from tinyanime.host.emulate.machine import ServeOptions, SettingError, serve_function
from tinyanime.host.emulate.registry import registered


def parse_setting(text: str) -> tuple[str, str]:
    """`name=value`; SettingError where it is not of this form."""
    name, separator, value = text.partition("=")
    if not (name and separator and value):
        raise SettingError(f"The emulator setting {text!r} is not of the form NAME=VALUE.", hint="Example: revision=Y.")
    return name, value


@contextmanager
def _stop_on_signal() -> Iterator[threading.Event]:
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def serve_until_signalled(
    board: Board,
    image: Path,
    tcp_port: int | None,
    settings: tuple[tuple[str, str], ...],
    announce: Callable[[str], None],
) -> None:
    """Runs `image` until SIGTERM or SIGINT; calls `announce` with the port. Raises UserError.

    The board is registered (registry.py) from then on.
    """
    if settings and board.emulator.kind is not EmulatorKind.UNICORN:
        raise SettingError(f"The virtual {board.name} has no settings.", hint="Leave --set out.")
    with _stop_on_signal() as stop, registered(board.name) as register:

        def on_ready(port: str) -> None:
            register(port)
            announce(port)

        serve_function(board)(board, image, ServeOptions(tcp_port, stop, on_ready, settings))
