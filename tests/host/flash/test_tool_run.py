"""Flashing tools as programs of their own: what they have started ends with them."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from tinyanime.codegen.errors import ToolError
from tinyanime.host.flash.tool_run import run_with_progress

PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open(sys.argv[1], "w").write(str(child.pid))
print("10 %", flush=True)
child.wait()
"""


def runs(pid: int) -> bool:
    """Whether the process is there and has not ended; nobody may have asked how it ended yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while runs(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture
def command(tmp_path: Path) -> tuple[str, ...]:
    """A tool that starts another one, whose process id it leaves in the file `pid`."""
    if not Path("/proc/self").is_dir():
        pytest.skip("processes are looked up in /proc")
    return (sys.executable, "-c", PARENT, str(tmp_path / "pid"))


def test_an_interrupted_tool_does_not_go_on_writing(tmp_path: Path, command: tuple[str, ...]) -> None:
    def interrupt(stage: str, done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_with_progress("tool", command, "programming", interrupt)
    assert gone(int((tmp_path / "pid").read_text()))


def test_a_tool_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path, command: tuple[str, ...]) -> None:
    with pytest.raises(ToolError, match="did not finish within 1 s"):
        run_with_progress("tool", command, "programming", lambda stage, done, total: None, timeout_s=1)
    assert gone(int((tmp_path / "pid").read_text()))
