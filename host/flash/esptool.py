"""Flashing Espressif chips over the serial port with esptool 5, run as a program of its own."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from collections.abc import Sequence

from tinyanime.boards.schema import Board, FlashToolKind, ProjectKind
from tinyanime.codegen.errors import InputError, LinkError, ToolError, UserError
from tinyanime.host.console import ProgressReport
from tinyanime.host.flash.adapter import FlashJob, FlashResult
from tinyanime.host.flash.capacity import check_fits, image_bytes
from tinyanime.host.flash.flasher_args import FlashPart, read_flasher_args
from tinyanime.host.flash.serial_port import check_port, flash_port
from tinyanime.host.flash.tool_run import ToolOutput, run_with_progress

ESPTOOL: tuple[str, ...] = (sys.executable, "-m", "esptool")
"""The command line of esptool."""

BAUD = 460_800
"""Speed of the flasher stub: the highest that every USB bridge of the boards keeps."""

_VERSION = 5
_WRONG_CHIP = re.compile(r"This chip is (\S+?),? not (\S+?)\. ")
_NO_ANSWER = "Failed to connect"
_WENT_AWAY = re.compile(
    r"port that is not open|Could not configure port|Input/output error|No such device|device disconnected|"
    r"Device not configured",
    re.IGNORECASE,
)
"""What the system says when the serial port is gone, through pyserial."""
_CANNOT_OPEN = re.compile(r"Could not open (\S+), the port is busy")


class EsptoolAdapter:
    """Through the boot ROM: a direct-boot image at offset 0, or the files of an ESP-IDF build."""

    kind = FlashToolKind.ESPTOOL

    def obstacle(self, job: FlashJob) -> UserError | None:
        try:
            check_installed()
            flash_port(job.board, job.port)
            if job.board.project is ProjectKind.ESP_IDF:
                read_flasher_args(job.elf.parent)
        except UserError as error:
            return error
        return None

    def flash(self, job: FlashJob, progress: ProgressReport) -> FlashResult:
        parts, settings = _parts(job)
        size = sum(image_bytes(part.path, job.board) for part in parts)
        port = flash_port(job.board, job.port)
        check_port(port)
        places = [word for part in parts for word in (hex(part.offset), str(part.path))]
        # Stays in the loader until the comparison is made.
        _esptool(job, port, ("--after", "no-reset"), ("write-flash", *settings, *places), "programming", progress)
        _esptool(job, port, (), ("verify-flash", *places), "comparing", progress)
        return FlashResult(size, size, port)


def check_installed() -> str:
    """The version of esptool; ToolError where it is missing or does not serve."""
    wanted = f"esptool {_VERSION}"
    try:
        version = importlib.metadata.version("esptool")
    except importlib.metadata.PackageNotFoundError:
        raise ToolError(f"{wanted} is not installed.", hint="pip install 'tinyanime[flash]'") from None
    if version.partition(".")[0] != str(_VERSION):
        raise ToolError(f"esptool {version} is installed, {wanted} is needed.", hint="pip install 'tinyanime[flash]'")
    return version


def _parts(job: FlashJob) -> tuple[tuple[FlashPart, ...], tuple[str, ...]]:
    """What goes where and the options of write-flash; DoesNotFitError where the program is too large."""
    if job.board.project is not ProjectKind.ESP_IDF:
        check_fits(job.flat, image_bytes(job.flat, job.board), job.board)
        return (FlashPart(0, job.flat),), ()
    built = read_flasher_args(job.elf.parent)
    if built.chip != job.board.flash_tool.chip:
        raise InputError(
            f"{job.elf.parent} was built for {built.chip}, not for {job.board.flash_tool.chip}.",
            hint=f"Build it again: idf.py -C {job.project.directory} set-target {job.board.flash_tool.chip} build",
        )
    check_fits(built.application, image_bytes(built.application, job.board), job.board)
    return built.parts, built.settings


def _esptool(
    job: FlashJob, port: str, options: Sequence[str], command: Sequence[str], stage: str, progress: ProgressReport
) -> None:
    line = (*ESPTOOL, "--chip", job.board.flash_tool.chip, "--port", port, "--baud", str(BAUD), *options, *command)
    done = run_with_progress("esptool", line, stage, progress)
    if done.status:
        raise boot_rom_failure(f"esptool ({command[0]})", job.board, port, done)


def boot_rom_failure(tool: str, board: Board, port: str, done: ToolOutput) -> UserError:
    """What went wrong between esptool, run by itself or by another `tool`, and the chip behind `port`."""
    said = " ".join(done.lines)
    name = board.name
    wrong = _WRONG_CHIP.search(said)
    if wrong:
        return LinkError(
            f"Behind {port} is an {wrong[1]}, not the {wrong[2]} of {name}.",
            hint="Name the port of the right board with --port, or this board with --board.",
        )
    if _CANNOT_OPEN.search(said):
        return LinkError(
            f"Port {port} is busy or gone.", hint="Close other programs that use it, plug the board in anew, try again."
        )
    if _WENT_AWAY.search(said):
        return LinkError(
            f"The board at {port} went away while {name} was flashed.",
            hint="Check the cable, plug the board in anew and flash it again: it holds half of the program at most.",
        )
    if _NO_ANSWER in said or "No serial data received" in said:
        return LinkError(
            f"No boot loader answered at {port}.",
            hint="Hold the BOOT button, press and release RESET, release BOOT, then try again; check the cable.",
        )
    if "Verification failed" in said or "digest mismatch" in said:
        return ToolError(
            f"The flash of {name} differs from the image.", hint="Flash again; check cable and power of the board."
        )
    return ToolError(f"{tool} failed: {_reason(done)}.", hint="Check cable and power of the board; try again.")


def _reason(done: ToolOutput) -> str:
    """esptool's own sentence: the line of its error."""
    for line in done.lines:
        if "error occurred:" in line:
            return line.partition("error occurred:")[2].strip().rstrip(".")
    return done.last_line
