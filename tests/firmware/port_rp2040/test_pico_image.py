"""The image that the boot ROM of the RP2040 starts: second boot stage, checksum, vectors, stacks, UF2 file."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from tests.support.hello_firmware import make
from tests.support.pico_probe import pico_project
from tinyanime.boards.loader import load_board

BOARD = load_board("rp2040")
FLASH = 0x1000_0000
BOOT2_BYTES = 252
BLOCK = struct.Struct("<8I476sI")


def checksum(data: bytes) -> int:
    """The remainder of a division by the CRC's polynomial, the first 32 bits inverted beforehand."""
    bits = 8 * len(data)
    rest = int.from_bytes(data, "big") ^ 0xFFFF_FFFF << (bits - 32)
    rest <<= 32
    for bit in range(bits + 31, 31, -1):
        if rest >> bit & 1:
            rest ^= 0x1_04C1_1DB7 << (bit - 32)
    return rest


@pytest.fixture(scope="module")
def project() -> Path:
    return pico_project()


@pytest.fixture(scope="module")
def binary(project: Path) -> bytes:
    return (project / "build" / "firmware.bin").read_bytes()


@pytest.fixture(scope="module")
def symbols(project: Path) -> dict[str, int]:
    with (project / "build" / "firmware.elf").open("rb") as file:
        table = ELFFile(file).get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        return {symbol.name: int(symbol["st_value"]) for symbol in table.iter_symbols()}


def script(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "board/pico_image.py", *arguments]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)


def test_the_checksum_is_that_of_the_published_check_value() -> None:
    assert checksum(b"123456789") == 0x0376_E6E7  # CRC-32/MPEG-2


def test_the_image_begins_with_the_boot_stage_and_its_checksum(binary: bytes, project: Path) -> None:
    (stored,) = struct.unpack_from("<I", binary, BOOT2_BYTES)
    assert stored == checksum(binary[:BOOT2_BYTES])
    assert binary.startswith((project / "build" / "boot2.bin").read_bytes())


def test_the_elf_holds_the_same_bytes_as_the_binary(project: Path, binary: bytes) -> None:
    with (project / "build" / "firmware.elf").open("rb") as file:
        segments = [s for s in ELFFile(file).iter_segments() if s["p_type"] == "PT_LOAD" and s["p_filesz"]]
        image = bytearray(len(binary))
        for segment in segments:
            at = segment["p_paddr"] - FLASH
            image[at : at + segment["p_filesz"]] = segment.data()
    assert bytes(image) == binary


def test_the_uf2_file_parsed_back_is_the_binary(project: Path, binary: bytes) -> None:
    data = (project / "build" / "firmware.uf2").read_bytes()
    pages = -(-len(binary) // 256)
    assert len(data) == 512 * pages
    image = b""
    for number, block in enumerate(BLOCK.iter_unpack(data)):
        begin, second, flags, address, size, index, count, family, payload, end = block
        assert (begin, second, end) == (0x0A32_4655, 0x9E5D_5157, 0x0AB1_6F30)
        assert (flags, family) == (0x2000, BOARD.flash_tool.uf2_family)
        assert (address, size, index, count) == (FLASH + 256 * number, 256, number, pages)
        image += payload[:size]
        assert not any(payload[size:])
    assert image == binary.ljust(256 * pages, b"\0")


def test_vectors_behind_the_boot_stage_lead_to_reset_and_fault_handler(binary: bytes, symbols: dict[str, int]) -> None:
    stack, reset, *others = struct.unpack_from("<48I", binary, 0x100)
    assert symbols["__vectors"] == FLASH + 0x100
    assert (stack, reset) == (0x2004_2000, symbols["Reset_Handler"])
    assert set(others) == {symbols["ta_fault_handler"]}
    assert reset & symbols["ta_fault_handler"] & 1


def test_each_core_has_a_bank_of_its_own_for_its_stack(symbols: dict[str, int]) -> None:
    assert (symbols["__core1_stack_limit"], symbols["__core1_stack_top"]) == (0x2004_0000, 0x2004_1000)
    assert (symbols["__stack_limit"], symbols["__stack_top"]) == (0x2004_1000, 0x2004_2000)


def test_a_second_make_changes_nothing_and_a_changed_boot_stage_its_checksum(project: Path) -> None:
    assert "  LD  " not in make(project).stdout
    source = project / "firmware" / "port" / "rp2040" / "boot2.S"
    text = source.read_text(encoding="utf-8")
    source.write_text(text.replace(".equ SLOW, 6", ".equ SLOW, 8"), encoding="utf-8")
    before = (project / "build" / "firmware.bin").read_bytes()
    assert make(project).returncode == 0
    after = (project / "build" / "firmware.bin").read_bytes()
    source.write_text(text, encoding="utf-8")
    assert make(project).returncode == 0
    assert struct.unpack_from("<I", after, BOOT2_BYTES)[0] == checksum(after[:BOOT2_BYTES])
    assert before[:256] != after[:256]
    assert before[256:] == after[256:]
    assert (project / "build" / "firmware.bin").read_bytes() == before


def test_a_boot_stage_that_is_too_large_is_refused(project: Path, tmp_path: Path) -> None:
    (tmp_path / "boot2.bin").write_bytes(bytes(253))
    result = script(project, "checksum", str(tmp_path / "boot2.bin"), str(tmp_path / "out.S"))
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        "The second boot stage has 253 bytes, the boot ROM takes 1 to 252.",
        "Correct firmware/port/rp2040/boot2.S.",
    ]
    assert not (tmp_path / "out.S").exists()


def test_an_image_that_the_boot_rom_would_not_start_becomes_no_uf2_file(
    project: Path, binary: bytes, tmp_path: Path
) -> None:
    (tmp_path / "wrong.bin").write_bytes(binary[:10] + bytes((binary[10] ^ 1,)) + binary[11:])
    result = script(project, "uf2", str(tmp_path / "wrong.bin"), str(tmp_path / "out.uf2"))
    assert result.returncode == 1
    assert "does not begin with a second boot stage and its checksum" in result.stderr
    assert not (tmp_path / "out.uf2").exists()


def test_a_missing_file_is_named_without_a_traceback(project: Path) -> None:
    result = script(project, "uf2", "nowhere.bin", "out.uf2")
    assert result.returncode == 1
    assert result.stderr == "nowhere.bin: No such file or directory.\nBuild the project with its Makefile.\n"


def test_wrong_arguments_show_the_usage(project: Path) -> None:
    result = script(project, "flash")
    assert result.returncode == 1
    assert "pico_image.py uf2 FIRMWARE.bin OUT.uf2" in result.stderr
