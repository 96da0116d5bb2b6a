"""What a device's cycle counter counts, and how the program calls it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.support.picture_project import picture_project, tinyanime
from tinyanime.boards.loader import load_board
from tinyanime.host.commands.board_session import counted_unit
from tinyanime.host.toolchains import missing_programs


@pytest.mark.parametrize(
    ("board", "unit"),
    [
        ("stm32h743", "instructions"),
        ("esp32c3", "instructions"),
        ("esp32s3", "instructions"),
        ("rp2040", "modelled cycles"),
        ("mps2-an500", "ticks"),
        ("posix", "ticks"),
    ],
)
def test_a_virtual_board_counts_what_its_emulator_does_and_a_real_one_its_cycles(board: str, unit: str) -> None:
    described = load_board(board)
    assert counted_unit(described, virtual=True) == unit
    assert counted_unit(described, virtual=False) == "cycles"
    assert counted_unit(None, virtual=True) == "cycles"


@pytest.mark.parametrize(
    ("board", "unit", "remark"),
    [
        ("rp2040", "modelled cycles", "tinyanime emulate --board rp2040 --set cores=1"),
        ("esp32s3", "instructions", "The virtual esp32s3 runs on one core; a real one shares the work among 2."),
    ],
)
def test_bench_names_the_unit_and_what_the_other_core_is_worth(
    tmp_path: Path, board: str, unit: str, remark: str
) -> None:
    if missing_programs(load_board(board)):
        pytest.skip(f"the tools of {board} are not installed")
    output = tmp_path / "bench.json"
    done = tinyanime("bench", "--board", board, "--project", picture_project(board), "-o", output, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert unit in done.stdout.splitlines()[0]
    assert remark in done.stdout
    assert json.loads(output.read_text())["unit"] == unit


def test_demo_turns_the_modelled_cycles_of_the_pico_into_time(tmp_path: Path) -> None:
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("arm-none-eabi-gcc is not installed")
    done = tinyanime("demo", "--board", "rp2040", "--project", picture_project("rp2040"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "modelled cycles = " in done.stdout
    assert " ms at 133 MHz" in done.stdout
    assert "instructions" not in done.stdout
