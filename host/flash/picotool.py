"""Flashing an RP2040 over USB with picotool, run as a program of its own."""

from __future__ import annotations

import shutil

from tinyanime.boards.schema import FlashToolKind
from tinyanime.codegen.errors import ToolError, UserError
from tinyanime.host.console import ProgressReport
from tinyanime.host.flash.adapter import FlashJob, FlashResult
from tinyanime.host.flash.tool_run import ToolOutput, query, run_with_progress
from tinyanime.host.flash.uf2 import uf2_of

PICOTOOL = "picotool"
"""The program's name."""


class PicotoolAdapter:
    """Loads the UF2 file, compares the flash with it and starts it."""

    kind = FlashToolKind.PICOTOOL

    def obstacle(self, job: FlashJob) -> UserError | None:
        if shutil.which(PICOTOOL) is None:
            return not_installed()
        try:
            asked = query(PICOTOOL, (PICOTOOL, "info", *_selection(job)))
        except UserError as error:
            return error
        return _failure("info", asked) if asked.status else None

    def flash(self, job: FlashJob, progress: ProgressReport) -> FlashResult:
        image = uf2_of(job)
        command = (PICOTOOL, "load", "-v", "-x", str(job.uf2), *_selection(job))
        done = run_with_progress(PICOTOOL, command, "programming and comparing", progress)
        if done.status:
            raise _failure("load", done)
        if not any(line == "OK" or line.endswith(" OK") for line in done.lines):
            raise ToolError(
                "picotool did not say that the flash equals the image.", hint="Flash again; check cable and power."
            )
        return FlashResult(image.payload_bytes, image.payload_bytes, "the chip in BOOTSEL mode")


def not_installed() -> ToolError:
    return ToolError(
        "picotool is not installed.",
        hint="Install it (github.com/raspberrypi/picotool), or copy to the drive: hold BOOTSEL while plugging in the "
        "board, then use --with drive.",
    )


def _selection(job: FlashJob) -> tuple[str, ...]:
    return () if job.probe is None else ("--ser", job.probe)


def _failure(what: str, done: ToolOutput) -> ToolError:
    said = " ".join(done.lines)
    if "No accessible" in said or "no accessible" in said:
        if "appears to be" in said:
            return ToolError(
                "picotool may not open the board that is in BOOTSEL mode.",
                hint="Install picotool's udev rules (99-picotool.rules) and plug the board in anew, or run it as root.",
            )
        return ToolError(
            "picotool finds no board in BOOTSEL mode.", hint="Hold BOOTSEL while plugging the board in, then try again."
        )
    return ToolError(f"picotool ({what}) failed: {done.last_line}.", hint="Hold BOOTSEL while plugging in; try again.")
