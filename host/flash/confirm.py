"""Asks a board that was just flashed which build it runs."""

from __future__ import annotations

import time

from tinyanime.boards.schema import Board
from tinyanime.codegen.errors import FirmwareMismatchError, LinkError
from tinyanime.host.discovery import connect, serial_ports_of
from tinyanime.host.project import Project, check_same_build

START_TIMEOUT_S = 10.0
"""Time in which a board must answer after it was flashed: self-checks and the clock's start included."""

_RETRY_S = 0.5


def confirm_build(project: Project, board: Board, port: str | None) -> str | None:
    """The port at which the board answers that it runs `project`; None where no port of it is known.

    A port that is given must answer, one found by its USB id may be another board's. Raises LinkError where the given
    port stays silent, FirmwareMismatchError where the board still runs another build.
    """
    if port is not None:
        _ask(project, board, port)
        return port
    for candidate in serial_ports_of(board):
        try:
            _ask(project, board, candidate.port)
        except FirmwareMismatchError:
            raise
        except LinkError:
            continue
        return candidate.port
    return None


def _ask(project: Project, board: Board, port: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            with connect(port, baud=board.uart.baud or None) as connection:
                check_same_build(project, connection.info, port)
                return
        except FirmwareMismatchError:
            raise
        except LinkError:
            # It may still be starting.
            if time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_S)
