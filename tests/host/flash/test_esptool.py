"""Flashing through the real esptool, with esp32-mock-bootloader in the chip's place."""

from __future__ import annotations

import importlib.metadata
import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.flash_jobs import job_for
from tests.support.picture_project import picture_project, tinyanime
from tinyanime.boards.loader import load_board
from tinyanime.codegen.errors import DoesNotFitError, InputError, LinkError, ToolError
from tinyanime.host.flash import esptool as esptool_module
from tinyanime.host.flash import serial_port
from tinyanime.host.flash.adapter import FlashJob
from tinyanime.host.flash.esptool import ESPTOOL, EsptoolAdapter
from tinyanime.host.flash.tool_run import run_with_progress
from tinyanime.host.toolchains import missing_programs

mock = pytest.importorskip("esp32_mock_bootloader.api", reason="esp32-mock-bootloader is not installed")

IMAGE = random.Random(5).randbytes(70_000)


@pytest.fixture(scope="module")
def chip() -> Iterator[str]:
    """The port of an ESP32-C3 in its boot ROM."""
    with mock.mock_bootloader("esp32c3", timeout=120) as running:
        yield running.url()


def job(tmp_path: Path, port: str | None, image: bytes = IMAGE) -> FlashJob:
    made = job_for("esp32c3", tmp_path / "project", port=port)
    made.flat.write_bytes(image)
    return made


def quiet(stage: str, done: int, total: int) -> None: ...


def flash_content(port: str, chip: str, offset: int, size: int, path: Path) -> bytes:
    # Without the stub: the stand-in does not serve its reading to the end.
    command = (*ESPTOOL, "--chip", chip, "--port", port, "--no-stub", "read-flash", hex(offset), str(size), str(path))
    subprocess.run(command, check=True, capture_output=True)
    return path.read_bytes()


def test_a_direct_boot_image_is_written_from_the_first_byte_and_verified(chip: str, tmp_path: Path) -> None:
    reports: list[tuple[str, int, int]] = []
    made = job(tmp_path, chip)
    assert EsptoolAdapter().obstacle(made) is None
    result = EsptoolAdapter().flash(made, lambda *report: reports.append(report))
    assert (result.written_bytes, result.compared_bytes, result.place) == (len(IMAGE), len(IMAGE), chip)
    assert flash_content(chip, "esp32c3", 0, 4096, tmp_path / "first.bin") == IMAGE[:4096]
    assert flash_content(chip, "esp32c3", len(IMAGE) - 4096, 4096, tmp_path / "last.bin") == IMAGE[-4096:]
    assert {"programming", "comparing"} <= {stage for stage, _, _ in reports}
    assert len({done for stage, done, _ in reports if stage == "programming"}) > 2


def test_the_files_of_an_esp_idf_build_go_to_their_offsets(tmp_path: Path) -> None:
    made = job_for("esp32s3", tmp_path / "project")
    parts = {"0x0": "bootloader/bootloader.bin", "0x8000": "partitions.bin", "0x10000": "app.bin"}
    esp_idf_build(made.elf.parent, parts)
    with mock.mock_bootloader("esp32s3", timeout=60) as running:
        chosen = FlashJob(made.board, made.project, port=running.url())
        assert EsptoolAdapter().obstacle(chosen) is None
        result = EsptoolAdapter().flash(chosen, quiet)
        assert result.compared_bytes == sum((made.elf.parent / name).stat().st_size for name in parts.values())
        expected = (made.elf.parent / "app.bin").read_bytes()
        read = flash_content(running.url(), "esp32s3", 0x10000, len(expected), tmp_path / "read.bin")
    assert read == expected


def esp_idf_build(build: Path, parts: dict[str, str], chip: str = "esp32s3") -> None:
    """The files that ESP-IDF's build system leaves, with contents of our own."""
    for index, name in enumerate(parts.values()):
        path = build / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes([index + 1]) * (1000 * (index + 1)))
    (build / "flasher_args.json").write_text(
        json.dumps(
            {
                "write_flash_args": ["--flash_mode", "dio", "--flash_size", "4MB", "--flash_freq", "80m"],
                "flash_settings": {"flash_mode": "dio", "flash_size": "4MB", "flash_freq": "80m"},
                "flash_files": parts,
                "app": {"offset": "0x10000", "file": "app.bin", "encrypted": "false"},
                "extra_esptool_args": {"after": "hard_reset", "before": "default_reset", "stub": True, "chip": chip},
            }
        )
    )


