"""The command table of a built firmware image, whose entries a test may blank out one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from tests.support.board_run import Patches
from tinyanime.codegen.schedule.plan import Command, Schedule

COMMAND_BYTES = 16
"""sizeof(ta_command) on a 32-bit core, firmware/include/tinyanime/network.h; `kind` is its first byte."""
TA_COMMAND_NONE = 8


@dataclass(frozen=True)
class Blanked:
    """`command`, number `position` of step `step`, does nothing when `patches` are in flash."""

    step: int
    position: int
    command: Command
    patches: Patches


def blanked_commands(image: Path, schedule: Schedule, kinds: tuple[type, ...]) -> Iterator[Blanked]:
    """Each command of one of `kinds`, blanked out; `image` must be built from `schedule`."""
    table, size = _symbol(image, "commands")
    assert size == COMMAND_BYTES * sum(len(step.commands) for step in schedule.steps)
    address = table
    for step in schedule.steps:
        for position, command in enumerate(step.commands):
            if isinstance(command, kinds):
                yield Blanked(step.index, position, command, ((address, bytes([TA_COMMAND_NONE])),))
            address += COMMAND_BYTES


def _symbol(image: Path, name: str) -> tuple[int, int]:
    """Address and size of an object of the image."""
    with image.open("rb") as file:
        table = ELFFile(file).get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        (symbol,) = (s for s in table.get_symbol_by_name(name) or () if s["st_info"]["type"] == "STT_OBJECT")
        return int(symbol["st_value"]), int(symbol["st_size"])
