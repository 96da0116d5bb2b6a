"""Reaches the device that a command works with: a given port, or a virtual board started from a project."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tinyanime.boards.loader import load_board
from tinyanime.boards.schema import Board, EmulatorKind
from tinyanime.host.discovery import Connection, connect
from tinyanime.host.emulate.launch import launch
from tinyanime.host.project import Project, built_image, check_same_build


@contextmanager
def project_device(project: Project, board: Board, port: str | None) -> Iterator[Connection]:
    """The device at `port`, or a virtual board that runs the project's image; checked to run this very build."""
    if port is not None:
        with connect(port) as connection:
            check_same_build(project, connection.info, connection.port)
            yield connection
        return
    with launch(board, built_image(project)) as running, connect(running.port) as connection:
        check_same_build(project, connection.info, connection.port)
        yield connection


def cycles_text(connection: Connection, cycles: int) -> str:
    """Cycles in words, saying what was counted."""
    info = connection.info
    if not connection.virtual:
        return f"{cycles:,} cycles = {1000 * cycles / info.clock_hz:,.0f} ms at {info.clock_hz / 1e6:.0f} MHz"
    kind = load_board(info.board).emulator.kind
    return {
        EmulatorKind.UNICORN: f"{cycles:,} instructions counted by the virtual board",
        EmulatorKind.QEMU: f"{cycles:,} ticks of the emulator's clock",
        EmulatorKind.PROCESS: f"{cycles:,} ticks of this computer's clock",
    }[kind]
