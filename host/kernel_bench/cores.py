"""The cores that kernels are measured on, and the memories that programs for them are planned and linked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from tinyanime.boards.loader import load_board
from tinyanime.boards.schema import Board, MemoryKind, MemoryRegion, MemoryUse, Toolchain
from tinyanime.codegen.errors import InputError

WIDE_BANK_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class BenchCore:
    """`model` is unicorn's name of the core; `board` gives memory and compiler."""

    name: str
    model: str
    board: Callable[[], Board]
    instruction_set: str = "thumb"
    """Name of one of instruction_sets.py, which needs unicorn."""

    @property
    def is_arm(self) -> bool:
        return self.instruction_set == "thumb"


def _stm32h743() -> Board:
    return load_board("stm32h743")


_PLANNED_USES = (MemoryUse.DATA, MemoryUse.STACK, MemoryUse.ACTIVATIONS)

_RP2040_MEMORY = (
    MemoryRegion("flash", MemoryKind.FLASH, 0x1000_0000, 0x20_0000, (MemoryUse.CODE,), access_cost=4),
    MemoryRegion("sram", MemoryKind.RAM, 0x2000_0000, 0x4_0000, (MemoryUse.DATA, MemoryUse.ACTIVATIONS)),
    MemoryRegion("sram4_5", MemoryKind.RAM, 0x2004_0000, 0x2000, (MemoryUse.STACK,)),
)
"""RP2040 datasheet 2.6: one core has all of it. Where a board puts fast code makes no difference to instructions."""

_ESP32C3_MEMORY = (
    MemoryRegion("flash", MemoryKind.FLASH, 0x4200_0000, 0x40_0000, (MemoryUse.CODE,), access_cost=4),
    MemoryRegion("sram", MemoryKind.RAM, 0x3FC8_0000, 0x6_0000, _PLANNED_USES),
)
"""ESP32-C3 Technical Reference Manual 3.3: 384 KB of SRAM beside the cache."""


def _bare_core(core: str, title: str, memory: tuple[MemoryRegion, ...], toolchain: Toolchain) -> Board:
    """One core with these memories and nothing else of a chip; the programs bring their own start-up."""
    return replace(
        load_board("posix"),
        name=core,
        title=title,
        core=core,
        stack_bytes=8192,
        memory=memory,
        toolchain=toolchain,
    )


def _with_rp2040_memory(core: str, *flags: str) -> Board:
    toolchain = Toolchain("arm-none-eabi-", (f"-mcpu={core}", "-mthumb", *flags), "-O3")
    return _bare_core(core, f"{core} with an RP2040's memory", _RP2040_MEMORY, toolchain)


def _with_esp32c3_memory() -> Board:
    flags = ("-march=rv32imc", "-mabi=ilp32", "--specs=picolibc.specs")
    toolchain = Toolchain("riscv64-unknown-elf-", flags, "-O3")
    return _bare_core("rv32imc", "rv32imc with an ESP32-C3's memory", _ESP32C3_MEMORY, toolchain)


CORES = (
    BenchCore("cortex-m7", "UC_CPU_ARM_CORTEX_M7", _stm32h743),
    BenchCore("cortex-m4", "UC_CPU_ARM_CORTEX_M4", lambda: _with_rp2040_memory("cortex-m4", "-mfloat-abi=soft")),
    BenchCore("cortex-m0plus", "UC_CPU_ARM_CORTEX_M0", lambda: _with_rp2040_memory("cortex-m0plus")),
    BenchCore("rv32imc", "UC_CPU_RISCV32_ANY", _with_esp32c3_memory, "riscv32"),
)
"""unicorn has no Cortex-M0+: the M0 executes the same instructions."""


def core(name: str) -> BenchCore:
    """The core of that name; InputError where it is none of CORES."""
    for candidate in CORES:
        if candidate.name == name:
            return candidate
    raise InputError(f"There is no bench for core '{name}'.", hint=f"Use one of {', '.join(c.name for c in CORES)}.")


def widened(board: Board) -> Board:
    """`board` with 16 MiB in place of its largest memory for activations, for what no chip of the kind can hold."""
    largest = max(board.regions(MemoryUse.ACTIVATIONS), key=lambda region: region.size_bytes)
    wide = replace(largest, size_bytes=WIDE_BANK_BYTES)
    # What follows the bank moves up.
    memory = tuple(
        wide if r is largest else replace(r, base=r.base + WIDE_BANK_BYTES) if wide.base < r.base < wide.end else r
        for r in board.memory
    )
    return replace(board, name=f"{board.name}-wide", memory=memory)
