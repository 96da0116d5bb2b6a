"""The search's estimates are the built schedule's figures, and its layouts are the best under their budgets."""

from __future__ import annotations

from itertools import combinations

import pytest

from tests.support.graphs import generator
from tests.support.rules import no_scratch
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.schedule.cost import CostModel
from tinyanime.codegen.schedule.plan import Schedule
from tinyanime.codegen.schedule.strips.build import build_schedule
from tinyanime.codegen.schedule.strips.layout import Layout, StageLayout
from tinyanime.codegen.schedule.strips.recompute import recompute_variants
from tinyanime.codegen.schedule.strips.search import LayoutSpace, layout_space


def alive_bytes(schedule: Schedule) -> int:
    steps = range(len(schedule.steps))
    return max(sum(b.size_bytes for b in schedule.buffers if b.first_step <= s < b.end_step) for s in steps)


def space(graph: Graph, **options: bool) -> LayoutSpace:
    return layout_space(graph, no_scratch, CostModel(), Layout((), **options))


@pytest.mark.parametrize("height", [16, 32, 64])
def test_the_estimated_peak_is_never_below_what_the_built_schedule_keeps_alive(height: int) -> None:
    graph = generator(height)
    found = space(graph, overlay=False)
    for budget in found.budgets()[:: max(1, len(found.budgets()) // 12)]:
        option = found.fastest(budget)
        if option is not None:
            assert option.peak_bytes <= budget
            assert alive_bytes(build_schedule(graph, option.layout, no_scratch)) <= option.peak_bytes


@pytest.mark.parametrize("rows", [1, 2, 4, 8])
def test_the_estimate_of_a_single_stage_is_exact_with_a_shared_buffer_too(rows: int) -> None:
    graph = generator(64)
    whole = next(o for o in space(graph).options if o.layout == StageLayout(0, len(graph.ops), rows))
    assert alive_bytes(build_schedule(graph, Layout((whole.layout,)), no_scratch)) == whole.peak_bytes


def test_a_larger_budget_never_gives_a_slower_layout() -> None:
    found = space(generator(64))
    cycles = [option.cycles for budget in found.budgets() if (option := found.fastest(budget)) is not None]
    assert cycles == sorted(cycles, reverse=True)
    assert len(set(cycles)) > 1


def test_the_smallest_layout_is_the_smallest_of_all_combinations_of_stages() -> None:
    graph = generator(16)
    found = space(graph)
    by_ends: dict[tuple[int, int], int] = {}
    for option in found.options:
        ends = (option.layout.first_op, option.layout.end_op)
        by_ends[ends] = min(by_ends.get(ends, option.peak_bytes), option.peak_bytes)
    count = len(graph.ops)
    least = min(
        max(by_ends.get(pair, 1 << 40) for pair in zip((0, *cuts), (*cuts, count), strict=True))
        for size in range(count)
        for cuts in combinations(range(1, count), size)
    )
    assert found.smallest().peak_bytes == least


def test_strips_need_a_fraction_of_whole_layers() -> None:
    found = space(generator(64))
    whole = max(option.peak_bytes for option in found.options if option.layout.end_op - option.layout.first_op == 1)
    assert found.smallest().peak_bytes < 0.5 * whole


def test_a_streamed_layout_never_cuts_between_two_readers_of_the_input() -> None:
    graph = generator(32)
    option = space(graph, stream_input=True, stream_output=True).smallest()
    readers = [i for i, op in enumerate(graph.ops) if "photo" in op.inputs]
    assert any(s.first_op <= readers[0] and readers[-1] < s.end_op for s in option.layout.stages)


def test_a_recomputed_skip_needs_no_storage_for_it_and_names_what_it_repeats() -> None:
    graph = generator(64)
    variants = list(recompute_variants(graph, 256))
    assert not list(recompute_variants(graph, len(graph.ops)))
    assert variants
    for variant in variants:
        for item in variant.recomputed:
            op = variant.graph.ops[item.op]
            original = next(o for o in graph.ops if o.output == item.tensor)
            assert type(op) is type(original)
            assert op.output not in graph.tensors
            assert len(variant.graph.consumers(op.output)) == 1
        assert len(variant.graph.ops) == len(graph.ops) + len(variant.recomputed)
