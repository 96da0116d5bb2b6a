"""Builds tests/support/port_probe.c for a board and talks to it."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jinja2

from tests.support.hello_firmware import ArenaBank, make, write_project
from tinyanime.boards.loader import load_board

ROOT = Path(__file__).resolve().parents[2]
PROBE = Path(__file__).with_name("port_probe.c")
POSIX_TEMPLATES = ROOT / "templates" / "project" / "posix"


@dataclass(frozen=True)
class ProbeInfo:
    """The answer to 'i'."""

    cycles: int
    milliseconds: int
    clock_hz: int
    stack_free_bytes: int
    unique_id: bytes


class Probe:
    """The probe's commands over any byte stream: `read(n)` gives exactly n bytes, `write` takes all."""

    def __init__(self, read: Callable[[int], bytes], write: Callable[[bytes], None]) -> None:
        self.read = read
        self.write = write

    def expect_start(self) -> None:
        assert self.read(1) == b"S"

    def synchronize(self) -> None:
        """Takes what is left of the start: opening a serial port may or may not drop it."""
        self.write(b"e\x01\x00\x00")
        first = self.read(1)
        assert first == b"\xff" or (first == b"S" and self.read(1) == b"\xff")

    def echo(self, data: bytes) -> bytes:
        """What the probe makes of `data`: each byte inverted."""
        self.write(b"e" + struct.pack("<H", len(data)) + data)
        return self.read(len(data))

    def info(self) -> ProbeInfo:
        self.write(b"i")
        return ProbeInfo(*struct.unpack("<4I12s", self.read(28)))

    def product(self) -> float:
        """1.5 * 1.5, computed there as double."""
        self.write(b"d")
        (value,) = struct.unpack("<d", self.read(8))
        assert isinstance(value, float)
        return value

    def loop_cycles(self, turns: int) -> int:
        """Cycles that so many turns of a loop of two instructions took."""
        self.write(b"n" + struct.pack("<H", turns))
        (cycles,) = struct.unpack("<I", self.read(4))
        assert isinstance(cycles, int)
        return cycles


def inverted(data: bytes) -> bytes:
    return bytes(byte ^ 0xFF for byte in data)


def build_arm_probe(directory: Path, board_name: str, bank: str) -> Path:
    """The probe's image for a Cortex-M board that has an activation bank `bank`."""
    write_project(directory, load_board(board_name), PROBE, (ArenaBank(bank, 1024),))
    result = make(directory)
    assert result.returncode == 0, result.stdout + result.stderr
    return directory / "build" / "firmware.elf"


def write_posix_project(directory: Path) -> None:
    """A project of the PC's Makefile template with the probe in it."""
    for part in ("include", "port/posix", "port_shared"):
        shutil.copytree(ROOT / "firmware" / part, directory / "firmware" / part)
    shutil.copy(PROBE, directory / "probe.c")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(POSIX_TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    text = environment.get_template("Makefile.j2").render(
        board=load_board("posix"),
        sources=sorted(str(path.relative_to(directory)) for path in directory.rglob("*.c")),
        cmsis_sources=[],
        esp_nn_sources=[],
        host_defines=[],
        include_dirs=["firmware/include"],
    )
    (directory / "Makefile").write_text(text, encoding="utf-8")


def build_posix_probe(directory: Path, *choices: str) -> Path:
    """The probe as a program of this PC; `choices` are make variables such as "CC=clang"."""
    write_posix_project(directory)
    result = subprocess.run(["make", "-j2", *choices], cwd=directory, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return directory / "build" / "firmware.elf"
