"""Which virtual boards run on this machine, so that host tools find them without being told the port.

Each running board keeps one JSON file, named by its process id, in the user's cache folder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import platformdirs


@dataclass(frozen=True, slots=True)
class RegisteredBoard:
    """`port` is what pyserial's `serial_for_url` opens, `pid` the process that serves it."""

    board: str
    port: str
    pid: int


def _directory() -> Path:
    return platformdirs.user_cache_path("tinyanime") / "boards"


@contextmanager
def registered(board: str) -> Iterator[Callable[[str], None]]:
    """Gives a function that registers this process as `board` at a port; leaving the context takes it back.

    Where the cache folder cannot be written the board goes unregistered: it can still be named by its port.
    """
    path = _directory() / f"{os.getpid()}.json"

    def register(port: str) -> None:
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            scratch = path.with_suffix(".tmp")
            scratch.write_text(json.dumps(asdict(RegisteredBoard(board, port, os.getpid()))), encoding="utf-8")
            scratch.replace(path)

    try:
        yield register
    finally:
        _remove(path)


def running_boards() -> tuple[RegisteredBoard, ...]:
    """Boards whose process is alive, oldest process id first; entries of dead ones are removed."""
    boards = []
    directory = _directory()
    for path in sorted(directory.glob("*.json")) if directory.is_dir() else ():
        try:
            entry = RegisteredBoard(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            _remove(path)
            continue
        if _alive(entry.pid):
            boards.append(entry)
        else:
            _remove(path)
    return tuple(sorted(boards, key=lambda entry: entry.pid))


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
