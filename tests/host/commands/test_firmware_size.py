"""Sizes read from the linked image."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.picture_project import picture_project
from tinyanime.boards.loader import load_board
from tinyanime.boards.schema import MemoryKind
from tinyanime.codegen.errors import InputError
from tinyanime.host.firmware_size import measure
from tinyanime.host.project import open_project


def test_a_program_of_this_computer_counts_written_bytes_and_stack_as_ram() -> None:
    board = load_board("posix")
    flash, ram = measure(open_project(picture_project(), ""), board)
    assert (flash.kind, ram.kind) == (MemoryKind.FLASH, MemoryKind.RAM)
    assert ".text" in {occupant.name for occupant in flash.occupants}
    assert ram.occupants[-1].size_bytes == board.stack_bytes
    assert sum(occupant.size_bytes for occupant in ram.occupants) == ram.used_bytes


@pytest.mark.parametrize("content", [b"", b"hello", b"\x7fELF" + bytes(60)])
def test_a_damaged_image_is_named(tmp_path: Path, content: bytes) -> None:
    project = picture_project()
    for name in ("manifest.json", "model.onnx"):
        shutil.copy(project / name, tmp_path / name)
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "firmware.elf").write_bytes(content)
    with pytest.raises(InputError, match=r"firmware\.elf cannot be read"):
        measure(open_project(tmp_path, ""), load_board("posix"))
