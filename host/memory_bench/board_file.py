"""Writes board descriptions: what `boards/loader.py` reads back as the same board."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from enum import Enum
from pathlib import Path
from typing import Any

from tinyanime.boards.loader import load_board
from tinyanime.boards.schema import Board
from tinyanime.host.image.output import write_whole

_ELSEWHERE = ("memory", "source")
"""Fields of a board that are not keys or tables of their own."""

WIDE_BANK_BYTES = 16 * 1024 * 1024


def board_text(board: Board) -> str:
    """The board as TOML; `source` is not part of it."""
    plain, tables = [], []
    for field in fields(board):
        value = getattr(board, field.name)
        if field.name in _ELSEWHERE or value is None:
            continue
        if hasattr(value, "__dataclass_fields__"):
            tables.append("\n".join((f"[{field.name}]", *_keys(value))))
        else:
            plain.append(f"{field.name} = {_literal(value)}")
    regions = ["\n".join(("[[memory]]", *_keys(region))) for region in board.memory]
    return "\n\n".join(("\n".join(plain), *regions, *tables)) + "\n"


def wide_board(board: Board, path: Path) -> Board:
    """`board` with a bank of 16 MiB in place of its largest one, so that every network fits layer by layer.

    No chip is like that; the virtual board is. The description is written to `path`, where the emulator reads it.
    """
    largest = max(board.memory, key=lambda region: region.size_bytes if not _is_code(region.uses) else 0)
    memory = tuple(replace(r, size_bytes=WIDE_BANK_BYTES) if r is largest else r for r in board.memory)
    write_whole(path, board_text(replace(board, name=f"{board.name}-wide", memory=memory)).encode())
    return load_board(str(path))


def _is_code(uses: tuple[Enum, ...]) -> bool:
    return any(use.value in ("code", "fast_code") for use in uses)


def _keys(value: Any) -> list[str]:
    return [f"{field.name} = {_literal(getattr(value, field.name))}" for field in fields(value)]


def _literal(value: object) -> str:
    """TOML's basic strings, booleans, integers and arrays are written as JSON writes them."""
    if isinstance(value, Enum):
        return json.dumps(value.value)
    if isinstance(value, tuple):
        return f"[{', '.join(_literal(item) for item in value)}]"
    assert isinstance(value, str | int), value
    return json.dumps(value)
