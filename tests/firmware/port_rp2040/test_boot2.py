"""The second boot stage of the RP2040, run from RAM as the boot ROM runs it, against a model of SSI and flash chip."""

from __future__ import annotations

import shutil
import struct
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import unicorn
from unicorn import arm_const

BOOT2 = Path(__file__).parents[3] / "firmware" / "port" / "rp2040" / "boot2.S"

RAM, FLASH, SSI, PADS, WATCHDOG, SYSTEM = (
    0x2004_1000,
    0x1000_0000,
    0x1800_0000,
    0x4002_0000,
    0x4005_8000,
    0xE000_E000,
)
LOADED_AT = 0x2004_1F00
"""2.8.1.3: the top 256 bytes of SRAM5."""
CTRLR0, CTRLR1, SSIENR, SER, BAUDR, SR, DR0, RX_SAMPLE_DLY, SPI_CTRLR0 = (
    *(0x00, 0x04, 0x08, 0x10, 0x14, 0x28, 0x60),
    *(0xF0, 0xF4),
)
BYTES = 0x0007_0000
"""CTRLR0 for bytes that go both ways on one line."""
STACK, ENTRY = 0x2004_2000, 0x1000_0200
PAD_RESETS = {0x04: 0x56, **dict.fromkeys((0x08, 0x0C, 0x10, 0x14), 0x52), 0x18: 0x5A}
UNIQUE_ID = bytes.fromhex("e6605481db318236")


@dataclass
class FlashChip:
    """Answers to commands by the chip's single data line."""

    maker: int
    quad_enabled: bool
    unique_id: bytes = UNIQUE_ID

    def answer(self, command: int, count: int) -> bytes:
        """`count` bytes, those that come back while `command` and more are sent."""
        if command == 0x9F:
            said = bytes((0xFF, self.maker, 0x40, 0x15))
        elif command == 0x35:
            said = bytes((0xFF, 2 if self.quad_enabled else 0))
        elif command == 0x4B:
            said = bytes(5 * (0xFF,)) + self.unique_id
        else:
            raise AssertionError(f"a command of no use here: 0x{command:02x}")
        return said.ljust(count, b"\xff")[:count]


@dataclass
class SerialController:
    """The SSI: settings change only while it is off, its FIFOs hold 16 entries."""

    chip: FlashChip
    registers: dict[int, int] = field(default_factory=lambda: {CTRLR0: BYTES, SSIENR: 1, SER: 1, BAUDR: 6})
    sent: list[int] = field(default_factory=list)
    received: list[int] = field(default_factory=list)
    commands: list[int] = field(default_factory=list)
    quad_reads: list[tuple[int, ...]] = field(default_factory=list)
    polls: int = 0

    def read(self, offset: int) -> int:
        if offset == DR0:
            return self.received.pop(0)
        assert offset == SR
        self.polls += 1
        if self.polls % 3:  # Still at work.
            return (0, 1)[self.polls % 3 - 1] | (0 if self.polls % 3 == 1 else 4)
        self.end_transfer()
        return 4

    def write(self, offset: int, value: int) -> None:
        if offset == DR0:
            assert (self.registers[SSIENR], self.registers[SER]) == (1, 1)
            self.sent.append(value)
            assert len(self.sent) <= 16
            return
        if offset == SSIENR:
            assert not self.sent, "switched off in the middle of a transfer"
            if not value:
                self.received.clear()
        elif offset != SER:
            assert not self.registers[SSIENR], f"changed the register at 0x{offset:02x} while the SSI is on"
        self.registers[offset] = value

    def end_transfer(self) -> None:
        if not self.sent:
            return
        if self.registers[CTRLR0] == BYTES:
            self.commands.append(self.sent[0])
            assert not any(self.sent[1:])
            self.received += self.chip.answer(self.sent[0], len(self.sent))
        else:
            assert (self.registers[CTRLR0], self.registers[CTRLR1]) == (0x005F_0300, 0)
            self.quad_reads.append((self.registers[SPI_CTRLR0], *self.sent))
            self.received.append(0)
        self.sent.clear()


@dataclass
class BootedChip:
    """The chip at the first instruction behind the second boot stage."""

    ssi: SerialController
    pads: dict[int, int]
    scratch: dict[int, int]
    system: dict[int, int]
    pc: int
    sp: int


