"""Builds tests/support/dma_probe.c for a board and tells it what to do."""

from __future__ import annotations

import shutil
import struct
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.support.board_run import BoardLine, Patches, Settings
from tests.support.hello_firmware import ArenaBank, make, write_project
from tinyanime.boards.loader import load_board
from tinyanime.host.emulate.stm32h7.board import Stm32h7Board

PROBE = Path(__file__).with_name("dma_probe.c")

OK, ERROR_ARGUMENT, ERROR_DMA = 0, 1, 7
"""firmware/include/tinyanime/status.h"""


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="tinyanime-dma-probe-")


@cache
def dma_probe_image(board_name: str) -> Path:
    """The probe's image for a Cortex-M board, built once per session; skips the test without the ARM GCC."""
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("needs arm-none-eabi-gcc (make setup)")
    directory = Path(_folder().name) / board_name
    directory.mkdir()
    write_project(directory, load_board(board_name), PROBE, (ArenaBank("none", 0),))
    result = make(directory)
    assert result.returncode == 0, result.stdout + result.stderr
    return directory / "build" / "firmware.elf"


class DmaProbe:
    """The probe's commands over any byte stream: `read(n)` gives exactly n bytes, `write` takes all."""

    def __init__(self, read: Callable[[int], bytes], write: Callable[[bytes], None]) -> None:
        self._read = read
        self._write = write

    def store(self, address: int, data: bytes) -> None:
        """By the core."""
        self._write(b"w" + struct.pack("<II", address, len(data)) + data)

    def load(self, address: int, count: int) -> bytes:
        """By the core."""
        self._write(b"r" + struct.pack("<II", address, count))
        return self._read(count)

    def start(self, channel: int, target: int, source: int, count: int) -> int:
        self._write(b"s" + struct.pack("<BIII", channel, target, source, count))
        return self._read(1)[0]

    def wait(self, channel: int) -> int:
        self._write(b"a" + bytes([channel]))
        return self._read(1)[0]

    def clean(self, address: int, count: int) -> None:
        self._write(b"c" + struct.pack("<II", address, count))

    def invalidate(self, address: int, count: int) -> None:
        self._write(b"i" + struct.pack("<II", address, count))

    def set_word(self, address: int, value: int) -> None:
        self._write(b"m" + struct.pack("<II", address, value))

    def compute(self, turns: int) -> None:
        self._write(b"n" + struct.pack("<I", turns))

    def finish(self) -> None:
        """Returns when all commands so far have been obeyed."""
        assert self.start(255, 0, 0, 0) == ERROR_ARGUMENT


class VirtualProbe(DmaProbe):
    """The probe on a virtual board of its own; `board` is the machine."""

    def __init__(self, settings: Settings = (), patches: Patches = (), board_name: str = "stm32h743") -> None:
        line = BoardLine(dma_probe_image(board_name), load_board(board_name), settings, patches)
        super().__init__(line.take, line.write)
        self.board = line.board

    @property
    def stm32h7(self) -> Stm32h7Board:
        assert isinstance(self.board, Stm32h7Board)
        return self.board
