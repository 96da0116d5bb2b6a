"""Flashing through picotool, with a program in its place that answers as picotool 2.1 does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.flash_jobs import job_for, program_on_path, uf2
from tinyanime.codegen.errors import ToolError
from tinyanime.host.flash.adapter import FlashJob
from tinyanime.host.flash.picotool import PicotoolAdapter

PAYLOAD = bytes(512)

PROGRAM = """
say = json.loads(pathlib.Path(__file__).with_name("say.json").read_text())
with pathlib.Path(__file__).with_name("log").open("a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
status, text = say[sys.argv[1]]
sys.stdout.write(text)
sys.exit(status)
"""
LOADED = (
    "Loading into Flash:   [===           ]  20%\rLoading into Flash:   [==============]  100%\n"
    "Verifying Flash:      [==============]  100%\n  OK\n\nThe device was rebooted to start the application.\n"
)
ABSENT = "No accessible RP-series devices in BOOTSEL mode were found.\n"


@pytest.fixture
def job(tmp_path: Path) -> FlashJob:
    made = job_for("rp2040", tmp_path / "project")
    made.uf2.write_bytes(uf2(PAYLOAD))
    made.flat.write_bytes(PAYLOAD)
    return made


def put(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    info: tuple[int, str] = (0, "Program Information\n"),
    load: tuple[int, str] = (0, LOADED),
) -> Path:
    monkeypatch.setenv("PATH", program_on_path(folder / "bin", "picotool", PROGRAM))
    (folder / "bin" / "say.json").write_text(json.dumps({"info": info, "load": load}))
    return folder / "bin" / "log"


def quiet(stage: str, done: int, total: int) -> None: ...


def test_the_file_is_loaded_compared_and_started(
    job: FlashJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = put(tmp_path, monkeypatch)
    reports: list[int] = []
    chosen = FlashJob(job.board, job.project, probe="E660")
    assert PicotoolAdapter().obstacle(chosen) is None
    result = PicotoolAdapter().flash(chosen, lambda stage, done, total: reports.append(done))
    assert (result.written_bytes, result.compared_bytes) == (512, 512)
    assert json.loads(log.read_text().splitlines()[-1]) == ["load", "-v", "-x", str(job.uf2), "--ser", "E660"]
    assert reports[-1] == 100


def test_without_the_program_the_hint_says_where_to_get_it(job: FlashJob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    obstacle = PicotoolAdapter().obstacle(job)
    assert obstacle is not None
    assert obstacle.message == "picotool is not installed."
    assert "raspberrypi/picotool" in obstacle.hint


def test_without_a_board_in_bootsel_mode_the_hint_is_the_button(
    job: FlashJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, monkeypatch, info=(249, ABSENT))
    obstacle = PicotoolAdapter().obstacle(job)
    assert obstacle is not None
    assert "no board in BOOTSEL mode" in obstacle.message
    assert "Hold BOOTSEL" in obstacle.hint


def test_a_board_that_may_not_be_opened_points_to_the_udev_rules(
    job: FlashJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = "Device at bus 1, address 30 appears to be a RP2040 device in BOOTSEL mode, but picotool cannot connect\n"
    put(tmp_path, monkeypatch, info=(249, ABSENT + seen))
    obstacle = PicotoolAdapter().obstacle(job)
    assert obstacle is not None
    assert "udev" in obstacle.hint


@pytest.mark.parametrize(
    ("load", "words"),
    [
        ((250, "ERROR: The device contents did not match the file\n"), "did not match the file"),
        ((0, LOADED.replace("  OK\n", "")), "did not say that the flash equals"),
        ((249, ABSENT), "no board in BOOTSEL mode"),
        ((1, ""), "gave no reason"),
    ],
)
def test_a_failed_load_passes_on_the_reason(
    job: FlashJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, load: tuple[int, str], words: str
) -> None:
    put(tmp_path, monkeypatch, load=load)
    with pytest.raises(ToolError, match=words):
        PicotoolAdapter().flash(job, quiet)
