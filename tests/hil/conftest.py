"""Options, the devices under test, and the table at the end.

pytest tests/hil [--farm FILE] [--board B]... [--port P] [--project DIR] [-n auto]
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from xdist.scheduler.loadscope import LoadScopeScheduling

from tests.hil.farm import Farm, FarmBoard, load_farm, virtual_farm
from tests.hil.flashing import flash_board
from tests.hil.networks import AS_GIVEN, SHIPPED, SMALL, Network
from tests.hil.port_lock import port_locked
from tests.hil.table import Table
from tests.support.picture_project import ROOT, build
from tinyanime.boards.loader import load_board
from tinyanime.boards.schema import Board, EmulatorKind
from tinyanime.codegen.compiler import compile_model
from tinyanime.codegen.errors import UserError
from tinyanime.host.emulate.launch import launch
from tinyanime.host.project import Project, Reference, built_virtual_image, load_reference, open_project
from tinyanime.host.verification import NetworkInput, prepare_input

OUTPUT = ROOT / "build" / "hil"
_FARM = pytest.StashKey[Farm]()
_CASES = pytest.StashKey[tuple["Case", ...]]()


@dataclass(frozen=True, slots=True)
class Case:
    """A board that runs a network."""

    entry: FarmBoard
    network: Network

    def __str__(self) -> str:
        return f"{self.entry.label}/{self.network.name}"


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


class Ledger:
    """Counts what a test compares, for the table."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._properties: list[tuple[str, object]] = request.node.user_properties
        self._compared = self._differing = 0

    def count(self, compared: int, differing: int) -> None:
        """Bytes compared and how many of them differed; the test itself says whether that is a failure."""
        self._compared += compared
        self._differing += differing
        kept = [item for item in self._properties if item[0] not in ("compared_bytes", "differing_bytes")]
        counts = [("compared_bytes", self._compared), ("differing_bytes", self._differing)]
        self._properties[:] = [*kept, *counts]

    def equal(self, actual: bytes, expected: bytes) -> None:
        """Fails unless both are the same bytes."""
        differing = sum(a != b for a, b in zip(actual, expected, strict=False)) + abs(len(actual) - len(expected))
        self.count(len(expected), differing)
        assert differing == 0, f"{differing} of {len(expected)} bytes differ"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("hil", "hardware in the loop")
    group.addoption("--farm", default=None, help="TOML file of the boards under test (tests/hil/farm.example.toml).")
    group.addoption("--board", action="append", default=[], help="Board under test; default: every virtual board.")
    group.addoption("--port", default=None, help="Port of a real board; default: the virtual board is started.")
    group.addoption(
        "--project", default=None, help="Its project folder; default: build/BOARD with --port, else built anew."
    )
    group.addoption("--hil-output", default=str(OUTPUT), help="Folder for table.json.")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "every_network: runs on large networks too, once per board")
    _farm(config)
    # Where the whole test tree is run, the options do not exist and nobody asked for a table.
    if config.getoption("hil_output", default=None) and not hasattr(config, "workerinput"):
        config.pluginmanager.register(TableReporter(Path(config.getoption("hil_output"))), "hil-table")


def _farm(config: pytest.Config) -> Farm:
    """The boards that the options name; asked for even before pytest is configured."""
    if _FARM not in config.stash:
        try:
            config.stash[_FARM] = _named_farm(config)
        except UserError as error:
            raise pytest.UsageError(f"{error.message} {error.hint}") from error
    return config.stash[_FARM]


def _named_farm(config: pytest.Config) -> Farm:
    path, names, port = (config.getoption(name, default=None) for name in ("farm", "board", "port"))
    if path is not None:
        if names or port:
            raise pytest.UsageError("--farm names the boards and their ports: leave --board and --port out.")
        return load_farm(Path(path))
    project = config.getoption("project", default=None)
    if port is None and project is None:
        return virtual_farm(names or ())
    if len(names or ()) != 1:
        raise pytest.UsageError("--port and --project belong to one board: name it with --board.")
    entry = FarmBoard(load_board(names[0]), port, project=None if project is None else Path(project))
    return Farm((entry,))


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """As many workers as boards, at most one per core."""
    labels = {entry.label for entry in _farm(config).boards}
    return min(len(labels), os.cpu_count() or 1)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    """Board by board, all tests of one on the same worker.

    Not `--dist loadgroup`: xdist marks the tests for it in a way that pytest 9 ignores.
    """
    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = _group_of
    return scheduler


