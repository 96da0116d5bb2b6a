"""Linker script and image of a project for the ESP32-C3."""

from __future__ import annotations

from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from tests.support.esp32c3_firmware import BOARD, make, needs_toolchain, project_with_main
from tests.support.picture_project import picture_project

pytestmark = needs_toolchain
FLASH, FLASH_AS_DATA = 0x4200_0000, 0x3C00_0000
SRAM, SRAM_AS_CODE = 0x3FC8_0000, 0x4038_0000
ROM_MEMORY = 0x3FCD_C710


@pytest.fixture(scope="module")
def built() -> Path:
    return picture_project("esp32c3") / "build"


def sections(image: Path) -> dict[str, tuple[int, int, int]]:
    """Name to run address, bytes and load address (0 where nothing is loaded)."""
    with image.open("rb") as file:
        elf = ELFFile(file)
        segments = [part for part in elf.iter_segments() if part["p_type"] == "PT_LOAD" and part["p_filesz"]]
        found = {}
        for section in elf.iter_sections():
            address, size = int(section["sh_addr"]), int(section["sh_size"])
            load = [part for part in segments if part["p_vaddr"] <= address < part["p_vaddr"] + part["p_filesz"]]
            found[section.name] = (address, size, address - load[0]["p_vaddr"] + load[0]["p_paddr"] if load else 0)
        return found


def test_the_image_begins_with_what_the_boot_rom_looks_for_and_a_jump(built: Path) -> None:
    image = (built / "firmware.bin").read_bytes()
    assert image[:8] == bytes.fromhex("1d04dbae1d04dbae")
    assert image[8] & 0x7F == 0x6F  # JAL: The RISC-V Instruction Set Manual, volume I, chapter 24.


def test_constants_are_addressed_where_the_flash_is_read_as_data(built: Path) -> None:
    address, size, load = sections(built / "firmware.elf")[".rodata"]
    assert size > 1000
    assert address - FLASH_AS_DATA == load - FLASH


def test_fast_code_runs_behind_the_stack_where_start_up_copies_it(built: Path) -> None:
    found = sections(built / "firmware.elf")
    address, size, load = found[".fast_code"]
    room, room_bytes, _ = found[".fast_code_room"]
    assert found[".stack"][:2] == (SRAM, BOARD.stack_bytes)
    assert (room, room_bytes) == (SRAM + BOARD.stack_bytes, size)
    assert address - SRAM_AS_CODE == room - SRAM
    assert FLASH < load < FLASH + (built / "firmware.bin").stat().st_size
    assert 1000 < size <= BOARD.fast_code_bytes


def test_the_copies_of_the_c_library_are_fast_code(built: Path) -> None:
    address, size, _ = sections(built / "firmware.elf")[".fast_code"]
    with (built / "firmware.elf").open("rb") as file:
        (memcpy,) = ELFFile(file).get_section_by_name(".symtab").get_symbol_by_name("memcpy")
    assert address <= memcpy["st_value"] < address + size


def test_what_outlives_a_reset_lies_below_the_memory_of_the_rom(built: Path) -> None:
    address, size, _ = sections(built / "firmware.elf")[".noinit"]
    assert size > 0
    assert address + size <= ROM_MEMORY


MAIN = """
#include <stdint.h>
#include "tinyanime/port.h"
{declarations}
int main(void) {{
    ta_port_init();
    ta_port_uart_put(((const volatile uint8_t *)bytes)[5]);
    for (;;) {{
    }}
}}
"""


@pytest.mark.parametrize(
    ("declarations", "message"),
    [
        (
            "static const uint8_t bytes[5 << 20] = {1};",
            "code and weights do not fit into flash (4194304 bytes) of esp32c3",
        ),
        (
            'static const uint8_t bytes[40000] __attribute__((section(".fast_code.test"))) = {1};',
            "the fast code is larger than the 32768 bytes that esp32c3 keeps for it",
        ),
        ("uint8_t bytes[372000];", "do not fit into sram below the memory of the boot ROM"),
        (
            'static uint8_t bytes[64] __attribute__((section(".arena.d2")));',
            "an arena lies in no memory bank of esp32c3",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_words(tmp_path: Path, declarations: str, message: str) -> None:
    result = make(project_with_main(tmp_path / "project", MAIN.format(declarations=declarations)))
    assert result.returncode != 0
    assert message in result.stderr
    assert not (tmp_path / "project" / "build" / "firmware.elf").exists()


def test_a_heap_does_not_link(tmp_path: Path) -> None:
    main = MAIN.format(declarations="#include <stdlib.h>\n#define bytes malloc(9)")
    result = make(project_with_main(tmp_path / "project", main))
    assert result.returncode != 0
    assert "__heap_start" in result.stderr
