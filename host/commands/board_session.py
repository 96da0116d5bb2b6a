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


_COUNTED_BY_KIND = {
    EmulatorKind.UNICORN: "instructions",
    EmulatorKind.QEMU: "ticks",
    EmulatorKind.PROCESS: "ticks",
}
_COUNTED_BY_FAMILY = {
    (EmulatorKind.UNICORN, "rp2040"): "modelled cycles",
    (EmulatorKind.QEMU, "esp_idf"): "instructions",
}
"""What emulators count that keep a chip family's time in another way (their modules say how)."""


def counted_unit(board: Board | None, *, virtual: bool) -> str:
    """What the cycle counter of a device counts: "cycles" on a real board, else as the virtual board keeps time.

    None is a board that is described by a file of the user.
    """
    if not virtual or board is None:
        return "cycles"
    kind = board.emulator.kind
    return _COUNTED_BY_FAMILY.get((kind, board.family), _COUNTED_BY_KIND[kind])


def shipped_board(name: str) -> Board | None:
    """The shipped board that a device names; None for boards described by files of the user."""
    return next((known for known in list_boards() if known.name == name), None)


def cycles_text(connection: Connection, cycles: int) -> str:
    """Cycles in words, saying what was counted."""
    info = connection.info
    board = shipped_board(info.board)
    unit = counted_unit(board, virtual=connection.virtual)
    if not connection.virtual or unit == "modelled cycles":
        return f"{cycles:,} {unit} = {1000 * cycles / info.clock_hz:,.0f} ms at {info.clock_hz / 1e6:.0f} MHz"
    if board is None:
        return f"{cycles:,} cycles of the virtual board"
    if unit == "instructions":
        return f"{cycles:,} instructions counted by the virtual board"
    clock = "this computer's" if board.emulator.kind is EmulatorKind.PROCESS else "the emulator's"
    return f"{cycles:,} ticks of {clock} clock"
