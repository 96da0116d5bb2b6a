"""The boards under test: from a farm file (TOML) or the command line."""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyanime.boards.loader import list_boards, load_board
from tinyanime.boards.schema import Board
from tinyanime.codegen.errors import InputError, UserError

_KEYS: dict[str, tuple[type, str]] = {
    "name": (str, "a text"),
    "port": (str, "a text"),
    "probe": (str, "a text"),
    "flash": (bool, "true or false"),
    "project": (str, "a text"),
}
_EXAMPLE = "tests/hil/farm.example.toml shows the form."


class FarmError(InputError):
    """The farm file is missing or wrong."""


@dataclass(frozen=True, slots=True)
class FarmBoard:
    """One board under test. `port` None is the virtual board.

    `flash`: the networks are written to it, through `probe` (or port) where several are connected; else it runs
    `project` already. `project` None is each network compiled here, or build/<board> on a real board not flashed.
    """

    board: Board
    port: str | None = None
    probe: str | None = None
    flash: bool = False
    project: Path | None = None

    @property
    def virtual(self) -> bool:
        return self.port is None

    @property
    def place(self) -> str:
        """Where it is, in words."""
        return self.port or "virtual"

    @property
    def label(self) -> str:
        """Tells the boards of a farm apart; those of one label share a worker."""
        return self.board.name if self.port is None else f"{self.board.name}@{self.port.rpartition('/')[2]}"


@dataclass(frozen=True, slots=True)
class Farm:
    """`lock_timeout_s`: how long to wait for a port that another run uses."""

    boards: tuple[FarmBoard, ...]
    lock_timeout_s: float = 120.0


def virtual_farm(names: Sequence[str] = ()) -> Farm:
    """The virtual boards called so, or all shipped ones: those first whose emulation takes longest."""
    boards = [load_board(name) for name in names] or sorted(list_boards(), key=lambda board: (-board.cores, board.name))
    return Farm(tuple(FarmBoard(board) for board in boards))


def load_farm(path: Path) -> Farm:
    """Read a farm file; project folders are relative to it. FarmError names the file, the entry and the next step."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FarmError(f"The farm file {path} cannot be read: {error.strerror or error}.", hint=_EXAMPLE) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FarmError(f"{path} is not valid TOML: {error}.", hint=f"Correct that line; {_EXAMPLE}") from error
    unknown = sorted(set(data) - {"board", "lock_timeout_s"})
    if unknown:
        raise FarmError(f"{path}: unknown key '{unknown[0]}'.", hint="Known keys: board, lock_timeout_s.")
    timeout = data.get("lock_timeout_s", Farm.__dataclass_fields__["lock_timeout_s"].default)
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 <= timeout < math.inf:
        raise FarmError(f"{path}: key 'lock_timeout_s' is no time.", hint="Give seconds, such as 120.")
    entries = data.get("board", [])
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise FarmError(f"{path}: there is no board.", hint=f"Add a table headed [[board]]; {_EXAMPLE}")
    boards = tuple(_board(path, index, entry) for index, entry in enumerate(entries))
    _check_apart(path, boards)
    return Farm(boards, float(timeout))


def _board(path: Path, index: int, entry: dict[str, Any]) -> FarmBoard:
    place = f"{path}: board[{index}]"
    for key, value in entry.items():
        if key not in _KEYS:
            raise FarmError(f"{place} has the unknown key '{key}'.", hint=f"Known keys: {', '.join(_KEYS)}.")
        kind, words = _KEYS[key]
        if not isinstance(value, kind) or value == "":
            raise FarmError(f"{place}: key '{key}' is not {words}.", hint=_EXAMPLE)
    if "name" not in entry:
        raise FarmError(f"{place} has no name.", hint='Add name = "stm32h743" or another board (tinyanime boards).')
    try:
        board = load_board(entry["name"])
    except UserError as error:
        raise FarmError(f"{place}: {error.message}", hint=error.hint) from error
    project = entry.get("project")
    made = FarmBoard(
        board,
        entry.get("port"),
        entry.get("probe"),
        entry.get("flash", False),
        None if project is None else path.parent / project,
    )
    _check_flashing(place, made)
    return made


def _check_flashing(place: str, entry: FarmBoard) -> None:
    if entry.flash and entry.port is None:
        raise FarmError(
            f"{place} ({entry.board.name}) is virtual, there is nothing to flash.",
            hint="Name the port of the real board, or leave flash out.",
        )
    if entry.flash and not entry.board.flash_tool.tools:
        raise FarmError(
            f"{place}: the board {entry.board.name} has no flash to write.", hint="Leave flash out for this board."
        )
    if entry.probe is not None and not entry.flash:
        raise FarmError(f"{place} names a probe but is not flashed.", hint="Write flash = true, or leave probe out.")


def _check_apart(path: Path, boards: Sequence[FarmBoard]) -> None:
    """No two entries may be the same board: their tests would run into each other."""
    seen: dict[str, int] = {}
    for index, entry in enumerate(boards):
        key = f"virtual {entry.board.name} {entry.project}" if entry.port is None else os.path.realpath(entry.port)
        if key in seen:
            raise FarmError(
                f"{path}: board[{seen[key]}] and board[{index}] are the same ({entry.board.name}, {entry.place}).",
                hint="Remove one, or give each real board a port of its own.",
            )
        seen[key] = index
        if entry.probe is not None:
            probe = f"probe {entry.probe}"
            if probe in seen:
                raise FarmError(
                    f"{path}: board[{seen[probe]}] and board[{index}] are flashed through the same {probe}.",
                    hint="Give each board the id of its own probe.",
                )
            seen[probe] = index
