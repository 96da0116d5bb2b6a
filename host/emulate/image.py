"""A linked firmware image as a virtual board loads it."""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from tinyanime.boards.schema import Board
from tinyanime.codegen.errors import InputError

_HINT = "Build the firmware first: make build BOARD=..."


@dataclass(frozen=True, slots=True)
class Segment:
    """`data` as it lies in the chip's memory at `address` (the load address) when power comes on."""

    address: int
    data: bytes


@dataclass(frozen=True, slots=True)
class FirmwareImage:
    """`functions` are (address, name), by address."""

    path: Path
    segments: tuple[Segment, ...]
    functions: tuple[tuple[int, str], ...]

    def place(self, address: int) -> str:
        """`function+0x12` for a code address, or nothing where it is unknown."""
        index = bisect.bisect_right(self.functions, (address, "\uffff")) - 1
        if index < 0 or address - self.functions[index][0] > 0x4000:
            return ""
        start, name = self.functions[index]
        return f"{name}+0x{address - start:x}"


def check_addresses(image: FirmwareImage, board: Board) -> None:
    """InputError where a segment lies outside the memories of `board`."""
    for segment in image.segments:
        end = segment.address + len(segment.data)
        if not any(region.base <= segment.address and end <= region.end for region in board.memory):
            raise InputError(
                f"{image.path} has {len(segment.data)} bytes for 0x{segment.address:08x}, where {board.name} has no "
                "memory.",
                hint=f"Build the image for {board.name}.",
            )


_CHIP_NAMES = {"EM_ARM": "an ARM", "EM_RISCV": "a RISC-V", "EM_XTENSA": "an Xtensa"}


def load_image(path: Path, machine: str = "EM_ARM") -> FirmwareImage:
    """Reads an ELF file for `machine` (e_machine of the ELF header); InputError where it is none."""
    try:
        with path.open("rb") as file:
            elf = ELFFile(file)
            if elf["e_machine"] != machine:
                raise InputError(
                    f"{path} is not firmware for {_CHIP_NAMES[machine]} chip ({elf['e_machine']}).", hint=_HINT
                )
            segments = tuple(
                Segment(int(segment["p_paddr"]), bytes(segment.data()))
                for segment in elf.iter_segments()
                if segment["p_type"] == "PT_LOAD" and segment["p_filesz"]
            )
            functions = {
                (int(symbol["st_value"]) & ~1, str(symbol.name))
                for table in elf.iter_sections()
                if isinstance(table, SymbolTableSection)
                for symbol in table.iter_symbols()
                if symbol["st_info"]["type"] == "STT_FUNC"
            }
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", hint=_HINT) from error
    except (ELFError, ValueError, KeyError) as error:
        raise InputError(f"{path} is not a firmware image: {error or 'it is no ELF file'}.", hint=_HINT) from error
    return FirmwareImage(path, segments, tuple(sorted(functions)))
