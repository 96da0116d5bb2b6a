"""Floating-point instructions; single precision is modelled, double precision takes the cycles of single precision."""

from __future__ import annotations

from tinyanime.host.cycle_model import timing
from tinyanime.host.cycle_model.instruction import FIRST_FP, FLAGS, Kind, Read, Stage, Write
from tinyanime.host.cycle_model.operands import Decoded, DecodedResult

_FUSED = ("vfma", "vfms", "vfnma", "vfnms")
_CHAINED = ("vmla", "vmls", "vnmla", "vnmls")


def decode_fp(parts: Decoded) -> DecodedResult | None:
    """None for what is no floating-point instruction (loads and stores are in decode_memory)."""
    name, registers = parts.name, parts.registers
    if not name.startswith("v"):
        return None
    if name == "vmrs":
        return DecodedResult(Kind.FP_MOVE, (), (Write(FLAGS, timing.CORE_FROM_FP.available),))
    if name == "vmov":
        return _move(registers, len(parts.raw.operands))
    if name.startswith(_FUSED + _CHAINED):
        latency = timing.FP_FUSED_RESULT if name.startswith(_FUSED) else timing.FP_CHAINED_RESULT
        reads = (Read(registers[0], Stage.FP_ACCUMULATE), *_operands(registers[1:]))
        return DecodedResult(Kind.FP_MULTIPLY_ADD, reads, (Write(registers[0], latency.available),))
    if name.startswith(("vdiv", "vsqrt")):
        cycles = timing.FP_DIVIDE_CYCLES if name.startswith("vdiv") else timing.FP_ROOT_CYCLES
        writes = (Write(registers[0], timing.FP_DIVIDED.available),)
        return DecodedResult(Kind.FP_DIVIDE, _operands(registers[1:]), writes, cycles=cycles)
    if name.startswith("vcmp"):
        return DecodedResult(Kind.FP_ARITHMETIC, _operands(registers))
    results = tuple(Write(register, timing.FP_RESULT.available) for register in registers[:1])
    return DecodedResult(Kind.FP_ARITHMETIC, _operands(registers[1:] or registers), results)


def _operands(registers: tuple[int, ...]) -> tuple[Read, ...]:
    return tuple(Read(register, Stage.FP_OPERAND) for register in registers)


def _move(registers: tuple[int, ...], operands: int) -> DecodedResult:
    if operands > 2 or len(registers) > 2:  # Two registers at once: alone.
        half = len(registers) // 2
        destinations, sources = registers[:half], registers[half:]
    else:
        destinations, sources = registers[:1], registers[1:]
    reads = tuple(Read(source, Stage.FP_TO_CORE if source >= FIRST_FP else Stage.EX2) for source in sources)
    writes = tuple(
        Write(register, (timing.FP_MOVED if register >= FIRST_FP else timing.CORE_FROM_FP).available)
        for register in destinations
    )
    return DecodedResult(Kind.FP_MOVE, reads, writes, single=len(destinations) > 1)
