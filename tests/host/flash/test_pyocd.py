"""Flashing through pyOCD, with a program in its place that answers alike."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.picture_project import picture_project
from tinyanime.boards.loader import load_board
from tinyanime.codegen.errors import InputError, ToolError
from tinyanime.host.flash import pyocd

TOOL = load_board("stm32h743").flash_tool
PROBE = {"unique_id": "0668FF", "info": "STM32 STLink"}
TARGETS = [{"name": TOOL.target}, {"name": "nrf52"}]

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put the stand-in in pyOCD's place; returns the log of its command lines."""

    def put(**changes: Any) -> Path:
        log = tmp_path / "log"
        behaviour = {
            "boards": [PROBE],
            "targets": TARGETS,
            "load_fails": False,
            "mismatch": False,
            "log": str(log),
            **changes,
        }
        (tmp_path / "behaviour.json").write_text(json.dumps(behaviour))
        monkeypatch.setenv("FAKE_PYOCD", str(tmp_path / "behaviour.json"))
        monkeypatch.setattr(pyocd, "PYOCD", (sys.executable, str(Path(__file__).with_name("fake_pyocd.py"))))
        return log

    return put


def flash(probe: str | None = None) -> tuple[int, list[tuple[str, int, int]]]:
    reports: list[tuple[str, int, int]] = []
    image = picture_project("stm32h743") / "build" / "firmware.elf"
    compared = pyocd.flash_image(image, TOOL, probe=probe, progress=lambda *report: reports.append(report))
    return compared, reports


def test_the_image_is_programmed_compared_and_started(install: Install) -> None:
    log = install()
    compared, reports = flash()
    commands = [json.loads(line) for line in log.read_text().splitlines()]
    load, commander = commands[-2:]
    assert load[0] == "load"
    assert load[load.index("--target") + 1] == TOOL.target
    assert load[load.index("--uid") + 1] == "0668FF"
    assert commander[-1] == "reset"
    image = picture_project("stm32h743") / "build" / "firmware.elf"
    segments = pyocd.flash_segments(image)
    assert compared == sum(len(segment.data) for segment in segments)
    assert compared == (image.with_suffix(".bin")).stat().st_size
    assert segments[0].address == 0x0800_0000
    assert ("programming", 100, 100) in reports


def test_a_board_s_preparations_are_made_before_its_flash_is_written(install: Install) -> None:
    pico = load_board("rp2040").flash_tool
    log = install(targets=[{"name": pico.target}])
    image = picture_project("stm32h743") / "build" / "firmware.elf"
    pyocd.flash_image(image, pico, probe=None, progress=lambda *report: None)
    commands = [json.loads(line) for line in log.read_text().splitlines()]
    prepare, load = commands[-3:-1]
    assert load[0] == "load"
    assert prepare[0] == "commander"
    assert prepare[prepare.index("--connect") + 1] == "halt"
    asked = [prepare[index + 1] for index, word in enumerate(prepare) if word == "-c"]
    # Watchdog off, core 1 held.
    assert asked == ["write32 0x40058000 0x07000000", "write32 0x40012004 0x00010000"]


def test_without_a_probe_one_sentence_says_so(install: Install) -> None:
    install(boards=[])
    with pytest.raises(ToolError, match="No debug probe is connected") as caught:
        flash()
    assert "ST-LINK" in caught.value.hint


def test_of_several_probes_one_must_be_named(install: Install) -> None:
    other = {"unique_id": "1122AA", "info": "CMSIS-DAP"}
    log = install(boards=[PROBE, other])
    with pytest.raises(ToolError, match="2 debug probes are connected") as caught:
        flash()
    assert "1122AA" in caught.value.hint
    flash(probe="1122")
    assert '"1122AA"' in log.read_text()


def test_an_unknown_probe_is_named(install: Install) -> None:
    install()
    with pytest.raises(ToolError, match="No debug probe has the id ZZ"):
        flash(probe="ZZ")


def test_a_missing_target_says_which_pack_to_install(install: Install) -> None:
    install(targets=[{"name": "nrf52"}])
    with pytest.raises(ToolError, match="does not know the target stm32h743zitx") as caught:
        flash()
    assert "pack install stm32h743zitx" in caught.value.hint
    assert TOOL.pack in caught.value.hint


def test_a_failed_programming_passes_on_the_reason(install: Install) -> None:
    install(load_fails=True)
    with pytest.raises(ToolError, match="flash algorithm failed"):
        flash()


def test_a_flash_that_differs_afterwards_is_an_error(install: Install) -> None:
    install(mismatch=True)
    with pytest.raises(ToolError, match="flash differs from the image: Mismatched byte at 0x8000000"):
        flash()


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"firmware\.elf cannot be read"):
        pyocd.flash_segments(tmp_path / "firmware.elf")


def test_an_image_that_is_no_elf_is_named(tmp_path: Path) -> None:
    (tmp_path / "firmware.elf").write_bytes(b"hello")
    with pytest.raises(InputError, match=r"firmware\.elf"):
        pyocd.flash_segments(tmp_path / "firmware.elf")
