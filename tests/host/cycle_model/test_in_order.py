"""Cycles of cores that issue one instruction at a time: what others measured of an ESP32-C3, Arm's table of the
Cortex-M0+, and how blocks make a program."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tinyanime.host.cycle_model.flow import Passage
from tinyanime.host.cycle_model.in_order import CORES, InOrderModel
from tinyanime.host.cycle_model.rv32imc import Rv32imc

pytest.importorskip("capstone")

_COMPILERS = {
    "rv32imc": ("riscv64-unknown-elf-", ("-march=rv32imc", "-mabi=ilp32")),
    "cortex-m0plus": ("arm-none-eabi-", ("-mcpu=cortex-m0plus", "-mthumb")),
}


def assembled(core: str, folder: Path, lines: tuple[str, ...]) -> bytes:
    """The bytes of some instructions; skips where the assembler is missing."""
    prefix, flags = _COMPILERS[core]
    if shutil.which(f"{prefix}gcc") is None:
        pytest.skip(f"{prefix}gcc is not installed")
    source = folder / "code.s"
    source.write_text(".option norelax\n" * (core == "rv32imc") + ".text\n" + "\n".join(lines) + "\n")
    subprocess.run([f"{prefix}gcc", *flags, "-c", str(source), "-o", str(folder / "code.o")], check=True)
    binary = folder / "code.bin"
    subprocess.run([f"{prefix}objcopy", "-O", "binary", "-j", ".text", str(folder / "code.o"), str(binary)], check=True)
    return binary.read_bytes()


@dataclass(frozen=True)
class Memory:
    """Code at an address."""

    base: int
    content: bytes

    def read(self, address: int, size: int) -> bytes:
        return self.content[address - self.base : address - self.base + size]


@pytest.mark.parametrize(
    ("lines", "cycles"),
    [
        (("add a0, a0, a1", "xor a2, a2, a3", "addi a4, a4, 1", "srai a5, a5, 3"), 4),
        # What a load brings can be taken a cycle later than the next instruction.
        (("lw a0, 0(a1)", "add a2, a2, a0"), 3),
        (("lw a0, 0(a1)", "add a2, a2, a3", "add a2, a2, a0"), 3),
        (("lh t0, 2(a1)", "mul t1, t0, a2"), 3),
        (("lbu a0, 0(a1)", "sb a0, 0(a2)"), 3),
        (("lbu a0, 0(a1)", "addi a0, a0, 1"), 3),
        # A load that is overwritten keeps nobody waiting.
        (("lw a0, 0(a1)", "li a0, 1"), 2),
        (("lw a0, 0(a1)", "mv a0, a2"), 2),
        (("lw a0, 0(a1)", "lw a2, 4(a1)"), 2),
        (("lw a1, 0(a1)", "lw a2, 4(a1)"), 3),
        (("lw a0, 0(a1)", "bnez a0, .+8"), 3),
        (("sw a0, 0(a1)", "sw a2, 4(a1)"), 2),
        (("mul a0, a1, a2", "mul a3, a0, a2"), 2),
        (("mulh a0, a1, a2",), 2),
        (("mulhu a0, a1, a2", "add a0, a0, a1"), 3),
        (("div a0, a1, a2",), 10),
        (("beq a0, a1, .+8",), 1),
        (("j .+8",), 2),
        (("ret",), 3),
    ],
)
def test_instructions_take_the_cycles_that_were_measured(lines: tuple[str, ...], cycles: int, tmp_path: Path) -> None:
    assert Rv32imc().block_cycles(assembled("rv32imc", tmp_path, lines)) == cycles


@pytest.mark.parametrize(
    ("line", "more"), [("bne a0, a1, .+8", 2), ("bnez a0, .-4", 2), ("j .+8", 0), ("add a0, a0, a1", 0)]
)
def test_only_a_branch_costs_more_where_it_is_taken(line: str, more: int, tmp_path: Path) -> None:
    assert Rv32imc().taken_cycles(assembled("rv32imc", tmp_path, (line,))) == more


@pytest.mark.parametrize("code", [b"", b"\xff" * 4, bytes.fromhex("0100ffffffff")])
def test_bytes_that_are_no_code_are_refused(code: bytes) -> None:
    with pytest.raises(ValueError, match="no code of RV32IMC"):
        Rv32imc().block_cycles(code)


@pytest.mark.parametrize(
    ("lines", "cycles"),
    [
        (("adds r0, r0, r1", "muls r2, r3, r2", "mov r8, r0"), 3),
        (("ldr r0, [r1]", "str r0, [r2]"), 4),
        (("ldmia r0!, {r2, r3}",), 3),
        (("push {r4-r7, lr}",), 6),
        (("beq .+4",), 1),
        (("bl .+8",), 3),
    ],
)
def test_a_cortex_m0plus_takes_the_cycles_of_its_manual(lines: tuple[str, ...], cycles: int, tmp_path: Path) -> None:
    code = assembled("cortex-m0plus", tmp_path, (".syntax unified", *lines))
    assert CORES["cortex-m0plus"].block_cycles(code) == cycles


@pytest.mark.parametrize(
    ("core", "lines", "turn"),
    [
        # Measured on an ESP32-C3: 6 cycles a turn, 4 the last one.
        ("rv32imc", ("1: lbu a1, 0(a0)", "add a0, a0, a1", "bne a0, a2, 1b"), 6),
        ("cortex-m0plus", ("1: adds r0, r0, #1", "ldrb r1, [r0]", "cmp r0, r2", "bne 1b"), 6),
    ],
)
def test_a_loop_takes_its_turns_and_falls_out_of_the_last_one(
    core: str, lines: tuple[str, ...], turn: int, tmp_path: Path
) -> None:
    head = (".syntax unified",) if core == "cortex-m0plus" else ()
    code = assembled(core, tmp_path, (*head, *lines))
    behind = assembled(core, tmp_path, (*head, "nop"))
    memory = Memory(0x1000, code + behind)
    loop, end = (0x1000, len(code)), (0x1000 + len(code), len(behind))
    passages = (Passage(None, loop, 1), Passage(loop, loop, 9), Passage(loop, end, 1))
    more = CORES[core].taken_cycles(code)
    assert more == (2 if core == "rv32imc" else 1)
    assert InOrderModel(CORES[core], memory).cycles(passages) == 9 * turn + (turn - more) + 1
