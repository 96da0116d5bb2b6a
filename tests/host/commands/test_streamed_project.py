"""A compiled project whose pictures pass through windows, driven by the program itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.models.builders import QdqBuilder, save
from tests.support.picture_project import build, tinyanime
from tinyanime.boards.loader import load_board
from tinyanime.codegen.compiler import CompileOptions, compile_model
from tinyanime.codegen.schedule.choose import ScheduleOptions
from tinyanime.host.commands.photo_files import sample_photos
from tinyanime.host.emulate.launch import RunningBoard, launch
from tinyanime.host.project import built_image, open_project

SIZE = 64
WINDOW = 2048


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three convolutions at 64 x 64 x 3: pictures of 12,288 bytes, windows of 2,048."""
    directory = tmp_path_factory.mktemp("streamed") / "posix"
    builder = QdqBuilder(4, name="streamed")
    photo = builder.input((1, 3, SIZE, SIZE))
    hidden = builder.conv(builder.conv(photo, 6, relu=True), 5, relu=True)
    model = save(builder.finish(builder.conv(hidden, 3)), directory.with_suffix(".onnx"))
    options = CompileOptions(schedule=ScheduleOptions(stream=True))
    compile_model(model, load_board("posix"), directory, options=options)
    build(directory)
    return directory


@pytest.fixture(scope="module")
def board(project: Path) -> Iterator[RunningBoard]:
    with launch(load_board("posix"), built_image(open_project(project, "posix"))) as running:
        yield running


def test_info_tells_the_windows(board: RunningBoard, tmp_path: Path) -> None:
    done = tinyanime("info", "--port", board.port, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("streamed through a window of 2,048 bytes") == 2
    done = tinyanime("info", "--port", board.port, "--json", cwd=tmp_path)
    told = json.loads(done.stdout)
    assert (told["input"]["window_bytes"], told["output"]["window_bytes"]) == (WINDOW, WINDOW)


def test_a_photo_is_sent_through_the_windows_and_verified(board: RunningBoard, project: Path, tmp_path: Path) -> None:
    arguments = ["--port", board.port, "--verify", "--project", project, "-o", "anime.png"]
    done = tinyanime("send", sample_photos()[0], *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"bit-exact on posix: {SIZE * SIZE * 3:,} bytes compared, 0 differ" in done.stdout
    assert Image.open(tmp_path / "anime.png").size == (SIZE, SIZE)
    for phase in ("upload", "run", "download"):
        assert done.stderr.count(f"{phase} ...\n") == 1


@pytest.mark.parametrize("layers", ["bytes", "crc", "off"])
def test_every_step_of_a_streamed_network_is_verified(
    board: RunningBoard, project: Path, tmp_path: Path, layers: str
) -> None:
    arguments = ["--port", board.port, "--project", project, "--layers", layers, "--json"]
    done = tinyanime("verify", sample_photos()[1], *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    verified = json.loads(done.stdout)
    assert verified["bit_exact"]
    maps = SIZE * SIZE * (6 + 5 + 3)
    assert verified["compared_bytes"] == SIZE * SIZE * 3 + (0 if layers == "off" else maps)
