"""Schedules of small graphs: every row is computed once, reads lie in what was written, buffers live long enough."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.graphs import Q, conv, generator, tensor
from tests.support.rules import no_scratch
from tinyanime.boards.loader import load_board
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import (
    Add,
    Conv2D,
    Filter,
    Op,
    Pad,
    Padding,
    PadMode,
    Requantize,
    Reshape,
    Size2D,
    UpsampleConv2D,
)
from tinyanime.codegen.ir.tensor import Tensor
from tinyanime.codegen.kernels.rule import kernel_rule
from tinyanime.codegen.passes.fuse_upsample import fuse_upsample
from tinyanime.codegen.schedule.plan import Call, Move, Receive, Schedule, Send, Span
from tinyanime.codegen.schedule.strips.build import build_schedule
from tinyanime.codegen.schedule.strips.layout import Layout, StageLayout, whole_layer_layout


def check(schedule: Schedule) -> None:
    """Play the schedule on row numbers instead of pixels."""
    graph = schedule.graph
    buffers = {b.name: b for b in schedule.buffers}
    held: dict[str, dict[int, tuple[str, int]]] = {name: {} for name in buffers}
    received = sent = 0

    def put(buffer: str, offset: int, tensor: str, begin: int, end: int) -> None:
        row_bytes = graph.tensors[tensor].row_bytes
        assert offset >= 0
        assert offset + (end - begin) * row_bytes <= buffers[buffer].size_bytes
        low, high = offset, offset + (end - begin) * row_bytes
        # A row that is overwritten in part is gone.
        held[buffer] = {
            at: row for at, row in held[buffer].items() if at + graph.tensors[row[0]].row_bytes <= low or at >= high
        }
        for i, y in enumerate(range(begin, end)):
            held[buffer][low + i * row_bytes] = (tensor, y)

    def move(source: Span, target: Span) -> None:
        assert source.buffer == target.buffer
        assert target.offset_bytes < source.offset_bytes
        rows = {at: row for at, row in held[source.buffer].items() if source.offset_bytes <= at < source.end_bytes}
        shift = target.offset_bytes - source.offset_bytes
        for at, (name, y) in rows.items():
            put(target.buffer, at + shift, name, y, y + 1)

    for name in graph.inputs:
        if not schedule.streamed_input:
            home = schedule.storage_of(name)
            put(home.buffer, home.offset_bytes, name, 0, graph.tensors[name].height)
    for step in schedule.steps:
        for command in step.commands:
            match command:
                case Move(source, target):
                    assert buffers[source.buffer].first_step <= step.index < buffers[source.buffer].end_step
                    move(source, target)
                case Receive(rows, target):
                    assert rows.begin == received
                    received = rows.end
                    put(target.buffer, target.offset_bytes, graph.inputs[0], rows.begin, rows.end)
                case Send(rows, source):
                    assert rows.begin == sent
                    sent = rows.end
                    row_bytes = graph.tensors[graph.outputs[0]].row_bytes
                    for i, y in enumerate(range(rows.begin, rows.end)):
                        assert held[source.buffer][source.offset_bytes + i * row_bytes] == (graph.outputs[0], y)
                case Call():
                    for view in command.inputs:
                        buffer = buffers[view.buffer]
                        assert buffer.first_step <= step.index < buffer.end_step
                        row_bytes = graph.tensors[view.tensor].row_bytes
                        for i, y in enumerate(range(view.rows.begin, view.rows.end)):
                            assert held[view.buffer][view.offset_bytes + i * row_bytes] == (view.tensor, y)
                    out = command.output
                    assert out == step.output
                    assert buffers[out.buffer].first_step <= step.index < buffers[out.buffer].end_step
                    put(out.buffer, out.offset_bytes, out.tensor, out.rows.begin, out.rows.end)
    for name in graph.outputs:
        if schedule.streamed_output:
            assert sent == graph.tensors[name].height
            continue
        home = schedule.storage_of(name)
        row_bytes = graph.tensors[name].row_bytes
        for y in range(graph.tensors[name].height):
            assert held[home.buffer][home.offset_bytes + y * row_bytes] == (name, y)


def one_stage(graph: Graph, rows: int, **options: bool) -> Layout:
    return Layout((StageLayout(0, len(graph.ops), rows),), **options)


def cut(graph: Graph, cuts: list[int], rows: int, **options: bool) -> Layout:
    edges = sorted({0, len(graph.ops), *cuts})
    return Layout(tuple(StageLayout(a, b, rows) for a, b in pairwise(edges)), **options)


def homes(schedule: Schedule) -> dict[str, str]:
    return {storage.tensor: storage.buffer for storage in schedule.storage}


@given(
    st.sampled_from([8, 16, 20, 32]),
    st.integers(1, 33),
    st.lists(st.integers(1, 7)),
    st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_every_read_finds_the_row_it_wants_under_any_layout(
    height: int, rows: int, cuts: list[int], overlay: bool
) -> None:
    graph = generator(height)
    check(build_schedule(graph, cut(graph, cuts, rows, overlay=overlay), no_scratch))


@pytest.mark.parametrize("rows", [1, 3, 4, 7, 32])
def test_a_joined_upsampling_finds_its_rows_under_any_layout(rows: int) -> None:
    joined = fuse_upsample(generator(32), lambda conv: True)
    op = joined.ops[2]
    assert isinstance(op, UpsampleConv2D)
    exact = replace(op, filter=replace(op.filter, scales=op.filter.scales / 64))
    graph = replace(joined, ops=(*joined.ops[:2], exact, *joined.ops[3:]))
    rule = kernel_rule(load_board("stm32h743"), pinned=True)
    for cuts in ([], [2], [3], [2, 3]):
        schedule = build_schedule(graph, cut(graph, cuts, rows), rule)
        check(schedule)
        calls = [call for step in schedule.steps for call in step.calls if call.op == 2]
        assert {call.kernel.function for call in calls if call.kernel} == {"ta_upsample_convolve_s8"}


@pytest.mark.parametrize("rows", [1, 2, 3, 8, 32])
def test_each_row_is_computed_exactly_once(rows: int) -> None:
    schedule = build_schedule(generator(32), one_stage(generator(32), rows), no_scratch)
    for index, op in enumerate(schedule.graph.ops):
        views = [step.output.rows for step in schedule.steps if step.op == index]
        made = [y for view in views for y in range(view.begin, view.end)]
        assert made == list(range(schedule.graph.output_tensor(op).height))


@pytest.mark.parametrize("rows", [1, 2, 8])
def test_a_streamed_picture_is_never_in_memory_whole(rows: int) -> None:
    graph = generator(32)
    schedule = build_schedule(graph, one_stage(graph, rows, stream_input=True, stream_output=True), no_scratch)
    check(schedule)
    assert schedule.storage_of("anime").rows < 32
    assert "photo" not in {buffer.name for buffer in schedule.buffers}
    assert schedule.streamed_input == "photo.window"
    assert schedule.streamed_output == "anime.window"


def test_rows_of_a_streamed_picture_that_nobody_reads_are_received_too() -> None:
    tensors = {t.name: t for t in (tensor("x", 9, 4), tensor("z", 4, 4))}
    values = np.ones((4, 1, 1, 4), dtype=np.int8)
    weights = Filter(values, np.ones(4), np.zeros(4, dtype=np.int32))
    op = Conv2D(name="c", inputs=("x",), output="z", filter=weights, stride=Size2D(2, 2))
    graph = Graph("g", ("x",), ("z",), tensors, (op,))
    schedule = build_schedule(graph, one_stage(graph, 1, stream_input=True, stream_output=True), no_scratch)
    check(schedule)
    received = [c.rows for step in schedule.steps for c in step.commands if isinstance(c, Receive)]
    assert sum(rows.count for rows in received) == 9


@pytest.mark.parametrize("rows", [1, 4, 32])
def test_a_streamed_strip_is_exchanged_in_pieces_of_half_a_window(rows: int) -> None:
    graph = generator(32)
    schedule = build_schedule(graph, one_stage(graph, rows, stream_input=True, stream_output=True), no_scratch)
    sizes = {buffer.name: buffer.size_bytes for buffer in schedule.buffers}
    spans = [
        (c.target, sizes["photo.window"]) if isinstance(c, Receive) else (c.source, sizes["anime.window"])
        for step in schedule.steps
        for c in step.commands
        if isinstance(c, Receive | Send)
    ]
    assert all(2 * span.size_bytes <= window for span, window in spans)


def test_line_buffers_hold_the_halo_and_the_new_rows_only() -> None:
    schedule = build_schedule(generator(32), one_stage(generator(32), 2), no_scratch)
    assert schedule.storage_of("up").rows == 3
    assert schedule.storage_of("skip").rows == 3
    assert schedule.storage_of("head").rows == 1


def test_a_long_skip_keeps_as_many_rows_as_its_reader_lags_behind() -> None:
    names = ("x", "a", "b", "c", "d", "y")
    tensors = {name: tensor(name, 32, 4) for name in names}
    convolutions = tuple(conv(after, before, after, 4, 4) for before, after in pairwise(names[:5]))
    ops: tuple[Op, ...] = (*convolutions, Add(name="y", inputs=("d", "a"), output="y"))
    graph = Graph("g", ("x",), ("y",), tensors, ops)
    schedule = build_schedule(graph, one_stage(graph, 1), no_scratch)
    check(schedule)
    # Three 3x3 convolutions look three rows ahead: the row that is added, and the three below it.
    assert schedule.storage_of("a").rows == 4


def test_residuals_are_added_in_place_where_the_map_is_whole() -> None:
    graph = generator(32)
    schedule = build_schedule(graph, whole_layer_layout(graph), no_scratch)
    check(schedule)
    assert homes(schedule)["anime"] in (homes(schedule)["photo"], homes(schedule)["pixels"])
    assert homes(schedule)["skip"] in (homes(schedule)["stem"], homes(schedule)["wide"])


def test_a_growing_output_overwrites_the_dead_rows_of_a_whole_input() -> None:
    """Two convolutions of the same size: when a row is made, the input's row of that number is dead already."""
    tensors = {t.name: t for t in (tensor("x", 32, 4), tensor("y", 32, 4), tensor("z", 32, 4))}
    graph = Graph("g", ("x",), ("z",), tensors, (conv("c", "x", "y", 4, 4), conv("d", "y", "z", 4, 4)))
    schedule = build_schedule(graph, one_stage(graph, 1), no_scratch)
    check(schedule)
    assert homes(schedule)["z"] == homes(schedule)["x"] == "x"
    assert next(b for b in schedule.buffers if b.name == "x").size_bytes == tensors["x"].size_bytes


