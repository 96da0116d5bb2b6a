"""The instruction sets of benched cores: how unicorn runs them, and how their instructions are counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import unicorn
from unicorn import arm_const, riscv_const

from tinyanime.host.kernel_bench.cores import BenchCore


@dataclass(frozen=True, slots=True)
class InstructionSet:
    """What the bench needs to know to run a program.

    `mode` and `architecture` are unicorn's; `models` holds the numbers of its cores. `thumb` is added to addresses of
    functions. `arguments` are the registers of the first three arguments; the first one returns a result too.
    `instruction_bytes` says how long an instruction is from its first two bytes.
    """

    name: str
    architecture: int
    mode: int
    models: Any
    program_counter: int
    stack: int
    link: int
    arguments: tuple[int, int, int]
    thumb: int
    instruction_bytes: Callable[[int, int], int]

    def machine(self, model: str) -> Any:
        """A unicorn machine with a core of that name (a constant of `models`) and no memory."""
        machine = unicorn.Uc(self.architecture, self.mode)
        machine.ctl_set_cpu_model(getattr(self.models, model))
        return machine

    def count_instructions(self, code: bytes) -> int:
        """Instructions in `code`, which begins with one and ends behind one."""
        count = offset = 0
        while offset < len(code):
            offset += self.instruction_bytes(code[offset], code[offset + 1])
            count += 1
        return count


def _thumb_bytes(_low: int, high: int) -> int:
    """A first half-word of 0b11101, 0b11110 or 0b11111 begins an instruction of 32 bits: DDI 0403E A5.1."""
    return 4 if high >> 3 >= 0x1D else 2


def _riscv_bytes(low: int, _high: int) -> int:
    """The lowest two bits of an instruction of 32 bits are set: The RISC-V Instruction Set Manual I, 1.5."""
    return 4 if low & 3 == 3 else 2


THUMB = InstructionSet(
    "thumb",
    unicorn.UC_ARCH_ARM,
    unicorn.UC_MODE_THUMB,
    arm_const,
    arm_const.UC_ARM_REG_PC,
    arm_const.UC_ARM_REG_SP,
    arm_const.UC_ARM_REG_LR,
    (arm_const.UC_ARM_REG_R0, arm_const.UC_ARM_REG_R1, arm_const.UC_ARM_REG_R2),
    1,
    _thumb_bytes,
)
RISCV32 = InstructionSet(
    "riscv32",
    unicorn.UC_ARCH_RISCV,
    unicorn.UC_MODE_RISCV32,
    riscv_const,
    riscv_const.UC_RISCV_REG_PC,
    riscv_const.UC_RISCV_REG_SP,
    riscv_const.UC_RISCV_REG_RA,
    (riscv_const.UC_RISCV_REG_A0, riscv_const.UC_RISCV_REG_A1, riscv_const.UC_RISCV_REG_A2),
    0,
    _riscv_bytes,
)


def instruction_set(core: BenchCore) -> InstructionSet:
    """That of a core."""
    return next(isa for isa in (THUMB, RISCV32) if isa.name == core.instruction_set)
