"""The choice of a schedule where options or the network leave little of it, and in deep networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import onnx
import pytest

from tests.models.builders import Activation, QdqBuilder, save
from tests.models.random_networks import random_network
from tests.support.rules import no_scratch
from tinyanime.boards.loader import load_board
from tinyanime.boards.schema import Board, MemoryUse
from tinyanime.codegen.errors import ModelError
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.pipeline import load_and_prepare
from tinyanime.codegen.schedule.choose import Optimize, ScheduleOptions, choose_schedule
from tinyanime.codegen.schedule.cost import CostModel
from tinyanime.codegen.schedule.strips.layout import Layout, StageLayout
from tinyanime.codegen.schedule.strips.needs import GraphNeeds
from tinyanime.codegen.schedule.strips.recompute import recompute_variants
from tinyanime.codegen.schedule.strips.search import layout_space
from tinyanime.codegen.schedule.strips.smallest import small_layouts
from tinyanime.codegen.schedule.strips.stage_cost import StageCosts

SEEDS = tuple(range(24))


def prepared(model: onnx.ModelProto, folder: Path) -> Graph:
    return load_and_prepare(save(model, folder / "model.onnx"))


def with_fast_bytes(size: int) -> Board:
    """The stm32h743 with so little memory beside stack and data in its DTCM."""
    board = load_board("stm32h743")
    data = replace(board.region("dtcm"), uses=(MemoryUse.DATA, MemoryUse.STACK))
    fast = replace(board.region("dtcm"), name="fast", base=data.end, size_bytes=size, uses=(MemoryUse.ACTIVATIONS,))
    others = tuple(region for region in board.memory if region.name != "dtcm")
    return replace(board, memory=(*others, data, fast))


def without_weights(b: QdqBuilder) -> Activation:
    return b.resize(b.input((1, 2, 8, 8)), (2, 2))


def with_weights(b: QdqBuilder) -> Activation:
    return b.conv(b.conv(b.input((1, 2, 8, 8)), 16), 4)


@pytest.mark.parametrize("optimize", [Optimize.TIME, Optimize.RAM])
@pytest.mark.parametrize(("make", "fast_bytes"), [(with_weights, 64), (without_weights, 4096)])
def test_transfers_may_be_asked_for_where_no_weights_can_be_moved(
    tmp_path: Path, make: Callable[[QdqBuilder], Activation], fast_bytes: int, optimize: Optimize
) -> None:
    b = QdqBuilder(2)
    graph = prepared(b.finish(make(b)), tmp_path)
    options = ScheduleOptions(optimize, transfers=True)
    planned = choose_schedule(graph, with_fast_bytes(fast_bytes), no_scratch, options)
    assert planned.transfers.weight_slot_bytes == 0
    assert not planned.timeline.transfers


def test_an_input_that_is_read_again_behind_a_reshape_is_not_streamed(tmp_path: Path) -> None:
    """A reshape without a kernel ends a stage, and rows from the link come once."""
    b = QdqBuilder(1)
    photo = b.input((1, 1, 8, 8))
    flat = b.conv(b.reshape(b.conv(photo, 1), (1, 1, 16, 4)), 1)
    graph = prepared(b.finish(b.conv(b.add(photo, b.reshape(flat, (1, 1, 8, 8))), 2)), tmp_path)
    board = load_board("posix")
    with pytest.raises(ModelError, match="cannot be streamed"):
        choose_schedule(graph, board, no_scratch, ScheduleOptions(stream=True))
    assert not choose_schedule(graph, board, no_scratch).schedule.streamed_input


def deep(blocks: int) -> onnx.ModelProto:
    """Residual blocks of three convolutions, on maps that shrink on the way."""
    b = QdqBuilder(3, name="deep")

    def conv(x: Activation, channels: int, size: int = 1, stride: int = 1) -> Activation:
        pads = (size // 2,) * 4
        result = b.conv_float(x, channels, kernel=(size, size), stride=(stride, stride), pads=pads)
        return b.quantize(result, scale=0.02)

    x = conv(b.input((1, 3, 64, 64)), 4, 3, 2)
    for block in range(blocks):
        if block in (blocks // 3, 2 * blocks // 3):
            x = conv(x, 2 * x.shape[1], 3, 2)
        inner = conv(conv(conv(x, 2 * x.shape[1]), 2 * x.shape[1], 3), x.shape[1])
        x = b.add(x, inner)
    return b.finish(x)


def test_deep_networks_are_cut_all_along_not_only_where_maps_are_small(tmp_path: Path) -> None:
    graph = prepared(deep(30), tmp_path)
    assert len(graph.ops) > 120
    space = layout_space(graph, no_scratch, CostModel(), Layout(()), strip_rows=(1, 2))
    firsts = sorted({option.layout.first_op for option in space.options})
    assert max(after - before for before, after in pairwise(firsts)) <= 8
    # Little more than what the largest map and its neighbours take.
    largest = max(tensor.size_bytes for tensor in graph.tensors.values())
    assert space.smallest().peak_bytes < 1.5 * largest


def test_skips_that_pass_by_the_fullest_stage_only_are_computed_again(tmp_path: Path) -> None:
    graph = prepared(deep(7), tmp_path)
    tried = {small.variant.recomputed for small in small_layouts(graph, no_scratch, CostModel(), Layout(()))}
    possible = {variant.recomputed for variant in recompute_variants(graph)}
    assert tried - {()} < possible


def test_a_stage_costs_the_same_evaluated_alone_or_with_others(tmp_path: Path) -> None:
    """All stages with one end follow from one run of the longest."""
    graph = prepared(deep(3), tmp_path)
    costs = StageCosts(GraphNeeds.of(graph), Layout(()), no_scratch, CostModel())
    for end in range(2, len(graph.ops) + 1, 3):
        together = costs.ending_at(range(end), end, 2)
        assert [option.layout for option in together] == [StageLayout(first, end, 2) for first in range(end)]
        assert together == [costs.ending_at((first,), end, 2)[0] for first in range(end)]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_smallest_schedule_is_never_larger_than_the_fastest_or_layer_by_layer(tmp_path: Path, seed: int) -> None:
    """Estimates of the search do not know how long shared buffers live."""
    graph = prepared(random_network(seed, depth=4), tmp_path)
    board = load_board("posix")
    peaks = {
        optimize: choose_schedule(graph, board, no_scratch, ScheduleOptions(optimize)).plan.certificate.total_peak_bytes
        for optimize in Optimize
    }
    assert peaks[Optimize.RAM] == min(peaks.values())
