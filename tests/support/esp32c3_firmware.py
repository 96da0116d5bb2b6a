"""Images for the ESP32-C3 from a real project whose main program is another one."""

from __future__ import annotations

import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.support.board_run import BoardLine, Settings
from tests.support.picture_project import picture_project
from tinyanime.boards.loader import load_board

BOARD = load_board("esp32c3")
HELLO = Path(__file__).resolve().parents[1] / "firmware" / "port_esp32c3" / "hello.c"
ESC = b"\x1b"

needs_toolchain = pytest.mark.skipif(shutil.which("riscv64-unknown-elf-gcc") is None, reason="needs the RISC-V GCC")


def project_with_main(directory: Path, main: str) -> Path:
    """A copy of the tiny network's built project, with `main` in place of its main program; not built again."""
    shutil.copytree(picture_project("esp32c3"), directory)
    (directory / "firmware" / "runtime" / "main.c").write_text(main, encoding="utf-8")
    return directory


def make(directory: Path) -> subprocess.CompletedProcess[str]:
    """Runs the project's own Makefile."""
    return subprocess.run(["make", "-C", str(directory)], capture_output=True, text=True, check=False)


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="tinyanime-esp32c3-")


@functools.cache
def hello_image() -> Path:
    """The bring-up image, built once per test session."""
    directory = project_with_main(Path(_folder().name) / "hello", HELLO.read_text(encoding="utf-8"))
    result = make(directory)
    assert result.returncode == 0, result.stdout + result.stderr
    return directory / "build" / "firmware.elf"


class Console:
    """The bring-up firmware's commands on a virtual board in this process."""

    def __init__(self, *settings: tuple[str, str]) -> None:
        chosen: Settings = settings
        self._line = BoardLine(hello_image(), BOARD, chosen)
        self.board = self._line.board
        self.started = self._said()

    def _said(self) -> str:
        return self._line.read(0).decode()

    def command(self, letter: str) -> str:
        """What the firmware says until it waits for the next byte."""
        self._line.write(ESC + letter.encode())
        return self._said()

    def ask(self, letter: str) -> int:
        return int(self.command(letter).split("=")[1])

    def echo(self, data: bytes) -> bytes:
        self._line.write(data)
        return self._line.read(0)
