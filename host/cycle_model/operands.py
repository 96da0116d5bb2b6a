"""Registers and constants of one capstone instruction, and what a decoder makes of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from tinyanime.host.cycle_model.instruction import FIRST_FP, Kind, MemoryOperand, Read, Write

_REGISTER, _IMMEDIATE, _MEMORY = 1, 2, 3
"""Operand types of capstone (arm_op_type)."""
_NAMED = {"sb": 9, "sl": 10, "fp": 11, "ip": 12, "sp": 13, "lr": 14, "pc": 15}


@dataclass(frozen=True, slots=True)
class DecodedResult:
    """The fields of `Instruction` that depend on its kind."""

    kind: Kind
    reads: tuple[Read, ...] = ()
    writes: tuple[Write, ...] = ()
    early_writes: tuple[Write, ...] = ()
    memory: MemoryOperand | None = None
    cycles: int = 1
    single: bool = False
    takes_shifter: bool = False
    moves: tuple[int, int, int] | None = None

    def with_writes(self, writes: tuple[Write, ...]) -> DecodedResult:
        return replace(self, writes=writes)


@dataclass(frozen=True, slots=True)
class Decoded:
    """One instruction as capstone gives it."""

    raw: Any
    name: str
    """Mnemonic without condition, width and flag suffix."""
    registers: tuple[int, ...]
    """Register operands in the order of the text; both halves of a D register."""
    constant: int | None
    """The last constant operand."""
    memory: Any | None
    """The memory operand."""

    @property
    def core_registers(self) -> tuple[int, ...]:
        return tuple(register for register in self.registers if register < FIRST_FP)


def decoded_operands(raw: Any) -> Decoded:
    registers: list[int] = []
    constant: int | None = None
    memory: Any | None = None
    for operand in raw.operands:
        if operand.type == _REGISTER:
            name = raw.reg_name(operand.reg)
            first = _number(name)
            registers += [first, first + 1] if name[0] == "d" else [first]
        elif operand.type == _IMMEDIATE:
            constant = int(operand.imm)
        elif operand.type == _MEMORY:
            memory = operand
    return Decoded(raw, raw.insn_name(), tuple(one for one in registers if one >= 0), constant, memory)


def register_of(raw: Any, number: int) -> int:
    """The model's number of a capstone register: R0 to PC are 0 to 15, S0 to S31 from FIRST_FP; -1 for others."""
    return _number(raw.reg_name(number))


def _number(name: str) -> int:
    if name in _NAMED:
        return _NAMED[name]
    if not name[1:].isdigit() or name[0] not in "rsd":
        return -1
    number = int(name[1:])
    return {"r": number, "s": FIRST_FP + number, "d": FIRST_FP + 2 * number}[name[0]]
