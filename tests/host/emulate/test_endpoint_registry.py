from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tinyanime.host.emulate import registry
from tinyanime.host.emulate.registry import RegisteredBoard, registered, running_boards


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(registry, "_directory", lambda: tmp_path / "boards")
    return tmp_path / "boards"


def test_a_board_is_listed_while_its_context_lasts() -> None:
    assert running_boards() == ()
    with registered("stm32h743") as register:
        assert running_boards() == ()
        register("/dev/pts/9")
        assert running_boards() == (RegisteredBoard("stm32h743", "/dev/pts/9", os.getpid()),)
    assert running_boards() == ()


def test_a_cache_folder_that_cannot_be_written_does_not_stop_the_board(directory: Path) -> None:
    directory.write_text("a file where the folder should be")
    with registered("stm32h743") as register:
        register("/dev/pts/9")
        assert running_boards() == ()


def test_entries_of_dead_processes_and_damaged_ones_are_removed(directory: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    directory.mkdir()
    entry = {"board": "stm32h743", "port": "/dev/pts/9", "pid": dead.pid}
    (directory / f"{dead.pid}.json").write_text(json.dumps(entry), encoding="utf-8")
    (directory / "1.json").write_text("{", encoding="utf-8")
    assert running_boards() == ()
    assert list(directory.iterdir()) == []
