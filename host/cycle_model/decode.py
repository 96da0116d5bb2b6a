"""Thumb-2 code to `Instruction`s, by capstone.

What capstone leaves out of its lists of registers (accumulators, flags, sources of saturations) is derived from the
operands here: DDI 0403E A7.7.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from tinyanime.codegen.errors import ToolError
from tinyanime.host.cycle_model import timing
from tinyanime.host.cycle_model.decode_fp import decode_fp
from tinyanime.host.cycle_model.decode_memory import decode_memory
from tinyanime.host.cycle_model.instruction import FLAGS, PC, SATURATION, Instruction, Kind, Read, Stage, Write
from tinyanime.host.cycle_model.operands import Decoded, DecodedResult, decoded_operands, register_of

_ADDERS = frozenset({"add", "sub", "addw", "subw", "mov", "movs", "movw", "movt", "mvn", "adr", "rsb"})
_EX1_ADDERS = frozenset({"add", "sub", "addw", "subw", "mov", "movs", "movw", "movt", "adr"})
_SHIFTS = frozenset({"lsl", "lsr", "asr", "ror"})
_COMPARES = frozenset({"cmp", "cmn", "tst", "teq"})
_CARRY = frozenset({"adc", "sbc", "rrx"})
_EX1_FIELDS = frozenset({"sbfx", "ubfx", "rbit", "rev", "rev16", "revsh"})
_REVERSALS = frozenset({"rbit", "rev", "rev16", "revsh"})
_SHIFTED_SECOND = frozenset(
    {"bfi", "pkhbt", "pkhtb", "sxtab", "sxtah", "sxtab16", "uxtab", "uxtah", "uxtab16", "qdadd", "qdsub"}
)
_EXTENSIONS = frozenset({"sxtb", "sxth", "uxtb", "uxth", "sxtb16", "uxtb16"})
_SATURATIONS = frozenset({"ssat", "usat", "ssat16", "usat16"})
_LATE_DSP = frozenset({"qadd", "qsub", "qdadd", "qdsub", "usad8", "usada8"})
_PARALLEL = ("add8", "add16", "sub8", "sub16", "asx", "sax")
_PRODUCTS = ("mul", "mla", "mls", "smul", "smla", "smls", "smm", "smua", "smus", "umul", "umla", "umaal")
_LONG_PRODUCTS = ("smull", "umull", "smlal", "umlal", "umaal", "smlald", "smlsld")
_ACCUMULATING = ("mla", "mls", "smla", "smls", "smmla", "smmls", "umla", "umaal")
_ALWAYS = 15
"""Condition code of capstone for instructions without one."""
_BRANCHES = frozenset({"b", "bl", "blx", "bx", "cbz", "cbnz", "tbb", "tbh"})
_NOPS = frozenset({"nop", "it", "hint", "yield"})


class CodeError(ToolError):
    """Code that the cycle model cannot read."""


@cache
def _engine() -> Any:
    try:
        import capstone
    except ImportError as error:
        raise ToolError(
            "Modelled cycles need capstone, which is not installed.",
            hint="Install it: pip install 'tinyanime[cycles]'",
        ) from error
    engine = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
    engine.detail = True
    return engine


class Decoder:
    """Decodes code; each encoding once."""

    def __init__(self) -> None:
        self._engine = _engine()
        self._known: dict[bytes, tuple[Instruction, int]] = {}
        """By encoding: the instruction, and the address it was decoded at."""

    def decode(self, code: bytes, address: int) -> tuple[Instruction, ...]:
        """The instructions of `code`, that stands at `address`; CodeError where a half-word begins none."""
        units = _encodings(code)
        if any(_begins_it_block(unit) for unit in units):  # What follows depends on it.
            return self._disassemble(code, address)
        decoded = []
        for unit in units:
            decoded.append(self._instruction(unit, address))
            address += len(unit)
        return tuple(decoded)

    def _instruction(self, encoding: bytes, address: int) -> Instruction:
        if encoding not in self._known:
            self._known[encoding] = (self._disassemble(encoding, address)[0], address)
        instruction, at = self._known[encoding]
        if instruction.target is None or at == address:
            return instruction
        return replace(instruction, target=instruction.target + address - at)

    def _disassemble(self, code: bytes, address: int) -> tuple[Instruction, ...]:
        decoded, end = [], address
        for raw in self._engine.disasm(code, address):
            decoded.append(_decode_one(raw))
            end = raw.address + raw.size
        if end != address + len(code):
            raise CodeError(
                f"The code at 0x{end:08x} is no Thumb-2 instruction of a Cortex-M7.",
                hint="Give the address and the size of code, not of data.",
            )
        return tuple(decoded)


def _encodings(code: bytes) -> list[bytes]:
    """A first half-word of 0b11101, 0b11110 or 0b11111 begins a 32-bit instruction: DDI 0403E A5.1."""
    units, offset = [], 0
    while offset < len(code):
        size = 4 if code[min(offset + 1, len(code) - 1)] >> 3 >= 0x1D else 2
        units.append(code[offset : offset + size])
        offset += size
    return units


def _begins_it_block(encoding: bytes) -> bool:
    return len(encoding) == 2 and encoding[1] == 0xBF and encoding[0] & 0xF != 0


def decode(code: bytes, address: int) -> tuple[Instruction, ...]:
    """The instructions of `code`, that stands at `address`; CodeError where a half-word begins none."""
    return Decoder().decode(code, address)


def _decode_one(raw: Any) -> Instruction:
    parts = decoded_operands(raw)
    name = parts.name
    found = decode_memory(parts) or decode_fp(parts) or _decode_core(parts)
    conditional = (raw.cc not in (0, _ALWAYS) and name != "it") or name in ("cbz", "cbnz")
    reads = found.reads
    if conditional and found.kind is not Kind.BRANCH:  # Flags, and what stays in the destination.
        kept = tuple(Read(write.register, Stage.EX2) for write in found.writes if write.register < FLAGS)
        reads = (*reads, Read(FLAGS, Stage.EX2), *kept)
    loads_pc = any(write.register == PC for write in found.writes)
    return Instruction(
        text=f"{raw.mnemonic} {raw.op_str}".strip(),
        name=name,
        kind=found.kind,
        reads=reads,
        writes=tuple(write for write in found.writes if write.register != PC),
        early_writes=found.early_writes,
        memory=found.memory,
        cycles=found.cycles,
        single=found.single,
        takes_shifter=found.takes_shifter,
        conditional=conditional,
        ends_block=found.kind is Kind.BRANCH or loads_pc,
        target=parts.constant if name in ("b", "bl", "cbz", "cbnz") else None,
        pairing_class=pairing_class(name, found),
        moves=None if conditional else found.moves,
    )


def pairing_class(name: str, found: DecodedResult) -> int:
    return _KINDS[found.kind] << 3 | found.single << 2 | found.takes_shifter << 1 | (name in ("vldr", "vstr"))


_KINDS = {kind: index for index, kind in enumerate(Kind)}


@dataclass(frozen=True, slots=True)
class _Operation:
    """A data-processing instruction before it gets a kind."""

    name: str
    destinations: tuple[int, ...]
    sources: tuple[int, ...]
    shifted: bool
    """The last source goes through an inline shift."""
    constant: int | None
    sets_flags: bool


def _operation(parts: Decoded) -> _Operation:
    name, raw = parts.name, parts.raw
    registers = parts.core_registers
    sets_flags = name in _COMPARES or name == "movs" or raw.mnemonic.split(".")[0].startswith(f"{name}s")
    if name in _COMPARES:
        destinations: tuple[int, ...] = ()
        sources = registers
    elif name.startswith(_LONG_PRODUCTS) and len(registers) == 4:
        destinations, sources = registers[:2], registers[2:]
    else:
        destinations, sources = registers[:1], registers[1:]
        if not sources and name not in ("mov", "movw", "adr", "mvn"):
            sources = destinations  # Two-operand forms, BFC, MOVT.
        elif len(registers) == 2 and len(raw.operands) == 2 and name in _TWO_OPERAND:
            sources = registers
    shifted = any(op.shift.type and op.shift.value for op in raw.operands) or any(
        op.shift.type > 5 for op in raw.operands
    )
    return _Operation(name, destinations, sources, shifted, parts.constant, sets_flags)


_TWO_OPERAND = frozenset(
    {"add", "sub", "and", "orr", "eor", "bic", "orn", "adc", "sbc", "mul", "lsl", "lsr", "asr", "ror"}
)


def _decode_core(parts: Decoded) -> DecodedResult:
    operation, name = _operation(parts), parts.name
    if name in _BRANCHES:
        return _decode_branch(parts)
    if name in _NOPS:
        return DecodedResult(Kind.NOP)
    if name in ("sdiv", "udiv"):
        return _result(operation, Kind.DIVIDE, Stage.EX2, timing.EX2_RESULT, cycles=timing.DIVIDE_CYCLES, single=True)
    if _is_product(name):
        return _decode_product(operation)
    if _is_dsp(name):
        return _decode_dsp(operation)
    if name in _SHIFTS:
        return _result(operation, Kind.SHIFT, Stage.EX2, timing.EX2_RESULT, early=True)
    if name in _ADDERS or name in _COMPARES or name in _CARRY or name in ("and", "orr", "eor", "bic", "orn"):
        return _decode_alu(operation, parts.raw.size)
    return DecodedResult(Kind.SYSTEM, cycles=timing.SYSTEM_CYCLES, single=True)


def _is_product(name: str) -> bool:
    return name.startswith(_PRODUCTS)


def _is_dsp(name: str) -> bool:
    return (
        name in _EX1_FIELDS | _SHIFTED_SECOND | _EXTENSIONS | _SATURATIONS | _LATE_DSP
        or name in ("bfc", "clz", "sel")
        or name.endswith(_PARALLEL)
    )


def _result(
    operation: _Operation,
    kind: Kind,
    stage: Stage,
    latency: timing.ResultLatency,
    *,
    last: Stage | None = None,
    early: bool = False,
    cycles: int = 1,
    single: bool = False,
    takes_shifter: bool = False,
    moves: tuple[int, int, int] | None = None,
    extra: tuple[Read, ...] = (),
) -> DecodedResult:
    """All sources at `stage`, the last one at `last`; flags come from EX2 whatever makes the result."""
    sources = operation.sources
    reads = [Read(register, stage) for register in sources[:-1]]
    reads += [Read(register, last or stage) for register in sources[-1:]]
    flags = (Write(FLAGS, timing.EX2_RESULT.available),) if operation.sets_flags else ()
    writes = tuple(Write(register, latency.available) for register in operation.destinations) + flags
    early_writes: tuple[Write, ...] = ()
    if early:
        available = timing.EX1_RESULT.available
        early_writes = tuple(Write(register, available) for register in operation.destinations) + flags
    return DecodedResult(kind, (*reads, *extra), writes, early_writes, None, cycles, single, takes_shifter, moves)


def _decode_alu(operation: _Operation, size: int) -> DecodedResult:
    name = operation.name
    extra = (Read(FLAGS, Stage.EX2),) if name in _CARRY else ()
    if name == "rrx":
        return _result(operation, Kind.SHIFTED_ALU, Stage.EX1, timing.EX2_RESULT, takes_shifter=True, extra=extra)
    if operation.shifted:
        stage = Stage.EX2_BESIDE_SHIFT if len(operation.sources) > 1 else Stage.EX1
        return _result(
            operation, Kind.SHIFTED_ALU, stage, timing.EX2_RESULT, last=Stage.EX1, takes_shifter=True, extra=extra
        )
    constant = operation.constant
    if constant is not None and size == 4 and is_shifted_constant(name, constant):
        return _result(operation, Kind.SHIFTED_ALU, Stage.EX2, timing.EX2_RESULT, takes_shifter=True, extra=extra)
    if name not in _EX1_ADDERS:
        return _result(operation, Kind.ALU, Stage.EX2, timing.EX2_RESULT, extra=extra)
    return _result(operation, Kind.ADDER, Stage.EX2, timing.EX2_RESULT, early=True, moves=_moves(operation))


def is_shifted_constant(name: str, constant: int) -> bool:
    """Whether a modified immediate is a byte moved up: DDI 0403E A5.3.2.

    Bytes and bytes repeated need no shifter, nor do the 16-bit constants of MOVW and MOVT and the 12-bit ones of ADDW.
    """
    value = constant & 0xFFFF_FFFF
    if name in ("movw", "movt", "addw", "subw", "adr") or value <= 0xFF:
        return False
    low, high = value & 0xFF, value >> 8 & 0xFF
    return value not in (low * 0x0001_0001, high * 0x0100_0100, low * 0x0101_0101)


def _moves(operation: _Operation) -> tuple[int, int, int] | None:
    name, constant = operation.name, operation.constant
    if len(operation.destinations) != 1 or len(operation.sources) != 1:
        return None
    if name in ("mov", "movs") and constant is None:
        return operation.destinations[0], operation.sources[0], 0
    if constant is not None and name in ("add", "addw", "sub", "subw"):
        sign = 1 if name.startswith("add") else -1
        return operation.destinations[0], operation.sources[0], sign * constant
    return None


def _decode_product(operation: _Operation) -> DecodedResult:
    name, sources = operation.name, operation.sources
    reads = [Read(register, Stage.MULTIPLICAND) for register in sources[:2]]
    reads += [Read(register, Stage.ACCUMULATE) for register in sources[2:]]
    if len(operation.destinations) == 2 and name.startswith(_ACCUMULATING):
        reads += [Read(register, Stage.ACCUMULATE) for register in operation.destinations]
    flags = (Write(FLAGS, timing.PRODUCT.available),) if operation.sets_flags else ()
    writes = tuple(Write(register, timing.PRODUCT.available) for register in operation.destinations)
    return DecodedResult(Kind.MAC, tuple(reads), (*writes, *flags))


def _decode_dsp(operation: _Operation) -> DecodedResult:
    name = operation.name
    if name in _REVERSALS:
        return _result(operation, Kind.DSP, Stage.EX1, timing.REVERSED_RESULT, takes_shifter=True)
    if name in _EX1_FIELDS:
        return _result(operation, Kind.DSP, Stage.EX1, timing.EX2_RESULT, takes_shifter=True)
    if name in _SATURATIONS:
        return _result(operation, Kind.DSP, Stage.EX1, timing.SATURATED_RESULT, takes_shifter=True)
    if name in _SHIFTED_SECOND:
        latency = timing.SATURATED_RESULT if name in _LATE_DSP else timing.EX2_RESULT
        first = Stage.EX1 if name in ("pkhtb", "qdadd", "qdsub") else Stage.EX2_BESIDE_SHIFT
        if name == "bfi":
            operation = _Operation(
                name, operation.destinations, (*operation.destinations, *operation.sources), False, None, False
            )
        return _result(operation, Kind.DSP, first, latency, last=Stage.EX1, takes_shifter=True)
    if name in _LATE_DSP or name.startswith(("qadd", "qsub", "uqadd", "uqsub", "qasx", "qsax", "uqasx", "uqsax")):
        return _result(operation, Kind.DSP, Stage.EX2, timing.SATURATED_RESULT)
    extra = (Read(SATURATION, Stage.EX2),) if name == "sel" else ()
    shifts = name == "bfc"
    found = _result(operation, Kind.DSP, Stage.EX2, timing.EX2_RESULT, takes_shifter=shifts, extra=extra)
    if name.endswith(_PARALLEL) and name[0] in "su" and name[1] in "as":  # The plain forms set GE.
        return found.with_writes((*found.writes, Write(SATURATION, timing.EX2_RESULT.available)))
    return found


def _decode_branch(parts: Decoded) -> DecodedResult:
    raw, name = parts.raw, parts.name
    if name in ("tbb", "tbh"):
        memory = raw.operands[0].mem
        reads = tuple(Read(register_of(raw, number), Stage.ADDRESS) for number in (memory.base, memory.index) if number)
        reads = tuple(read for read in reads if read.register != PC)
        return DecodedResult(Kind.BRANCH, reads, cycles=timing.TABLE_BRANCH_CYCLES, single=True)
    stage = Stage.EX2 if name in ("cbz", "cbnz") else Stage.EX1
    reads = tuple(Read(register, stage) for register in parts.core_registers)
    writes = (Write(14, timing.EX2_RESULT.available),) if name in ("bl", "blx") else ()
    return DecodedResult(Kind.BRANCH, reads, writes)
