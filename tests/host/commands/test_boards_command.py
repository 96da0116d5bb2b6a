"""`tinyanime boards`: what is listed, what is shown of one, what is missing on this computer."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.support.picture_project import ROOT
from tinyanime.boards.loader import list_boards, load_board
from tinyanime.host.commands.boards import boards
from tinyanime.host.toolchains import compiler_of, emulator_of, missing_programs


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(boards, arguments)
    assert result.exception is None, result.output
    return result


def test_every_board_has_a_line_with_memory_and_capabilities() -> None:
    lines = {line.split()[0]: line for line in run().stdout.splitlines()[1:7]}
    assert set(lines) == {board.name for board in list_boards()}
    for word in ("2 x cortex-m0plus", "133 MHz", "2,048 KB", "264 KB", "DMA", "unicorn", "drive, picotool, pyocd"):
        assert word in lines["rp2040"]
    assert "MDMA" in lines["stm32h743"]
    assert all(len(line) < 160 for line in lines.values())


def test_one_board_is_shown_with_every_bank_and_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    shown = run("rp2040").stdout
    for region in load_board("rp2040").memory:
        assert f"{region.base:#010x}" in shown
        assert f"{region.size_bytes:,}" in shown
    assert "arm-none-eabi-gcc: missing; sudo apt install gcc-arm-none-eabi" in shown
    assert "picotool is not installed" in shown
    assert "2e8a:000c" in shown
    assert "ESP-IDF is not installed" in run("esp32s3").stdout


def test_json_names_what_is_missing_and_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    described = {item["name"]: item for item in json.loads(run("--json").stdout)}
    assert [program["name"] for program in described["esp32s3"]["missing"]] == [
        "xtensa-lx106-elf-gcc",
        "qemu-system-xtensa",
    ]
    assert described["esp32c3"]["missing"][0]["install"].startswith("sudo apt install gcc-riscv64-unknown-elf")
    assert described["rp2040"]["cores"] == 2
    one = json.loads(run("rp2040", "--json").stdout)
    assert one["memory"][-1]["uses"] == ["stack"]


def test_the_set_up_script_asks_for_the_packages_that_the_program_names(tmp_path: Path) -> None:
    """Two lists of the same packages: one runs before there is Python, one tells the user."""
    for tool in ("bash", "sed", "head", "grep", "dirname"):
        (tmp_path / tool).symlink_to(f"/usr/bin/{tool}")
    for board in list_boards():
        script = str(ROOT / ".make" / "system-packages")
        done = subprocess.run(
            ["/bin/bash", script, "firmware", board.name],
            env={"PATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 5
        asked = {line.split()[1] for line in done.stdout.splitlines() if " is missing (" in line}
        programs = (compiler_of(board), emulator_of(board))
        named = {package for program in programs if program is not None for package in program.apt.split()}
        assert asked == named | {"python3", "python3-venv", "gcc", "libc6-dev"}


def test_nothing_is_missing_where_all_programs_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    assert not any(missing_programs(board) for board in list_boards())
