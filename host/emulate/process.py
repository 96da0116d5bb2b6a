"""The board "posix": the firmware as a process of this PC, its stdin and stdout bridged to the serial endpoint."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tinyanime.boards.schema import Board
from tinyanime.codegen.errors import InputError
from tinyanime.host.emulate.child import ChildBoard, serve_child, start_child
from tinyanime.host.emulate.machine import EmulationError, ServeOptions


def serve(board: Board, image: Path, options: ServeOptions) -> None:
    """Runs the program `image` until `options.stop` is set.

    Raises InputError where there is no program, EmulationError where it cannot be started or ends by itself (a
    sanitizer's last line is part of the message).
    """
    if not image.is_file():
        raise InputError(f"The firmware image '{image}' does not exist.", hint="Build it first (make build).")
    try:
        process = start_child((os.fspath(image.resolve()),), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    except OSError as error:
        raise EmulationError(
            f"The firmware image '{image}' does not start on this PC: {error.strerror or error}.",
            hint=f"Build it for the board '{board.name}'.",
        ) from None
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin as uart_in, process.stdout as uart_out:
        serve_child(ChildBoard(image.name, process, uart_in.fileno(), uart_out.fileno()), options)
