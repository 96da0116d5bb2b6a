"""Small C programs on the virtual rp2040, in this process, with a second-stage boot of their own.

A program leaves its results in memory and ends by `done()`: it sleeps for good (WFI), which the board reports.
"""

from __future__ import annotations

import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest

from tests.support.board_run import Wires
from tinyanime.boards.loader import load_board
from tinyanime.host.emulate.image import FirmwareImage, Segment, load_image
from tinyanime.host.emulate.machine import EmulationError
from tinyanime.host.emulate.rp2040.board import Rp2040Board
from tinyanime.host.emulate.rp2040.boot_rom import crc32_of_boot2
from tinyanime.host.emulate.rp2040.chip import parse_settings

BOARD = load_board("rp2040")
HEADER = Path(__file__).with_name("rp2040_program.h")
FLASH = 0x1000_0000
_RESULTS = 0x2000_1000
_BOOT2_BYTES = 252

SERIAL_READS = """
    REG(0x18000008u) = 0;            /* SSIENR */
    REG(0x18000014u) = 4;            /* BAUDR */
    REG(0x18000000u) = 0x001F0300u;  /* CTRLR0: words, EEPROM read */
    REG(0x18000004u) = 0;            /* CTRLR1 */
    REG(0x180000F4u) = 0x03000218u;  /* SPI_CTRLR0: command 03h, 24 bits of address */
    REG(0x18000010u) = 1;            /* SER */
    REG(0x18000008u) = 1;
"""
"""Maps the flash: RP2040 datasheet 4.10.13."""

_SOURCE = """
#include "rp2040_program.h"
__attribute__((section(".boot2"), naked)) void boot2(void) {{
    {boot2}
    __asm volatile("ldr r0, =0x10000100\\n ldr r1, =0xE000ED08\\n str r0, [r1]\\n ldmia r0, {{r0, r1}}\\n"
                   "msr msp, r0\\n bx r1\\n .ltorg");
}}
void hard_fault(void);
{body}
#ifndef HARD_FAULT
void hard_fault(void) {{
    done();
}}
#endif
__attribute__((section(".vectors"), used)) const void *const vectors[16] = {{
    (void *)0x20042000u, start, 0, hard_fault}};
"""


@cache
def compiled(body: str, boot2: str = SERIAL_READS) -> FirmwareImage:
    """The flash image of a program that begins with the function `start` of `body`, its checksum made here."""
    with tempfile.TemporaryDirectory() as folder:
        source, elf = Path(folder) / "program.c", Path(folder) / "program.elf"
        source.write_text(_SOURCE.format(boot2=boot2, body=body))
        places = (".boot2=0x10000000", ".vectors=0x10000100", ".text=0x10000200")
        command = ["arm-none-eabi-gcc", "-mcpu=cortex-m0plus", "-mthumb", "-O1", "-ffreestanding", "-nostdlib"]
        command += ["-masm-syntax-unified", "-fno-toplevel-reorder", f"-I{HEADER.parent}", "-Wl,-estart"]
        command += [f"-Wl,--section-start={place}" for place in places]
        done = subprocess.run(
            [*command, "-o", str(elf), str(source), "-lgcc"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        image = load_image(elf)
    stage = next(segment.data for segment in image.segments if segment.address == FLASH)[:_BOOT2_BYTES]
    stage += bytes(_BOOT2_BYTES - len(stage))
    checksum = crc32_of_boot2(stage).to_bytes(4, "little")
    segments = (*image.segments, Segment(FLASH, stage + checksum))
    return FirmwareImage(image.path, segments, image.functions)


def board_with(body: str, *settings: tuple[str, str], boot2: str = SERIAL_READS) -> Rp2040Board:
    """The board behind power-on."""
    wires = Wires()
    board = Rp2040Board(BOARD, compiled(body, boot2), wires, parse_settings(settings))
    wires.board = board
    return board


def run_until_done(board: Rp2040Board) -> None:
    """Runs until a core sleeps for good."""
    with pytest.raises(EmulationError, match="executed WFI"):
        board.run()


def results(board: Rp2040Board, count: int) -> list[int]:
    """The words at RESULTS."""
    data = board.memories.read(_RESULTS, 4 * count)
    return [int.from_bytes(data[index : index + 4], "little") for index in range(0, len(data), 4)]


def run_program(body: str, count: int, *settings: tuple[str, str]) -> list[int]:
    """What the program has left at RESULTS."""
    board = board_with(body, *settings)
    run_until_done(board)
    return results(board, count)
