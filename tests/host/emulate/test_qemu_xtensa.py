"""The virtual esp32s3, started by the product's own `serve`: serial port, cycles, reset, faults, wrong images."""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from tests.support.picture_project import picture_project
from tests.support.port_probe import PROBE, ROOT, inverted
from tests.support.served_board import ServedBoard, probe_on, served
from tinyanime.boards.loader import load_board
from tinyanime.boards.schema import MemoryUse
from tinyanime.codegen.board_support import port_folders
from tinyanime.codegen.emit.project import project_templates
from tinyanime.codegen.emit.render import environment
from tinyanime.codegen.errors import InputError, ToolError
from tinyanime.host.emulate import qemu_xtensa
from tinyanime.host.emulate.machine import EmulationError
from tinyanime.host.link.client import open_device
from tinyanime.host.project import load_reference, open_project

BOARD = load_board("esp32s3")
COMPILER = f"{BOARD.toolchain.prefix}gcc"

pytestmark = pytest.mark.skipif(
    shutil.which(qemu_xtensa.PROGRAM) is None or shutil.which(COMPILER) is None,
    reason="needs qemu-system-xtensa and xtensa-lx106-elf-gcc (make setup)",
)

FAULTS = """
#include "tinyanime/port.h"
int main(void);
__attribute__((noinline)) static void run_down(volatile int *deep) {
    volatile int frame[64];
    frame[0] = *deep;
    run_down(frame);
    frame[1] = 0;
}
__attribute__((noinline)) static void load_nothing(void) {
    (void)*(volatile int *)0x20000000;
}
__attribute__((noinline)) static void run_rubbish(void) {
    __asm volatile("ill");
}
int main(void) {
    int begin = 0;
    ta_port_init();
    switch (FAULT) {
    case 0: load_nothing(); break;
    case 1: run_rubbish(); break;
    default: run_down(&begin); break;
    }
}
"""


def _built(directory: Path, main: Path, *flags: str) -> Path:
    """The virtual board's program with `main` in place of network, link and main loop."""
    for folder in ("include", *port_folders(BOARD)):
        shutil.copytree(ROOT / "firmware" / folder, directory / "firmware" / folder)
    shutil.copy(main, directory / "main.c")
    context = {
        "board": BOARD,
        "MemoryUse": MemoryUse,
        "stack_bytes": BOARD.stack_bytes,
        "sources": sorted(str(p.relative_to(directory)) for end in ("c", "S") for p in directory.rglob(f"*.{end}")),
        "cmsis_sources": [],
        "esp_nn_sources": [],
        "host_defines": [],
        "include_dirs": ["board", "firmware/include"],
    }
    for target, template in project_templates(BOARD).items():
        if target.startswith(("virtual/", "board/")):
            (directory / target).parent.mkdir(exist_ok=True)
            (directory / target).write_text(environment().get_template(template).render(context), encoding="utf-8")
    command = ["make", "-j2", "-C", str(directory / "virtual"), f"CC={' '.join((COMPILER, *flags))}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return directory / "virtual" / "build" / "firmware.elf"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("probe")
    main = directory / "probe.c"
    # Debian's library for the core lacks floating-point products, and nothing of a network needs them.
    main.write_text(PROBE.read_text().replace("factor * factor", "factor"))
    return _built(directory / "project", main)


@pytest.mark.parametrize("tcp_port", [None, 0])
def test_the_program_answers_over_the_announced_port(image: Path, tcp_port: int | None) -> None:
    data = random.Random(11).randbytes(20_000)
    with served(qemu_xtensa.serve, BOARD, image, tcp_port) as board, probe_on(board.port()) as probe:
        probe.synchronize()
        assert probe.echo(data) == inverted(data)


def test_cycles_are_the_instructions_executed(image: Path) -> None:
    with served(qemu_xtensa.serve, BOARD, image) as board, probe_on(board.port()) as probe:
        probe.synchronize()
        counts = [probe.loop_cycles(60_000) - probe.loop_cycles(10_000) for _ in range(5)]
    assert all(abs(count - 2 * 50_000) <= 100 for count in counts), counts


def test_time_goes_on_while_the_board_waits_and_the_stack_is_measured(image: Path) -> None:
    with served(qemu_xtensa.serve, BOARD, image) as board, probe_on(board.port()) as probe:
        probe.synchronize()
        first = probe.info()
        time.sleep(0.3)
        second = probe.info()
    assert 200 <= second.milliseconds - first.milliseconds <= 2_000
    assert first.clock_hz == BOARD.clock_hz
    assert BOARD.stack_bytes // 2 < first.stack_free_bytes < BOARD.stack_bytes
    assert first.unique_id == bytes(12)


def test_input_that_comes_during_a_long_answer_is_kept(image: Path) -> None:
    with served(qemu_xtensa.serve, BOARD, image) as board, probe_on(board.port()) as probe:
        probe.synchronize()
        probe.write(b"f" + (60_000).to_bytes(2, "little") + b"e\x04\x00wait")
        assert probe.read(60_000) == bytes(index & 0xFF for index in range(60_000))
        assert probe.read(4) == inverted(b"wait")


def test_the_board_starts_anew_after_a_reset(image: Path) -> None:
    with served(qemu_xtensa.serve, BOARD, image) as board, probe_on(board.port()) as probe:
        probe.synchronize()
        for _ in range(2):
            probe.write(b"r")
            probe.expect_start()
            assert probe.echo(b"after") == inverted(b"after")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (0, ("load_nothing", "to 0x20000000")),
        (1, ("run_rubbish", "illegal instruction")),
        (2, ("run_down", "to 0x3ff3ff")),
    ],
    ids=["no memory", "illegal", "stack overflow"],
)
def test_a_fault_ends_the_board_and_names_function_and_address(
    tmp_path: Path, fault: int, words: tuple[str, ...]
) -> None:
    main = tmp_path / "faults.c"
    main.write_text(FAULTS)
    program = _built(tmp_path / "project", main, f"-DFAULT={fault}", "-Wno-infinite-recursion")
    board = ServedBoard(qemu_xtensa.serve, BOARD, program, None)
    board.thread.join(20)
    assert isinstance(board.error, EmulationError)
    for word in ("The firmware faulted in", *words):
        assert word in board.error.message, board.error.message