def test_an_output_that_would_overwrite_its_own_inputs_begins_some_rows_before_them() -> None:
    tensors = {t.name: t for t in (tensor("x", 32, 4), tensor("z", 32, 4))}
    graph = Graph("g", ("x",), ("z",), tensors, (conv("c", "x", "z", 4, 4),))
    schedule = build_schedule(graph, one_stage(graph, 1), no_scratch)
    check(schedule)
    assert schedule.storage_of("z").offset_bytes == 0
    assert schedule.storage_of("x").offset_bytes == 2 * tensors["x"].row_bytes


def test_a_residual_read_with_a_halo_is_overwritten_behind_its_readers_only() -> None:
    tensors = {t.name: t for t in (tensor("x", 8, 4), tensor("y", 8, 4), tensor("z", 8, 4))}
    ops: tuple[Op, ...] = (conv("c", "x", "y", 4, 4), Add(name="a", inputs=("y", "x"), output="z"))
    graph = Graph("g", ("x",), ("z",), tensors, ops)
    schedule = build_schedule(graph, one_stage(graph, 1), no_scratch)
    check(schedule)
    assert homes(schedule)["z"] == "x"


def test_the_network_input_survives_where_it_is_also_an_output() -> None:
    tensors = {t.name: t for t in (tensor("x", 4, 4), tensor("y", 4, 4))}
    graph = Graph("g", ("x",), ("y", "x"), tensors, (Requantize(name="r", inputs=("x",), output="y"),))
    found = homes(build_schedule(graph, one_stage(graph, 1), no_scratch))
    assert found["x"] != found["y"]


