"""The networks that kernels are measured on: their sizes, their ranges, and that they compile exactly."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.support.generated_network import assert_equals_reference, available_compilers, build_network
from tinyanime.boards.loader import load_board
from tinyanime.codegen.compiler import compile_model
from tinyanime.codegen.errors import InputError
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.macs import graph_macs
from tinyanime.codegen.models.networks import LAYERS, NETWORKS, NetworkSpec, network
from tinyanime.codegen.models.qdq import save
from tinyanime.codegen.models.single_layers import conv_layer, upsampled_conv_layer
from tinyanime.codegen.pipeline import load_and_prepare
from tinyanime.codegen.reference import run_reference

COMPILERS = available_compilers()

MILLION_MACS = {
    "stem_3_32_128": 14.2,
    "conv3x3s2_32_64_128": 75.5,
    "conv3x3s2_64_96_64": 56.6,
    "conv3x3s2_64_128_64": 75.5,
    "conv3x3_96_96_32": 84.9,
    "conv3x3_128_128_32": 151.0,
    "conv1x1_128_128_32": 16.8,
    "conv3x3_96_64_64": 226.5,
    "conv3x3_128_64_64": 302.0,
    "conv3x3_64_32_128": 302.0,
    "up_conv3x3_64_32_128": 302.0,
    "head_32_3_128": 14.2,
    "student_32_64_128": 1387.3,
    "resnet8": 12.5,
    "mobilenet_v1_025": 7.5,
    "ds_cnn": 2.7,
}
"""As published or quoted elsewhere, rounded."""


@cache
def graph_of(name: str, folder: Path) -> Graph:
    return load_and_prepare(save(network(name).build(), folder / f"{name}.onnx"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("networks")


@pytest.mark.parametrize("spec", NETWORKS, ids=lambda spec: spec.name)
def test_the_multiply_accumulates_are_those_of_the_graph(spec: NetworkSpec, folder: Path) -> None:
    assert graph_macs(graph_of(spec.name, folder)) == spec.macs


def test_the_multiply_accumulates_are_those_that_others_quote() -> None:
    assert {name: round(network(name).macs / 1e6, 1) for name in MILLION_MACS} == MILLION_MACS


def test_every_network_has_a_name_of_its_own() -> None:
    names = [spec.name for spec in NETWORKS]
    assert len(set(names)) == len(names)
    assert {spec.name for spec in NETWORKS if spec.layer} == {spec.name for spec in LAYERS}


def test_the_name_of_a_network_is_the_name_in_its_model() -> None:
    for spec in NETWORKS[1:]:
        assert spec.build().graph.name == spec.name


@pytest.mark.parametrize("spec", [s for s in NETWORKS if s.macs < 400_000_000], ids=lambda spec: spec.name)
def test_random_bytes_use_the_range_of_every_map_and_seldom_leave_it(spec: NetworkSpec, folder: Path) -> None:
    graph = graph_of(spec.name, folder)
    source = graph.tensors[graph.inputs[0]]
    photo = np.random.default_rng(1).integers(-128, 128, size=source.shape, dtype=np.int8)
    results = run_reference(graph, {source.name: photo})
    for op in graph.ops:
        values = results[op.output].astype(np.int64)
        floor = graph.output_tensor(op).quantization.zero_point
        assert np.mean(values == 127) < 0.04, op.name
        assert floor == -128 or np.mean(values == -128) < 0.04, op.name
        assert values.size < 16 or values.max() - values.min() > 16, op.name


def test_a_network_is_the_same_each_time_it_is_built() -> None:
    for name in ("ds_cnn", "conv1x1_128_128_32"):
        assert network(name).build().SerializeToString() == network(name).build().SerializeToString()


def test_an_unknown_network_is_named_with_those_there_are() -> None:
    with pytest.raises(InputError, match="'resnet9'") as error:
        network("resnet9")
    assert "resnet8" in (error.value.hint or "")


def _small(name: str) -> onnx.ModelProto:
    """A single layer with a sixteenth of its positions and a quarter of its channels."""
    small: dict[str, Callable[[], onnx.ModelProto]] = {
        "stem": lambda: conv_layer("stem", 3, 8, 16),
        "stride 2": lambda: conv_layer("stride_2", 8, 16, 16, stride=2),
        "1x1": lambda: conv_layer("unit", 16, 16, 8, kernel=1),
        "head": lambda: conv_layer("head", 8, 3, 16, relu=False),
        "depthwise": lambda: conv_layer("depthwise", 8, 8, 16, kernel=5, depthwise=True),
        "upsampled": lambda: upsampled_conv_layer("upsampled", 16, 8, 16),
        "ds_cnn": network("ds_cnn").build,
    }
    return small[name]()


@pytest.mark.skipif(not COMPILERS, reason="neither gcc nor clang is installed")
@pytest.mark.parametrize("name", ["stem", "stride 2", "1x1", "head", "depthwise", "upsampled", "ds_cnn"])
def test_a_network_of_each_kind_runs_exactly_on_this_pc(name: str, tmp_path: Path) -> None:
    _assert_exact(save(_small(name), tmp_path / "model.onnx"), tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(not COMPILERS, reason="neither gcc nor clang is installed")
@pytest.mark.parametrize("spec", NETWORKS, ids=lambda spec: spec.name)
def test_every_network_runs_exactly_on_this_pc(spec: NetworkSpec, tmp_path: Path) -> None:
    _assert_exact(save(spec.build(), tmp_path / "model.onnx"), tmp_path)


def _assert_exact(model: Path, folder: Path) -> None:
    bundle = compile_model(model, load_board("posix"), folder / "project")
    program = build_network(bundle, COMPILERS[0])
    assert_equals_reference(bundle, load_and_prepare(model), program, 1)
