"""The virtual rp2040 with whole images: a compiled network on one core and on two, and what makes it stop."""

from __future__ import annotations

import random
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from tests.support.board_run import Wires, board_device, run_image
from tests.support.picture_project import SIZE, picture_project
from tests.support.rp2040_program import board_with, compiled, results, run_program, run_until_done
from tinyanime.boards.loader import load_board
from tinyanime.codegen.errors import InputError
from tinyanime.host.emulate.image import FirmwareImage, Segment
from tinyanime.host.emulate.launch import launch
from tinyanime.host.emulate.machine import EmulationError
from tinyanime.host.emulate.rp2040.boot_rom import check_boot2, crc32_of_boot2
from tinyanime.host.emulate.virtual_board import create_board
from tinyanime.host.link.client import open_device
from tinyanime.host.project import load_reference, open_project

pytestmark = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs the ARM GCC")

BOARD = load_board("rp2040")
PHOTO = random.Random(3).randbytes(SIZE * SIZE * 3)
FLASH = 0x1000_0000


@pytest.fixture(scope="module")
def image() -> Path:
    return picture_project("rp2040") / "build" / "firmware.elf"


@pytest.fixture(scope="module")
def expected() -> bytes:
    reference = load_reference(open_project(picture_project("rp2040"), "rp2040"))
    tensor = np.frombuffer(PHOTO, np.int8).reshape(1, SIZE, SIZE, 3)
    return reference.output(reference.run(tensor)).tobytes()


@pytest.mark.parametrize(
    "settings",
    [
        (),
        (("cores", "1"),),
        (("interleave", "1"), ("dma", "random:1")),
        (("interleave", "2"), ("dma", "early")),
        (("quad", "off"),),
    ],
)
def test_the_image_computes_the_references_bytes(
    image: Path, expected: bytes, settings: tuple[tuple[str, str], ...]
) -> None:
    assert run_image(image, BOARD, PHOTO, settings) == expected


def modelled_cycles(image: Path, *settings: tuple[str, str]) -> int:
    with board_device(image, BOARD, settings) as (device, _):
        return device.infer(PHOTO).result.total_cycles


def test_the_second_core_makes_it_nearly_twice_as_fast_and_turns_do_not_matter(image: Path) -> None:
    alone, together = modelled_cycles(image, ("cores", "1")), modelled_cycles(image)
    assert 1.6 < alone / together < 2.0
    assert modelled_cycles(image, ("interleave", "1")) == together


def test_a_run_is_quick_enough_for_many_of_them(image: Path) -> None:
    run_image(image, BOARD, PHOTO)
    begin = time.process_time()
    run_image(image, BOARD, PHOTO)
    assert time.process_time() - begin < 1.5  # 0.2 s on an idle machine.


def test_it_serves_its_port_as_a_process_of_its_own(image: Path, expected: bytes) -> None:
    with launch(BOARD, image, tcp_port=0) as running, open_device(running.port) as device:
        assert device.hello().clock_hz == 133_000_000
        assert device.infer(PHOTO).output == expected


def test_a_reset_over_the_link_restarts_the_chip(image: Path) -> None:
    with board_device(image, BOARD) as (device, board):
        before = device.hello().boot_id
        device.reset()
        assert device.hello().boot_id != before
        assert [cause.name for cause in board.resets] == ["FORCED"]


def test_a_second_stage_without_its_checksum_does_not_start() -> None:
    right = compiled("void start(void) { done(); }")
    broken = FirmwareImage(right.path, (*right.segments, Segment(FLASH + 4, b"\x00\x00")), right.functions)
    stage = bytearray(256)
    stage[-4:] = crc32_of_boot2(bytes(252)).to_bytes(4, "little")
    check_boot2(bytes(stage), "an image")
    stage[7] ^= 1
    with pytest.raises(InputError, match=r"an image has no second-stage boot: the checksum at 0x100000fc is 0x"):
        check_boot2(bytes(stage), "an image")
    with pytest.raises(InputError, match="has no second-stage boot"):
        create_board(BOARD, broken, Wires())


