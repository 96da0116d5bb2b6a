"""Modelled cycles of code on the RV32IMC core of an ESP32-C3: one instruction at a time, in order.

What is known of the core, which its maker does not document instruction by instruction:

- [T] microbenchmarks of the author of ctrlsrc.io (2023, "Counting CPU cycles on ESP32-C3 and ESP32-C6", and the code
  behind it), measured on an ESP32-C3 in SRAM: arithmetic and stores take 1 cycle, a load 1 and one more where the next
  instruction takes what it loads, a branch 1 or, taken, 3, a direct jump 2. Now and then a row of accesses takes a
  cycle more; that is left out.
- [B] github.com/nilhoel1/LLTA-Bench, RESULTS.md, measured on an ESP32-C6, whose core is the next one of the same maker:
  MUL 1 cycle, MULH, MULHSU and MULHU 2, DIV and REM 10. Taken for the ESP32-C3, of which nobody published any.
- Indirect jumps (JALR, returns) are assumed to take as long as a taken branch.

Code, constants and data are assumed in SRAM or found in the cache, without wait states.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

LOAD_HAZARD_CYCLES = 1
"""[T]: `lw` and the `add` of what it loaded take 3 cycles."""
TAKEN_BRANCH_CYCLES = 2
"""[T]: more than 1 where it is taken."""
DIRECT_JUMP_CYCLES = 2
INDIRECT_JUMP_CYCLES = 3
HIGH_MULTIPLY_CYCLES = 2
DIVIDE_CYCLES = 10

_LOADS = frozenset(("lb", "lbu", "lh", "lhu", "lw", "lwsp"))
_STORES = frozenset(("sb", "sh", "sw", "swsp"))
_BRANCHES = frozenset(("beq", "bne", "blt", "bge", "bltu", "bgeu", "beqz", "bnez"))
_CYCLES = {
    **dict.fromkeys(("mulh", "mulhsu", "mulhu"), HIGH_MULTIPLY_CYCLES),
    **dict.fromkeys(("div", "divu", "rem", "remu"), DIVIDE_CYCLES),
    **dict.fromkeys(("j", "jal"), DIRECT_JUMP_CYCLES),
    **dict.fromkeys(("jr", "jalr", "ret"), INDIRECT_JUMP_CYCLES),
}
_WRITE_ONLY = frozenset(("li", "lui", "mv", "addi4spn", *_LOADS))
"""Compressed instructions whose first register is not read; that of all others is both source and target."""
_REGISTER = re.compile(r"\b(?:zero|ra|sp|gp|tp|t[0-6]|s(?:1[01]|[0-9])|a[0-7])\b")


@dataclass(frozen=True, slots=True)
class RiscvInstruction:
    """`operation` without the prefix of a compressed one; `reads` are registers by name."""

    operation: str
    target: str
    reads: frozenset[str]

    @property
    def is_load(self) -> bool:
        return self.operation in _LOADS

    @property
    def cycles(self) -> int:
        """By itself, not taken where it is a branch."""
        return _CYCLES.get(self.operation, 1)


@dataclass(slots=True)
class Rv32imc:
    """Satisfies `InOrderCore`. Decodes with capstone (extra "cycles")."""

    _decoder: Any = field(default=None)

    def block_cycles(self, code: bytes) -> int:
        instructions = self.decode(code)
        hazards = sum(first.is_load and first.target in second.reads for first, second in pairwise(instructions))
        return sum(one.cycles for one in instructions) + LOAD_HAZARD_CYCLES * hazards

    def taken_cycles(self, code: bytes) -> int:
        return TAKEN_BRANCH_CYCLES if self.decode(code)[-1].operation in _BRANCHES else 0

    def decode(self, code: bytes) -> tuple[RiscvInstruction, ...]:
        """The instructions of `code`, in order; ValueError where some of it is none of RV32IMC."""
        if self._decoder is None:
            import capstone

            self._decoder = capstone.Cs(capstone.CS_ARCH_RISCV, capstone.CS_MODE_RISCV32 | capstone.CS_MODE_RISCVC)
        found = tuple(self._decoder.disasm_lite(code, 0))
        if not found or sum(size for _, size, _, _ in found) != len(code):
            raise ValueError(f"{code.hex()} is no code of RV32IMC")
        return tuple(_instruction(text, operands) for _, _, text, operands in found)


def _instruction(text: str, operands: str) -> RiscvInstruction:
    compressed = text.startswith("c.")
    operation = text.removeprefix("c.")
    registers = _REGISTER.findall(operands)
    if operation in _STORES or operation in _BRANCHES or not registers:
        return RiscvInstruction(operation, "", frozenset(registers))
    reads = registers if compressed and operation not in _WRITE_ONLY else registers[1:]
    return RiscvInstruction(operation, registers[0], frozenset(reads))
