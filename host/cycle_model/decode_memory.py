"""Loads and stores: address and data operands, write-back, access widths."""

from __future__ import annotations

from typing import Any

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
from tinyanime.host.cycle_model.operands import (
    Decoded,
    DecodedResult,
    core_registers,
    immediate,
    memory_operand,
    register_of,
    register_operands,
)

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
    name, raw = parts.name, parts.raw
    if name in ("ldrd", "strd"):
        return _double(raw, name == "ldrd", core_registers(raw))
    if name in _BLOCKS:
        return _block(raw, name)
    if name in ("vldr", "vstr") and len(register_operands(raw)) == 2:
        return _double(raw, name == "vldr", register_operands(raw))
    if name not in _WIDTHS or memory_operand(raw) is None:
        return None
    return _single(raw, name)


def _shape(raw: Any, width: Width) -> MemoryOperand:
    memory = memory_operand(raw)
    assert memory is not None
    mem = memory.mem
    base = register_of(raw, mem.base)
    index = register_of(raw, mem.index) if mem.index else None
    shift = max(mem.lshift, memory.shift.value if memory.shift.type else 0)
    constant = int(mem.disp)
    step = 0
    if raw.writeback:
        step = (immediate(raw) or 0) if getattr(raw, "post_index", False) else constant
        if getattr(raw, "post_index", False):
            constant = 0
    return MemoryOperand(base, index, shift, constant, width, step)


def _address_reads(shape: MemoryOperand) -> tuple[Read, ...]:
    registers = (shape.base,) if shape.index is None else (shape.base, shape.index)
    return tuple(Read(register, Stage.ADDRESS) for register in registers if register != PC)


def _write_back(raw: Any, shape: MemoryOperand) -> tuple[Write, ...]:
    return (Write(shape.base, timing.WRITE_BACK.available),) if raw.writeback else ()


def _single(raw: Any, name: str) -> DecodedResult:
    shape = _shape(raw, _WIDTHS[name])
    address, written_back = _address_reads(shape), _write_back(raw, shape)
    data = register_operands(raw)[:1]
    if name in ("str", "strb", "strh", "vstr"):
        stage = Stage.FP_STORE if data[0] >= FIRST_FP else Stage.STORE_DATA
        return DecodedResult(Kind.STORE, (*address, Read(data[0], stage)), written_back, memory=shape)
    if name == "pld":
        return DecodedResult(Kind.LOAD, address, written_back, memory=shape)
    latency = timing.LOADED_WORD if shape.width is Width.WORD else timing.LOADED_PART
    if data[0] >= FIRST_FP:
        latency = timing.FP_LOADED
    return DecodedResult(Kind.LOAD, address, (Write(data[0], latency.available), *written_back), memory=shape)


def _double(raw: Any, loads: bool, data: tuple[int, ...]) -> DecodedResult:
    shape = _shape(raw, Width.WORD)
    return _multiple(loads, data, _address_reads(shape), _write_back(raw, shape), shape)


def _block(raw: Any, name: str) -> DecodedResult:
    registers = register_operands(raw)
    base, data = (SP, registers) if name in _STACK else (registers[0], registers[1:])
    moves_base = name in _STACK or raw.writeback
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