def test_the_program_flashes_a_real_image_and_says_what_was_compared(chip: str, tmp_path: Path) -> None:
    if missing_programs(load_board("esp32c3")):
        pytest.skip("there is no compiler for esp32c3")
    project = picture_project("esp32c3")
    done = tinyanime("flash", "--board", "esp32c3", "--project", project, "--port", chip, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    image = (project / "build" / "firmware.bin").read_bytes()
    assert f"{len(image):,} bytes compared, 0 differ." in done.stdout
    for stage in ("Flashing esp32c3 with esptool.", "programming ...", "comparing ..."):
        assert stage in done.stderr
    assert flash_content(chip, "esp32c3", 0, 2048, tmp_path / "read.bin") == image[:2048]


def test_another_chip_behind_the_port_is_named(tmp_path: Path) -> None:
    with (
        mock.mock_bootloader("esp32s3", timeout=60) as running,
        pytest.raises(LinkError, match="is an ESP32-S3, not the ESP32-C3 of esp32c3") as caught,
    ):
        EsptoolAdapter().flash(job(tmp_path, running.url()), quiet)
    assert "--port" in caught.value.hint


def test_a_flash_that_differs_afterwards_is_an_error(
    chip: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """esptool compares with the file as it is then: changed meanwhile, it differs from what was written."""
    made = job(tmp_path, chip)

    def run(name: str, command: tuple[str, ...], stage: str, progress: object) -> object:
        if "verify-flash" in command:
            made.flat.write_bytes(IMAGE[:-1] + b"\0")
        return run_with_progress(name, command, stage, quiet)

    monkeypatch.setattr(esptool_module, "run_with_progress", run)
    with pytest.raises(ToolError, match="differs from the image"):
        EsptoolAdapter().flash(made, quiet)


def test_a_port_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match="Port /dev/ttyNONE does not exist"):
        EsptoolAdapter().flash(job(tmp_path, "/dev/ttyNONE"), quiet)


def test_a_busy_port_is_named(tmp_path: Path) -> None:
    import fcntl

    master, slave = os.openpty()
    try:
        fcntl.flock(slave, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(LinkError, match="is busy: another program has it open"):
            EsptoolAdapter().flash(job(tmp_path, os.ttyname(slave)), quiet)
    finally:
        os.close(master)
        os.close(slave)


def test_a_board_that_is_unplugged_while_it_is_flashed_is_named(tmp_path: Path) -> None:
    master, slave = os.openpty()
    port = os.ttyname(slave)
    os.close(slave)

    def unplug(stage: str, done: int, total: int) -> None:
        if stage == "programming":
            threading.Timer(0.5, os.close, (master,)).start()

    with pytest.raises(LinkError, match=f"The board at {port} went away while esp32c3 was flashed") as caught:
        EsptoolAdapter().flash(job(tmp_path, port), unplug)
    assert "plug the board in anew" in caught.value.hint


def test_a_silent_port_says_how_to_reach_the_boot_loader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(esptool_module, "ESPTOOL", (*ESPTOOL, "--connect-attempts", "1"))
    master, slave = os.openpty()
    port = os.ttyname(slave)
    os.close(slave)
    try:
        with pytest.raises(LinkError, match="No boot loader answered") as caught:
            EsptoolAdapter().flash(job(tmp_path, port), quiet)
    finally:
        os.close(master)
    assert "BOOT" in caught.value.hint


def test_without_a_port_the_usb_ids_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial_port, "serial_ports_of", lambda board: ())
    obstacle = EsptoolAdapter().obstacle(job(tmp_path, None))
    assert obstacle is not None
    assert "No serial port of the board esp32c3 is plugged in" in obstacle.message
    assert "10c4:ea60" in obstacle.message


@pytest.mark.parametrize("version", [None, "4.8.1"])
def test_a_missing_or_older_esptool_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str | None
) -> None:
    def installed(name: str) -> str:
        if version is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(importlib.metadata, "version", installed)
    obstacle = EsptoolAdapter().obstacle(job(tmp_path, "socket://127.0.0.1:1"))
    assert obstacle is not None
    assert "esptool 5 is" in obstacle.message
    assert obstacle.hint == "pip install 'tinyanime[flash]'"


def test_an_image_larger_than_the_flash_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    made = job(tmp_path, "socket://127.0.0.1:1", b"")
    with made.flat.open("wb") as file:
        file.truncate((64 << 20) + 1)
    with pytest.raises(DoesNotFitError, match=r"the flash of esp32c3 has .*: nothing was written"):
        EsptoolAdapter().flash(made, quiet)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda path: path.unlink(), "holds no ESP-IDF build"),
        (lambda path: path.write_text("{"), "is damaged"),
        (lambda path: path.write_text("[]"), "is damaged"),
        (lambda path: path.write_text(path.read_text().replace('"file": "app.bin"', '"file": "b.bin"')), "not among"),
        (lambda path: path.write_text(path.read_text().replace("esp32s3", "esp32")), "was built for esp32, not"),
    ],
)
def test_an_unusable_esp_idf_build_is_named(tmp_path: Path, change: object, words: str) -> None:
    made = job_for("esp32s3", tmp_path / "project", port="socket://127.0.0.1:1")
    esp_idf_build(made.elf.parent, {"0x0": "bootloader.bin", "0x10000": "app.bin"})
    path = made.elf.parent / "flasher_args.json"
    change(path)  # type: ignore[operator]
    with pytest.raises(InputError, match=words):
        EsptoolAdapter().flash(made, quiet)


def test_esptool_runs_as_a_program_of_its_own() -> None:
    assert ESPTOOL[:2] == (sys.executable, "-m")
