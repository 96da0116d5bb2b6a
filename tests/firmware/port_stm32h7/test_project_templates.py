"""Linker script, board configuration and Makefile of a bare-metal project."""

from __future__ import annotations

from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from tests.support.hello_firmware import ArenaBank, make, write_project
from tinyanime.boards.loader import load_board

PLAIN_MAIN = """
#include <stdint.h>
#include "tinyanime/port.h"
{declarations}
int main(void) {{
    ta_port_init();
    {statements}
    for (;;) {{
    }}
}}
"""


def project(
    directory: Path,
    board: str,
    *,
    declarations: str = "",
    statements: str = "",
    banks: tuple[ArenaBank, ...] = (ArenaBank("none", 0),),
) -> Path:
    main = directory / "plain.c"
    main.write_text(PLAIN_MAIN.format(declarations=declarations, statements=statements), encoding="utf-8")
    target = directory / "project"
    target.mkdir()
    write_project(target, load_board(board), main, banks)
    return target


def failure(directory: Path) -> str:
    result = make(directory)
    assert result.returncode != 0
    assert not (directory / "build" / "firmware.elf").exists()
    return result.stdout + result.stderr


@pytest.mark.parametrize("name", ["stm32h743", "mps2-an500"])
def test_vectors_stack_and_arenas_lie_where_the_board_says(tmp_path: Path, name: str) -> None:
    board = load_board(name)
    bank = board.memory[-1].name
    directory = project(
        tmp_path,
        name,
        declarations=f'static uint8_t arena[4096] __attribute__((section(".arena.{bank}"), aligned(32)));',
        statements="((volatile uint8_t *)arena)[0] = 1;",
        banks=(ArenaBank(bank, 4096),),
    )
    result = make(directory)
    assert result.returncode == 0, result.stderr
    with (directory / "build" / "firmware.elf").open("rb") as file:
        elf = ELFFile(file)
        assert elf.get_section_by_name(".vectors")["sh_addr"] == board.memory[0].base
        stack = elf.get_section_by_name(".stack")
        assert (stack["sh_addr"], stack["sh_size"]) == (0x2000_0000, board.stack_bytes)
        arena = elf.get_section_by_name(f".arena.{bank}")
        assert (arena["sh_addr"], arena["sh_size"], arena["sh_type"]) == (board.memory[-1].base, 4096, "SHT_NOBITS")
    # NOLOAD sections are not part of what is flashed.
    assert (directory / "build" / "firmware.bin").stat().st_size < 16384
    assert (directory / "build" / "firmware.hex").exists()


def test_code_that_does_not_fit_is_refused_with_the_region(tmp_path: Path) -> None:
    said = failure(
        project(
            tmp_path,
            "stm32h743",
            declarations="static const uint8_t weights[3 << 20] = {1};",
            statements="ta_port_uart_put(((const volatile uint8_t *)weights)[5]);",
        )
    )
    assert "code and weights do not fit into flash (2097152 bytes) of stm32h743" in said


def test_an_arena_that_does_not_fit_is_refused_with_the_bank(tmp_path: Path) -> None:
    said = failure(
        project(
            tmp_path,
            "stm32h743",
            declarations='static uint8_t arena[130000] __attribute__((section(".arena.dtcm")));',
            statements="((volatile uint8_t *)arena)[0] = 1;",
            banks=(ArenaBank("dtcm", 130000),),
        )
    )
    assert "the arena of 130000 bytes does not fit into dtcm (131072 bytes)" in said


def test_an_arena_without_a_bank_is_refused(tmp_path: Path) -> None:
    said = failure(
        project(
            tmp_path,
            "mps2-an500",
            declarations='static uint8_t arena[64] __attribute__((section(".arena.d2")));',
            statements="((volatile uint8_t *)arena)[0] = 1;",
        )
    )
    assert "an arena lies in no memory bank of mps2-an500" in said


def test_a_heap_does_not_link(tmp_path: Path) -> None:
    said = failure(
        project(
            tmp_path,
            "stm32h743",
            declarations="#include <stdlib.h>",
            statements="*(volatile char *)malloc(9) = 1;",
        )
    )
    assert "_sbrk" in said


def test_a_warning_in_our_own_code_stops_the_build(tmp_path: Path) -> None:
    assert "unused variable" in failure(project(tmp_path, "stm32h743", statements="int forgotten;"))


def test_a_second_make_does_nothing_and_a_changed_header_rebuilds_what_includes_it(tmp_path: Path) -> None:
    directory = project(tmp_path, "stm32h743")
    assert make(directory).returncode == 0
    assert make(directory).stdout.count("  CC  ") == 0
    (directory / "firmware" / "startup" / "cortex_m7" / "fault.h").touch()
    rebuilt = make(directory).stdout
    assert "startup/cortex_m7/fault.c" in rebuilt
    assert "startup/cortex_m7/stack.c" not in rebuilt
    assert "  LD  " in rebuilt