@pytest.mark.parametrize("above", [0, 9])
def test_windows_that_lie_in_the_padding_still_compute_their_rows(above: int) -> None:
    """One side of nine zero rows, stride one, one row per strip: no row of the padded map is read there."""
    tensors = {t.name: t for t in (tensor("x", 4, 2), tensor("wide", 6, 2))}
    tensors["y"] = Tensor("y", (1, 13, 6, 3), Q)
    pad = Pad(name="p", inputs=("x",), output="wide", padding=Padding(1, 1, 1, 1), mode=PadMode.REFLECT)
    window = replace(conv("c", "wide", "y", 2, 3), padding=Padding(above, 1, 9 - above, 1))
    graph = Graph("g", ("x",), ("y",), tensors, (pad, window))
    schedule = build_schedule(graph, one_stage(graph, 1), no_scratch)
    assert sum(step.op == 1 for step in schedule.steps) == 13
    assert any(step.calls[0].inputs[0].rows.count == 0 for step in schedule.steps if step.op == 1)
    check(schedule)


def flat(name: str, *shape: int) -> Tensor:
    return Tensor(name, (1, *shape), Q)


def test_a_network_that_only_reshapes_its_input_copies_it_in_one_step() -> None:
    tensors = {t.name: t for t in (flat("x", 4, 4, 1), flat("a", 16), flat("y", 2, 8, 1))}
    ops: tuple[Op, ...] = (
        Reshape(name="a", inputs=("x",), output="a"),
        Reshape(name="y", inputs=("a",), output="y"),
    )
    graph = Graph("g", ("x",), ("y",), tensors, ops)
    schedule = build_schedule(graph, whole_layer_layout(graph), no_scratch)
    assert homes(schedule) == {"x": "x", "a": "x", "y": "y"}
    assert len(schedule.steps) == 1


