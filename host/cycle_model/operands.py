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


def register_of(raw: Any, number: int) -> int:
    """The model's number of a capstone register: R0 to PC are 0 to 15, S0 to S31 from FIRST_FP; -1 for others."""
    name = raw.reg_name(number)
    if name in _NAMED:
        return _NAMED[name]
    if name[0] == "r" and name[1:].isdigit():
        return int(name[1:])
    if name[0] == "s" and name[1:].isdigit():
        return FIRST_FP + int(name[1:])
    if name[0] == "d" and name[1:].isdigit():
        return FIRST_FP + 2 * int(name[1:])
    return -1


def is_double(raw: Any, number: int) -> bool:
    name = str(raw.reg_name(number))
    return name[0] == "d" and name[1:].isdigit()


def register_operands(raw: Any) -> tuple[int, ...]:
    """Register operands in the order of the text; both halves of a D register."""
    found: list[int] = []
    for operand in raw.operands:
        if operand.type == _REGISTER:
            first = register_of(raw, operand.reg)
            found += [first, first + 1] if is_double(raw, operand.reg) else [first]
    return tuple(register for register in found if register >= 0)


def core_registers(raw: Any) -> tuple[int, ...]:
    return tuple(register for register in register_operands(raw) if register < FIRST_FP)


def immediate(raw: Any) -> int | None:
    """The last constant operand, None without one."""
    return next((int(operand.imm) for operand in reversed(raw.operands) if operand.type == _IMMEDIATE), None)


def memory_operand(raw: Any) -> Any | None:
    return next((operand for operand in raw.operands if operand.type == _MEMORY), None)
