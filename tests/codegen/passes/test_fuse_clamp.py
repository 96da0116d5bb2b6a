"""A Requantize that only clamps disappears into the operator in front of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.models.builders import Activation, QdqBuilder, save
from tests.support.onnx_oracle import random_inputs
from tinyanime.codegen.frontend import load_model
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Clamp, Conv2D
from tinyanime.codegen.ir.verify import verify_graph
from tinyanime.codegen.passes.fuse_clamp import fuse_clamp
from tinyanime.codegen.reference import run_reference


def clipped(builder: QdqBuilder, x: Activation, lower: float, upper: float) -> Activation:
    """Clip behind a Q/DQ pair, with the same quantization on both sides."""
    value = builder.clipped(builder.as_float(x), lower * x.scale, upper * x.scale)
    return builder.quantize(value, scale=x.scale, zero_point=x.zero_point)


def load(builder: QdqBuilder, *outputs: Activation, folder: Path) -> Graph:
    return load_model(save(builder.finish(*outputs), folder / "model.onnx"))


def kinds(graph: Graph) -> list[str]:
    return [type(op).__name__ for op in graph.ops]


def test_two_clips_behind_a_convolution_become_its_clamp(tmp_path: Path) -> None:
    builder = QdqBuilder(0)
    x = builder.quantize(builder.conv_float(builder.input(), 3), scale=0.05, zero_point=4)
    graph = load(builder, clipped(builder, clipped(builder, x, -40, 50), -60, 30), folder=tmp_path)
    fused = fuse_clamp(graph)
    verify_graph(fused)
    (conv,) = fused.ops
    assert isinstance(conv, Conv2D)
    assert conv.clamp == Clamp(-36, 34)
    inputs = random_inputs(graph)
    name = graph.outputs[0]
    assert np.array_equal(run_reference(graph, inputs)[name], run_reference(fused, inputs)[name])


def test_clips_that_do_not_meet_leave_one_value(tmp_path: Path) -> None:
    builder = QdqBuilder(0)
    x = builder.quantize(builder.conv_float(builder.input(), 3), scale=0.05, zero_point=0)
    graph = load(builder, clipped(builder, clipped(builder, x, -40, -20), 10, 30), folder=tmp_path)
    fused = fuse_clamp(graph)
    verify_graph(fused)
    inputs = random_inputs(graph)
    result = run_reference(fused, inputs)[fused.outputs[0]]
    assert set(np.unique(result)) == {10}
    assert np.array_equal(run_reference(graph, inputs)[graph.outputs[0]], result)


def test_a_map_that_others_read_keeps_its_values(tmp_path: Path) -> None:
    builder = QdqBuilder(0)
    x = builder.conv(builder.input(), 3)
    graph = load(builder, builder.add(x, clipped(builder, x, 0, 20)), folder=tmp_path)
    assert kinds(fuse_clamp(graph)) == ["Conv2D", "Requantize", "Add"]


def test_a_network_output_keeps_its_values(tmp_path: Path) -> None:
    builder = QdqBuilder(0)
    x = builder.conv(builder.input(), 3)
    graph = load(builder, x, clipped(builder, x, 0, 20), folder=tmp_path)
    assert kinds(fuse_clamp(graph)) == ["Conv2D", "Requantize"]


def test_a_change_of_scale_stays(tmp_path: Path) -> None:
    builder = QdqBuilder(0)
    graph = load(builder, builder.relu(builder.conv(builder.input(), 3)), folder=tmp_path)
    assert kinds(fuse_clamp(graph)) == ["Conv2D", "Requantize"]
