"""Projects of each family of kernels, built by their own Makefile, on the virtual stm32h743."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.support.board_run import board_device
from tests.support.every_operator import every_operator_model
from tests.support.picture_project import build
from tinyanime.boards.loader import load_board
from tinyanime.codegen.compiler import CompileOptions, compile_model
from tinyanime.codegen.kernels.family import KernelFamily
from tinyanime.codegen.pipeline import load_and_prepare
from tinyanime.codegen.reference import run_reference

pytestmark = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs the ARM GCC")


FAMILIES = [family for family in KernelFamily if family is not KernelFamily.ESP_NN]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.value)
def test_a_network_with_every_operator_gives_the_references_bytes_on_the_board(
    family: KernelFamily, tmp_path: Path
) -> None:
    board = load_board("stm32h743")
    model = every_operator_model(tmp_path / "every.onnx")
    compile_model(model, board, tmp_path / "p", options=CompileOptions(kernels=family))
    build(tmp_path / "p")
    graph = load_and_prepare(model)
    shape = graph.tensors[graph.inputs[0]].shape
    with board_device(tmp_path / "p" / "build" / "firmware.elf", board) as (device, _):
        device.hello()
        for seed in (1, 2):
            values = np.random.default_rng(seed).integers(-128, 128, shape, np.int8)
            expected = run_reference(graph, {graph.inputs[0]: values})[graph.outputs[0]]
            assert device.infer(values.tobytes()).output == expected.tobytes()
