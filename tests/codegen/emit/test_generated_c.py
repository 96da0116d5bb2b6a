"""Generated C on the PC under AddressSanitizer and UBSan, with GCC and Clang, against the reference: every step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from tests.models.builders import Activation, QdqBuilder, save
from tests.models.random_networks import random_network
from tests.models.students import student_32_64_128
from tests.support.generated_network import assert_equals_reference, available_compilers, build_network
from tinyanime.boards.loader import load_board
from tinyanime.codegen.compiler import CompileOptions, compile_model
from tinyanime.codegen.kernels.family import KernelFamily
from tinyanime.codegen.pipeline import load_and_prepare
from tinyanime.codegen.schedule.choose import Optimize, ScheduleOptions

COMPILERS = available_compilers()


CHOICES = (
    ("posix", ScheduleOptions(Optimize.TIME)),
    ("stm32h743", ScheduleOptions(Optimize.TIME)),
    ("posix", ScheduleOptions(Optimize.RAM)),
    ("stm32h743", ScheduleOptions(Optimize.TIME, transfers=False)),
    ("posix", ScheduleOptions(Optimize.LAYERS)),
)
"""With and without a DMA, in strips and whole layers; the C of either board runs on the PC."""


@pytest.mark.skipif(not COMPILERS, reason="neither gcc nor clang is installed")
@pytest.mark.parametrize("seed", range(15))
def test_a_random_network_equals_the_reference_in_every_step(tmp_path: Path, seed: int) -> None:
    model = save(random_network(seed, unsigned=seed % 4 == 3), tmp_path / "model.onnx")
    board, schedule = CHOICES[seed % len(CHOICES)]
    bundle = compile_model(model, load_board(board), tmp_path / "project", options=CompileOptions(schedule=schedule))
    assert bundle.manifest.optimize == schedule.optimize.value
    program = build_network(bundle, COMPILERS[seed % len(COMPILERS)])
    assert_equals_reference(bundle, load_and_prepare(model), program, seed)


UGLY_NAMES = ("a*/b", "x\n#error y", 'q"uo\\te\\', "\u65e5\u672c\u8a9e", "what??/", "/*open", "long" * 400, "\u202e")


@pytest.mark.skipif(not COMPILERS, reason="neither gcc nor clang is installed")
def test_names_of_nodes_tensors_and_network_cannot_break_the_c(tmp_path: Path) -> None:
    network = random_network(7, depth=8)
    for i, node in enumerate(network.graph.node):
        node.name = UGLY_NAMES[i % len(UGLY_NAMES)]
    renamed = {
        name: f"{UGLY_NAMES[i % len(UGLY_NAMES)]}{i}"
        for i, name in enumerate(name for node in network.graph.node for name in node.output)
        if name != network.graph.output[0].name
    }
    for node in network.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]
    onnx.helper.set_model_props(network, {"name": 'evil */ "n\\ame" ??/ \n#error'})
    model = save(network, tmp_path / "model.onnx")
    bundle = compile_model(model, load_board("posix"), tmp_path / "project")
    assert_equals_reference(bundle, load_and_prepare(model), build_network(bundle, COMPILERS[0]), seed=7)


def max_pool_only(builder: QdqBuilder) -> Activation:
    """The one call into CMSIS-NN that has no working memory."""
    return builder.pool(builder.input((1, 2, 6, 6)), "MaxPool")


def reshape_only(builder: QdqBuilder) -> Activation:
    return builder.reshape(builder.flatten(builder.input((1, 1, 4, 6))), (1, 1, 6, 4))


def vector_to_vector(builder: QdqBuilder) -> Activation:
    return builder.gemm(builder.input((1, 7)), 5)


def one_pixel(builder: QdqBuilder) -> Activation:
    return builder.conv(builder.add(x := builder.input((1, 3, 1, 1)), x), 4)


@pytest.mark.skipif(not COMPILERS, reason="neither gcc nor clang is installed")
@pytest.mark.parametrize("network", [max_pool_only, reshape_only, vector_to_vector, one_pixel])
def test_a_network_at_the_edge_equals_the_reference(
    tmp_path: Path, network: Callable[[QdqBuilder], Activation]
) -> None:
    builder = QdqBuilder(3)
    model = save(builder.finish(network(builder)), tmp_path / "model.onnx")
    bundle = compile_model(model, load_board("posix"), tmp_path / "project")
    assert_equals_reference(bundle, load_and_prepare(model), build_network(bundle, COMPILERS[-1]), seed=1)


@pytest.mark.skipif(not COMPILERS, reason="neither gcc nor clang is installed")
@pytest.mark.parametrize("kernels", [KernelFamily.AUTO, KernelFamily.CMSIS_NN])
def test_the_classic_student_on_the_stm32h743_equals_the_reference(tmp_path: Path, kernels: KernelFamily) -> None:
    model = save(student_32_64_128(), tmp_path / "model.onnx")
    options = CompileOptions(kernels=kernels)
    bundle = compile_model(model, load_board("stm32h743"), tmp_path / "project", options=options)
    manifest = bundle.manifest
    assert manifest.certificate.total_peak_bytes <= 480 * 1024
    if kernels is KernelFamily.CMSIS_NN:
        assert manifest.transfers
        assert any(step.calls > 1 for step in manifest.steps)
    program = build_network(bundle, COMPILERS[0], extra=("-O2",))
    assert_equals_reference(bundle, load_and_prepare(model), program, seed=3)
