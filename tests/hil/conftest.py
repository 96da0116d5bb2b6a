"""Options and the device under test: `pytest tests/hil [--board B]... [--port P] [--project DIR]`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.picture_project import ROOT, build
from tinyanime.boards.loader import list_boards, load_board
from tinyanime.boards.schema import Board, EmulatorKind
from tinyanime.codegen.compiler import compile_model
from tinyanime.host.emulate.launch import launch
from tinyanime.host.project import Project, Reference, load_reference, open_project
from tinyanime.host.verification import NetworkInput, prepare_input

MODEL = ROOT / "codegen" / "models" / "anime128" / "model.onnx"

_EMULATORS = {EmulatorKind.UNICORN: None, EmulatorKind.QEMU: "qemu-system-arm", EmulatorKind.PROCESS: None}


@dataclass(frozen=True, eq=False)
class DeviceUnderTest:
    """A device at `port` (real or virtual) that runs `project`."""

    board: Board
    project: Project
    reference: Reference
    port: str
    virtual: bool

    def given(self, tensor: NDArray[np.int8]) -> NetworkInput:
        """An input with the reference's results."""
        return prepare_input(self.reference, tensor)

    def expected(self, tensor: NDArray[np.int8]) -> bytes:
        """The output that the reference computes."""
        return self.reference.output(self.reference.run(tensor)).tobytes()

    def random_input(self, seed: int) -> NDArray[np.int8]:
        shape = self.project.manifest.input.shape
        return np.random.default_rng(seed).integers(-128, 128, shape, dtype=np.int8)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("hil", "hardware in the loop")
    group.addoption("--board", action="append", default=[], help="Board under test; default: every virtual board.")
    group.addoption("--port", default=None, help="Port of a real board; default: the virtual board is started.")
    group.addoption(
        "--project", default=None, help="Its project folder; default: build/BOARD with --port, else built anew."
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "board_name" in metafunc.fixturenames:
        # The options do not exist where this folder is collected as a part of the whole test tree.
        named = metafunc.config.getoption("board", default=None)
        metafunc.parametrize("board_name", named or [board.name for board in list_boards()], scope="session")


@pytest.fixture(scope="session")
def dut(
    board_name: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DeviceUnderTest]:
    """The device, started where it is virtual."""
    board = load_board(board_name)
    port = request.config.getoption("port", default=None)
    directory = request.config.getoption("project", default=None)
    project = _project(board, directory, port, tmp_path_factory)
    reference = load_reference(project)
    if port is not None:
        yield DeviceUnderTest(board, project, reference, port, False)
        return
    emulator = _EMULATORS[board.emulator.kind]
    if emulator is not None and shutil.which(emulator) is None:
        pytest.skip(f"{emulator} is not installed: the virtual {board.name} cannot run")
    with launch(board, project.bundle.virtual_image) as running:
        yield DeviceUnderTest(board, project, reference, running.port, True)


def _project(
    board: Board, directory: str | None, port: str | None, tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """The project named, else what a real board was flashed from, else the shipped model, compiled and built here."""
    if directory is not None:
        return open_project(Path(directory), board.name)
    if port is not None:
        return open_project(ROOT / "build" / board.name, board.name)
    compiler = f"{board.toolchain.prefix}gcc"
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed: firmware for {board.name} cannot be built")
    target = tmp_path_factory.mktemp("hil") / board.name
    compile_model(MODEL, board, target)
    build(target)
    return open_project(target, board.name)
