"""Flashing through pyOCD, run as a program of its own: probe, target support, programming, comparison."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from tinyanime.boards.schema import FlashTool, FlashToolKind
from tinyanime.codegen.errors import InputError, ToolError, UserError
from tinyanime.host.console import ProgressReport
from tinyanime.host.flash.adapter import FlashJob, FlashResult
from tinyanime.host.flash.capacity import check_fits
from tinyanime.host.flash.tool_run import FLASH_TIMEOUT_S, QUERY_TIMEOUT_S, ToolOutput, query, run_with_progress

PYOCD: tuple[str, ...] = (sys.executable, "-m", "pyocd")
"""The command line of pyOCD."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A connected debug probe; `description` is for people."""

    unique_id: str
    description: str


@dataclass(frozen=True, slots=True)
class Segment:
    """Bytes that belong at `address` of the flash."""

    address: int
    data: bytes


class PyocdAdapter:
    """Through a debug probe."""

    kind = FlashToolKind.PYOCD

    def obstacle(self, job: FlashJob) -> UserError | None:
        try:
            return None if list_probes() else _no_probe()
        except UserError as error:
            return error

    def flash(self, job: FlashJob, progress: ProgressReport) -> FlashResult:
        size = sum(len(segment.data) for segment in flash_segments(job.elf))
        check_fits(job.elf, size, job.board)
        compared = flash_image(job.elf, job.board.flash_tool, probe=job.probe, progress=progress)
        return FlashResult(size, compared, f"{job.board.name} behind its debug probe")


def list_probes() -> tuple[Probe, ...]:
    """The connected debug probes; ToolError where pyOCD is not installed or fails."""
    answer = _query("json", "--probes")
    return tuple(
        Probe(str(board.get("unique_id", "")), str(board.get("info") or board.get("unique_id", "probe")))
        for board in answer.get("boards", [])
    )


def flash_image(image: Path, tool: FlashTool, *, probe: str | None, progress: ProgressReport) -> int:
    """Write `image` (ELF) and compare the flash with it; the number of bytes compared.

    Raises InputError where the image is missing, ToolError where no probe is connected, several are and none is
    named, pyOCD lacks the target, or programming or the comparison fails.
    """
    segments = flash_segments(image)
    chosen = _choose_probe(list_probes(), probe)
    _check_target(tool)
    target = ("--no-wait", "--uid", chosen.unique_id, "--target", tool.target)
    if tool.prepare:
        commands = [part for command in tool.prepare for part in ("-c", command)]
        _run(("commander", *target, "--connect", "halt", *commands), QUERY_TIMEOUT_S)
    _run_with_progress(("load", *target, "--format", "elf", str(image)), "programming", progress)
    progress("comparing", 0, 0)
    _compare(segments, target)
    return sum(len(segment.data) for segment in segments)


def flash_segments(image: Path) -> tuple[Segment, ...]:
    """What `image` puts into the flash, by load address."""
    try:
        with image.open("rb") as file:
            loads = [s for s in ELFFile(file).iter_segments() if s["p_type"] == "PT_LOAD" and s["p_filesz"]]
            return tuple(Segment(int(s["p_paddr"]), bytes(s.data())) for s in loads)
    except (OSError, ELFError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(
            f"The firmware image {image} cannot be read: {reason}.",
            hint="Build it first: make build BOARD=<board>.",
        ) from error


def _choose_probe(probes: Sequence[Probe], wanted: str | None) -> Probe:
    matching = [probe for probe in probes if wanted is None or wanted in probe.unique_id]
    if len(matching) == 1:
        return matching[0]
    if not probes:
        raise _no_probe()
    names = ", ".join(f"{probe.unique_id} ({probe.description})" for probe in probes)
    if not matching:
        raise ToolError(f"No debug probe has the id {wanted}.", hint=f"Connected: {names}.")
    raise ToolError(f"{len(matching)} debug probes are connected.", hint=f"Choose one with --probe ID: {names}.")


def _no_probe() -> ToolError:
    return ToolError(
        "No debug probe is connected.",
        hint="Plug the board's debug USB port (ST-LINK, debug probe) into this computer and try again.",
    )


def _check_target(tool: FlashTool) -> None:
    """pyOCD knows a target by itself or through an installed CMSIS pack."""
    known = {str(target["name"]).lower() for target in _query("json", "--targets").get("targets", [])}
    if tool.target.lower() not in known:
        pack = f" (pack {tool.pack})" if tool.pack else ""
        raise ToolError(
            f"pyOCD does not know the target {tool.target}.",
            hint=f"Install its CMSIS pack{pack}: {sys.executable} -m pyocd pack install {tool.target}",
        )


def _query(*arguments: str) -> dict[str, list[dict[str, object]]]:
    _require_pyocd()
    said = _run(arguments, QUERY_TIMEOUT_S)
    try:
        answer = json.loads(said)
    except ValueError as error:
        raise ToolError("pyOCD gave an answer that is not JSON.", hint=_TRY_ITSELF) from error
    if not isinstance(answer, dict):
        raise ToolError("pyOCD gave an answer of another form than expected.", hint=_TRY_ITSELF)
    return answer


def _require_pyocd() -> None:
    if "pyocd" in PYOCD and find_spec("pyocd") is None:
        raise ToolError("pyOCD is not installed.", hint="pip install 'tinyanime[flash]'")


_TRY_ITSELF = f"Try it alone: {' '.join(PYOCD)} list"


def _run(arguments: Sequence[str], timeout_s: float) -> str:
    """Run pyOCD to its end; its output, or ToolError with the last line of its complaints."""
    done = query("pyOCD", (*PYOCD, *arguments), timeout_s)
    _check_status(arguments[0], done)
    return done.text


def _check_status(what: str, done: ToolOutput) -> None:
    if done.status:
        raise ToolError(
            f"pyOCD ({what}) failed: {done.last_line}.",
            hint="Check the cable and that no debugger is attached; then try again.",
        )


def _run_with_progress(arguments: Sequence[str], stage: str, progress: ProgressReport) -> None:
    _check_status(arguments[0], run_with_progress("pyOCD", (*PYOCD, *arguments), stage, progress))


def _compare(segments: Sequence[Segment], target: Sequence[str]) -> None:
    """Read the flash back and compare it with the image, segment by segment."""
    with tempfile.TemporaryDirectory() as folder:
        commands: list[str] = []
        for index, segment in enumerate(segments):
            path = Path(folder) / f"segment{index}.bin"
            path.write_bytes(segment.data)
            commands += ["-c", f"compare {segment.address:#x} {path}"]
        said = _run(("commander", *target, "--connect", "halt", *commands, "-c", "reset"), FLASH_TIMEOUT_S)
    # The commander ends with success whatever the comparison gave: its words count.
    if said.count("bytes match") != len(segments):
        wrong = next((line.strip() for line in said.splitlines() if "Mismatched" in line), "no comparison was made")
        raise ToolError(f"The flash differs from the image: {wrong}.", hint="Flash again; check cable and power.")
