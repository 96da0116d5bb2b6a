"""Where the calls of a function return to, read from a linked program."""

from __future__ import annotations

from pathlib import Path

from elftools.elf.elffile import ELFFile


def call_returns(program: Path, function: str) -> tuple[int, tuple[int, ...]]:
    """The address of `function` and those that its BL instructions (DDI 0403E A7.7.18) return to, in order."""
    with program.open("rb") as file:
        elf = ELFFile(file)
        symbol = elf.get_section_by_name(".symtab").get_symbol_by_name(function)[0]
        begin, size = int(symbol["st_value"]) & ~1, int(symbol["st_size"])
        section = elf.get_section(symbol["st_shndx"])
        offset = begin - int(section["sh_addr"])
        code = section.data()[offset : offset + size]
    returns = []
    position = 0
    while position + 1 < size:
        first = int.from_bytes(code[position : position + 2], "little")
        if first >> 11 < 0x1D:
            position += 2
            continue
        second = int.from_bytes(code[position + 2 : position + 4], "little")
        position += 4
        if first >> 11 == 0x1E and second >> 14 == 3 and second & 0x1000:
            returns.append(begin + position)
    return begin, tuple(returns)
