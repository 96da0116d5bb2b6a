"""Runs flashing tools as programs of their own, passing on the percentages that they print."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tinyanime.codegen.errors import ToolError
from tinyanime.host.console import ProgressReport

FLASH_TIMEOUT_S = 300.0
QUERY_TIMEOUT_S = 60.0

_PERCENT = re.compile(r"(\d+)(?:\.\d+)? ?%")
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@dataclass(frozen=True, slots=True)
class ToolOutput:
    """How a program ended and what it said, without colours; `complaints` is stderr where it was read apart."""

    status: int
    text: str
    complaints: str = ""

    @property
    def lines(self) -> tuple[str, ...]:
        """What it said, line by line, without empty ones; what a progress bar overwrote counts as lines too."""
        return tuple(line.strip() for line in re.split(r"[\r\n]+", self.text + self.complaints) if line.strip())

    @property
    def last_line(self) -> str:
        return self.lines[-1].rstrip(".") if self.lines else "it gave no reason"


def query(name: str, command: Sequence[str], timeout_s: float = QUERY_TIMEOUT_S) -> ToolOutput:
    """Run a program to its end. ToolError where it cannot be started or takes too long."""
    try:
        done = subprocess.run(
            list(command),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as error:
        raise _too_late(name, timeout_s) from error
    except OSError as error:
        raise _not_started(name, command, error) from error
    return ToolOutput(done.returncode, _COLOUR.sub("", done.stdout), _COLOUR.sub("", done.stderr))


def run_with_progress(
    name: str,
    command: Sequence[str],
    stage: str,
    progress: ProgressReport,
    *,
    cwd: Path | None = None,
    timeout_s: float = FLASH_TIMEOUT_S,
) -> ToolOutput:
    """Run a program to its end; its percentages go to `progress`. `name` is for messages.

    Raises ToolError where it cannot be started or is not done within `timeout_s`; then it is ended.
    """
    progress(stage, 0, 100)
    try:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            start_new_session=True,
        )
    except OSError as error:
        raise _not_started(name, command, error) from error
    late = threading.Event()

    def end() -> None:
        late.set()
        _end(process)

    watchdog = threading.Timer(timeout_s, end)
    watchdog.start()
    said = ""
    try:
        with process:
            for text in _output_of(process):
                said += text
                percentages = _PERCENT.findall(text)
                if percentages:
                    progress(stage, int(percentages[-1]), 100)
    except BaseException:
        # Popen leaves it running where Ctrl-C comes: it would go on writing the flash.
        _end(process)
        raise
    finally:
        watchdog.cancel()
    if late.is_set():
        raise _too_late(name, timeout_s)
    if process.returncode == 0:
        progress(stage, 100, 100)
    return ToolOutput(process.returncode, _COLOUR.sub("", said))


def _end(process: subprocess.Popen[bytes]) -> None:
    """With the programs that it has started, idf.py's for example."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _output_of(process: subprocess.Popen[bytes]) -> Iterator[str]:
    assert process.stdout is not None
    while chunk := process.stdout.read1(4096):  # type: ignore[attr-defined]
        yield chunk.decode(errors="replace")


def _not_started(name: str, command: Sequence[str], error: OSError) -> ToolError:
    return ToolError(
        f"{name} cannot be started: {error.strerror or error}.", hint=f"Install it anew; try: {command[0]} --help"
    )


def _too_late(name: str, timeout_s: float) -> ToolError:
    return ToolError(
        f"{name} did not finish within {timeout_s:.0f} s.", hint="Unplug the board, plug it in, try again."
    )