def test_an_addition_never_overwrites_bytes_that_an_alias_still_needs() -> None:
    tensors = {t.name: t for t in (flat("x", 1, 1, 8), *(flat(name, 8) for name in ("a", "b", "c", "y")))}
    ops: tuple[Op, ...] = (
        Reshape(name="a", inputs=("x",), output="a"),
        Reshape(name="b", inputs=("a",), output="b"),
        Requantize(name="c", inputs=("a",), output="c"),
        Add(name="y", inputs=("c", "b"), output="y"),
    )
    graph = Graph("g", ("x",), ("y",), tensors, ops)
    found = homes(build_schedule(graph, whole_layer_layout(graph), no_scratch))
    assert found["a"] == found["b"] == "x"
    assert found["c"] == "c"
    assert found["y"] in ("c", "x")


def test_an_addition_of_a_tensor_to_its_own_alias_is_not_done_in_place() -> None:
    tensors = {t.name: t for t in (flat("x", 1, 1, 8), flat("r", 1, 1, 8), flat("a", 1, 1, 8), flat("y", 1, 1, 8))}
    ops: tuple[Op, ...] = (
        Requantize(name="r", inputs=("x",), output="r"),
        Reshape(name="a", inputs=("r",), output="a"),
        Add(name="y", inputs=("a", "r"), output="y"),
    )
    graph = Graph("g", ("x",), ("y",), tensors, ops)
    assert homes(build_schedule(graph, whole_layer_layout(graph), no_scratch))["y"] == "y"


def test_a_tensor_called_like_a_line_buffer_of_another_one_keeps_its_own_bytes() -> None:
    graph = generator(16)
    renamed = {"skip": "up.lines", "wide": "up.lines_"}
    tensors = {renamed.get(n, n): replace(t, name=renamed.get(n, n)) for n, t in graph.tensors.items()}
    ops = tuple(
        replace(op, inputs=tuple(renamed.get(n, n) for n in op.inputs), output=renamed.get(op.output, op.output))
        for op in graph.ops
    )
    changed = replace(graph, tensors=tensors, ops=ops)
    schedule = build_schedule(changed, one_stage(changed, 1), no_scratch)
    names = [buffer.name for buffer in schedule.buffers]
    assert len(set(names)) == len(names)
    check(schedule)