def test_switching_off_ends_serve_within_a_second(image: Path) -> None:
    board = ServedBoard(qemu_xtensa.serve, BOARD, image, None)
    board.port()
    assert board.switch_off() < 1.5
    assert board.error is None


def test_a_project_computes_what_the_reference_computes() -> None:
    project = open_project(picture_project("esp32s3"), "esp32s3")
    reference = load_reference(project)
    shape = project.manifest.input.shape
    tensor = np.random.default_rng(5).integers(-128, 128, shape, dtype=np.int8)
    with (
        served(qemu_xtensa.serve, BOARD, project.bundle.virtual_image) as board,
        open_device(board.port()) as device,
    ):
        assert device.hello().board == "esp32s3"
        output = device.infer(tensor.tobytes()).output
    assert output == reference.output(reference.run(tensor)).tobytes()


def test_images_for_other_machines_are_refused(tmp_path: Path) -> None:
    pc_program = tmp_path / "pc.elf"
    subprocess.run(["gcc", "-x", "c", "-", "-o", str(pc_program)], input=b"int main(void) { return 0; }", check=True)
    elsewhere = tmp_path / "elsewhere.elf"
    command = [COMPILER, "-nostdlib", "-Wl,-Ttext=0x42000020", "-Wl,-emain", "-x", "c", "-", "-o", str(elsewhere)]
    subprocess.run(command, input=b"int main(void); int main(void) { return 0; }", check=True)
    for image, words in ((pc_program, "is not firmware for an Xtensa chip"), (elsewhere, "virtual/build/firmware.elf")):
        board = ServedBoard(qemu_xtensa.serve, BOARD, image, None)
        board.thread.join(20)
        assert isinstance(board.error, InputError)
        assert words in f"{board.error.message} {board.error.hint}"


def test_a_missing_image_and_a_missing_qemu_are_one_sentence(
    tmp_path: Path, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = ServedBoard(qemu_xtensa.serve, BOARD, tmp_path / "none.elf", None)
    board.thread.join(20)
    assert isinstance(board.error, InputError)
    monkeypatch.setenv("PATH", str(tmp_path))
    board = ServedBoard(qemu_xtensa.serve, BOARD, image, None)
    board.thread.join(20)
    assert isinstance(board.error, ToolError)
    assert "qemu-system-xtensa" in board.error.message
    assert "apt-get install" in board.error.hint
