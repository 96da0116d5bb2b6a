"""Sizes read from the linked image."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.picture_project import picture_project
from tinyanime.boards.loader import load_board
from tinyanime.boards.schema import MemoryKind, MemoryUse
from tinyanime.codegen.errors import InputError
from tinyanime.host.firmware_size import _Block, _usage_of_esp_idf, measure, measured_image
from tinyanime.host.project import open_project
from tinyanime.host.toolchains import missing_programs


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
    with pytest.raises(InputError, match=r"firmware\.elf (cannot be read|is not of the project)"):
        measure(open_project(tmp_path, ""), load_board("posix"))


@pytest.mark.parametrize("board_name", ["stm32h743", "rp2040", "esp32c3"])
def test_flash_in_use_is_the_size_of_the_image_that_is_flashed(board_name: str) -> None:
    board = load_board(board_name)
    if missing_programs(board):
        pytest.skip(f"{missing_programs(board)[0].name} is not installed")
    project = picture_project(board_name)
    usage = {item.region: item for item in measure(open_project(project, ""), board)}
    image_bytes = (project / "build" / "firmware.bin").stat().st_size
    assert usage["flash"].used_bytes == pytest.approx(image_bytes, abs=64)
    for use in (MemoryUse.STACK, MemoryUse.CORE1_STACK):
        for region in board.regions(use):
            assert any(o.size_bytes == board.stack_bytes for o in usage[region.name].occupants)
    assert all(item.free_bytes >= 0 for item in usage.values())


def test_an_esp_idf_project_that_was_not_built_is_measured_by_the_virtual_boards_program() -> None:
    board = load_board("esp32s3")
    if missing_programs(board):
        pytest.skip(f"{missing_programs(board)[0].name} is not installed")
    project = open_project(picture_project("esp32s3"), "")
    if project.bundle.image.is_file():
        pytest.skip("ESP-IDF is installed: the firmware itself was built")
    assert measured_image(project, board) == project.bundle.virtual_image
    flash, ram = measure(project, board)
    assert {".text"} <= {occupant.name for occupant in flash.occupants}
    assert ram.used_bytes > 2 * board.stack_bytes
    planned = sum(bank.peak_bytes for bank in project.manifest.banks)
    assert ram.used_bytes > planned


def test_an_esp_idf_image_is_divided_by_the_names_of_its_sections() -> None:
    board = load_board("esp32s3")
    blocks = [
        _Block(".flash.text", 0x4200_0020, 1000, False),
        _Block(".flash.rodata", 0x3C00_0020, 500, False),
        _Block(".flash_rodata_dummy", 0x3C00_0020, 9999, True),
        _Block(".iram0.text", 0x4037_4000, 300, False),
        _Block(".dram0.data", 0x3FC9_1000, 200, True),
        _Block(".dram0.dummy", 0x3FC8_8000, 9999, True),
    ]
    flash, ram = _usage_of_esp_idf(board, blocks)
    assert (flash.used_bytes, ram.used_bytes) == (1500, 500)
