"""Flashing by copying a UF2 file to a drive, with a folder in the drive's place."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.flash_jobs import VanishingDrive, job_for, mounted_drive, uf2
from tinyanime.codegen.errors import InputError, ToolError
from tinyanime.host.flash import drive as drive_module
from tinyanime.host.flash.adapter import FlashJob
from tinyanime.host.flash.drive import DriveAdapter

PAYLOAD = bytes(range(256)) * 200
IMAGE = uf2(PAYLOAD)


@pytest.fixture(autouse=True)
def mount_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "media"
    root.mkdir()
    monkeypatch.setattr(drive_module, "MOUNT_ROOTS", (root,))
    monkeypatch.setattr(drive_module, "LABELS", tmp_path / "by-label")
    monkeypatch.setattr(drive_module, "RESTART_TIMEOUT_S", 0.3)
    return root


@pytest.fixture
def job(tmp_path: Path) -> FlashJob:
    made = job_for("rp2040", tmp_path / "project")
    made.uf2.write_bytes(IMAGE)
    made.flat.write_bytes(PAYLOAD)
    return made


def quiet(stage: str, done: int, total: int) -> None: ...


def test_the_file_is_copied_and_the_vanishing_drive_is_the_answer(job: FlashJob, mount_root: Path) -> None:
    drive = mounted_drive(mount_root)
    reports: list[tuple[str, int, int]] = []
    adapter = DriveAdapter()
    assert adapter.obstacle(job) is None
    with VanishingDrive(drive, len(IMAGE)) as chip:
        result = adapter.flash(job, lambda *report: reports.append(report))
    assert chip.received == IMAGE
    assert (result.written_bytes, result.compared_bytes) == (len(PAYLOAD), 0)
    copied = [done for stage, done, total in reports if stage == "copying"]
    assert copied == sorted(copied)
    assert (copied[0], copied[-1]) == (0, len(IMAGE))
    assert len(copied) > 3


def test_a_drive_that_stays_did_not_take_the_file(job: FlashJob, mount_root: Path) -> None:
    mounted_drive(mount_root)
    with pytest.raises(ToolError, match="is still there"):
        DriveAdapter().flash(job, quiet)


def test_without_a_drive_the_hint_is_the_button(job: FlashJob) -> None:
    obstacle = DriveAdapter().obstacle(job)
    assert obstacle is not None
    assert obstacle.message == "No drive called RPI-RP2 is mounted."
    assert "Hold BOOTSEL" in obstacle.hint


def test_a_drive_that_is_plugged_in_but_not_mounted_says_how_to_mount_it(job: FlashJob, tmp_path: Path) -> None:
    (tmp_path / "by-label").mkdir()
    (tmp_path / "by-label" / "RPI-RP2").touch()
    obstacle = DriveAdapter().obstacle(job)
    assert obstacle is not None
    assert "not mounted" in obstacle.message
    assert "udisksctl" in obstacle.hint


def test_of_several_drives_one_must_be_named(job: FlashJob, mount_root: Path) -> None:
    first, second = mounted_drive(mount_root), mounted_drive(mount_root, "RPI-RP21")
    with pytest.raises(ToolError, match="2 drives called RPI-RP2") as caught:
        DriveAdapter().flash(job, quiet)
    assert str(second) in caught.value.hint
    chosen = FlashJob(job.board, job.project, drive=first)
    with VanishingDrive(first, len(IMAGE)) as chip:
        DriveAdapter().flash(chosen, quiet)
    assert chip.received == IMAGE
    assert not list(second.glob("*.uf2"))


def test_a_drive_of_another_chip_is_refused(job: FlashJob, mount_root: Path) -> None:
    drive = mounted_drive(mount_root, "RP2350", "RP2350")
    assert DriveAdapter().obstacle(job) is not None
    with pytest.raises(ToolError, match=r"another chip \(RP2350\)"):
        DriveAdapter().flash(FlashJob(job.board, job.project, drive=drive), quiet)
    assert not list(drive.glob("*.uf2"))


def test_a_folder_that_is_no_uf2_drive_is_refused(job: FlashJob, tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"has no INFO_UF2\.TXT"):
        DriveAdapter().flash(FlashJob(job.board, job.project, drive=tmp_path), quiet)


def test_a_drive_that_does_not_exist_is_named(job: FlashJob, tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"There is no drive .*unplugged"):
        DriveAdapter().flash(FlashJob(job.board, job.project, drive=tmp_path / "unplugged"), quiet)


class _FailingFile(io.RawIOBase):
    """Takes `room` bytes, then fails."""

    def __init__(self, room: int, number: int) -> None:
        self._room, self._number = room, number

    def write(self, data: Any) -> int:
        if self._room < len(data):
            raise OSError(self._number, "no")
        self._room -= len(data)
        return len(data)

    def fileno(self) -> int:
        return 1


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "is full"), (errno.EROFS, "cannot be written"), (errno.EIO, "went away"), (errno.EINVAL, "failed")],
)
def test_a_drive_that_fails_in_the_middle_is_named_with_the_reason(
    job: FlashJob, mount_root: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    drive = mounted_drive(mount_root)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(drive_module, "create_file", lambda path: _FailingFile(40_000, number))
    with pytest.raises(ToolError, match=words) as caught:
        DriveAdapter().flash(job, quiet)
    assert str(drive) in caught.value.message
    assert caught.value.hint


def test_a_drive_that_goes_with_the_last_chunk_took_the_file(
    job: FlashJob, mount_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive = mounted_drive(mount_root)

    class Restarting(_FailingFile):
        def write(self, data: Any) -> int:
            if self._room < len(data):
                drive.joinpath("INFO_UF2.TXT").unlink()
            return super().write(data)

    room = len(IMAGE) - len(IMAGE) % (32 * 512)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(drive_module, "create_file", lambda path: Restarting(room, errno.EIO))
    assert DriveAdapter().flash(job, quiet).written_bytes == len(PAYLOAD)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not whole blocks"),
        (IMAGE[:-100], "not whole blocks"),
        (b"\0" * 512, "does not have the marks"),
        (IMAGE[:-512], "block 0 of 199 says that it is block 0 of 200"),
        (IMAGE[512:1024] + IMAGE[:512] + IMAGE[1024:], "block 0 of 200 says that it is block 1"),
        (uf2(PAYLOAD[:-1] + b"!"), "does not hold the bytes of firmware.bin"),
        (uf2(PAYLOAD[:-256]), "does not hold the bytes of firmware.bin"),
        (uf2(PAYLOAD, base=0x1000_0100), "does not hold the bytes of firmware.bin"),
        (uf2(PAYLOAD, family=0xE48B_FF57), "UF2 family 0xe48bff57"),
        (uf2(PAYLOAD, base=0x2000_0000), "outside the flash"),
        (uf2(PAYLOAD, base=0x1020_0000 - 256), "Block 1 of .* outside the flash"),
    ],
)
def test_a_file_that_the_chip_would_refuse_is_not_copied(
    job: FlashJob, mount_root: Path, content: bytes, words: str
) -> None:
    drive = mounted_drive(mount_root)
    job.uf2.write_bytes(content)
    with pytest.raises(InputError, match=words):
        DriveAdapter().flash(job, quiet)
    assert not list(drive.glob("*.uf2"))


def test_a_missing_file_says_how_to_build_it(job: FlashJob) -> None:
    job.uf2.unlink()
    with pytest.raises(InputError, match="cannot be read") as caught:
        DriveAdapter().flash(job, quiet)
    assert caught.value.hint == f"Build it again: make -C {job.project.directory} clean all"
