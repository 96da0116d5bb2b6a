"""The PC's port: the UART over pipes, clocks, reset, the end of input; under GCC and Clang with sanitizers."""

from __future__ import annotations

import os
import random
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.port_probe import Probe, build_posix_probe, inverted


@pytest.fixture(scope="module", params=["gcc", "clang"])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp(f"probe_{request.param}")
    return build_posix_probe(directory, f"CC={request.param}", "SANITIZE=1")


class RunningProgram:
    """The probe as a child with pipes."""

    def __init__(self, program: Path) -> None:
        self.process = subprocess.Popen(
            [str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
        )
        self.probe = Probe(self.read, self.write)
        self.probe.expect_start()

    def read(self, count: int) -> bytes:
        assert self.process.stdout is not None
        data = b""
        while len(data) < count:
            part = self.process.stdout.read(count - len(data))
            assert part, "the program ended"
            data += part
        return data

    def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        while data:
            data = data[self.process.stdin.write(data) or 0 :]

    def end(self) -> tuple[int, bytes]:
        """Closes the input; exit status and messages."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.stderr is not None
        messages = self.process.stderr.read()
        return self.process.wait(5), messages


@pytest.fixture
def running(program: Path) -> Iterator[RunningProgram]:
    board = RunningProgram(program)
    yield board
    board.process.kill()
    board.process.wait()


def test_bytes_of_every_value_pass_in_both_directions(running: RunningProgram) -> None:
    data = bytes(range(256)) * 8
    assert running.probe.echo(data) == inverted(data)


def test_the_end_of_input_ends_the_program_with_status_0_and_no_message(running: RunningProgram) -> None:
    assert running.probe.echo(b"ping") == inverted(b"ping")
    assert running.end() == (0, b"")


def test_a_closed_output_ends_the_program_with_status_0(running: RunningProgram) -> None:
    assert running.process.stdout is not None
    running.process.stdout.close()
    running.write(b"i")
    assert running.process.wait(5) == 0


def test_a_reset_starts_the_program_anew_in_the_same_process(running: RunningProgram) -> None:
    time.sleep(0.05)
    before = running.probe.info()
    running.write(b"r")
    running.probe.expect_start()
    after = running.probe.info()
    assert running.process.poll() is None
    assert before.milliseconds >= 50
    assert after.milliseconds < before.milliseconds
    assert running.probe.echo(b"again") == inverted(b"again")


def test_input_that_arrives_while_the_output_is_stuck_is_kept(running: RunningProgram) -> None:
    # 120,000 bytes out without a reader, 100,000 in meanwhile: both directions are beyond what a pipe holds.
    flood = b"f" + (60_000).to_bytes(2, "little")
    data = random.Random(5).randbytes(50_000)
    echo = b"e" + len(data).to_bytes(2, "little") + data
    running.write(flood * 2)
    time.sleep(0.2)
    writer = threading.Thread(target=running.write, args=(echo * 2,), daemon=True)
    writer.start()
    writer.join(10)
    assert not writer.is_alive(), "the program stopped taking input"
    assert running.read(120_000) == bytes(index & 0xFF for index in range(60_000)) * 2
    assert running.read(2 * len(data)) == inverted(data) * 2


def test_clocks_run_and_agree_and_unknown_values_are_as_documented(running: RunningProgram) -> None:
    first = running.probe.info()
    time.sleep(0.1)
    second = running.probe.info()
    elapsed_ms = second.milliseconds - first.milliseconds
    elapsed_cycles = (second.cycles - first.cycles) % 2**32
    assert 95 <= elapsed_ms <= 2000
    assert abs(elapsed_cycles / 1e6 - elapsed_ms) <= 2
    assert first.clock_hz == 1_000_000_000
    assert first.stack_free_bytes == 0xFFFFFFFF
    assert first.unique_id == bytes(12)


def test_an_idle_program_leaves_the_processor_to_others(running: RunningProgram) -> None:
    time.sleep(0.5)
    fields = Path(f"/proc/{running.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    used_seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    assert used_seconds < 0.25