def boot(code: bytes, chip: FlashChip) -> BootedChip:
    """Runs the stage until it jumps into the flash."""
    machine = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
    machine.ctl_set_cpu_model(arm_const.UC_CPU_ARM_CORTEX_M0)
    state = BootedChip(SerialController(chip), dict(PAD_RESETS), {}, {}, 0, 0)
    machine.mem_map(RAM, 0x1000)
    machine.mem_map(FLASH, 0x1000)
    machine.mem_write(LOADED_AT, code)
    machine.mem_write(FLASH + 0x100, struct.pack("<II", STACK, ENTRY | 1))
    machine.mem_write(ENTRY, b"\x00\xbe")

    def map_registers(base: int, bank: dict[int, int]) -> None:
        machine.mmio_map(
            base,
            0x1000,
            lambda _uc, offset, _size, _data: bank[offset],
            None,
            lambda _uc, offset, _size, value, _data: bank.update({offset: value}),
            None,
        )

    map_registers(PADS, state.pads)
    map_registers(WATCHDOG, state.scratch)
    map_registers(SYSTEM, state.system)
    machine.mmio_map(
        SSI,
        0x1000,
        lambda _uc, offset, _size, _data: state.ssi.read(offset),
        None,
        lambda _uc, offset, _size, value, _data: state.ssi.write(offset, value),
        None,
    )
    machine.reg_write(arm_const.UC_ARM_REG_LR, 0)
    machine.emu_start(LOADED_AT | 1, ENTRY, count=20_000)
    state.pc, state.sp = machine.reg_read(arm_const.UC_ARM_REG_PC), machine.reg_read(arm_const.UC_ARM_REG_SP)
    return state


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("needs arm-none-eabi-gcc (make setup)")
    folder = tmp_path_factory.mktemp("boot2")
    flags = ("-mcpu=cortex-m0plus", "-mthumb")
    subprocess.run(["arm-none-eabi-gcc", *flags, "-c", BOOT2, "-o", folder / "boot2.o"], check=True)
    take = ("-O", "binary", "-j", ".boot2")
    subprocess.run(["arm-none-eabi-objcopy", *take, folder / "boot2.o", folder / "boot2.bin"], check=True)
    return (folder / "boot2.bin").read_bytes()


def test_it_leaves_room_for_its_checksum(code: bytes) -> None:
    assert len(code) <= 252


@pytest.mark.parametrize(("maker", "quad_enabled"), [(0xEF, True), (0xEF, False), (0x9D, True), (0xC2, False)])
def test_it_starts_the_program_behind_it_with_its_stack_and_vectors(
    code: bytes, maker: int, quad_enabled: bool
) -> None:
    booted = boot(code, FlashChip(maker, quad_enabled))
    assert (booted.pc, booted.sp) == (ENTRY, STACK)
    assert booted.system == {0xD08: 0x1000_0100}
    assert booted.ssi.registers[SSIENR] == booted.ssi.registers[SER] == 1


def test_a_winbond_chip_in_quad_mode_is_read_without_commands(code: bytes) -> None:
    ssi = boot(code, FlashChip(0xEF, True)).ssi
    # Fast Read Quad I/O once: 8-bit command on one line, 32 bits of address and mode on four, 4 cycles of waiting.
    assert ssi.quad_reads == [(0xEB00_2221, 0xEB, 0xA0)]
    # From then on address and mode bits only, at half the clock, sampled a cycle later.
    assert ssi.registers[CTRLR0] == 0x005F_0300
    assert ssi.registers[SPI_CTRLR0] == 0xA000_2022
    assert (ssi.registers[BAUDR], ssi.registers[RX_SAMPLE_DLY], ssi.registers[CTRLR1]) == (2, 1, 0)


def test_the_clock_pin_is_made_fast_for_quad_reads_and_nothing_else_is_driven_harder(code: bytes) -> None:
    assert boot(code, FlashChip(0xEF, True)).pads == {
        0x04: 0x21,
        0x08: 0x50,
        0x0C: 0x50,
        0x10: 0x50,
        0x14: 0x50,
        0x18: 0x5A,
    }
    assert boot(code, FlashChip(0xC2, True)).pads == PAD_RESETS


@pytest.mark.parametrize(("maker", "quad_enabled"), [(0xEF, False), (0x9D, True), (0xC2, True), (0xFF, True)])
def test_any_other_flash_is_read_by_serial_commands_at_a_slow_clock(
    code: bytes, maker: int, quad_enabled: bool
) -> None:
    ssi = boot(code, FlashChip(maker, quad_enabled)).ssi
    assert ssi.quad_reads == []
    # Command 03h, 24 bits of address, 32 bits of data, one line.
    assert (ssi.registers[CTRLR0], ssi.registers[SPI_CTRLR0]) == (0x001F_0300, 0x0300_0218)
    assert (ssi.registers[BAUDR], ssi.registers[CTRLR1]) == (6, 0)


def test_only_the_id_is_asked_of_a_chip_whose_other_commands_are_not_known(code: bytes) -> None:
    booted = boot(code, FlashChip(0x9D, True))
    assert booted.ssi.commands == [0x9F]
    assert booted.scratch == {}


def test_the_unique_id_of_the_flash_chip_goes_to_the_scratch_registers(code: bytes) -> None:
    scratch = boot(code, FlashChip(0xEF, True)).scratch
    assert struct.pack(">II", scratch[0x10], scratch[0x14]) == UNIQUE_ID
    port = (BOOT2.parent / "rp2040.h").read_text(encoding="utf-8")
    assert f"#define RP2040_FLASH_ID_KNOWN 0x{scratch[0x0C]:08X}u" in port


def test_nothing_is_ever_written_to_the_flash_chip(code: bytes) -> None:
    for chip in (FlashChip(0xEF, True), FlashChip(0xEF, False), FlashChip(0x9D, False)):
        assert set(boot(code, chip).ssi.commands) <= {0x9F, 0x35, 0x4B}