def _group_of(nodeid: str) -> str:
    """The board's label that a test's id holds ("test_x[rp2040/small]"), the file of other tests."""
    label, slash, _ = nodeid.partition("[")[2].partition("/")
    return label if slash else nodeid.partition("::")[0]


class TableReporter:
    """Gathers the reports of every worker; prints and writes the table."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._table = Table()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._table.add(report)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._table.rows:
            return
        terminalreporter.section("boards")
        for line in self._table.lines():
            terminalreporter.write_line(line)
        terminalreporter.write_line(f"written to {self._table.write(self._folder)}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "dut" not in metafunc.fixturenames:
        return
    everywhere = any(mark.name == "every_network" for mark in metafunc.definition.iter_markers())
    cases = [case for case in _cases(metafunc.config) if everywhere or case.network.every_test]
    metafunc.parametrize("dut", cases, ids=str, indirect=True, scope="session")


def _cases(config: pytest.Config) -> tuple[Case, ...]:
    """Always the same objects: pytest sets a device up again for what is not the same."""
    if _CASES not in config.stash:
        boards = _farm(config).boards
        config.stash[_CASES] = tuple(Case(entry, network) for entry in boards for network in _networks(entry))
    return config.stash[_CASES]


def _networks(entry: FarmBoard) -> tuple[Network, ...]:
    as_given = entry.project is not None or not (entry.virtual or entry.flash)
    return (AS_GIVEN,) if as_given else (SHIPPED, SMALL)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """All tests of a device one after the other, and whose test it is in every report, whatever becomes of it."""
    ours = [(index, case) for index, item in enumerate(items) if (case := _case_of(item)) is not None]
    for index, case in ours:
        items[index].user_properties += [
            ("board", case.entry.board.name),
            ("network", case.network.name),
            ("place", case.entry.place),
        ]
    cases = _cases(config) if ours else ()
    in_order = sorted(ours, key=lambda pair: cases.index(pair[1]))
    sorted_items = [items[index] for index, _ in in_order]
    for (index, _), item in zip(ours, sorted_items, strict=True):
        items[index] = item


def _case_of(item: pytest.Item) -> Case | None:
    case = item.callspec.params.get("dut") if hasattr(item, "callspec") else None
    return case if isinstance(case, Case) else None


@pytest.fixture
def ledger(request: pytest.FixtureRequest) -> Ledger:
    return Ledger(request)


@pytest.fixture(scope="session")
def dut(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeviceUnderTest]:
    """The device: started where it is virtual, else locked, and flashed where the farm says so."""
    case: Case = request.param
    entry = case.entry
    with ExitStack() as stack:
        try:
            project = _project(case, tmp_path_factory)
            reference = load_reference(project)
            if entry.port is None:
                port = stack.enter_context(launch(entry.board, built_virtual_image(project))).port
            else:
                port = entry.port
                stack.enter_context(port_locked(port, _farm(request.config).lock_timeout_s))
                if entry.flash:
                    flash_board(entry, project)
        except UserError as error:
            pytest.fail(f"{entry.label}: {error.message} {error.hint}", pytrace=False)
        yield DeviceUnderTest(entry.board, project, reference, port, entry.virtual)


def _project(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project named, else what a real board was flashed from, else the network, compiled and built here."""
    entry = case.entry
    if case.network is AS_GIVEN:
        return open_project(entry.project or ROOT / "build" / entry.board.name, entry.board.name)
    _skip_without_programs(entry)
    folder = tmp_path_factory.mktemp("hil")
    target = folder / entry.board.name
    compile_model(case.network.model(folder), entry.board, target)
    build(target)
    return open_project(target, entry.board.name)


def _skip_without_programs(entry: FarmBoard) -> None:
    board = entry.board
    programs = [f"{board.toolchain.prefix}gcc"]
    if entry.virtual and board.emulator.kind is EmulatorKind.QEMU:
        programs.append("qemu-system-xtensa" if board.core.startswith("xtensa") else "qemu-system-arm")
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed: {board.name} cannot be tested")
