"""Pixel unshuffle becomes SpaceToDepth, its readers' weights follow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.models.builders import QdqBuilder, save
from tests.support.onnx_oracle import random_inputs
from tinyanime.codegen.errors import ModelError
from tinyanime.codegen.frontend import load_model
from tinyanime.codegen.ir.ops import DepthToSpaceMode, SpaceToDepth
from tinyanime.codegen.ir.verify import verify_graph
from tinyanime.codegen.passes.fold_unshuffle_order import dcr_order, fold_unshuffle_order
from tinyanime.codegen.reference import run_reference


def test_every_reader_follows_the_new_order(tmp_path: Path) -> None:
    builder = QdqBuilder(0)
    x = builder.pixel_unshuffle(builder.input((1, 3, 6, 8)))
    model = builder.finish(builder.add(builder.conv(x, 4), builder.conv(x, 4, kernel=(1, 1), pads=(0, 0, 0, 0))))
    graph = load_model(save(model, tmp_path / "model.onnx"))
    folded = fold_unshuffle_order(graph)
    verify_graph(folded)
    modes = [op.mode for op in folded.ops if isinstance(op, SpaceToDepth)]
    assert modes == [DepthToSpaceMode.DCR]
    inputs, name = random_inputs(graph), graph.outputs[0]
    assert np.array_equal(run_reference(graph, inputs)[name], run_reference(folded, inputs)[name])


def test_the_order_names_the_same_elements() -> None:
    assert dcr_order(2, 3).tolist() == [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]


def test_a_reader_that_cannot_follow_is_named(tmp_path: Path) -> None:
    builder = QdqBuilder(0)
    x = builder.pixel_unshuffle(builder.input((1, 3, 6, 8)))
    model = builder.finish(builder.conv(x, 12, groups=12))
    graph = load_model(save(model, tmp_path / "model.onnx"))
    with pytest.raises(ModelError, match=rf"pixel unshuffle .* that '{graph.ops[1].name}' reads"):
        fold_unshuffle_order(graph)


def test_a_network_output_cannot_follow(tmp_path: Path) -> None:
    builder = QdqBuilder(0)
    model = builder.finish(builder.pixel_unshuffle(builder.input((1, 3, 6, 8))))
    graph = load_model(save(model, tmp_path / "model.onnx"))
    with pytest.raises(ModelError, match="the network output"):
        fold_unshuffle_order(graph)
