"""Loads and stores: address and data operands, write-back, access widths."""

from __future__ import annotations

from tinyanime.host.cycle_model import timing
from tinyanime.host.cycle_model.instruction import (
    FIRST_FP,
    PC,
    SP,
    Availability,
    Kind,
    MemoryOperand,
    Read,
    Stage,
    Width,
    Write,
)
from tinyanime.host.cycle_model.operands import Decoded, DecodedResult, register_of

_WIDTHS = {
    "ldr": Width.WORD,
    "ldrb": Width.BYTE,
    "ldrsb": Width.BYTE,
    "ldrh": Width.HALF,
    "ldrsh": Width.HALF,
    "str": Width.WORD,
    "strb": Width.BYTE,
    "strh": Width.HALF,
    "vldr": Width.WORD,
    "vstr": Width.WORD,
    "pld": Width.WORD,
}
_BLOCKS = {"ldm", "ldmdb", "pop", "stm", "stmdb", "push", "vldmia", "vldmdb", "vpop", "vstmia", "vstmdb", "vpush"}
_STACK = {"pop", "push", "vpop", "vpush"}


def decode_memory(parts: Decoded) -> DecodedResult | None:
    """None for what accesses no memory."""
    name = parts.name
    if name in ("ldrd", "strd"):
        return _double(parts, name == "ldrd", parts.core_registers)
    if name in _BLOCKS:
        return _block(parts)
    if name in ("vldr", "vstr") and len(parts.registers) == 2:
        return _double(parts, name == "vldr", parts.registers)
    if name not in _WIDTHS or parts.memory is None:
        return None
    return _single(parts)


def _shape(parts: Decoded, width: Width) -> MemoryOperand:
    raw, operand = parts.raw, parts.memory
    assert operand is not None
    memory = operand.mem
    base = register_of(raw, memory.base)
    index = register_of(raw, memory.index) if memory.index else None
    shift = max(memory.lshift, operand.shift.value if operand.shift.type else 0)
    offset = int(memory.disp)
    if not raw.writeback:
        return MemoryOperand(base, index, shift, offset, width, 0)
    if raw.post_index:
        return MemoryOperand(base, index, shift, 0, width, parts.constant or 0)
    return MemoryOperand(base, index, shift, offset, width, offset)


def _address_reads(shape: MemoryOperand) -> tuple[Read, ...]:
    registers = (shape.base,) if shape.index is None else (shape.base, shape.index)
    return tuple(Read(register, Stage.ADDRESS) for register in registers if register != PC)


def _write_back(parts: Decoded, shape: MemoryOperand) -> tuple[Write, ...]:
    return (Write(shape.base, timing.WRITE_BACK.available),) if parts.raw.writeback else ()


def _single(parts: Decoded) -> DecodedResult:
    name = parts.name
    shape = _shape(parts, _WIDTHS[name])
    address, written_back = _address_reads(shape), _write_back(parts, shape)
    data = parts.registers[:1]
    if name in ("str", "strb", "strh", "vstr"):
        stage = Stage.FP_STORE if data[0] >= FIRST_FP else Stage.STORE_DATA
        return DecodedResult(Kind.STORE, (*address, Read(data[0], stage)), written_back, memory=shape)
    if name == "pld":
        return DecodedResult(Kind.LOAD, address, written_back, memory=shape)
    latency = timing.LOADED_WORD if shape.width is Width.WORD else timing.LOADED_PART
    if data[0] >= FIRST_FP:
        latency = timing.FP_LOADED
    return DecodedResult(Kind.LOAD, address, (Write(data[0], latency.available), *written_back), memory=shape)


def _double(parts: Decoded, loads: bool, data: tuple[int, ...]) -> DecodedResult:
    shape = _shape(parts, Width.WORD)
    return _multiple(loads, data, _address_reads(shape), _write_back(parts, shape), shape)


def _block(parts: Decoded) -> DecodedResult:
    name, registers = parts.name, parts.registers
    base, data = (SP, registers) if name in _STACK else (registers[0], registers[1:])
    moves_base = name in _STACK or parts.raw.writeback
    written_back = (Write(base, timing.WRITE_BACK.available),) if moves_base else ()
    loads = name in ("ldm", "ldmdb", "pop", "vldmia", "vldmdb", "vpop")
    return _multiple(loads, data, (Read(base, Stage.ADDRESS),), written_back, None)


def _multiple(
    loads: bool,
    data: tuple[int, ...],
    address: tuple[Read, ...],
    written_back: tuple[Write, ...],
    shape: MemoryOperand | None,
) -> DecodedResult:
    """Two words a cycle, alone: [J] load/store pair/multiple."""
    cycles = -(-len(data) // 2)
    if loads:
        writes = tuple(Write(register, _after(_loaded(register), index // 2)) for index, register in enumerate(data))
        return DecodedResult(
            Kind.LOAD_MULTIPLE, address, (*writes, *written_back), memory=shape, cycles=cycles, single=True
        )
    reads = tuple(
        Read(register, Stage.FP_STORE if register >= FIRST_FP else Stage.STORE_DATA, later=index // 2)
        for index, register in enumerate(data)
    )
    return DecodedResult(
        Kind.STORE_MULTIPLE, (*address, *reads), written_back, memory=shape, cycles=cycles, single=True
    )


def _loaded(register: int) -> Availability:
    return timing.FP_LOADED.available if register >= FIRST_FP else timing.LOADED_WORD.available


def _after(available: Availability, cycles: int) -> Availability:
    a, b, c, d, e = available
    return a + cycles, b + cycles, c + cycles, d + cycles, e + cycles
