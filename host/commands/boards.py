"""`tinyanime boards`: the boards that tinyanime knows."""

from __future__ import annotations

import click

from tinyanime.boards.loader import list_boards
from tinyanime.boards.schema import Board, MemoryKind
from tinyanime.host.commands.options import examples, output_options
from tinyanime.host.console import Console


@click.command(epilog=examples("tinyanime boards", "tinyanime boards --json"))
@output_options
def boards(console: Console) -> None:
    """List the boards that tinyanime knows, with their memory and their virtual board."""
    known = list_boards()
    console.table(
        ("board", "core", "clock", "flash", "RAM", "virtual board", "description"),
        [_row(board) for board in known],
    )
    console.result([_as_json(board) for board in known])


def _bytes(board: Board, kind: MemoryKind) -> int:
    return sum(region.size_bytes for region in board.memory if region.kind is kind)


def _row(board: Board) -> tuple[str, ...]:
    return (
        board.name,
        board.core,
        f"{board.clock_hz / 1e6:.0f} MHz",
        f"{_bytes(board, MemoryKind.FLASH) // 1024} KB",
        f"{_bytes(board, MemoryKind.RAM) // 1024} KB",
        board.emulator.kind.value,
        board.title,
    )


def _as_json(board: Board) -> dict[str, object]:
    return {
        "name": board.name,
        "title": board.title,
        "core": board.core,
        "clock_hz": board.clock_hz,
        "flash_bytes": _bytes(board, MemoryKind.FLASH),
        "ram_bytes": _bytes(board, MemoryKind.RAM),
        "memory": [
            {"name": r.name, "kind": r.kind.value, "base": r.base, "size_bytes": r.size_bytes} for r in board.memory
        ],
        "uart": board.uart.name,
        "pins": board.uart.pins,
        "usb_ids": list(board.uart.usb_ids),
        "emulator": board.emulator.kind.value,
        "flash_tools": [tool.value for tool in board.flash_tool.tools],
        "cores": board.cores,
        "project": board.project.value,
        "source": str(board.source),
    }
