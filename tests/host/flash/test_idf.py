"""Flashing through idf.py, with a program in its place that answers as ESP-IDF 5.2 does."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.flash_jobs import job_for, program_on_path
from tests.support.picture_project import ROOT
from tinyanime.codegen.errors import DoesNotFitError, LinkError, ToolError, UserError
from tinyanime.host.flash.adapter import FlashJob
from tinyanime.host.flash.idf import MAXIMUM, MINIMUM, IdfAdapter

PROGRAM = """
here = pathlib.Path(__file__).parent
say = json.loads((here / "say.json").read_text())
with (here / "log").open("a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
what = sys.argv[-1].lstrip("-")
status, text = say[what]
if what == "build" and not status:
    build = pathlib.Path(sys.argv[2]) / "build"
    (build / "app.bin").write_bytes(b"\\xe9" * say["size"])
    parts = {"flash_files": {"0x0": "boot.bin", "0x10000": "app.bin"}, "app": {"file": "app.bin"}}
    more = {"flash_settings": {}, "extra_esptool_args": {"chip": "esp32s3"}}
    (build / "flasher_args.json").write_text(json.dumps({**parts, **more}))
sys.stdout.write(text)
sys.exit(status)
"""
FLASHED = (
    "Wrote 21072 bytes (13293 compressed) at 0x00000000 in 0.4 seconds...\nHash of data verified.\n"
    "Writing at 0x00010000... (50 %)\rWriting at 0x00024000... (100 %)\n"
    "Wrote 300000 bytes (200000 compressed) at 0x00010000 in 3.1 seconds...\nHash of data verified.\nDone\n"
)


@pytest.fixture
def job(tmp_path: Path) -> Iterator[FlashJob]:
    """A pty stands where the board is plugged in."""
    master, slave = os.openpty()
    port = os.ttyname(slave)
    os.close(slave)
    yield job_for("esp32s3", tmp_path / "project", port=port)
    os.close(master)


def put(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    version: str = "ESP-IDF v5.2.1\n",
    build: tuple[int, str] = (0, "Project build complete.\n"),
    flash: tuple[int, str] = (0, FLASHED),
    size: int = 300_000,
) -> Path:
    monkeypatch.setenv("PATH", program_on_path(folder / "bin", "idf.py", PROGRAM))
    say = {"version": (0, version), "build": build, "flash": flash, "size": size}
    (folder / "bin" / "say.json").write_text(json.dumps(say))
    return folder / "bin" / "log"


def obstacle(job: FlashJob) -> UserError:
    found = IdfAdapter().obstacle(job)
    assert found is not None
    return found


def quiet(stage: str, done: int, total: int) -> None: ...


def test_the_project_is_built_flashed_and_compared(
    job: FlashJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = put(tmp_path, monkeypatch)
    assert IdfAdapter().obstacle(job) is None
    reports: list[tuple[str, int, int]] = []
    result = IdfAdapter().flash(job, lambda *report: reports.append(report))
    assert result.written_bytes == result.compared_bytes == 21_072 + 300_000
    commands = [json.loads(line) for line in log.read_text().splitlines()]
    folder = str(job.project.directory)
    assert commands[-2:] == [["-C", folder, "build"], ["-C", folder, "-p", job.port, "flash"]]
    assert ("programming and comparing", 100, 100) in reports


@pytest.mark.parametrize("version", ["ESP-IDF v4.4.7\n", "ESP-IDF v5.0.6\n", "ESP-IDF v5.6\n", "ESP-IDF v6.0\n"])
def test_a_version_outside_the_range_is_refused(
    job: FlashJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    put(tmp_path, monkeypatch, version=version)
    assert f"{version.split('v')[1].strip()[:3]} is installed, 5.1 to 5.5 is needed" in obstacle(job).message


@pytest.mark.parametrize("version", ["ESP-IDF v5.1\n", "ESP-IDF v5.5-dev-12-gabc\n"])
def test_a_version_within_the_range_serves(
    job: FlashJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    put(tmp_path, monkeypatch, version=version)
    assert IdfAdapter().obstacle(job) is None


def test_the_project_asks_for_the_same_versions() -> None:
    text = (ROOT / "templates" / "project" / "esp-idf" / "CMakeLists.txt.j2").read_text()
    assert f"ESP-IDF {MINIMUM[0]}.{MINIMUM[1]} to {MAXIMUM[0]}.{MAXIMUM[1]}" in text


def test_a_missing_esp_idf_says_how_to_install_it(job: FlashJob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("IDF_PATH", raising=False)
    assert "ESP-IDF is not installed" in obstacle(job).message
    assert "5.1 to 5.5" in obstacle(job).hint


def test_an_esp_idf_that_this_shell_does_not_know_says_what_to_run(
    job: FlashJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("IDF_PATH", "/opt/esp-idf")
    assert "not set up in this shell" in obstacle(job).message
    assert "/opt/esp-idf/export.sh" in obstacle(job).hint


def test_an_application_larger_than_the_flash_is_not_written(
    job: FlashJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = put(tmp_path, monkeypatch, size=20 << 20)
    with pytest.raises(DoesNotFitError, match="nothing was written"):
        IdfAdapter().flash(job, quiet)
    assert '"flash"' not in log.read_text()


@pytest.mark.parametrize(
    ("build", "flash", "kind", "words"),
    [
        (
            (2, "Error: app partition is too small for binary app.bin size 0x1a0000:\n"),
            (0, ""),
            DoesNotFitError,
            "nothing was written",
        ),
        ((1, "ninja: build stopped: subcommand failed.\n"), (0, ""), ToolError, "could not build"),
        (
            (0, ""),
            (2, "A fatal error occurred: This chip is ESP32-C3, not ESP32-S3. Wrong --chip argument?\n"),
            LinkError,
            "is an ESP32-C3, not the ESP32-S3",
        ),
        (
            (0, ""),
            (2, "A fatal error occurred: Failed to connect to ESP32-S3: No serial data received.\nninja failed\n"),
            LinkError,
            "No boot loader answered",
        ),
        (
            (0, ""),
            (2, "A fatal error occurred: The chip stopped responding.\nninja failed\n"),
            ToolError,
            "The chip stopped responding",
        ),
        (
            (0, ""),
            (0, FLASHED.replace("Hash of data verified.\n", "", 1)),
            ToolError,
            "did not say that the flash equals",
        ),
    ],
)
def test_what_goes_wrong_is_one_sentence(
    job: FlashJob,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    build: tuple[int, str],
    flash: tuple[int, str],
    kind: type[UserError],
    words: str,
) -> None:
    put(tmp_path, monkeypatch, build=build, flash=flash)
    with pytest.raises(kind, match=words) as caught:
        IdfAdapter().flash(job, quiet)
    assert caught.value.hint
