"""Schedules of small graphs: every row is computed once, reads lie in what was written, buffers live long enough."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import (
    Add,
    Conv2D,
    DepthToSpace,
    Filter,
    Op,
    Pad,
    Padding,
    PadMode,
    Requantize,
    Reshape,
    ResizeNearest,
    Size2D,
)
from tinyanime.codegen.ir.tensor import Quantization, Tensor
from tinyanime.codegen.schedule.build import build_schedule
from tinyanime.codegen.schedule.plan import Schedule
from tinyanime.codegen.schedule.stages import FusionPolicy

Q = Quantization(0.1, 0)


def no_scratch(graph: Graph, op: Op, rows: int) -> int:
    del graph, op, rows
    return 0


def conv(name: str, source: str, out: str, channels: int, outputs: int, stride: int = 1) -> Conv2D:
    values = np.ones((outputs, 3, 3, channels), dtype=np.int8)
    weights = Filter(values, np.ones(outputs), np.zeros(outputs, dtype=np.int32))
    return Conv2D(
        name=name,
        inputs=(source,),
        output=out,
        filter=weights,
        stride=Size2D(stride, stride),
        padding=Padding(1, 1, 1, 1),
    )


def tensor(name: str, height: int, channels: int) -> Tensor:
    return Tensor(name, (1, height, height, channels), Q)


def generator(height: int) -> Graph:
    """A small U-shaped generator: down, up, skip, head with depth to space, global residual."""
    half, quarter = height // 2, height // 4
    tensors = (
        tensor("photo", height, 3),
        tensor("stem", half, 8),
        tensor("down", quarter, 16),
        tensor("up", half, 16),
        tensor("wide", half, 8),
        tensor("skip", half, 8),
        tensor("head", half, 12),
        tensor("pixels", height, 3),
        tensor("anime", height, 3),
    )
    ops: tuple[Op, ...] = (
        conv("stem", "photo", "stem", 3, 8, stride=2),
        conv("down", "stem", "down", 8, 16, stride=2),
        ResizeNearest(name="up", inputs=("down",), output="up", factor=Size2D(2, 2)),
        conv("wide", "up", "wide", 16, 8),
        Add(name="skip", inputs=("wide", "stem"), output="skip"),
        conv("head", "skip", "head", 8, 12),
        DepthToSpace(name="pixels", inputs=("head",), output="pixels", block=2),
        Add(name="anime", inputs=("pixels", "photo"), output="anime"),
    )
    return Graph("generator", ("photo",), ("anime",), {t.name: t for t in tensors}, ops)


def check(schedule: Schedule) -> None:
    """Play the schedule on row numbers instead of pixels."""
    graph = schedule.graph
    buffers = {b.name: b for b in schedule.buffers}
    held: dict[str, dict[int, tuple[str, int]]] = {name: {} for name in buffers}
    for name in graph.inputs:
        row_bytes = graph.tensors[name].row_bytes
        home = dict(schedule.tensor_buffers)[name]
        held[home] = {y * row_bytes: (name, y) for y in range(graph.tensors[name].height)}
    for step in schedule.steps:
        for view in (*step.inputs, step.output):
            buffer = buffers[view.buffer]
            row_bytes = graph.tensors[view.tensor].row_bytes
            assert buffer.first_step <= step.index < buffer.end_step
            assert view.offset_bytes >= 0
            assert view.offset_bytes + view.rows.count * row_bytes <= buffer.size_bytes
        for view in step.inputs:
            row_bytes = graph.tensors[view.tensor].row_bytes
            for i, y in enumerate(range(view.rows.begin, view.rows.end)):
                assert held[view.buffer][view.offset_bytes + i * row_bytes] == (view.tensor, y)
        out = step.output
        row_bytes = graph.tensors[out.tensor].row_bytes
        begin, end = out.offset_bytes, out.offset_bytes + out.rows.count * row_bytes
        held[out.buffer] = {at: row for at, row in held[out.buffer].items() if not begin <= at < end}
        for i, y in enumerate(range(out.rows.begin, out.rows.end)):
            held[out.buffer][begin + i * row_bytes] = (out.tensor, y)
    for name in graph.outputs:
        row_bytes = graph.tensors[name].row_bytes
        home = dict(schedule.tensor_buffers)[name]
        for y in range(graph.tensors[name].height):
            assert held[home][y * row_bytes] == (name, y)


@given(st.booleans(), st.integers(1, 8192), st.sampled_from([8, 16, 20, 32]))
@settings(max_examples=60, deadline=None)
def test_every_read_finds_the_row_it_wants_under_any_policy(fuse: bool, band_bytes: int, height: int) -> None:
    check(build_schedule(generator(height), FusionPolicy(fuse, band_bytes), no_scratch))


@pytest.mark.parametrize("fuse", [False, True])
def test_convolution_rows_are_computed_exactly_once(fuse: bool) -> None:
    schedule = build_schedule(generator(32), FusionPolicy(fuse, 700), no_scratch)
    for index, op in enumerate(schedule.graph.ops):
        if isinstance(op, Conv2D):
            views = [step.output.rows for step in schedule.steps if step.op == index]
            rows = [y for view in views for y in range(view.begin, view.end)]
            assert rows == list(range(schedule.graph.output_tensor(op).height))


def test_the_upsampled_map_never_exists_whole() -> None:
    schedule = build_schedule(generator(32), FusionPolicy(False, 1), no_scratch)
    assert "up" not in dict(schedule.tensor_buffers)
    band = next(b for b in schedule.buffers if b.name == "up.rows")
    assert band.size_bytes <= 4 * schedule.graph.tensors["up"].row_bytes


def test_the_global_residual_is_added_in_place() -> None:
    homes = dict(build_schedule(generator(32), FusionPolicy(True, 1024), no_scratch).tensor_buffers)
    assert homes["anime"] == homes["photo"]
    assert homes["skip"] == homes["stem"]


def test_a_residual_read_with_a_halo_is_not_overwritten_in_its_own_stage() -> None:
    tensors = {t.name: t for t in (tensor("x", 8, 4), tensor("y", 8, 4), tensor("z", 8, 4))}
    ops: tuple[Op, ...] = (conv("c", "x", "y", 4, 4), Add(name="a", inputs=("y", "x"), output="z"))
    schedule = build_schedule(Graph("g", ("x",), ("z",), tensors, ops), FusionPolicy(True, 64), no_scratch)
    check(schedule)
    assert dict(schedule.tensor_buffers)["z"] == "z"


def test_the_network_input_survives_where_it_is_also_an_output() -> None:
    tensors = {t.name: t for t in (tensor("x", 4, 4), tensor("y", 4, 4))}
    graph = Graph("g", ("x",), ("y", "x"), tensors, (Requantize(name="r", inputs=("x",), output="y"),))
    homes = dict(build_schedule(graph, FusionPolicy(True, 64), no_scratch).tensor_buffers)
    assert homes["x"] != homes["y"]


@pytest.mark.parametrize("above", [0, 9])
def test_a_band_whose_windows_lie_in_the_padding_still_computes_a_row(above: int) -> None:
    """One side of nine zero rows, stride one, one row per band: no row of the padded map is read there."""
    tensors = {t.name: t for t in (tensor("x", 4, 2), tensor("wide", 6, 2))}
    tensors["y"] = Tensor("y", (1, 13, 6, 3), Q)
    pad = Pad(name="p", inputs=("x",), output="wide", padding=Padding(1, 1, 1, 1), mode=PadMode.REFLECT)
    window = replace(conv("c", "wide", "y", 2, 3), padding=Padding(above, 1, 9 - above, 1))
    graph = Graph("g", ("x",), ("y",), tensors, (pad, window))
    schedule = build_schedule(graph, FusionPolicy(False, 1), no_scratch)
    assert schedule.stages[0].bands == 13
    assert any(step.inputs[0].rows.count == 0 for step in schedule.steps if step.op == 1)
    assert all(step.output.rows.count > 0 for step in schedule.steps)
    check(schedule)


def flat(name: str, *shape: int) -> Tensor:
    return Tensor(name, (1, *shape), Q)


def test_a_network_that_only_reshapes_its_input_copies_it_in_one_step() -> None:
    tensors = {t.name: t for t in (flat("x", 4, 4, 1), flat("a", 16), flat("y", 2, 8, 1))}
    ops: tuple[Op, ...] = (
        Reshape(name="a", inputs=("x",), output="a"),
        Reshape(name="y", inputs=("a",), output="y"),
    )
    schedule = build_schedule(Graph("g", ("x",), ("y",), tensors, ops), FusionPolicy(True, 64), no_scratch)
    homes = dict(schedule.tensor_buffers)
    assert homes == {"x": "x", "a": "x", "y": "y"}
    assert len(schedule.steps) == 1


def test_an_addition_never_overwrites_bytes_that_an_alias_still_needs() -> None:
    tensors = {t.name: t for t in (flat("x", 1, 1, 8), *(flat(name, 8) for name in ("a", "b", "c", "y")))}
    ops: tuple[Op, ...] = (
        Reshape(name="a", inputs=("x",), output="a"),
        Reshape(name="b", inputs=("a",), output="b"),
        Requantize(name="c", inputs=("a",), output="c"),
        Add(name="y", inputs=("c", "b"), output="y"),
    )
    homes = dict(
        build_schedule(Graph("g", ("x",), ("y",), tensors, ops), FusionPolicy(True, 64), no_scratch).tensor_buffers
    )
    assert homes["a"] == homes["b"] == "x"
    assert homes["c"] == "c"
    assert homes["y"] in ("c", "x")


def test_an_addition_of_a_tensor_to_its_own_alias_is_not_done_in_place() -> None:
    tensors = {t.name: t for t in (flat("x", 1, 1, 8), flat("r", 1, 1, 8), flat("a", 1, 1, 8), flat("y", 1, 1, 8))}
    ops: tuple[Op, ...] = (
        Requantize(name="r", inputs=("x",), output="r"),
        Reshape(name="a", inputs=("r",), output="a"),
        Add(name="y", inputs=("a", "r"), output="y"),
    )
    schedule = build_schedule(Graph("g", ("x",), ("y",), tensors, ops), FusionPolicy(True, 64), no_scratch)
    assert dict(schedule.tensor_buffers)["y"] == "y"


def test_a_tensor_called_like_a_band_of_another_one_keeps_its_own_bytes() -> None:
    graph = generator(16)
    renamed = {"skip": "up.rows", "wide": "up.rows_"}
    tensors = {renamed.get(n, n): replace(t, name=renamed.get(n, n)) for n, t in graph.tensors.items()}
    ops = tuple(
        replace(op, inputs=tuple(renamed.get(n, n) for n in op.inputs), output=renamed.get(op.output, op.output))
        for op in graph.ops
    )
    schedule = build_schedule(replace(graph, tensors=tensors, ops=ops), FusionPolicy(False, 1), no_scratch)
    names = [buffer.name for buffer in schedule.buffers]
    assert len(set(names)) == len(names)
    check(schedule)
