"""Runs a linked program on an emulated core and counts every instruction, by section."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import unicorn
from elftools.elf.elffile import ELFFile

from tinyanime.boards.schema import Board, MemoryKind
from tinyanime.codegen.errors import VerificationError
from tinyanime.host.kernel_bench.block_recorder import BlockRecorder, RecordedPassage
from tinyanime.host.kernel_bench.cores import BenchCore
from tinyanime.host.kernel_bench.image import ENTRY
from tinyanime.host.kernel_bench.instruction_sets import InstructionSet, instruction_set
from tinyanime.host.kernel_bench.line_fills import FilledLines, LineFills

_PAGE = 0x1000
_MAILBOX = 0xA000_0000
_DMA = 0xA000_1000
_INPUT = 0xA100_0000
_OUTPUT = 0xA200_0000
"""bench.h has the same addresses."""
_RETURN = 0x9000_0000
"""Where a Cortex-M may execute: DDI 0403E table B3-1."""
_DMA_START = 8
"""Offset of the register whose write starts a transfer."""


@dataclass(frozen=True, slots=True)
class Section:
    """What ran of one section of a program; `instructions` in all."""

    passages: tuple[RecordedPassage, ...]
    instructions: int
    filled: tuple[FilledLines, ...]
    """Lines that the data cache filled or wrote back; empty without `data_cache`."""


@dataclass(frozen=True, eq=False, slots=True)
class Execution:
    """One run of a program: its output tensor's bytes and its sections; what only exchanges pictures is left out.

    `machine` still holds the code that ran.
    """

    output: bytes
    sections: tuple[Section, ...]
    machine: Any


def execute(
    program: Path,
    core: BenchCore,
    board: Board,
    photo: bytes,
    output_bytes: int,
    sections: int,
    marks: tuple[int, ...] = (),
    *,
    data_cache: bool = False,
) -> Execution:
    """Run `program`, linked for `board`, on `photo` (the input tensor) until it returns.

    It has sections 0 to `sections` - 1; `marks` as in BlockRecorder. `data_cache` follows every load and store too,
    which takes several times as long. Raises VerificationError where the program faults or reports a failure.
    """
    isa = instruction_set(core)
    machine = isa.machine(core.model)
    _map_memories(machine, board)
    mailbox = (ctypes.c_uint32 * (_PAGE // 4))()
    mailbox[:2] = [sections, sections]
    everything = unicorn.UC_PROT_READ | unicorn.UC_PROT_WRITE
    machine.mem_map_ptr(_MAILBOX, _PAGE, everything, ctypes.addressof(mailbox))
    machine.mem_map(_INPUT, _pages(len(photo)), unicorn.UC_PROT_READ)
    machine.mem_map(_OUTPUT, _pages(output_bytes), everything)
    machine.mem_write(_INPUT, photo)
    machine.mem_map(_RETURN, _PAGE)
    transfers = _Transfers(machine)
    entry, stack = _load(machine, program)
    word = ctypes.addressof(mailbox)
    recorder = BlockRecorder(machine, sections + 1, word, marks)
    fills = LineFills(machine, board, sections + 1, word) if data_cache else None
    machine.reg_write(isa.stack, stack)
    machine.reg_write(isa.link, _RETURN | isa.thumb)
    try:
        machine.emu_start(entry | isa.thumb, _RETURN)
    except unicorn.UcError as error:
        pc = machine.reg_read(isa.program_counter)
        raise VerificationError(
            f"{program} faults on the emulated {core.name} at 0x{pc:08x}: {error}.", hint="Look at what lies there."
        ) from error
    transfers.check()
    if mailbox[2]:
        raise VerificationError(f"{program} ends on the emulated {core.name} with status {mailbox[2]}.")
    filled = fills.sections() if fills else ((),) * sections
    recorded = tuple(_section(machine, isa, p, f) for p, f in zip(recorder.sections()[:sections], filled, strict=False))
    return Execution(bytes(machine.mem_read(_OUTPUT, output_bytes)), recorded, machine)


def _section(
    machine: Any, isa: InstructionSet, passages: tuple[RecordedPassage, ...], filled: tuple[FilledLines, ...]
) -> Section:
    lengths = {
        block: isa.count_instructions(bytes(machine.mem_read(*block)))
        for block in {(passage.address, passage.size) for passage in passages}
    }
    return Section(passages, sum(lengths[(p.address, p.size)] * p.executions for p in passages), filled)


def _pages(size_bytes: int) -> int:
    return -(-size_bytes // _PAGE) * _PAGE


def _map_memories(machine: Any, board: Board) -> None:
    """RAM holds the same noise each time: programs that read what they never wrote shall notice."""
    noise = np.random.default_rng(1)
    for region in board.memory:
        machine.mem_map(region.base, region.size_bytes)
        if region.kind is MemoryKind.RAM:
            machine.mem_write(region.base, noise.bytes(region.size_bytes))


def _load(machine: Any, program: Path) -> tuple[int, int]:
    """Put every section where it runs, as start-up code would; the addresses of entry and stack."""
    with program.open("rb") as file:
        elf = ELFFile(file)
        for segment in elf.iter_segments("PT_LOAD"):
            machine.mem_write(segment["p_vaddr"], segment.data())
            machine.mem_write(segment["p_paddr"], segment.data())
        bss = elf.get_section_by_name(".bss")
        if bss is not None:
            machine.mem_write(bss["sh_addr"], bytes(bss["sh_size"]))
        symbols = elf.get_section_by_name(".symtab")
        entry, stack = (symbols.get_symbol_by_name(name)[0]["st_value"] for name in (ENTRY, "__stack_top"))
    return int(entry), int(stack)


class _Transfers:
    """The DMA of bench.h: a transfer happens at once, without the core."""

    def __init__(self, machine: Any) -> None:
        self._machine = machine
        self._registers = [0, 0, 0]
        self._error: BaseException | None = None
        machine.mmio_map(_DMA, _PAGE, None, None, self._write, None)

    def _write(self, _machine: Any, offset: int, _size: int, value: int, _data: Any) -> None:
        self._registers[offset // 4] = value
        if offset == _DMA_START:
            target, source, size = self._registers
            try:
                self._machine.mem_write(target, bytes(self._machine.mem_read(source, size)))
            except unicorn.UcError as error:  # ctypes would swallow it.
                self._error = error
                self._machine.emu_stop()

    def check(self) -> None:
        """VerificationError where a transfer left the memories."""
        if self._error is not None:
            target, source, size = self._registers
            raise VerificationError(
                f"A transfer of {size:,} bytes from 0x{source:08x} to 0x{target:08x} leaves the board's memories."
            )
