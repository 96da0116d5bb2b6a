"""Flashing by copying a UF2 file to the drive that the boot ROM shows (RP2040 datasheet 2.8.4)."""

from __future__ import annotations

import errno
import io
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tinyanime.boards.schema import Board, FlashToolKind
from tinyanime.codegen.errors import ToolError, UserError
from tinyanime.host.console import ProgressReport
from tinyanime.host.flash.adapter import FlashJob, FlashResult
from tinyanime.host.flash.uf2 import uf2_of

MOUNT_ROOTS: tuple[Path, ...] = (
    (Path("/Volumes"),) if sys.platform == "darwin" else (Path("/run/media"), Path("/media"), Path("/mnt"))
)
"""Where systems put drives, directly or in a folder of the user."""

LABELS = Path("/dev/disk/by-label")
"""Where Linux names drives that are plugged in, mounted or not."""

INFO_FILE = "INFO_UF2.TXT"
RESTART_TIMEOUT_S = 15.0
"""Time in which the drive goes away after the last block: the chip then starts what it got."""

_CHUNK_BYTES = 32 * 512
_POLL_S = 0.05
_GONE = (errno.EIO, errno.ENODEV, errno.ENXIO, errno.ENOENT, errno.ENOTCONN)
"""What writing to a drive that went away ends in."""

_BOOTSEL_HINT = "Hold BOOTSEL while plugging the board in, then try again."


@dataclass(frozen=True, slots=True)
class Uf2Drive:
    """A mounted drive that takes UF2 files; `board_id` is the chip's own name for itself."""

    folder: Path
    board_id: str


class DriveAdapter:
    """Copies the UF2 file. The chip restarts at its last block, so that nothing can be read back."""

    kind = FlashToolKind.DRIVE

    def obstacle(self, job: FlashJob) -> UserError | None:
        if job.drive is not None or find_drives(job.board):
            return None
        label = job.board.flash_tool.volume
        if (LABELS / label).exists():
            return ToolError(
                f"The drive {label} is plugged in but not mounted.",
                hint=f"Mount it (udisksctl mount -b {LABELS / label}) and try again, or name its folder with --drive.",
            )
        return ToolError(f"No drive called {label} is mounted.", hint=_BOOTSEL_HINT)

    def flash(self, job: FlashJob, progress: ProgressReport) -> FlashResult:
        image = uf2_of(job)
        drive = _chosen_drive(job)
        _copy(image.content, drive.folder / job.uf2.name, progress)
        _await_restart(drive.folder, progress)
        return FlashResult(image.payload_bytes, 0, f"the drive {drive.folder}")


def find_drives(board: Board) -> tuple[Uf2Drive, ...]:
    """Mounted drives with the board's label or board id, in the order of their folders."""
    label = board.flash_tool.volume
    found = []
    for folder in _mounted_folders():
        board_id = _board_id(folder)
        # A second drive of the same label is mounted as RPI-RP21 or "RPI-RP2 1".
        if board_id is not None and (board_id == label or folder.name == label):
            found.append(Uf2Drive(folder, board_id))
    return tuple(found)


def _mounted_folders() -> Iterator[Path]:
    for root in MOUNT_ROOTS:
        for folder in _folders_of(root):
            yield folder
            yield from _folders_of(folder)


def _folders_of(parent: Path) -> list[Path]:
    try:
        return sorted(entry for entry in parent.iterdir() if entry.is_dir() and not entry.is_symlink())
    except OSError:
        return []


def _board_id(folder: Path) -> str | None:
    """The Board-ID that the drive's information file names; None where it is no UF2 drive."""
    try:
        text = (folder / INFO_FILE).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    return fields.get("Board-ID", "").strip()


def _chosen_drive(job: FlashJob) -> Uf2Drive:
    label = job.board.flash_tool.volume
    if job.drive is not None:
        if not job.drive.is_dir():
            raise ToolError(f"There is no drive {job.drive}.", hint=_BOOTSEL_HINT)
        board_id = _board_id(job.drive)
        if board_id is None:
            raise ToolError(
                f"{job.drive} is not a drive that takes UF2 files: it has no {INFO_FILE}.", hint=_BOOTSEL_HINT
            )
        drives: tuple[Uf2Drive, ...] = (Uf2Drive(job.drive, board_id),)
    else:
        drives = find_drives(job.board)
    if not drives:
        raise ToolError(f"No drive called {label} is mounted.", hint=_BOOTSEL_HINT)
    if len(drives) > 1:
        names = ", ".join(str(drive.folder) for drive in drives)
        raise ToolError(f"{len(drives)} drives called {label} are mounted.", hint=f"Choose one with --drive: {names}.")
    (drive,) = drives
    if drive.board_id != label:
        raise ToolError(
            f"The drive {drive.folder} belongs to another chip ({drive.board_id or 'unnamed'}) than {job.board.name} "
            f"({label}).",
            hint="Plug the right board in, or name the board that this one is with --board.",
        )
    return drive


def create_file(path: Path) -> io.FileIO:
    """An empty file whose writes go to the drive at once."""
    return io.FileIO(path, "wb")


def _copy(content: bytes, target: Path, progress: ProgressReport) -> None:
    """Write the blocks in their order, each chunk through to the drive."""
    done = 0
    try:
        with create_file(target) as file:
            while done < len(content):
                progress("copying", done, len(content))
                done += file.write(content[done : done + _CHUNK_BYTES])
                os.fsync(file.fileno())
    except OSError as error:
        # The chip restarts as soon as it has the last block: closing the file may then find no drive.
        if (
            error.errno in _GONE
            and done + _CHUNK_BYTES >= len(content)
            and not target.parent.joinpath(INFO_FILE).exists()
        ):
            progress("copying", len(content), len(content))
            return
        raise _copy_failure(error, target, done) from error
    progress("copying", done, len(content))


def _copy_failure(error: OSError, target: Path, done: int) -> ToolError:
    drive = target.parent
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return ToolError(
            f"The drive {drive} cannot be written: {error.strerror}.",
            hint="Mount it for writing by this user, or flash with another tool (--with picotool).",
        )
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return ToolError(
            f"The drive {drive} is full after {done:,} bytes.",
            hint="Delete what else was copied to it, or unplug the board and plug it in again holding BOOTSEL.",
        )
    if error.errno in _GONE:
        return ToolError(
            f"The drive {drive} went away after {done:,} bytes.",
            hint="Check the cable, hold BOOTSEL while plugging the board in, try again.",
        )
    return ToolError(f"Copying to the drive {drive} failed: {error.strerror or error}.", hint=_BOOTSEL_HINT)


def _await_restart(folder: Path, progress: ProgressReport) -> None:
    """The drive goes away when the chip took the file and starts it."""
    deadline = time.monotonic() + RESTART_TIMEOUT_S
    progress("waiting for the restart", 0, 0)
    while (folder / INFO_FILE).exists():
        if time.monotonic() > deadline:
            raise ToolError(
                f"The drive {folder} is still there {RESTART_TIMEOUT_S:.0f} s after the copy: the chip refused it.",
                hint="Unplug the board, plug it in again holding BOOTSEL, try again or use another tool (--with).",
            )
        time.sleep(_POLL_S)
