"""The commands at work: the real program against the firmware on this computer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.picture_project import SIZE, assert_one_clear_error, picture_model, picture_project, tinyanime
from tinyanime.boards.loader import load_board
from tinyanime.codegen.bundle import load_bundle
from tinyanime.host.emulate.launch import RunningBoard, launch
from tinyanime.host.image.framing import FrameMode
from tinyanime.host.image.photo import anime_picture, prepare_photo
from tinyanime.host.image.quantize import pictures_of_manifest
from tinyanime.host.project import load_reference, open_project


@pytest.fixture(scope="module")
def board() -> Iterator[RunningBoard]:
    with launch(load_board("posix"), picture_project() / "build" / "firmware.elf") as running:
        yield running


def write_photo(path: Path, seed: int = 0, size: tuple[int, int] = (30, 40)) -> Path:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)).save(path)
    return path


def expected_picture(photo: Path, mode: FrameMode) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    project = open_project(picture_project(), "")
    pictures = pictures_of_manifest(project.manifest)
    prepared = prepare_photo(photo, pictures, mode)
    reference = load_reference(project)
    return anime_picture(reference.output(reference.run(prepared.tensor)).tobytes(), pictures, prepared)


@pytest.mark.parametrize("mode", list(FrameMode))
def test_send_writes_the_pixels_that_the_reference_computes(
    tmp_path: Path, board: RunningBoard, mode: FrameMode
) -> None:
    photo = write_photo(tmp_path / "photo.png")
    done = tinyanime("send", photo, "--port", board.port, "--mode", mode.value, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    written = np.asarray(Image.open(tmp_path / "photo_anime.png"))
    np.testing.assert_array_equal(written, expected_picture(photo, mode))
    assert written.shape == ((18, SIZE, 3) if mode is FrameMode.FIT else (SIZE, SIZE, 3))


def test_send_verifies_and_says_so(tmp_path: Path, board: RunningBoard) -> None:
    photo = write_photo(tmp_path / "photo.png")
    arguments = ["--verify", "--side-by-side", "--scale", 2, "--project", picture_project(), "-o", "anime.png"]
    done = tinyanime("send", photo, "--port", board.port, *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"bit-exact on posix: {SIZE * SIZE * 3:,} bytes compared, 0 differ" in done.stdout
    assert (tmp_path / "anime.png").is_file()
    assert Image.open(tmp_path / "anime_side_by_side.png").size == (2 * (2 * SIZE) + 2 * 4, 2 * SIZE)


def test_send_takes_folders_and_writes_json_only(tmp_path: Path, board: RunningBoard) -> None:
    for index in range(3):
        write_photo(tmp_path / "photos" / f"{index}.png", index)
    (tmp_path / "photos" / "notes.txt").write_text("not a photo")
    done = tinyanime("send", "photos", "--port", board.port, "-o", "out", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert [Path(item["output"]).name for item in answer] == ["0_anime.png", "1_anime.png", "2_anime.png"]
    assert all(Path(tmp_path, item["output"]).is_file() and item["board"] == "posix" for item in answer)
    assert all(item["cycles"] > 0 and not item["verified"] for item in answer)


def test_one_bad_photo_among_several_does_not_stop_the_others(tmp_path: Path, board: RunningBoard) -> None:
    good, bad = write_photo(tmp_path / "good.png"), write_photo(tmp_path / "bad.png")
    bad.write_bytes(bad.read_bytes()[:-1500])
    done = tinyanime("send", bad, good, "--port", board.port, "-o", "out", cwd=tmp_path)
    assert done.returncode == 3
    assert "1 of 2 photos could not be used" in done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good_anime.png"]


def test_photos_of_the_same_name_get_different_outputs(tmp_path: Path, board: RunningBoard) -> None:
    first, second = write_photo(tmp_path / "a" / "x.png"), write_photo(tmp_path / "b" / "x.png", 1)
    assert tinyanime("send", first, second, "--port", board.port, cwd=tmp_path).returncode == 0
    assert {path.name for path in tmp_path.glob("*.png")} == {"x_anime.png", "x_2_anime.png"}


def test_a_running_virtual_board_is_found_without_a_port(tmp_path: Path) -> None:
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", cache["XDG_CACHE_HOME"])
        running = launch(load_board("posix"), picture_project() / "build" / "firmware.elf")
    with running:
        listed = json.loads(tinyanime("ports", "--json", cwd=tmp_path, environment=cache).stdout)
        assert listed[0] | {"description": ""} == {
            "port": running.port,
            "description": "",
            "usb_id": "",
            "boards": ["posix"],
            "virtual": True,
        }
        done = tinyanime("info", cwd=tmp_path, environment=cache)
        assert done.returncode == 0, done.stderr
        assert f"{running.port} (virtual board)" in done.stdout


def test_info_tells_what_was_compiled(tmp_path: Path, board: RunningBoard) -> None:
    done = tinyanime("info", "--port", board.port, "--json", cwd=tmp_path)
    answer = json.loads(done.stdout)
    manifest = load_bundle(picture_project()).manifest
    assert answer["manifest_sha256"] == manifest.sha256().hex()
    assert answer["model_sha256"] == manifest.model_sha256
    assert (answer["board"], answer["model"]) == ("posix", manifest.model_name)
    assert answer["layer_count"] == len(manifest.layers)
    assert answer["self_check"] == 0


@pytest.mark.parametrize("layers", ["bytes", "crc", "off"])
def test_verify_compares_every_layer(tmp_path: Path, layers: str) -> None:
    photos = [write_photo(tmp_path / f"{index}.png", index) for index in range(2)]
    arguments = ["--board", "posix", "--project", picture_project(), "--layers", layers]
    done = tinyanime("verify", *photos, *arguments, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    manifest = load_bundle(picture_project()).manifest
    inside = 0 if layers == "off" else sum(step.bytes for step in manifest.steps)
    assert answer["bit_exact"]
    assert answer["compared_bytes"] == 2 * (inside + manifest.output.size_bytes)


def test_a_virtual_board_that_dies_while_it_is_verified_is_named(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tinyanime.host.cli", "verify", "--board", "posix", "--layers", "bytes"]
    verifying = subprocess.Popen(
        [*command, "--project", str(picture_project())], stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    assert verifying.stderr is not None
    before = verifying.stderr.readline()
    children = Path(f"/proc/{verifying.pid}/task/{verifying.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    _, said = verifying.communicate(timeout=60)
    done = subprocess.CompletedProcess(command, verifying.returncode, "", before + said)
    assert_one_clear_error(done, 5, "The virtual posix stopped")


def test_verify_without_photos_uses_the_ten_samples(tmp_path: Path) -> None:
    done = tinyanime("verify", "--board", "posix", "--project", picture_project(), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    *table, conclusion = done.stdout.splitlines()
    assert len(table) == 1 + 10
    assert conclusion.startswith("bit-exact on posix: ")
    assert conclusion.endswith(" bytes compared, 0 differ")


def test_compile_says_what_was_written(tmp_path: Path) -> None:
    model = picture_model(tmp_path / "m.onnx")
    done = tinyanime("compile", model, "--board", "stm32h743", "-o", "p", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "make -C p" in done.stdout
    again = tinyanime("compile", model, "--board", "stm32h743", "-o", "p", "--json", "-q", cwd=tmp_path)
    answer = json.loads(again.stdout)
    assert answer["manifest_sha256"] == load_bundle(tmp_path / "p").manifest.sha256().hex()
    assert again.stderr == ""


def test_size_accounts_for_stack_and_arenas(tmp_path: Path) -> None:
    project = picture_project("stm32h743")
    done = tinyanime("size", "--project", project, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    image_bytes = (project / "build" / "firmware.bin").stat().st_size
    regions = {region["name"]: region for region in json.loads(done.stdout)["regions"]}
    board = load_board("stm32h743")
    assert set(regions) == {region.name for region in board.memory}
    assert {"name": ".stack", "bytes": board.stack_bytes} in regions["dtcm"]["holds"]
    assert regions["flash"]["used_bytes"] == pytest.approx(image_bytes, abs=32)
    for bank in load_bundle(project).manifest.banks:
        held = [item["bytes"] for item in regions[bank.name]["holds"] if item["name"] == f".arena.{bank.name}"]
        assert sum(held) == pytest.approx(bank.peak_bytes, abs=32)
    for region in regions.values():
        assert region["used_bytes"] + region["free_bytes"] == region["size_bytes"]


def test_bench_counts_every_layer(tmp_path: Path) -> None:
    arguments = ["--board", "posix", "--project", picture_project(), "-o", "bench.json", "--json"]
    done = tinyanime("bench", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer == json.loads((tmp_path / "bench.json").read_text())
    assert len(answer["layers"]) == len(load_bundle(picture_project()).manifest.layers)
    assert answer["total"] == sum(layer["count"] for layer in answer["layers"]) > 0


def test_the_demo_runs_from_photo_to_side_by_side(tmp_path: Path) -> None:
    photo = write_photo(tmp_path / "me.png")
    done = tinyanime("demo", "-b", "posix", "--photo", photo, "--project", picture_project(), "-o", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"bit-exact on posix: {SIZE * SIZE * 3:,} bytes compared" in done.stdout
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"me_anime.png", "me_anime_side_by_side.png"}


def test_boards_lists_every_board_as_json(tmp_path: Path) -> None:
    answer = json.loads(tinyanime("boards", "--json", cwd=tmp_path).stdout)
    assert {"stm32h743", "mps2-an500", "posix"} <= {board["name"] for board in answer}
    assert next(b for b in answer if b["name"] == "stm32h743")["flash_bytes"] == 2 * 1024 * 1024
    shown = tinyanime("boards", cwd=tmp_path).stdout
    assert "stm32h743" in shown


def test_doctor_ends_well_where_the_demo_can_run(tmp_path: Path) -> None:
    done = tinyanime("doctor", "--json", cwd=tmp_path)
    findings = json.loads(done.stdout)
    missing = [finding for finding in findings if finding["essential"] and not finding["ok"]]
    assert done.returncode == (5 if missing else 0)
    assert all(finding["remedy"] for finding in findings if not finding["ok"])


def test_doctor_without_a_cross_compiler_says_how_to_install_it(tmp_path: Path) -> None:
    done = tinyanime("doctor", cwd=tmp_path, environment={"PATH": str(tmp_path)})
    assert done.returncode == 5
    assert "MISSING  arm-none-eabi-gcc" in done.stdout
    assert "apt install gcc-arm-none-eabi" in done.stdout
    assert "Traceback" not in done.stderr
