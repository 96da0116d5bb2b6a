"""Which tool is taken, what `tinyanime flash` says, and what the board answers afterwards."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from tests.support.flash_jobs import job_for, mounted_drive, uf2
from tests.support.picture_project import assert_one_clear_error, picture_project, tinyanime
from tinyanime.boards.loader import load_board
from tinyanime.boards.schema import FlashToolKind
from tinyanime.codegen.errors import FirmwareMismatchError, LinkError, ToolError
from tinyanime.host.discovery import PortCandidate
from tinyanime.host.emulate.launch import launch
from tinyanime.host.flash import choose, confirm, drive
from tinyanime.host.flash.adapter import FlashJob
from tinyanime.host.flash.choose import choose_adapter
from tinyanime.host.project import open_project


@pytest.fixture
def no_drives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "media"
    root.mkdir()
    monkeypatch.setattr(drive, "MOUNT_ROOTS", (root,))
    monkeypatch.setattr(drive, "LABELS", tmp_path / "by-label")
    # Built while the tools are still found.
    picture_project()
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("tinyanime.host.flash.pyocd.list_probes", lambda: ())
    return root


def test_the_first_usable_tool_is_taken(tmp_path: Path, no_drives: Path) -> None:
    mounted_drive(no_drives)
    choice = choose_adapter(job_for("rp2040", tmp_path / "project"))
    assert (choice.adapter.kind, choice.passed_over) == (FlashToolKind.DRIVE, ())


def test_tools_that_cannot_be_used_are_passed_over_with_the_reason(
    tmp_path: Path, no_drives: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinyanime.host.flash.pyocd.list_probes", lambda: ("probe",))
    choice = choose_adapter(job_for("rp2040", tmp_path / "project"))
    assert choice.adapter.kind is FlashToolKind.PYOCD
    assert [(item.kind.value, item.obstacle.message) for item in choice.passed_over] == [
        ("drive", "No drive called RPI-RP2 is mounted."),
        ("picotool", "picotool is not installed."),
    ]


def test_where_no_tool_can_be_used_all_reasons_are_given_and_the_first_next_step(
    tmp_path: Path, no_drives: Path
) -> None:
    with pytest.raises(ToolError) as caught:
        choose_adapter(job_for("rp2040", tmp_path / "project"))
    assert caught.value.message == (
        "No tool can flash rp2040 now (drive: No drive called RPI-RP2 is mounted; picotool: picotool is not installed; "
        "pyocd: No debug probe is connected)."
    )
    assert caught.value.hint == "Hold BOOTSEL while plugging the board in, then try again."


def test_a_tool_that_is_named_is_taken_or_its_obstacle_is_the_error(tmp_path: Path, no_drives: Path) -> None:
    mounted_drive(no_drives)
    job = job_for("rp2040", tmp_path / "project")
    with pytest.raises(ToolError, match="picotool is not installed"):
        choose_adapter(job, FlashToolKind.PICOTOOL)


def test_a_tool_of_another_board_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="rp2040 cannot be flashed with esptool") as caught:
        choose_adapter(job_for("rp2040", tmp_path / "project"), FlashToolKind.ESPTOOL)
    assert "drive, picotool, pyocd" in caught.value.hint


def test_a_drive_that_is_named_is_taken_or_refused(tmp_path: Path, no_drives: Path) -> None:
    pico = dataclasses.replace(job_for("rp2040", tmp_path / "pico"), drive=tmp_path)
    assert choose_adapter(pico).adapter.kind is FlashToolKind.DRIVE
    job = dataclasses.replace(job_for("esp32c3", tmp_path / "project"), drive=tmp_path)
    with pytest.raises(ToolError, match="esp32c3 cannot be flashed with drive"):
        choose_adapter(job)


def test_every_tool_that_a_board_can_name_has_an_adapter() -> None:
    for kind in FlashToolKind:
        assert choose._ADAPTERS[kind]().kind is kind


def test_the_board_that_runs_the_build_confirms_it(monkeypatch: pytest.MonkeyPatch) -> None:
    board, project = load_board("posix"), open_project(picture_project(), "")
    with launch(board, project.bundle.image) as running:
        assert confirm.confirm_build(project, board, running.port) == running.port
        candidate = PortCandidate(running.port, "", "1:2", ("posix",), False, 0)
        monkeypatch.setattr(confirm, "serial_ports_of", lambda board: (candidate,))
        assert confirm.confirm_build(project, board, None) == running.port


def test_a_board_that_still_runs_another_build_is_an_error() -> None:
    board, project = load_board("posix"), open_project(picture_project(), "")
    expected = dataclasses.replace(project, manifest_sha256="00" * 32)
    with (
        launch(board, project.bundle.image) as running,
        pytest.raises(FirmwareMismatchError, match="another build"),
    ):
        confirm.confirm_build(expected, board, running.port)


def test_a_board_without_a_known_port_stays_unconfirmed_and_a_given_port_must_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(confirm, "serial_ports_of", lambda board: ())
    monkeypatch.setattr(confirm, "START_TIMEOUT_S", 0.1)
    project, board = open_project(picture_project(), ""), load_board("rp2040")
    assert confirm.confirm_build(project, board, None) is None
    with pytest.raises(LinkError, match="does not exist"):
        confirm.confirm_build(project, board, "/dev/ttyNONE")


def pico_project(folder: Path) -> Path:
    """A project for rp2040 by its manifest, with an image of no worth."""
    source = picture_project()
    folder.mkdir()
    shutil.copy(source / "model.onnx", folder)
    (folder / "manifest.json").write_text((source / "manifest.json").read_text().replace('"posix"', '"rp2040"'))
    (folder / "build").mkdir()
    (folder / "build" / "firmware.uf2").write_bytes(uf2(bytes(4096)))
    (folder / "build" / "firmware.bin").write_bytes(bytes(4096))
    (folder / "build" / "firmware.elf").write_bytes(b"")
    return folder


def test_the_program_says_which_tool_it_takes_and_why_the_copy_failed(tmp_path: Path) -> None:
    project, media = pico_project(tmp_path / "project"), tmp_path / "media"
    taken = mounted_drive(media, "RP2350", "RP2350")
    done = tinyanime("flash", "--board", "rp2040", "--project", project, "--drive", taken, cwd=tmp_path)
    assert_one_clear_error(done, 5, "belongs to another chip (RP2350)")
    assert "Flashing rp2040 with drive." in done.stderr


def test_the_program_refuses_an_unknown_tool(tmp_path: Path) -> None:
    done = tinyanime("flash", "--board", "rp2040", "--with", "jtag", cwd=tmp_path)
    assert done.returncode == 2
    assert "'jtag' is not one of" in done.stderr


def test_a_job_names_the_files_that_a_build_leaves(tmp_path: Path) -> None:
    job: FlashJob = job_for("rp2040", tmp_path)
    assert [path.name for path in (job.elf, job.flat, job.uf2)] == ["firmware.elf", "firmware.bin", "firmware.uf2"]
