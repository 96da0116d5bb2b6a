"""Projects to flash without a board: folders with images, UF2 files, a drive that vanishes, tools that answer alike."""

from __future__ import annotations

import os
import struct
import sys
import threading
import time
from pathlib import Path

from tests.support.picture_project import picture_project
from tinyanime.boards.loader import load_board
from tinyanime.codegen.bundle import Bundle
from tinyanime.host.flash.adapter import FlashJob
from tinyanime.host.project import Project, open_project

PICO_FAMILY = 0xE48B_FF56
PICO_FLASH = 0x1000_0000
INFO = "UF2 Bootloader v3.0\r\nModel: Raspberry Pi RP2\r\nBoard-ID: {board_id}\r\n"


def job_for(board: str, directory: Path, **options: object) -> FlashJob:
    """A job for a project of a small network in `directory`, whose `build` folder the caller fills."""
    manifest = open_project(picture_project(), "").manifest
    (directory / "build").mkdir(parents=True, exist_ok=True)
    return FlashJob(load_board(board), Project(Bundle(directory, manifest), ""), **options)  # type: ignore[arg-type]


def uf2(payload: bytes, *, base: int = PICO_FLASH, family: int = PICO_FAMILY) -> bytes:
    """A UF2 file with 256 bytes of `payload` in each block."""
    count = -(-len(payload) // 256)
    blocks = []
    for index in range(count):
        data = payload[index * 256 : (index + 1) * 256].ljust(256, b"\xff")
        head = struct.pack("<8I", 0x0A324655, 0x9E5D5157, 0x2000, base + 256 * index, 256, index, count, family)
        blocks.append(head + data.ljust(476, b"\0") + struct.pack("<I", 0x0AB16F30))
    return b"".join(blocks)


def mounted_drive(root: Path, name: str = "RPI-RP2", board_id: str = "RPI-RP2") -> Path:
    """A folder that looks like the boot ROM's drive."""
    drive = root / "user" / name
    drive.mkdir(parents=True)
    (drive / "INFO_UF2.TXT").write_text(INFO.format(board_id=board_id))
    (drive / "INDEX.HTM").write_text("<html></html>")
    return drive


class VanishingDrive:
    """Takes the drive away, as a chip does, once the file on it has `expected_bytes`; `received` is what it got."""

    def __init__(self, drive: Path, expected_bytes: int) -> None:
        self._drive = drive
        self._expected_bytes = expected_bytes
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.received = b""

    def __enter__(self) -> VanishingDrive:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.is_set():
            for file in self._drive.glob("*.uf2"):
                if file.stat().st_size >= self._expected_bytes:
                    self.received = file.read_bytes()
                    (self._drive / "INFO_UF2.TXT").unlink()
                    return
            time.sleep(0.005)


def program_on_path(folder: Path, name: str, body: str) -> str:
    """Write a Python program called `name`; the PATH on which it comes first."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!{sys.executable}\nimport json, os, pathlib, sys\n{body}")
    program.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"