def test_the_checksum_is_that_of_the_boot_rom() -> None:
    assert crc32_of_boot2(b"123456789") == 0x0376_E6E7  # CRC-32/MPEG-2's published check value.


def test_flash_is_not_there_before_the_second_stage_has_set_it_up() -> None:
    with pytest.raises(EmulationError, match="read 4 bytes from 0x10000100, where nothing is mapped"):
        board_with("void start(void) { done(); }", boot2="").run()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("REG(0x18000014u) = 0;", r"with its clock off"),
        ("REG(0x180000F4u) = 0x03000214u;", r"which the flash does not understand"),
        ("REG(0x18000000u) = 0x005F0300u;", r"while the flash's quad enable bit is 0"),
        ("REG(0x18000004u) = 1;", r"one at a time"),
    ],
)
def test_settings_of_the_flash_that_do_not_read_it_are_refused(setting: str, message: str) -> None:
    stage = f"""
    REG(0x18000008u) = 0; REG(0x18000014u) = 4; REG(0x18000000u) = 0x001F0300u; REG(0x18000004u) = 0;
    REG(0x180000F4u) = 0x03000218u; REG(0x18000010u) = 1; {setting} REG(0x18000008u) = 1;
    """
    with pytest.raises(EmulationError, match=message):
        board_with("void start(void) { done(); }", ("quad", "off"), boot2=stage).run()


def test_an_undefined_instruction_ends_in_the_hard_fault_handler() -> None:
    program = """
    #define HARD_FAULT
    void hard_fault(void) {
        uint32_t number;
        __asm volatile("mrs %0, ipsr" : "=r"(number));
        RESULTS[0] = number;
        done();
    }
    void start(void) { __asm volatile("udf #0"); done(); }
    """
    assert run_program(program, 1) == [3]


def test_instructions_of_larger_cores_are_undefined() -> None:
    program = """
    #define HARD_FAULT
    void hard_fault(void) { RESULTS[0] = 77; done(); }
    void start(void) { RESULTS[0] = 0; __asm volatile(".inst.w 0xfb20f001"); done(); }
    """
    assert run_program(program, 1) == [77]  # SMLAD


def test_the_clock_counts_the_cycles_of_the_cortex_m0plus() -> None:
    program = """
    void start(void) {
        REG(0xE000E014u) = 0xFFFFFFu;
        REG(0xE000E018u) = 0;
        REG(0xE000E010u) = 5;
        uint32_t begin, end;
        __asm volatile("b 0f\\n.balign 4\\n0: ldr %0, [%3]\\n b 1f\\n1: ldr r2, =1000\\n"
                       "2: muls r2, r2, r2\\n ldr r2, =1000\\n ldr r0, =%4\\n"
                       "3: subs r0, #1\\n bne 3b\\n b 4f\\n4: ldr %1, [%3]\\n b 5f\\n5:\\n"
                       : "=&l"(begin), "=&l"(end) : "l"(0), "l"(0xE000E018u), "i"(5000) : "r0", "r2");
        RESULTS[0] = begin - end;
        done();
    }
    """
    (cycles,) = run_program(program, 1)
    # ldr 2, muls 1, ldr 2, ldr 2; 5000 times subs 1 and bne 2, of which the last one is not taken; b 2; ldr 2 and b 2.
    assert cycles == 7 + 15_000 - 1 + 2 + 4


def test_both_cores_instructions_are_counted() -> None:
    program = """
    void other(void) { for (uint32_t i = 0; i < 50000u; i++) __asm volatile(""); send(1); for (;;) (void)receive(); }
    void start(void) { RESULTS[0] = launch_core1(other); (void)receive(); done(); }
    """
    board = board_with(program)
    run_until_done(board)
    assert results(board, 1) == [1]
    assert board.instructions > 100_000 > board.processor.counter.instructions
