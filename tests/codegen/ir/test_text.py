"""The printed form of a graph."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tinyanime.codegen.ir import ops
from tinyanime.codegen.ir.graph import Graph, PictureRange
from tinyanime.codegen.ir.ops import Clamp, Filter, Padding, Size2D
from tinyanime.codegen.ir.tensor import Quantization, Tensor
from tinyanime.codegen.ir.text import format_graph

GOLDEN = """\
graph sketch picture [0, 255]
  input %photo: 1x4x6x3 0.0078125@-1
  %deep: 1x2x3x12 0.0078125@-1 = SpaceToDepth(%photo) block=2 "unshuffle"
  %map: 1x2x2x2 0.5@-128 = Conv2D(%deep) filter=2x1x1x12#{digest} stride=1x2 clamp=[-128, 100] "stem"
  %wide: 1x2x4x2 0.5@-128 = Pad(%map) padding=[top 0, left 1, bottom 0, right 1] mode=reflect "edges"
  %sum: 1x2x4x2 1@0 = Add(%wide, %wide) "join/Add"
  output %sum
"""


def sketch(bias: int = 0) -> Graph:
    weights = Filter(
        np.arange(24, dtype=np.int8).reshape(2, 1, 1, 12), np.array([0.5, 0.25]), np.array([bias, 2], np.int32)
    )
    first, second = Quantization(1 / 128, -1), Quantization(0.5, -128)
    tensors = [
        Tensor("photo", (1, 4, 6, 3), first),
        Tensor("deep", (1, 2, 3, 12), first),
        Tensor("map", (1, 2, 2, 2), second),
        Tensor("wide", (1, 2, 4, 2), second),
        Tensor("sum", (1, 2, 4, 2), Quantization(1.0, 0)),
    ]
    operators = (
        ops.SpaceToDepth(name="unshuffle", inputs=("photo",), output="deep", block=2),
        ops.Conv2D(
            name="stem", inputs=("deep",), output="map", filter=weights, stride=Size2D(1, 2), clamp=Clamp(-128, 100)
        ),
        ops.Pad(name="edges", inputs=("map",), output="wide", padding=Padding(0, 1, 0, 1), mode=ops.PadMode.REFLECT),
        ops.Add(name="join/Add", inputs=("wide", "wide"), output="sum"),
    )
    return Graph("sketch", ("photo",), ("sum",), {t.name: t for t in tensors}, operators, PictureRange(0.0, 255.0))


def test_a_graph_prints_one_line_per_operator() -> None:
    assert format_graph(sketch()) == GOLDEN.format(digest="bfccc85a")


def test_any_change_of_weights_shows() -> None:
    assert format_graph(sketch()) == format_graph(sketch())
    assert format_graph(sketch(bias=1)) != format_graph(sketch())


def test_a_change_of_quantization_shows() -> None:
    graph = sketch()
    wide = replace(graph.tensors["wide"], quantization=Quantization(0.25, -128))
    assert "%wide: 1x2x4x2 0.25@-128" in format_graph(replace(graph, tensors={**graph.tensors, "wide": wide}))
