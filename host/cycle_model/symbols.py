"""Names of the functions of an image by address."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path

from elftools.elf.elffile import ELFFile

UNKNOWN = "(no symbol)"


@dataclass(frozen=True, slots=True)
class FunctionTable:
    """`functions` are (address, size in bytes, name), by address; a size of 0 reaches to the next function."""

    functions: tuple[tuple[int, int, str], ...]
    _begins: list[int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_begins", [address for address, _, _ in self.functions])

    def name_at(self, address: int) -> str:
        index = bisect_right(self._begins, address) - 1
        if index < 0:
            return UNKNOWN
        begin, size, name = self.functions[index]
        return name if not size or address < begin + size else UNKNOWN


def functions_of(elf: Path) -> FunctionTable:
    """The functions in the symbol table of `elf`; aliases keep the first name in the alphabet."""
    with elf.open("rb") as stream:
        table = ELFFile(stream).get_section_by_name(".symtab")
        symbols = [] if table is None else list(table.iter_symbols())
    found: dict[int, tuple[int, str]] = {}
    for symbol in sorted(symbols, key=lambda one: one.name, reverse=True):
        if symbol["st_info"]["type"] == "STT_FUNC":
            found[symbol["st_value"] & ~1] = (symbol["st_size"], symbol.name)
    return FunctionTable(tuple((address, size, name) for address, (size, name) in sorted(found.items())))
