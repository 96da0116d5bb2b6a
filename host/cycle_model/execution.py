"""Executed blocks of a program on unicorn's Cortex-M7, with exact counts, for the cycle model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import unicorn
from elftools.elf.elffile import ELFFile
from unicorn import arm_const

from tinyanime.codegen.errors import ToolError
from tinyanime.host.cycle_model.flow import ExecutedBlock, Passage
from tinyanime.host.emulate.block_counter import BlockCounter

_PAGE = 0x1000
_STACK_TOP = 0x2002_0000
_STACK_BYTES = 0x8000
_RETURN = 0x1000_0000
"""Calls return to here: a mapped page on which emulation stops."""
_ARGUMENTS = (arm_const.UC_ARM_REG_R0, arm_const.UC_ARM_REG_R1, arm_const.UC_ARM_REG_R2, arm_const.UC_ARM_REG_R3)


@dataclass(frozen=True, slots=True)
class MachineCode:
    """A `CodeReader` of what a machine's memory holds."""

    machine: Any

    def read(self, address: int, size: int) -> bytes:
        return bytes(self.machine.mem_read(address, size))


@dataclass(frozen=True, slots=True)
class BlockCounts:
    """What ran: sum of executions times instructions of `blocks` is `instructions`."""

    blocks: tuple[ExecutedBlock, ...]
    passages: tuple[Passage, ...]
    instructions: int
    result: int
    """R0 at the end, signed."""


def block_counts(counter: BlockCounter) -> tuple[tuple[ExecutedBlock, ...], tuple[Passage, ...]]:
    """What `counter` saw since its `start_profile`: blocks by address, and the passages between them."""
    executions: dict[tuple[int, int], int] = defaultdict(int)
    passages = []
    for passage in counter.passages():
        to = (passage.address, passage.size)
        origin = (passage.from_address, passage.from_size) if passage.from_size else None
        executions[to] += passage.executions
        passages.append(Passage(origin, to, passage.executions))
    blocks = tuple(ExecutedBlock(address, size, count) for (address, size), count in sorted(executions.items()))
    return blocks, tuple(passages)


def run_with_block_counts(
    machine: Any, entry: int, arguments: Sequence[int] = (), *, stack_top: int = _STACK_TOP, end: int = _RETURN
) -> BlockCounts:
    """Calls the function at `entry` with up to four words and counts what it executes until it returns to `end`.

    `machine` is a unicorn Cortex-M7 whose memory holds code, stack and data, with a mapped page at `end`. Raises
    ToolError where the code faults.
    """
    if len(arguments) > len(_ARGUMENTS):
        raise ValueError("only words in registers are passed")
    counter = BlockCounter(machine)
    counter.start_profile()
    for register, value in zip(_ARGUMENTS, arguments, strict=False):
        machine.reg_write(register, value & 0xFFFF_FFFF)
    machine.reg_write(arm_const.UC_ARM_REG_SP, stack_top)
    machine.reg_write(arm_const.UC_ARM_REG_LR, end | 1)
    try:
        machine.emu_start(entry | 1, end)
    except unicorn.UcError as error:
        pc = machine.reg_read(arm_const.UC_ARM_REG_PC)
        raise ToolError(f"The function at 0x{entry:08x} faults at 0x{pc:08x} on the emulated core: {error}.") from error
    finally:
        counter.detach()
    blocks, passages = block_counts(counter)
    result = machine.reg_read(arm_const.UC_ARM_REG_R0)
    return BlockCounts(blocks, passages, counter.instructions, result - (1 << 32) if result >> 31 else result)


def load_function(elf: Path, name: str) -> tuple[Any, int]:
    """A machine with the segments of `elf`, 32 KiB of stack and the page to return to; the address of function `name`.

    ToolError where the image has no such function.
    """
    machine = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
    machine.ctl_set_cpu_model(arm_const.UC_CPU_ARM_CORTEX_M7)
    with elf.open("rb") as stream:
        image = ELFFile(stream)
        pages: set[int] = set()
        for segment in image.iter_segments("PT_LOAD"):
            begin, size = segment["p_vaddr"], max(1, segment["p_memsz"])
            for page in range(begin // _PAGE, -(-(begin + size) // _PAGE)):
                if page not in pages:
                    machine.mem_map(page * _PAGE, _PAGE)
                    pages.add(page)
            machine.mem_write(begin, segment.data())
        table = image.get_section_by_name(".symtab")
        found = table.get_symbol_by_name(name) if table is not None else None
    if not found:
        raise ToolError(f"{elf} has no function {name}.", hint=f"List its functions: arm-none-eabi-nm {elf}")
    machine.mem_map(_STACK_TOP - _STACK_BYTES, _STACK_BYTES)
    machine.mem_map(_RETURN, _PAGE)
    return machine, int(found[0]["st_value"]) & ~1
