"""What every way of flashing has in common: the job, the tool that does it, what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tinyanime.boards.schema import Board, FlashToolKind
from tinyanime.codegen.errors import UserError
from tinyanime.host.console import ProgressReport
from tinyanime.host.project import Project


@dataclass(frozen=True, slots=True)
class FlashJob:
    """A built project that shall get into the flash of a real board.

    `probe` is (part of) the id of a debug probe or chip, `port` its serial port, `drive` the folder of its USB drive;
    None: found by itself.
    """

    board: Board
    project: Project
    probe: str | None = None
    port: str | None = None
    drive: Path | None = None

    @property
    def elf(self) -> Path:
        return self.project.bundle.image

    @property
    def flat(self) -> Path:
        """The bytes of the flash from its first one on."""
        return self.elf.with_suffix(".bin")

    @property
    def uf2(self) -> Path:
        return self.elf.with_suffix(".uf2")


@dataclass(frozen=True, slots=True)
class FlashResult:
    """`compared_bytes` were compared with the flash afterwards (0: the tool cannot), `place` is where they went."""

    written_bytes: int
    compared_bytes: int
    place: str


class FlashAdapter(Protocol):
    """One way to write a flash."""

    @property
    def kind(self) -> FlashToolKind: ...

    def obstacle(self, job: FlashJob) -> UserError | None:
        """What must be mended before this tool can do the job (tool missing, nothing plugged in); None: it can."""
        ...

    def flash(self, job: FlashJob, progress: ProgressReport) -> FlashResult:
        """Write the image and compare the flash with it. Raises UserError; nothing is written where it does not fit."""
        ...
