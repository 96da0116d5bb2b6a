"""Reaches the device that a command works with: a given port, or a virtual board started from a project."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tinyanime.boards.loader import list_boards
from tinyanime.boards.schema import Board, EmulatorKind
from tinyanime.codegen.errors import LinkError, ToolError
from tinyanime.host.discovery import Connection, connect
from tinyanime.host.emulate.launch import RunningBoard, launch
from tinyanime.host.link.timing import Timing
from tinyanime.host.project import Project, built_virtual_image, check_same_build

_END_S = 1.0
"""Time in which a virtual board that lost its port ends."""


@contextmanager
def project_device(
    project: Project, board: Board, port: str | None, timing: Timing | None = None
) -> Iterator[Connection]:
    """The device at `port`, or a virtual board that runs the project's image; checked to run this very build."""
    if port is not None:
        with connect(port, baud=board.uart.baud or None, timing=timing) as connection:
            check_same_build(project, connection.info, connection.port)
            yield connection
        return
    with launch(board, built_virtual_image(project)) as running:
        try:
            with connect(running.port, timing=timing) as connection:
                check_same_build(project, connection.info, connection.port)
                yield connection
        except LinkError as error:
            raise _virtual_failure(running, board) or error from error


def _virtual_failure(running: RunningBoard, board: Board) -> ToolError | None:
    """Why the virtual board ended, in its own words; None where it still runs: then the link is to blame."""
    if not running.ended(_END_S):
        return None
    said, _, hint = running.log.strip().removeprefix("Error: ").partition("\n")
    if said.startswith("Traceback"):
        last = hint.splitlines()[-1]
        return ToolError(f"The virtual {board.name} stopped through a defect ({last}).", hint="Report it; try again.")
    return ToolError(
        f"The virtual {board.name} stopped: {said or f'its process ended with status {running.exit_code}.'}",
        hint=hint or f"Try again; to see more, start it by hand: tinyanime emulate --board {board.name}",
    )


def emulator_of(board: str) -> EmulatorKind | None:
    """What runs a shipped board that a device names; None for boards described by files of the user."""
    return next((known.emulator.kind for known in list_boards() if known.name == board), None)


def cycles_text(connection: Connection, cycles: int) -> str:
    """Cycles in words, saying what was counted."""
    info = connection.info
    if not connection.virtual:
        return f"{cycles:,} cycles = {1000 * cycles / info.clock_hz:,.0f} ms at {info.clock_hz / 1e6:.0f} MHz"
    kind = emulator_of(info.board)
    if kind is None:
        return f"{cycles:,} cycles of the virtual board"
    return {
        EmulatorKind.UNICORN: f"{cycles:,} instructions counted by the virtual board",
        EmulatorKind.QEMU: f"{cycles:,} ticks of the emulator's clock",
        EmulatorKind.PROCESS: f"{cycles:,} ticks of this computer's clock",
    }[kind]
