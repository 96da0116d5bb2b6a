"""Networks by ESP-NN's C on the virtual ESP32-S3 and ESP32-C3: every byte as in the reference."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.support.board_run import run_image
from tests.support.esp32c3_firmware import needs_toolchain
from tests.support.every_operator import every_operator_model
from tests.support.picture_project import build
from tests.support.served_board import served
from tinyanime.boards.loader import load_board
from tinyanime.codegen.bundle import Bundle
from tinyanime.codegen.compiler import CompileOptions, compile_model
from tinyanime.codegen.kernels.family import KernelFamily
from tinyanime.codegen.pipeline import load_and_prepare
from tinyanime.codegen.reference import run_reference
from tinyanime.host.emulate import qemu_xtensa
from tinyanime.host.link.client import open_device

TENSOR = np.random.default_rng(9).integers(-128, 128, (1, 16, 16, 3), dtype=np.int8)


def _built(board: str, folder: Path) -> tuple[Bundle, bytes]:
    """The built project, and what the reference computes."""
    model = every_operator_model(folder / "every.onnx")
    options = CompileOptions(kernels=KernelFamily.ESP_NN)
    bundle = compile_model(model, load_board(board), folder / "p", options=options)
    assert sum(layer.kernel.startswith("esp_nn_") for layer in bundle.manifest.layers) >= 10
    build(folder / "p")
    graph = load_and_prepare(model)
    return bundle, run_reference(graph, {graph.inputs[0]: TENSOR})[graph.outputs[0]].tobytes()


@pytest.mark.skipif(
    shutil.which(qemu_xtensa.PROGRAM) is None or shutil.which("xtensa-lx106-elf-gcc") is None,
    reason="needs qemu-system-xtensa and xtensa-lx106-elf-gcc (make setup)",
)
def test_every_operator_on_the_virtual_esp32s3_equals_the_reference(tmp_path: Path) -> None:
    bundle, expected = _built("esp32s3", tmp_path)
    board = load_board("esp32s3")
    with served(qemu_xtensa.serve, board, bundle.virtual_image) as machine, open_device(machine.port()) as device:
        device.hello()
        assert device.infer(TENSOR.tobytes()).output == expected


@pytest.mark.slow
@needs_toolchain
def test_every_operator_on_the_virtual_esp32c3_equals_the_reference(tmp_path: Path) -> None:
    _, expected = _built("esp32c3", tmp_path)
    assert run_image(tmp_path / "p" / "build" / "firmware.elf", load_board("esp32c3"), TENSOR.tobytes()) == expected
