"""The executor and the main loop on the PC."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.link_programs import EXECUTOR, SANITIZERS, compile_program, stdio_firmware
from tinyanime.host.link import messages as m
from tinyanime.host.link.codec import Frame, FrameReader, encode_frame
from tinyanime.host.link.device_info import DeviceInfo


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_the_executor_does_every_command_times_waits_and_keeps_failures(tmp_path: Path, compiler: str) -> None:
    source = Path(__file__).with_name("check_executor.c")
    program = compile_program(tmp_path / "check", (EXECUTOR, source), *SANITIZERS, compiler=compiler)
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def talk(*requests: bytes) -> list[Frame]:
    """Frames that a fresh firmware process sends until its input ends."""
    done = subprocess.run([stdio_firmware()], input=b"".join(requests), capture_output=True, timeout=20, check=True)
    assert done.stderr == b""
    return FrameReader().feed(done.stdout)


def test_the_main_loop_answers_between_garbage() -> None:
    hello = encode_frame(Frame(m.Kind.HELLO, 5))
    with subprocess.Popen([stdio_firmware()], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"\x13garbage" + hello + b"\xff" * 5000 + hello)
        process.stdin.flush()
        reader, frames = FrameReader(), list[Frame]()
        while len(frames) < 2:
            frames += reader.feed(os.read(process.stdout.fileno(), 4096))
        process.stdin.close()
        assert process.wait(timeout=10) == 0
    assert [(frame.type, frame.sequence) for frame in frames] == [(0x81, 5), (0x81, 5)]
    info = DeviceInfo.unpack(frames[0].payload, frames[0].version)
    assert (info.board, info.self_check) == ("posix", 0)


def test_the_main_loop_ends_cleanly_when_its_line_does() -> None:
    assert talk() == []
