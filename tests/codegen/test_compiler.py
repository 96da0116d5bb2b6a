"""Compiling: determinism, incremental rewriting, and models that do not fit."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.models.builders import QdqBuilder, save
from tests.models.random_networks import random_network
from tinyanime.boards.loader import load_board
from tinyanime.boards.schema import Board
from tinyanime.codegen.bundle import MANIFEST_NAME, load_bundle
from tinyanime.codegen.compiler import compile_model
from tinyanime.codegen.errors import DoesNotFitError, InputError, ModelError

SHIPPED = Path(__file__).parents[2] / "codegen" / "models" / "anime128" / "model.onnx"


def smaller(board: Board, scale: int) -> Board:
    """`board` with every activation bank divided by `scale`."""
    memory = tuple(replace(r, size_bytes=r.size_bytes // scale) if r.kind.value == "ram" else r for r in board.memory)
    return replace(board, memory=memory)


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    model = tmp_path / "m.onnx"
    save(random_network(1), model)
    first = compile_model(model, load_board("stm32h743"), tmp_path / "a")
    second = compile_model(model, load_board("stm32h743"), tmp_path / "b")
    assert first.manifest == second.manifest
    for path, digest in first.manifest.sources:
        assert hashlib.sha256((tmp_path / "b" / path).read_bytes()).hexdigest() == digest


def test_the_manifest_reads_back_and_its_hash_is_in_the_firmware(tmp_path: Path) -> None:
    bundle = compile_model(SHIPPED, load_board("stm32h743"), tmp_path / "p")
    again = load_bundle(tmp_path / "p")
    assert again.manifest == bundle.manifest
    digest = hashlib.sha256((tmp_path / "p" / MANIFEST_NAME).read_bytes()).digest()
    assert again.manifest.sha256() == digest
    text = (tmp_path / "p/network/manifest_hash.h").read_text()
    assert ", ".join(f"0x{byte:02x}" for byte in digest) in text


def test_the_shipped_model_fits_the_real_banks_of_the_stm32h743(tmp_path: Path) -> None:
    manifest = compile_model(SHIPPED, load_board("stm32h743"), tmp_path / "p").manifest
    assert manifest.weights_bytes <= 480_000
    for bank in manifest.banks:
        assert bank.peak_bytes <= bank.available_bytes <= bank.size_bytes


def test_a_model_that_does_not_fit_names_tensor_layer_and_bytes(tmp_path: Path) -> None:
    with pytest.raises(DoesNotFitError) as caught:
        compile_model(SHIPPED, smaller(load_board("stm32h743"), 3), tmp_path / "p")
    message = caught.value.message
    assert "does not fit stm32h743: tensor '" in message
    assert "layer '" in message
    assert "bytes" in message
    assert "Use a smaller picture" in caught.value.hint
    assert not (tmp_path / "p").exists()


def test_weights_beyond_the_flash_name_the_largest_layer(tmp_path: Path) -> None:
    board = load_board("stm32h743")
    memory = tuple(replace(r, size_bytes=100_000) if r.name == "flash" else r for r in board.memory)
    with pytest.raises(DoesNotFitError, match="bytes of flash and the board has 100,000; the largest layer is"):
        compile_model(SHIPPED, replace(board, memory=memory), tmp_path / "p")


def test_a_map_too_wide_for_the_firmware_is_named(tmp_path: Path) -> None:
    builder = QdqBuilder(1)
    model = save(builder.finish(builder.requantize(builder.input((1, 1, 2, 70_000)))), tmp_path / "wide.onnx")
    with pytest.raises(ModelError, match=r"has shape \[1, 2, 70000, 1\]; no dimension may exceed 65,535"):
        compile_model(model, load_board("posix"), tmp_path / "p")


def test_a_tighter_board_is_served_by_smaller_bands(tmp_path: Path) -> None:
    board = load_board("stm32h743")
    roomy = compile_model(SHIPPED, board, tmp_path / "roomy").manifest
    memory = tuple(replace(r, uses=()) if r.name == "sram4" else r for r in board.memory)
    sizes = {"axi": 256 * 1024, "d2": 180 * 1024}
    memory = tuple(replace(r, size_bytes=sizes.get(r.name, r.size_bytes)) for r in memory)
    tight = compile_model(SHIPPED, replace(board, memory=memory), tmp_path / "tight").manifest
    assert len(tight.steps) > len(roomy.steps)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not json", "cannot be read"),
        (json.dumps({"version": 99}), "has version 99"),
        (json.dumps({"version": 1}), "is damaged"),
    ],
)
def test_a_damaged_manifest_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / MANIFEST_NAME).write_text(text)
    with pytest.raises(InputError, match=message):
        load_bundle(tmp_path)


def test_a_folder_without_manifest_is_not_a_project(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a compiled project"):
        load_bundle(tmp_path)
