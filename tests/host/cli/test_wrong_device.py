"""A device whose weights were changed behind the manifest's back: verification must find layer and tile."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.picture_project import assert_one_clear_error, build, picture_project, tinyanime
from tinyanime.boards.loader import load_board
from tinyanime.codegen.bundle import load_bundle
from tinyanime.host.emulate.launch import RunningBoard, launch


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBoard]:
    """Firmware of the tiny network in which the last layer's weights are all another value."""
    directory = tmp_path_factory.mktemp("wrong") / "posix"
    shutil.copytree(picture_project(), directory)
    weights = directory / "network" / "weights.c"
    text = weights.read_text()
    arrays = list(re.finditer(r"const int8_t \w+\[\w*\][^{]*\{([^}]*)\}", text))
    begin, end = arrays[-1].span(1)
    weights.write_text(text[:begin] + re.sub(r"-?\d+(?=,)", "101", text[begin:end]) + text[end:])
    build(directory)
    with launch(load_board("posix"), directory / "build" / "firmware.elf") as running:
        yield running


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    values = np.random.default_rng(3).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.mark.parametrize("layers", ["bytes", "crc"])
def test_verify_names_the_layer_that_differs_first(
    tmp_path: Path, photo: Path, board: RunningBoard, layers: str
) -> None:
    arguments = ["--port", board.port, "--project", picture_project(), "--layers", layers]
    done = tinyanime("verify", photo, *arguments, "--json", cwd=tmp_path)
    last = load_bundle(picture_project()).manifest.layers[-1]
    assert_one_clear_error(done, 8, "posix differs from the reference", last.name, last.kernel, "row 0, column 0")
    answer = json.loads(done.stdout)
    assert not answer["bit_exact"]
    (item,) = answer["photos"]
    assert item["layers_equal"] == item["layers_compared"] - 1
    assert item["first"]["layer"] == last.name


def test_send_with_verify_writes_no_picture_that_is_wrong(tmp_path: Path, photo: Path, board: RunningBoard) -> None:
    arguments = ["--port", board.port, "--verify", "--side-by-side", "--project", picture_project()]
    done = tinyanime("send", photo, *arguments, cwd=tmp_path)
    assert_one_clear_error(done, 8, "output bytes differ from the reference")
    assert "not written" in done.stdout
    assert "bit-exact" not in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]
