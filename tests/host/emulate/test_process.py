"""The posix board behind pty and TCP: bytes, clients that come and go, switching off, programs that die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.picture_project import assert_one_clear_error, tinyanime
from tests.support.port_probe import build_posix_probe, inverted
from tests.support.served_board import ServedBoard, probe_on, served
from tinyanime.boards.loader import load_board
from tinyanime.codegen.errors import InputError
from tinyanime.host.emulate import process
from tinyanime.host.emulate.machine import EmulationError

POSIX = load_board("posix")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_posix_probe(tmp_path_factory.mktemp("probe"))


@pytest.mark.parametrize("tcp_port", [None, 0])
def test_the_host_talks_to_the_process_through_the_announced_port(program: Path, tcp_port: int | None) -> None:
    data = bytes(range(256)) * 128
    with served(process.serve, POSIX, program, tcp_port) as board:
        port = board.port()
        assert port.startswith("/dev/") if tcp_port is None else port.startswith("socket://127.0.0.1:")
        with probe_on(port) as probe:
            probe.synchronize()
            assert probe.echo(data) == inverted(data)


@pytest.mark.parametrize("tcp_port", [None, 0])
def test_a_second_client_finds_the_board_as_the_first_left_it(program: Path, tcp_port: int | None) -> None:
    with served(process.serve, POSIX, program, tcp_port) as board:
        port = board.port()
        with probe_on(port) as probe:
            probe.synchronize()
            first = probe.info()
        time.sleep(0.1)
        with probe_on(port) as probe:
            assert probe.info().milliseconds > first.milliseconds
            assert probe.echo(b"second") == inverted(b"second")


def test_a_reset_is_seen_by_the_same_client(program: Path) -> None:
    with served(process.serve, POSIX, program) as board, probe_on(board.port()) as probe:
        probe.synchronize()
        probe.write(b"r")
        probe.expect_start()
        assert probe.echo(b"x") == inverted(b"x")


def test_switching_off_ends_serve_within_a_second_and_leaves_no_process(program: Path) -> None:
    board = ServedBoard(process.serve, POSIX, program, None)
    board.port()
    assert _processes_of(program)
    assert board.switch_off() < 1.5
    assert board.error is None
    assert not _processes_of(program)


def test_ctrl_c_in_the_terminal_switches_the_board_off_without_an_error(program: Path) -> None:
    """Ctrl-C signals the whole foreground process group: the board's own process must not hear it."""
    command = [sys.executable, "-m", "tinyanime.host.cli", "emulate", "--board", "posix", "--image", str(program)]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0)
    assert running.stdout is not None
    assert "is running at" in running.stdout.readline()
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=10)
    assert running.returncode == 0
    assert said == "Press Ctrl-C to switch it off.\n"
    assert not _processes_of(program)


def test_a_setting_is_refused_where_there_are_none(program: Path, tmp_path: Path) -> None:
    done = tinyanime("emulate", "--board", "posix", "--image", program, "--set", "revision=Y", cwd=tmp_path)
    assert_one_clear_error(done, 2, "posix has no settings")


def test_a_program_that_crashes_is_reported_with_its_signal(program: Path) -> None:
    with served(process.serve, POSIX, program) as board, probe_on(board.port()) as probe:
        probe.synchronize()
        probe.write(b"x")
        board.thread.join(10)
    assert isinstance(board.error, EmulationError)
    assert f"ended by signal {signal.SIGSEGV.value}" in board.error.message
    assert board.error.hint


def test_the_last_line_of_a_failing_program_is_part_of_the_message(tmp_path: Path) -> None:
    script = tmp_path / "firmware.elf"
    script.write_text("#!/bin/sh\necho first >&2\necho 'runtime error: bad shift' >&2\nexit 3\n")
    script.chmod(0o755)
    with served(process.serve, POSIX, script) as board:
        board.thread.join(10)
    assert isinstance(board.error, EmulationError)
    assert "ended with status 3: runtime error: bad shift." in board.error.message


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    with served(process.serve, POSIX, tmp_path / "none.elf") as board:
        board.thread.join(10)
    assert isinstance(board.error, InputError)
    assert "none.elf' does not exist" in board.error.message


def test_an_image_of_another_machine_is_one_sentence(tmp_path: Path) -> None:
    image = tmp_path / "firmware.elf"
    image.write_bytes(b"\x7fELF\x01\x01\x01" + bytes(64))
    image.chmod(0o755)
    with served(process.serve, POSIX, image) as board:
        board.thread.join(10)
    assert isinstance(board.error, EmulationError)
    assert "does not start on this PC" in board.error.message


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs the parent-death signal of Linux")
def test_the_child_ends_even_when_its_parent_is_killed(tmp_path: Path) -> None:
    # The child ignores the end of its input: only the death signal can end it.
    parent = (
        "import subprocess, time\n"
        "from tinyanime.host.emulate.child import start_child\n"
        "child = start_child(['sleep', '600'], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        child = int(running.stdout.readline())
        assert _alive(child)
        running.kill()
        running.wait()
    deadline = time.monotonic() + 5
    while _alive(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _alive(child)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def _processes_of(program: Path) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                target = os.readlink(entry / "exe")  # noqa: PTH115 (a deleted program has no resolvable path)
            except OSError:
                continue
            if Path(target) == program.resolve():
                found.append(int(entry.name))
    return found
