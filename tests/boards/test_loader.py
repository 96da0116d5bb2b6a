"""Board files: the shipped ones load, each wrong one ends in its own message."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinyanime.boards.loader import SHIPPED_BOARDS, list_boards, load_board
from tinyanime.boards.schema import EmulatorKind, FlashToolKind, MemoryKind, MemoryUse
from tinyanime.codegen.errors import BoardError

INVALID_FILES = sorted((SHIPPED_BOARDS / "invalid").glob("*.toml"))


@pytest.mark.parametrize("path", INVALID_FILES, ids=lambda path: path.stem)
def test_an_invalid_board_file_ends_in_the_message_and_hint_of_its_first_two_lines(path: Path) -> None:
    message, hint = (line.removeprefix("# ") for line in path.read_text().splitlines()[:2])
    with pytest.raises(BoardError) as caught:
        load_board(str(path))
    said = caught.value.message
    assert said.startswith(str(path))
    assert said.removeprefix(str(path)).lstrip(": ") == message
    assert caught.value.hint == hint


def test_no_two_invalid_board_files_show_the_same_message() -> None:
    messages = [path.read_text().splitlines()[0] for path in INVALID_FILES]
    assert len(set(messages)) == len(messages) > 30


def test_a_shipped_board_carries_every_value_of_its_file() -> None:
    board = load_board("stm32h743")
    assert (board.name, board.family, board.clock_hz) == ("stm32h743", "stm32h7", 480_000_000)
    assert board.source == SHIPPED_BOARDS / "stm32h743.toml"
    axi = board.region("axi")
    assert (axi.kind, axi.base, axi.size_bytes, axi.end) == (
        MemoryKind.RAM,
        0x2400_0000,
        0x8_0000,
        0x2408_0000,
    )
    assert axi.uses == (MemoryUse.ACTIVATIONS,)
    assert (axi.access_cost, axi.cacheable, axi.dma) == (2, True, True)
    assert not board.region("dtcm").cacheable
    assert (board.uart.name, board.uart.baud) == ("USART3", 921_600)
    assert "0483:374b" in board.uart.usb_ids
    assert board.toolchain.prefix == "arm-none-eabi-"
    assert "-mthumb" in board.toolchain.cpu_flags
    assert board.emulator.kind is EmulatorKind.UNICORN
    assert (board.flash_tool.tools, board.flash_tool.target) == ((FlashToolKind.PYOCD,), "stm32h743zitx")


def test_regions_are_found_by_use_in_the_order_of_the_file() -> None:
    board = load_board("stm32h743")
    assert [region.name for region in board.regions(MemoryUse.ACTIVATIONS)] == ["dtcm", "axi", "d2", "sram4"]


def test_every_shipped_board_is_listed_by_name_and_called_like_its_file() -> None:
    boards = list_boards()
    assert [board.name for board in boards] == sorted(path.stem for path in SHIPPED_BOARDS.glob("*.toml"))
    assert {"stm32h743", "mps2-an500", "posix"} <= {board.name for board in boards}


def test_a_board_file_anywhere_is_loaded_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text((SHIPPED_BOARDS / "posix.toml").read_text())
    board = load_board(str(path))
    assert board.source == path
    assert board.emulator.kind is EmulatorKind.PROCESS


def test_an_unknown_board_name_lists_the_known_boards() -> None:
    with pytest.raises(BoardError) as caught:
        load_board("stm32h750")
    assert caught.value.message == "There is no board called 'stm32h750'."
    assert "esp32c3, esp32s3, mps2-an500, posix, rp2040, stm32h743" in caught.value.hint


def test_a_missing_board_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    with pytest.raises(BoardError, match=r"none\.toml' does not exist") as caught:
        load_board(str(path))
    assert "stm32h743" in caught.value.hint


def test_a_folder_in_place_of_a_board_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BoardError, match="cannot be read"):
        load_board(f"{tmp_path}/")


def test_a_binary_board_file_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "binary.toml"
    path.write_bytes(b"\x7fELF\xff\xfe")
    with pytest.raises(BoardError, match="not a text file"):
        load_board(str(path))


def test_neighbouring_regions_do_not_count_as_overlapping(tmp_path: Path) -> None:
    text = (SHIPPED_BOARDS / "invalid" / "overlapping_regions.toml").read_text()
    path = tmp_path / "neighbours.toml"
    path.write_text(text.replace("0x080f_ff00", "0x0810_0000"))
    board = load_board(str(path))
    assert board.region("ram").base == board.region("flash").end


def test_optional_region_keys_have_their_documented_defaults(tmp_path: Path) -> None:
    text = (SHIPPED_BOARDS / "invalid" / "overlapping_regions.toml").read_text()
    path = tmp_path / "defaults.toml"
    path.write_text(text.replace("0x080f_ff00", "0x2000_0000"))
    ram = load_board(str(path)).region("ram")
    assert (ram.access_cost, ram.cacheable, ram.dma) == (1, False, False)
