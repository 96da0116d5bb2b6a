"""Which tool flashes a board: the first of its list that can do it now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tinyanime.boards.schema import Board, FlashToolKind
from tinyanime.codegen.errors import ToolError, UserError
from tinyanime.host.flash.adapter import FlashAdapter, FlashJob
from tinyanime.host.flash.drive import DriveAdapter
from tinyanime.host.flash.esptool import EsptoolAdapter
from tinyanime.host.flash.idf import IdfAdapter
from tinyanime.host.flash.picotool import PicotoolAdapter
from tinyanime.host.flash.pyocd import PyocdAdapter

_ADAPTERS: dict[FlashToolKind, Callable[[], FlashAdapter]] = {
    FlashToolKind.PYOCD: PyocdAdapter,
    FlashToolKind.DRIVE: DriveAdapter,
    FlashToolKind.PICOTOOL: PicotoolAdapter,
    FlashToolKind.ESPTOOL: EsptoolAdapter,
    FlashToolKind.IDF: IdfAdapter,
}


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A tool that comes earlier in the board's list and cannot be used now."""

    kind: FlashToolKind
    obstacle: UserError


@dataclass(frozen=True, slots=True)
class Choice:
    adapter: FlashAdapter
    passed_over: tuple[PassedOver, ...]


def choose_adapter(job: FlashJob, wanted: FlashToolKind | None = None) -> Choice:
    """The tool named by `wanted`, else the first of the board's that can do the job.

    Raises the obstacle of the only tool, or ToolError with those of all.
    """
    passed: list[PassedOver] = []
    for kind in _candidates(job, wanted):
        adapter = _ADAPTERS[kind]()
        obstacle = adapter.obstacle(job)
        if obstacle is None:
            return Choice(adapter, tuple(passed))
        passed.append(PassedOver(kind, obstacle))
    if len(passed) == 1:
        raise passed[0].obstacle
    reasons = "; ".join(f"{item.kind.value}: {item.obstacle.message.rstrip('.')}" for item in passed)
    raise ToolError(f"No tool can flash {job.board.name} now ({reasons}).", hint=passed[0].obstacle.hint)


def check_flashable(board: Board) -> None:
    """ToolError where the board has no flash that a tool could write."""
    if not board.flash_tool.tools:
        raise ToolError(
            f"The board {board.name} has no flash to write.",
            hint=f"Start it as a virtual board: tinyanime emulate --board {board.name}",
        )


def _candidates(job: FlashJob, wanted: FlashToolKind | None) -> tuple[FlashToolKind, ...]:
    check_flashable(job.board)
    board, tools = job.board, job.board.flash_tool.tools
    if wanted is None and job.drive is not None:
        wanted = FlashToolKind.DRIVE
    if wanted is None:
        return tools
    if wanted not in tools:
        names = ", ".join(kind.value for kind in tools)
        raise ToolError(
            f"The board {board.name} cannot be flashed with {wanted.value}.",
            hint=f"It is flashed with {names}; leave --with and --drive out to use what is there of it.",
        )
    return (wanted,)
