"""No virtual board outlives who started it, whichever process of the chain is killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.port_probe import build_arm_probe, build_posix_probe
from tinyanime.host.emulate import qemu

pytestmark = pytest.mark.skipif(not Path(f"/proc/{os.getpid()}/task").is_dir(), reason="needs /proc")

_PARENT = """
import signal, sys, time
from pathlib import Path
from tinyanime.boards.loader import load_board
from tinyanime.host.emulate.launch import launch
# A shell that runs the tests in the background has its children ignore SIGINT.
signal.signal(signal.SIGINT, signal.default_int_handler)
with launch(load_board(sys.argv[1]), Path(sys.argv[2])) as board:
    print(board._process.pid, flush=True)
    time.sleep(600)
"""
_ENDS_WITHIN_S = 8.0


def _start(board: str, image: Path, cache: Path) -> tuple[subprocess.Popen[str], int]:
    """A process that launched `board`, and the process id of the one that serves it."""
    command = [sys.executable, "-c", _PARENT, board, str(image)]
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert parent.stdout is not None
    return parent, int(parent.stdout.readline())


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def _gone(*pids: int) -> bool:
    deadline = time.monotonic() + _ENDS_WITHIN_S
    while any(map(_alive, pids)):
        if time.monotonic() > deadline:
            for pid in pids:
                if _alive(pid):
                    os.kill(pid, signal.SIGKILL)
            return False
        time.sleep(0.05)
    return True


def _killing_the_parent_ends(board: str, image: Path, cache: Path, number: signal.Signals) -> None:
    parent, server = _start(board, image, cache)
    programs = _children(server)
    assert len(programs) == 1
    assert len(list(cache.glob("tinyanime/boards/*.json"))) == 1
    parent.send_signal(number)
    parent.communicate(timeout=_ENDS_WITHIN_S)
    assert _gone(server, *programs)
    assert not list(cache.glob("tinyanime/boards/*"))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_board_ends_and_is_unregistered_when_who_launched_it_is_killed(
    tmp_path: Path, number: signal.Signals
) -> None:
    _killing_the_parent_ends("posix", build_posix_probe(tmp_path), tmp_path / "cache", number)


@pytest.mark.skipif(
    shutil.which(qemu.PROGRAM) is None or shutil.which("arm-none-eabi-gcc") is None,
    reason="needs qemu-system-arm and arm-none-eabi-gcc (make setup)",
)
def test_qemu_ends_when_its_server_or_who_launched_that_is_killed(tmp_path: Path) -> None:
    image = build_arm_probe(tmp_path, "mps2-an500", "psram")
    _killing_the_parent_ends("mps2-an500", image, tmp_path / "cache", signal.SIGKILL)
    parent, server = _start("mps2-an500", image, tmp_path / "cache")
    programs = _children(server)
    os.kill(server, signal.SIGKILL)
    assert _gone(server, *programs)
    parent.kill()
    parent.communicate()
