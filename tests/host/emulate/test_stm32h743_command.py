"""`tinyanime emulate` as a subprocess."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import serial

from tests.support.hello_firmware import build_hello

PROGRAM = Path(sys.executable).with_name("tinyanime")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_hello(tmp_path_factory.mktemp("hello"))


def refused(directory: Path, *arguments: str) -> tuple[int, str]:
    command = [str(PROGRAM), "emulate", *arguments]
    result = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in result.stderr
    assert "hint:" in result.stderr
    assert result.stdout == ""
    return result.returncode, result.stderr


def test_it_prints_a_port_serves_it_and_ends_cleanly_on_sigterm(tmp_path: Path, image: Path) -> None:
    command = [str(PROGRAM), "emulate", "--board", "stm32h743", "--image", str(image), "--tcp", "0"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    port = process.stdout.readline().split()[-1]
    assert port.startswith("socket://127.0.0.1:")
    with serial.serial_for_url(port, timeout=10) as link:
        link.write(b"\x1bh")
        assert link.read_until(b"ready\n").endswith(b"ready\n")
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "Traceback" not in said


def test_firmware_that_leaves_the_model_ends_it_with_exit_code_5_and_a_sentence(tmp_path: Path, image: Path) -> None:
    command = [str(PROGRAM), "emulate", "--board", "stm32h743", "--image", str(image)]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    port = process.stdout.readline().split()[-1]
    with serial.serial_for_url(port, timeout=10) as link:
        link.write(b"\x1bm")
        _, said = process.communicate(timeout=20)
    assert process.returncode == 5
    assert "read 4 bytes from 0x50000010, where nothing is mapped" in said
    assert "Traceback" not in said


def test_a_project_that_was_not_compiled_is_named(tmp_path: Path) -> None:
    code, said = refused(tmp_path, "--board", "stm32h743")
    assert code == 3
    assert "build/stm32h743 is not a compiled project" in said


def test_an_image_that_is_missing_or_for_the_pc_is_refused(tmp_path: Path) -> None:
    code, said = refused(tmp_path, "--board", "stm32h743", "--image", "absent.elf")
    assert (code, "There is no firmware image absent.elf" in said) == (3, True)
    code, said = refused(tmp_path, "--board", "stm32h743", "--image", str(Path(sys.executable).resolve()))
    assert (code, "is not firmware for an ARM chip" in said) == (3, True)


def test_a_malformed_setting_and_a_busy_port_are_refused(tmp_path: Path, image: Path) -> None:
    common = ("--board", "stm32h743", "--image", str(image))
    code, said = refused(tmp_path, *common, "--set", "revision")
    assert (code, "not of the form NAME=VALUE" in said) == (2, True)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        number = other.getsockname()[1]
        code, said = refused(tmp_path, *common, "--tcp", str(number))
    assert (code, f"TCP port {number} cannot be opened" in said) == (5, True)
