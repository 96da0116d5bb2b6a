"""Starts a virtual board as a child process and switches it off again."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import IO

from tinyanime.boards.schema import Board
from tinyanime.codegen.errors import InputError
from tinyanime.host.emulate.machine import EmulationError

_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 3.0


class RunningBoard:
    """A virtual board that serves at `port`; `close` (or leaving the context) switches it off."""

    def __init__(self, process: subprocess.Popen[str], port: str, log: IO[bytes]) -> None:
        self._process = process
        self._log = log
        self._text = ""
        self.port = port

    @property
    def log(self) -> str:
        """What the board has said on stderr so far: resets, and the error that ended it."""
        if not self._log.closed:
            self._text = _text_of(self._log)
        return self._text

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def ended(self, timeout_s: float) -> bool:
        """Whether it has ended or does so within `timeout_s`: its port closes a little earlier."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def close(self) -> None:
        """Ends the child process, by force where it does not end by itself."""
        _end(self._process)
        _ = self.log
        self._log.close()

    def __enter__(self) -> RunningBoard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def launch(
    board: Board, image: Path, *, tcp_port: int | None = None, settings: tuple[tuple[str, str], ...] = ()
) -> RunningBoard:
    """Boots `image` on the virtual `board`; returns once its port can be opened.

    InputError (unusable image) or EmulationError where the board does not come up, in the child's words.
    """
    command = [sys.executable, "-m", "tinyanime.host.emulate", str(board.source), str(image)]
    if tcp_port is not None:
        command += ["--tcp", str(tcp_port)]
    for name, value in settings:
        command += ["--set", f"{name}={value}"]
    log = tempfile.TemporaryFile()  # noqa: SIM115 (closed by RunningBoard)
    process = subprocess.Popen(
        # The child ends with its input, which the system closes however this process ends.
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        env=dict(os.environ),
    )
    line = _first_line(process)
    if line.startswith("port "):
        return RunningBoard(process, line.removeprefix("port ").strip(), log)
    _end(process)
    said = _text_of(log).strip().removeprefix("Error: ")
    log.close()
    message, _, hint = said.partition("\n")
    # The child says which kind of error it was by its exit code.
    kind = InputError if process.returncode == InputError.exit_code else EmulationError
    raise kind(
        message or f"The virtual {board.name} did not start within {_START_TIMEOUT_S:.0f} s.",
        hint=hint or "Run it by hand to see more: tinyanime emulate --board " + board.name,
    )


def _first_line(process: subprocess.Popen[str]) -> str:
    """What the child prints first; empty where it ends or takes too long. Drains the pipe from then on."""
    lines: queue.Queue[str] = queue.Queue()
    assert process.stdout is not None
    stream = process.stdout

    def drain() -> None:
        for line in stream:
            lines.put(line)
        lines.put("")

    threading.Thread(target=drain, daemon=True).start()
    try:
        return lines.get(timeout=_START_TIMEOUT_S)
    except queue.Empty:
        return ""


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _text_of(log: IO[bytes]) -> str:
    return os.pread(log.fileno(), 1 << 20, 0).decode(errors="replace")
