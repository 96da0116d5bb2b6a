"""An upsampling by 2 and the 3x3 convolution behind it become one operator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.models.builders import Activation, QdqBuilder, save
from tests.support.onnx_oracle import random_inputs
from tinyanime.codegen.frontend import load_model
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.macs import graph_macs
from tinyanime.codegen.ir.ops import Conv2D, UpsampleConv2D
from tinyanime.codegen.ir.verify import verify_graph
from tinyanime.codegen.passes.fuse_upsample import fuse_upsample
from tinyanime.codegen.reference import run_reference

AROUND = (1, 1, 1, 1)


def kinds(graph: Graph) -> list[str]:
    return [type(op).__name__ for op in graph.ops]


def loaded(builder: QdqBuilder, folder: Path, *outputs: Activation) -> Graph:
    return load_model(save(builder.finish(*outputs), folder / "model.onnx"))


def every(conv: Conv2D) -> bool:
    del conv
    return True


def test_a_joined_pair_keeps_output_names_integers_and_multiply_accumulates(tmp_path: Path) -> None:
    builder = QdqBuilder(3)
    x = builder.conv(builder.resize(builder.input(zero_point=9)), 6, pads=AROUND, relu=True)
    graph = loaded(builder, tmp_path, builder.conv(x, 4, pads=AROUND))
    fused = fuse_upsample(graph, every)
    verify_graph(fused)
    assert kinds(fused)[0] == "UpsampleConv2D"
    assert kinds(fused)[1:] == kinds(graph)[2:]
    assert fused.ops[0].name == graph.ops[1].name
    assert set(fused.tensors) < set(graph.tensors)
    assert graph_macs(fused) == graph_macs(graph)
    inputs = random_inputs(graph)
    before, behind = run_reference(graph, inputs), run_reference(fused, inputs)
    for name in fused.tensors:
        assert np.array_equal(before[name], behind[name]), name


def test_only_wanted_convolutions_are_joined(tmp_path: Path) -> None:
    builder = QdqBuilder(0)
    x = builder.conv(builder.resize(builder.input()), 6, pads=AROUND)
    graph = loaded(builder, tmp_path, builder.conv(builder.resize(x), 4, pads=AROUND))
    last = graph.ops[-1].name
    assert fuse_upsample(graph, lambda conv: False).ops == graph.ops
    fused = fuse_upsample(graph, lambda conv: conv.name == last)
    assert kinds(fused) == ["ResizeNearest", "Conv2D", "UpsampleConv2D"]


@pytest.mark.parametrize(
    "options",
    [
        {"pads": (0, 0, 0, 0)},
        {"pads": (1, 1, 1, 0)},
        {"pads": AROUND, "stride": (2, 2)},
        {"pads": AROUND, "dilation": (2, 2)},
        {"pads": AROUND, "kernel": (1, 1)},
        {"pads": AROUND, "groups": 3},
    ],
)
def test_other_convolutions_stay(options: dict[str, Any], tmp_path: Path) -> None:
    builder = QdqBuilder(0)
    graph = loaded(builder, tmp_path, builder.conv(builder.resize(builder.input()), 6, **options))
    assert fuse_upsample(graph, every).ops == graph.ops


@pytest.mark.parametrize("factor", [(3, 3), (2, 1), (1, 2)])
def test_an_upsampling_by_other_factors_stays(factor: tuple[int, int], tmp_path: Path) -> None:
    builder = QdqBuilder(0)
    graph = loaded(builder, tmp_path, builder.conv(builder.resize(builder.input(), factor), 4, pads=AROUND))
    assert fuse_upsample(graph, every).ops == graph.ops


def test_an_upsampled_map_that_others_read_or_that_is_an_output_stays(tmp_path: Path) -> None:
    builder = QdqBuilder(0)
    up = builder.resize(builder.input())
    graph = loaded(builder, tmp_path, builder.conv(up, 4, pads=AROUND), builder.pool(up, "MaxPool"))
    assert fuse_upsample(graph, every).ops == graph.ops
    alone = replace(graph, ops=graph.ops[:2], outputs=(graph.ops[1].output, graph.ops[0].output))
    assert fuse_upsample(alone, every).ops == alone.ops


def test_the_operator_that_results_is_padded_and_clamped_like_the_convolution(tmp_path: Path) -> None:
    builder = QdqBuilder(1)
    graph = loaded(builder, tmp_path, builder.conv(builder.resize(builder.input()), 4, pads=AROUND))
    joined = fuse_upsample(graph, every).ops[0]
    assert isinstance(joined, UpsampleConv2D)
    conv = graph.ops[1]
    assert isinstance(conv, Conv2D)
    assert joined.filter is conv.filter
    assert joined.clamp == conv.clamp
    assert joined.inputs == graph.ops[0].inputs
    assert joined.output == conv.output
