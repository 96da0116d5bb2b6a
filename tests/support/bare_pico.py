"""An image for rp2040 on a bare Cortex-M0 with memories and registers that only remember: single functions of it can be
run without the virtual board."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import unicorn
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection
from unicorn import arm_const

FLASH, SRAM, SRAM_BYTES = 0x1000_0000, 0x2000_0000, 0x4_2000
REGISTERS = (0x4000_0000, 0x4001_0000, 0x4005_8000, 0xD000_0000, 0xE000_E000)
"""Pages of registers; each remembers what is written to it."""
RETURN = FLASH + 0x1F_F000
"""An address behind every image, at which a called function ends."""
NOISE = 0xEE


@dataclass
class BarePico:
    """The core and what it sees; RAM is full of noise."""

    image: Path
    machine: unicorn.Uc = field(init=False)
    symbols: dict[str, int] = field(init=False)
    registers: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.machine = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
        self.machine.ctl_set_cpu_model(arm_const.UC_CPU_ARM_CORTEX_M0)
        self.machine.mem_map(FLASH, 0x20_0000)
        self.machine.mem_map(SRAM, SRAM_BYTES)
        self.machine.mem_write(SRAM, bytes((NOISE,)) * SRAM_BYTES)
        for page in REGISTERS:
            self.machine.mmio_map(page, 0x1000, self._reader(page), None, self._writer(page), None)
        with self.image.open("rb") as file:
            elf = ELFFile(file)
            for segment in elf.iter_segments():
                if segment["p_type"] == "PT_LOAD" and segment["p_filesz"]:
                    self.machine.mem_write(segment["p_paddr"], segment.data())
            table = elf.get_section_by_name(".symtab")
            assert isinstance(table, SymbolTableSection)
            self.symbols = {symbol.name: int(symbol["st_value"]) for symbol in table.iter_symbols()}

    def _reader(self, page: int) -> Callable[[unicorn.Uc, int, int, object], int]:
        return lambda _machine, offset, _size, _data: self.registers.get(page + offset, 0)

    def _writer(self, page: int) -> Callable[[unicorn.Uc, int, int, int, object], None]:
        return lambda _machine, offset, _size, value, _data: self.registers.update({page + offset: value})

    @property
    def sp(self) -> int:
        return int(self.machine.reg_read(arm_const.UC_ARM_REG_SP))

    def run(self, start: str, until: str, sp: int) -> None:
        """From the function `start` with the stack pointer at `sp` to the first instruction of `until`."""
        self.machine.reg_write(arm_const.UC_ARM_REG_SP, sp)
        self.machine.emu_start(self.symbols[start] | 1, self.symbols[until] & ~1, count=2_000_000)
        assert self.machine.reg_read(arm_const.UC_ARM_REG_PC) == self.symbols[until] & ~1

    def call(self, function: str, *arguments: int) -> int:
        """What the function returns."""
        registers = (arm_const.UC_ARM_REG_R0, arm_const.UC_ARM_REG_R1, arm_const.UC_ARM_REG_R2, arm_const.UC_ARM_REG_R3)
        for register, value in zip(registers, arguments, strict=False):
            self.machine.reg_write(register, value)
        self.machine.reg_write(arm_const.UC_ARM_REG_SP, self.symbols["__stack_top"] - 512)
        self.machine.reg_write(arm_const.UC_ARM_REG_LR, RETURN | 1)
        self.machine.emu_start(self.symbols[function] | 1, RETURN, count=2_000_000)
        assert self.machine.reg_read(arm_const.UC_ARM_REG_PC) == RETURN
        return int(self.machine.reg_read(arm_const.UC_ARM_REG_R0))

    def words(self, address: int, count: int) -> list[int]:
        data = bytes(self.machine.mem_read(address, 4 * count))
        return [int.from_bytes(data[at : at + 4], "little") for at in range(0, len(data), 4)]

    def store(self, address: int, *words: int) -> None:
        self.machine.mem_write(address, b"".join(word.to_bytes(4, "little") for word in words))
