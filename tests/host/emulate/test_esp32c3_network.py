"""A compiled network on the virtual ESP32-C3: every byte of every layer as in the reference, over resets too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.board_run import board_device, run_image
from tests.support.esp32c3_firmware import BOARD, needs_toolchain
from tests.support.picture_project import SIZE, build, picture_model, picture_project
from tinyanime.codegen.compiler import CompileOptions, compile_model
from tinyanime.codegen.kernels.family import KernelFamily
from tinyanime.host.emulate.esp32c3.chip_clock import ResetCause
from tinyanime.host.project import Project, built_image, load_reference, open_project
from tinyanime.host.verification import LayerCheck, compare_network, prepare_input

pytestmark = needs_toolchain
PHOTO = np.random.default_rng(3).integers(-128, 128, (1, SIZE, SIZE, 3), dtype=np.int8)


@pytest.fixture(scope="module")
def project() -> Project:
    return open_project(picture_project("esp32c3"), "esp32c3")


def test_every_byte_of_every_layer_equals_the_reference(project: Project) -> None:
    given = prepare_input(load_reference(project), PHOTO)
    with board_device(built_image(project), BOARD) as (device, _):
        device.hello()
        result = compare_network(device, project, given, LayerCheck.BYTES, lambda done, total: None)
    assert result.first is None, str(result.first)
    assert (result.differing_bytes, result.layers_equal) == (0, len(project.manifest.layers))
    assert result.compared_bytes > SIZE * SIZE * 3


def test_a_reset_over_the_link_gives_another_start_and_the_same_picture(project: Project) -> None:
    image = built_image(project)
    with board_device(image, BOARD) as (device, board):
        before = device.hello()
        device.reset()
        after = device.hello()
        assert board.resets == (ResetCause.SOFTWARE,)
        assert before.boot_id != after.boot_id
        assert device.infer(PHOTO.tobytes()).output == run_image(image, BOARD, PHOTO.tobytes())


@pytest.mark.slow
def test_cmsis_nn_computes_the_same_in_its_plain_c(tmp_path: Path) -> None:
    options = CompileOptions(kernels=KernelFamily.CMSIS_NN)
    compile_model(picture_model(tmp_path / "tiny.onnx"), BOARD, tmp_path / "project", options=options)
    build(tmp_path / "project")
    expected = run_image(built_image(open_project(picture_project("esp32c3"), "esp32c3")), BOARD, PHOTO.tobytes())
    assert run_image(tmp_path / "project" / "build" / "firmware.elf", BOARD, PHOTO.tobytes()) == expected
