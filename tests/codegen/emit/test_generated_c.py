"""Generated C on the PC under AddressSanitizer and UBSan, with GCC and Clang, against the reference: every step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.models.builders import Activation, QdqBuilder, save
from tests.models.random_networks import random_network
from tests.models.students import student_32_64_128
from tests.support.generated_network import available_compilers, build_network, run_network
from tinyanime.boards.loader import load_board
from tinyanime.codegen.bundle import Bundle
from tinyanime.codegen.compiler import compile_model
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.pipeline import load_and_prepare
from tinyanime.codegen.reference import run_reference
from tinyanime.codegen.schedule import choose
from tinyanime.codegen.schedule.stages import DEFAULT_POLICIES, FusionPolicy

COMPILERS = available_compilers()


def assert_equals_reference(bundle: Bundle, graph: Graph, program: Path, seed: int) -> None:
    source = graph.tensors[graph.inputs[0]]
    rng = np.random.default_rng(seed)
    data = rng.integers(-128, 128, size=source.shape, dtype=np.int8)
    expected = run_reference(graph, {source.name: data})
    run = run_network(bundle, program, data)
    assert len(run.steps) == len(bundle.manifest.steps) > 0
    for step in run.steps:
        layer = bundle.manifest.layers[step.layer]
        rows = expected[layer.tensor].reshape(graph.tensors[layer.tensor].height, -1)[step.row_begin : step.row_end]
        differing = int(np.count_nonzero(rows.ravel() != step.values))
        assert differing == 0, f"{layer.name} rows {step.row_begin} to {step.row_end}: {differing} bytes differ"
    np.testing.assert_array_equal(run.output, expected[graph.outputs[0]].ravel())


POLICIES = (
    DEFAULT_POLICIES,
    (FusionPolicy(fuse_consumers=True, band_bytes=1),),
    (FusionPolicy(fuse_consumers=False, band_bytes=600),),
)
"""What the compiler does by itself, the smallest bands, and bands of a few rows."""


@pytest.mark.skipif(not COMPILERS, reason="neither gcc nor clang is installed")
@pytest.mark.parametrize("seed", range(15))
def test_a_random_network_equals_the_reference_in_every_step(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choose, "DEFAULT_POLICIES", POLICIES[seed % len(POLICIES)])
    model = tmp_path / "model.onnx"
    save(random_network(seed, unsigned=seed % 4 == 3), model)
    graph = load_and_prepare(model)
    bundle = compile_model(model, load_board("posix"), tmp_path / "project")
    compiler = COMPILERS[seed % len(COMPILERS)]
    assert_equals_reference(bundle, graph, build_network(bundle, compiler), seed)


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
def test_the_classic_student_fits_the_stm32h743_and_equals_the_reference(tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    save(student_32_64_128(), model)
    bundle = compile_model(model, load_board("stm32h743"), tmp_path / "project")
    peaks = {bank.name: bank.peak_bytes for bank in bundle.manifest.banks}
    assert peaks["axi"] == 128 * 128 * 32
    program = build_network(bundle, COMPILERS[0], extra=("-O2",))
    assert_equals_reference(bundle, load_and_prepare(model), program, seed=3)
