"""mps2-an500 in QEMU, started by the product's own `serve`: UART, timer, FPU, reset, errors."""

from __future__ import annotations

import dataclasses
import random
import shutil
import time
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from tests.support.port_probe import build_arm_probe, inverted
from tests.support.served_board import ServedBoard, probe_on, served
from tinyanime.boards.loader import load_board
from tinyanime.boards.schema import Emulator, EmulatorKind
from tinyanime.codegen.errors import InputError, ToolError
from tinyanime.host.emulate import qemu
from tinyanime.host.emulate.machine import EmulationError

MPS2 = load_board("mps2-an500")

pytestmark = pytest.mark.skipif(
    shutil.which(qemu.PROGRAM) is None or shutil.which("arm-none-eabi-gcc") is None,
    reason="needs qemu-system-arm and arm-none-eabi-gcc (make setup)",
)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_arm_probe(tmp_path_factory.mktemp("probe"), "mps2-an500", "psram")


@pytest.mark.parametrize("tcp_port", [None, 0])
def test_the_image_answers_over_the_announced_port(image: Path, tcp_port: int | None) -> None:
    data = random.Random(11).randbytes(5000)
    with served(qemu.serve, MPS2, image, tcp_port) as board, probe_on(board.port()) as probe:
        probe.synchronize()
        assert probe.echo(data) == inverted(data)


def test_the_fpu_timer_and_stack_count_work_in_the_machine(image: Path) -> None:
    with served(qemu.serve, MPS2, image) as board, probe_on(board.port()) as probe:
        probe.synchronize()
        assert probe.product() == 2.25
        first = probe.info()
        time.sleep(0.2)
        second = probe.info()
    elapsed_ms = second.milliseconds - first.milliseconds
    assert elapsed_ms >= 195
    assert abs((second.cycles - first.cycles) % 2**32 / 25_000 - elapsed_ms) <= 2
    assert first.clock_hz == MPS2.clock_hz
    assert MPS2.stack_bytes // 2 < first.stack_free_bytes < MPS2.stack_bytes
    assert first.unique_id == bytes(12)


def test_a_long_answer_and_input_meanwhile_lose_nothing(image: Path) -> None:
    with served(qemu.serve, MPS2, image) as board, probe_on(board.port()) as probe:
        probe.synchronize()
        probe.write(b"f" + (60_000).to_bytes(2, "little") + b"e\x04\x00wait")
        assert probe.read(60_000) == bytes(index & 0xFF for index in range(60_000))
        assert probe.read(4) == inverted(b"wait")


def test_the_board_takes_input_after_a_reset_and_after_a_fault(image: Path) -> None:
    with served(qemu.serve, MPS2, image) as board, probe_on(board.port()) as probe:
        probe.synchronize()
        for command in (b"r", b"x"):
            probe.write(command)
            probe.expect_start()
            assert probe.echo(b"after") == inverted(b"after")


def test_switching_off_ends_serve_within_a_second(image: Path) -> None:
    board = ServedBoard(qemu.serve, MPS2, image, None)
    board.port()
    assert board.switch_off() < 1.5
    assert board.error is None


def test_an_emulator_that_ends_by_itself_is_reported_with_its_reason(tmp_path: Path, image: Path) -> None:
    content = bytearray(image.read_bytes())
    with image.open("rb") as file:
        vectors = next(s["p_offset"] for s in ELFFile(file).iter_segments() if s["p_type"] == "PT_LOAD")
    content[vectors : vectors + 64] = bytes(64)
    broken = tmp_path / "firmware.elf"
    broken.write_bytes(content)
    with served(qemu.serve, MPS2, broken) as board:
        board.thread.join(10)
    assert isinstance(board.error, EmulationError)
    assert "qemu: fatal: Lockup" in board.error.message


def test_an_image_of_another_board_is_refused_before_qemu_starts(image: Path) -> None:
    elsewhere = tuple(region for region in MPS2.memory if region.base >= 0x2000_0000)
    with served(qemu.serve, dataclasses.replace(MPS2, memory=elsewhere), image) as board:
        board.thread.join(10)
    assert isinstance(board.error, InputError)
    assert "where mps2-an500 has no memory" in board.error.message


@pytest.mark.parametrize("content", [b"", b"this is not a firmware image"])
def test_a_file_that_is_no_image_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "firmware.elf").write_bytes(content)
    with served(qemu.serve, MPS2, tmp_path / "firmware.elf") as board:
        board.thread.join(10)
    assert isinstance(board.error, InputError)
    assert "is not a firmware image" in board.error.message


def test_a_machine_that_qemu_does_not_know_is_reported(image: Path) -> None:
    strange = dataclasses.replace(MPS2, emulator=Emulator(EmulatorKind.QEMU, "no-such-machine"))
    with served(qemu.serve, strange, image) as board:
        board.thread.join(10)
    assert isinstance(board.error, EmulationError)
    assert "unsupported machine type" in board.error.message


def test_a_missing_qemu_is_one_sentence_with_the_next_step(
    image: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with served(qemu.serve, MPS2, image) as board:
        board.thread.join(10)
    assert isinstance(board.error, ToolError)
    assert "qemu-system-arm is not installed" in board.error.message
    assert "make setup" in board.error.hint


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    with served(qemu.serve, MPS2, tmp_path / "none.elf") as board:
        board.thread.join(10)
    assert isinstance(board.error, InputError)
    assert "none.elf" in board.error.message
