"""Builds tests/support/pico_probe.c for rp2040 and talks to it on the virtual board."""

from __future__ import annotations

import shutil
import struct
import tempfile
from functools import cache
from pathlib import Path

import pytest

from tests.support.board_run import BoardLine, Settings
from tests.support.hello_firmware import ArenaBank, make, write_project
from tests.support.port_probe import Probe
from tinyanime.boards.loader import load_board

PROGRAM = Path(__file__).with_name("pico_probe.c")


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="tinyanime-pico-probe-")


@cache
def pico_project() -> Path:
    """The built project, made once per session; skips the test without the ARM GCC."""
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("needs arm-none-eabi-gcc (make setup)")
    directory = Path(_folder().name) / "project"
    write_project(directory, load_board("rp2040"), PROGRAM, (ArenaBank("sram", 1024),))
    result = make(directory)
    assert result.returncode == 0, result.stdout + result.stderr
    return directory


def pico_image() -> Path:
    return pico_project() / "build" / "firmware.elf"


class PicoProbe(Probe):
    """The probe on a virtual rp2040 of its own, at its start; `board` is the machine."""

    def __init__(self, settings: Settings = ()) -> None:
        line = BoardLine(pico_image(), load_board("rp2040"), settings)
        super().__init__(line.take, line.write)
        self.board = line.board
        self.expect_start()

    def launch(self) -> bool:
        """Starts core 1: whether it answered."""
        self.write(b"l")
        return self.read(1) == b"\x01"

    def exchange(self, word: int) -> int:
        """What core 1 makes of `word`."""
        return self._answer(b"m", word)

    def dig(self, size_bytes: int) -> None:
        """Core 1 uses so many bytes of its stack."""
        self._answer(b"s", size_bytes)

    def _answer(self, command: bytes, word: int) -> int:
        self.write(command + struct.pack("<I", word))
        (answer,) = struct.unpack("<I", self.read(4))
        assert isinstance(answer, int)
        return answer

    def fault(self) -> tuple[int, int]:
        """Exception and core of the fault before the start."""
        self.write(b"k")
        exception, core = struct.unpack("<2I", self.read(8))
        return exception, core
