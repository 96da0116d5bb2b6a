"""How full the memories of a board are, from the linked image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

from tinyanime.boards.schema import Board, EmulatorKind, MemoryKind, MemoryRegion, MemoryUse, ProjectKind
from tinyanime.codegen.errors import InputError
from tinyanime.host.project import Project, built_image, built_virtual_image


@dataclass(frozen=True, slots=True)
class Occupant:
    """A section of the image, or what start-up copies into RAM, with its bytes."""

    name: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class RegionUsage:
    """One memory of the board; `occupants` are in the order of their addresses."""

    region: str
    kind: MemoryKind
    size_bytes: int
    occupants: tuple[Occupant, ...]

    @property
    def used_bytes(self) -> int:
        return sum(occupant.size_bytes for occupant in self.occupants)

    @property
    def free_bytes(self) -> int:
        return self.size_bytes - self.used_bytes


@dataclass(frozen=True, slots=True)
class _Block:
    """A section at its run address, or the copy of one at its load address."""

    name: str
    address: int
    size_bytes: int
    writable: bool

    @property
    def end(self) -> int:
        return self.address + self.size_bytes


def measured_image(project: Project, board: Board) -> Path:
    """The image that `measure` looks at: the firmware, or the virtual board's program where that alone was built.

    An ESP-IDF project is built where ESP-IDF is installed. InputError where nothing was built.
    """
    if board.project is ProjectKind.ESP_IDF and not project.bundle.image.is_file():
        return built_virtual_image(project)
    return built_image(project)


def measure(project: Project, board: Board) -> tuple[RegionUsage, ...]:
    """Every memory of the board with what lies in it. InputError where the image is missing or damaged."""
    image = measured_image(project, board)
    try:
        with image.open("rb") as file:
            blocks = _blocks(ELFFile(file), board)
    except (ELFError, OSError) as error:
        raise InputError(
            f"The firmware image {image} cannot be read: {error}.", hint=f"Build it again: make -C {project.directory}"
        ) from error
    if board.emulator.kind is EmulatorKind.PROCESS:
        return _usage_by_kind(board, blocks, board.stack_bytes)
    if image != project.bundle.image:
        return _usage_by_kind(board, blocks, 0)
    if board.project is ProjectKind.ESP_IDF:
        return _usage_of_esp_idf(board, blocks)
    return tuple(_usage(region, blocks) for region in board.memory)


def _blocks(elf: ELFFile, board: Board) -> tuple[_Block, ...]:
    """Sections that occupy memory, and load copies of those that start-up copies."""
    blocks = []
    loads = [segment for segment in elf.iter_segments() if segment["p_type"] == "PT_LOAD"]
    for section in elf.iter_sections():
        size, address, flags = int(section["sh_size"]), int(section["sh_addr"]), int(section["sh_flags"])
        # Thread-local sections are templates without a place of their own.
        if not flags & SH_FLAGS.SHF_ALLOC or not size or flags & SH_FLAGS.SHF_TLS:
            continue
        blocks.append(_Block(section.name, address, size, bool(flags & SH_FLAGS.SHF_WRITE)))
        if section["sh_type"] == "SHT_NOBITS":
            continue
        for load in loads:
            if load["p_vaddr"] <= address < load["p_vaddr"] + load["p_filesz"] and load["p_paddr"] != load["p_vaddr"]:
                copied = address - int(load["p_vaddr"]) + int(load["p_paddr"])
                # What runs or is read at another address of the same memory is no copy.
                own = any(region.base <= address < region.end for region in board.memory)
                blocks.append(_Block(f"{section.name} (initial values)" if own else section.name, copied, size, False))
    return tuple(sorted(blocks, key=lambda block: block.address))


def _usage(region: MemoryRegion, blocks: Sequence[_Block]) -> RegionUsage:
    inside = [block for block in blocks if region.base <= block.address < region.end]
    occupants = [Occupant(block.name, block.size_bytes) for block in inside]
    lost = sum(after.address - before.end for before, after in pairwise(inside) if after.address > before.end)
    if lost:
        occupants.append(Occupant("(gaps for alignment)", lost))
    return RegionUsage(region.name, region.kind, region.size_bytes, tuple(occupants))


def _usage_by_kind(board: Board, blocks: Sequence[_Block], stack_bytes: int) -> tuple[RegionUsage, ...]:
    """For programs linked for other addresses (the PC, an emulator): what is written counts as RAM, the rest as flash.

    `stack_bytes` is added where the stack is no section.
    """
    fixed = tuple(Occupant(b.name, b.size_bytes) for b in blocks if not b.writable)
    written = tuple(Occupant(b.name, b.size_bytes) for b in blocks if b.writable)
    return _two_memories(board, fixed, (*written, *((Occupant(".stack", stack_bytes),) if stack_bytes else ())))


def _usage_of_esp_idf(board: Board, blocks: Sequence[_Block]) -> tuple[RegionUsage, ...]:
    """By the names that ESP-IDF's linker script gives: .flash.* stays in flash, the rest is in RAM.

    Code and data in RAM lie at several addresses; sections called "dummy" keep these apart and hold nothing.
    """
    real = [block for block in blocks if "dummy" not in block.name and "(initial" not in block.name]
    flash = tuple(Occupant(b.name, b.size_bytes) for b in real if b.name.startswith(".flash"))
    return _two_memories(board, flash, tuple(Occupant(b.name, b.size_bytes) for b in real if b.name[:6] != ".flash"))


def _two_memories(board: Board, flash: tuple[Occupant, ...], ram: tuple[Occupant, ...]) -> tuple[RegionUsage, ...]:
    code, data = (board.regions(use)[0] for use in (MemoryUse.CODE, MemoryUse.DATA))
    return (
        RegionUsage(code.name, code.kind, code.size_bytes, flash),
        RegionUsage(data.name, data.kind, data.size_bytes, ram),
    )
