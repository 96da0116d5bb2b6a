"""The application for NuttX as a program of the PC: link over a pty, reset, a line that goes away, wrong devices."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.support.nuttx_application import PtyLine, build_program, compile_application, configure
from tests.support.picture_project import SIZE, picture_model
from tinyanime.host.link.client import Device
from tinyanime.host.link.messages import State
from tinyanime.host.project import check_same_build, load_reference, open_project
from tinyanime.host.verification import LayerCheck, compare_network, prepare_input

BAUD = 57_600


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("nuttx")
    return compile_application(picture_model(directory / "tiny.onnx"), directory / "application").directory


@pytest.fixture(scope="module")
def program(application: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("apps-tree")
    configure(application, work, {"TINYANIME": "y", "TINYANIME_BAUD": str(BAUD), "TINYANIME_DEVICE": "/dev/absent"})
    return build_program(application, work)


class Running:
    """The program behind a pty."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.line = PtyLine(folder / "tty")
        self.process = subprocess.Popen([program, folder / "tty"], stderr=subprocess.PIPE)
        self.device = Device(self.line)

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def running(program: Path, tmp_path: Path) -> Iterator[Running]:
    board = Running(program, tmp_path)
    yield board
    board.process.kill()
    board.process.wait()
    board.line.close()


def test_every_layer_of_the_application_equals_the_reference_over_a_console(
    running: Running, application: Path
) -> None:
    project = open_project(application, "stm32h743")
    info = running.device.hello()
    check_same_build(project, info, "the pty")
    assert info.self_check == 0
    tensor = np.random.default_rng(7).integers(-128, 128, (1, SIZE, SIZE, 3), dtype=np.int8)
    given = prepare_input(load_reference(project), tensor)
    result = compare_network(running.device, project, given, LayerCheck.BYTES, lambda done, total: None)
    assert result.equal
    layer_bytes = sum(step.bytes for step in project.manifest.steps)
    assert (result.compared_bytes, result.layers_compared) == (layer_bytes + tensor.nbytes, 3)


def test_a_reset_starts_the_application_anew_in_its_process(running: Running) -> None:
    before = running.device.hello()
    running.device.upload(bytes(before.input.size_bytes))
    running.device.reset()
    after = running.device.hello()
    assert after.boot_id != before.boot_id
    assert after.state is State.EMPTY
    assert running.process.poll() is None


def test_a_line_that_goes_away_is_served_again_when_it_is_back(running: Running) -> None:
    assert running.device.hello().board == "stm32h743"
    running.line.close()
    time.sleep(0.3)
    running.line.reopen()
    assert running.device.hello().board == "stm32h743"
    assert running.process.poll() is None


def test_an_application_with_nothing_to_do_sleeps(running: Running) -> None:
    running.device.hello()
    before = running.cpu_seconds()
    time.sleep(1.0)
    assert running.cpu_seconds() - before <= 0.1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["/dev/nowhere"], "tinyanime: /dev/nowhere cannot be opened for the link: No such file or directory\n"),
        ([], "tinyanime: /dev/absent cannot be opened for the link: No such file or directory\n"),
        (["/dev/null"], "tinyanime: /dev/null cannot be opened for the link: Inappropriate ioctl for device\n"),
        (["a", "b"], "tinyanime: takes one argument, the character device of the link\n"),
    ],
)
def test_an_unusable_device_ends_the_program_with_one_sentence(
    program: Path, arguments: list[str], message: str
) -> None:
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=10)
    assert (done.returncode, done.stderr) == (1, message)
