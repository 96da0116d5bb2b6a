"""Finds the serial port through which a chip's boot ROM is flashed, and checks that it can be opened."""

from __future__ import annotations

from tinyanime.boards.schema import Board
from tinyanime.codegen.errors import LinkError
from tinyanime.host.discovery import serial_ports_of
from tinyanime.host.link.transport import open_transport


def flash_port(board: Board, given: str | None) -> str:
    """The port `given`, or the only one whose USB id belongs to `board`. LinkError where there is none or several."""
    if given is not None:
        return given
    ports = [candidate.port for candidate in serial_ports_of(board)]
    if not ports:
        known = f" (USB id {', '.join(board.uart.usb_ids)})" if board.uart.usb_ids else ""
        raise LinkError(
            f"No serial port of the board {board.name} is plugged in{known}.",
            hint="Plug the board in with a cable that carries data, or name the port with --port.",
        )
    if len(ports) > 1:
        raise LinkError(
            f"{len(ports)} serial ports may be the board {board.name}.",
            hint=f"Choose one with --port: {', '.join(ports)}.",
        )
    return ports[0]


def check_port(port: str) -> None:
    """LinkError where the port is missing, busy or not for this user."""
    open_transport(port).close()
