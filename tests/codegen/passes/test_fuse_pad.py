"""Pads with real zero become padding of the convolutions behind them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.models.builders import QdqBuilder, save
from tests.support.onnx_oracle import random_inputs
from tinyanime.codegen.frontend import load_model
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Conv2D, Padding
from tinyanime.codegen.ir.verify import verify_graph
from tinyanime.codegen.passes.fold_unused_ops import fold_unused_ops
from tinyanime.codegen.passes.fuse_pad import fuse_pad
from tinyanime.codegen.reference import run_reference


def kinds(graph: Graph) -> list[str]:
    return [type(op).__name__ for op in graph.ops]


def test_a_zero_pad_becomes_the_convolutions_padding(tmp_path: Path) -> None:
    builder = QdqBuilder(0)
    x = builder.pad(builder.pad(builder.input(zero_point=9), (1, 2, 0, 0)), (0, 0, 3, 1))
    model = builder.finish(builder.conv(x, 4, pads=(0, 1, 0, 0)))
    graph = load_model(save(model, tmp_path / "model.onnx"))
    fused = fold_unused_ops(fuse_pad(graph))
    verify_graph(fused)
    (conv,) = fused.ops
    assert isinstance(conv, Conv2D)
    assert conv.padding == Padding(1, 3, 3, 1)
    inputs, name = random_inputs(graph), graph.outputs[0]
    assert np.array_equal(run_reference(graph, inputs)[name], run_reference(fused, inputs)[name])


def test_other_pads_stay(tmp_path: Path) -> None:
    for options in ({"value": 0.5}, {"mode": "reflect"}):
        builder = QdqBuilder(0)
        x = builder.pad(builder.input(), (1, 1, 1, 1), **options)
        graph = load_model(save(builder.finish(builder.conv(x, 4)), tmp_path / "model.onnx"))
        assert kinds(fold_unused_ops(fuse_pad(graph))) == ["Pad", "Conv2D"]


def test_a_pad_that_others_read_stays_for_them(tmp_path: Path) -> None:
    builder = QdqBuilder(0)
    x = builder.pad(builder.input(), (1, 1, 1, 1))
    graph = load_model(save(builder.finish(builder.conv(x, 4), builder.pool(x, "MaxPool")), tmp_path / "model.onnx"))
    fused = fold_unused_ops(fuse_pad(graph))
    assert kinds(fused) == ["Pad", "Conv2D", "MaxPool"]
    assert fused.ops[1].inputs == ("photo",)
