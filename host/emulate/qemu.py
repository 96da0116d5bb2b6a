"""Boards that QEMU models: nothing of ours is in the machine, its UART is bridged to the serial endpoint."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

from tinyanime.boards.schema import Board
from tinyanime.codegen.errors import InputError, ToolError
from tinyanime.host.emulate.child import ChildBoard, serve_child, start_child
from tinyanime.host.emulate.image import check_addresses, load_image
from tinyanime.host.emulate.machine import ServeOptions

PROGRAM = "qemu-system-arm"


def serve(board: Board, image: Path, options: ServeOptions) -> None:
    """Runs `image` (ELF) in the machine `board.emulator.machine` until `options.stop` is set.

    Raises ToolError where QEMU is missing or does not know the machine, InputError where there is no image or
    it belongs to another board, EmulationError where QEMU ends by itself.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise ToolError(
            f"{PROGRAM} is not installed; the virtual board '{board.name}' needs it.",
            hint="Install it (apt-get install qemu-system-arm) or run `make setup`.",
        )
    if not image.is_file():
        raise InputError(f"The firmware image '{image}' does not exist.", hint="Build it first (make build).")
    check_addresses(load_image(image), board)
    # A connected socket handed over at start: no port to be taken by another, no byte of the start lost.
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            process = _start(program, board, image, theirs)
        serve_child(ChildBoard(PROGRAM, process, ours.fileno(), ours.fileno()), options)


def qemu_command(program: str, board: Board, image: Path, uart_descriptor: int) -> tuple[str, ...]:
    """QEMU's command line; the machine's first UART is the socket behind `uart_descriptor`.

    Accesses that the machine does not model are reported on stderr (-d). Virtual time is real time: with -icount the
    firmware's time-outs would run many times faster than the host's.
    """
    return (
        program,
        *("-machine", board.emulator.machine),
        *("-nodefaults", "-display", "none", "-monitor", "none"),
        *("-chardev", f"socket,id=uart,fd={uart_descriptor}", "-serial", "chardev:uart"),
        *("-d", "guest_errors,unimp"),
        *("-kernel", os.fspath(image)),
    )


def _start(program: str, board: Board, image: Path, uart: socket.socket) -> subprocess.Popen[bytes]:
    command = qemu_command(program, board, image, uart.fileno())
    try:
        return start_child(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, inherit=(uart.fileno(),))
    except OSError as error:
        raise ToolError(
            f"{program} cannot be started: {error.strerror or error}.", hint="Install QEMU again."
        ) from None
