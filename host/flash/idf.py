"""Building and flashing with idf.py of an ESP-IDF installation, run as a program of its own."""

from __future__ import annotations

import os
import re
import shutil

from tinyanime.boards.schema import FlashToolKind
from tinyanime.codegen.errors import DoesNotFitError, ToolError, UserError
from tinyanime.host.console import ProgressReport
from tinyanime.host.flash.adapter import FlashJob, FlashResult
from tinyanime.host.flash.capacity import check_fits, image_bytes
from tinyanime.host.flash.esptool import boot_rom_failure
from tinyanime.host.flash.flasher_args import read_flasher_args
from tinyanime.host.flash.serial_port import check_port, flash_port
from tinyanime.host.flash.tool_run import ToolOutput, query, run_with_progress

IDF = "idf.py"
"""The program's name."""

MINIMUM, MAXIMUM = (5, 1), (5, 5)
"""First and last version of ESP-IDF that serve; the project's CMakeLists.txt asks for the same."""

_BUILD_TIMEOUT_S = 1200.0
_VERSION = re.compile(r"v?(\d+)\.(\d+)")
_WROTE = re.compile(r"Wrote (\d+) bytes")
_VERIFIED = "Hash of data verified"
_INSTALL = "docs.espressif.com/projects/esp-idf, Get Started"


class IdfAdapter:
    """`idf.py flash`: builds what is not up to date, writes, and compares by the hash of each file."""

    kind = FlashToolKind.IDF

    def obstacle(self, job: FlashJob) -> UserError | None:
        try:
            check_version()
            flash_port(job.board, job.port)
        except UserError as error:
            return error
        return None

    def flash(self, job: FlashJob, progress: ProgressReport) -> FlashResult:
        port = flash_port(job.board, job.port)
        project = ("-C", str(job.project.directory))
        built = run_with_progress(
            IDF, (IDF, *project, "build"), "building with ESP-IDF", progress, timeout_s=_BUILD_TIMEOUT_S
        )
        if built.status:
            raise _build_failure(job, built)
        application = read_flasher_args(job.elf.parent).application
        check_fits(application, image_bytes(application, job.board), job.board)
        check_port(port)
        done = run_with_progress(IDF, (IDF, *project, "-p", port, "flash"), "programming and comparing", progress)
        if done.status:
            raise boot_rom_failure("idf.py flash", job.board, port, done)
        written = [int(count) for count in _WROTE.findall(done.text)]
        if not written or done.text.count(_VERIFIED) < len(written):
            raise ToolError(
                "idf.py did not say that the flash equals the image.", hint="Flash again; check cable and power."
            )
        return FlashResult(sum(written), sum(written), port)


def check_version() -> str:
    """The version of the ESP-IDF that is set up in this shell; ToolError where there is none or it does not serve."""
    first, last = (".".join(map(str, version)) for version in (MINIMUM, MAXIMUM))
    if shutil.which(IDF) is None:
        folder = os.environ.get("IDF_PATH")
        if folder:
            raise ToolError(
                f"ESP-IDF at {folder} is not set up in this shell: {IDF} is not found.",
                hint=f"Run: . {folder}/export.sh",
            )
        raise ToolError(
            f"ESP-IDF is not installed: {IDF} is not found.",
            hint=f"Install ESP-IDF {first} to {last} ({_INSTALL}), then run . $IDF_PATH/export.sh in this shell.",
        )
    asked = query(IDF, (IDF, "--version"))
    found = _VERSION.search(asked.text)
    if asked.status or found is None:
        raise ToolError(
            f"{IDF} does not tell its version: {asked.last_line}.", hint="Set ESP-IDF up anew: . $IDF_PATH/export.sh"
        )
    version = (int(found[1]), int(found[2]))
    if not MINIMUM <= version <= MAXIMUM:
        raise ToolError(
            f"ESP-IDF {found[1]}.{found[2]} is installed, {first} to {last} is needed.",
            hint=f"Install a version from that range ({_INSTALL}) and run its export.sh.",
        )
    return f"{found[1]}.{found[2]}"


def _build_failure(job: FlashJob, done: ToolOutput) -> UserError:
    for line in done.lines:
        if "too small for binary" in line or "overflow" in line:
            return DoesNotFitError(
                f"The program does not fit {job.board.name}: {line.rstrip('.')}; nothing was written.",
                hint="Compile a smaller model, or enlarge the partition in partitions.csv.",
            )
    return ToolError(
        f"idf.py could not build {job.project.directory}: {done.last_line}.",
        hint=f"To see more, run: idf.py -C {job.project.directory} build",
    )
