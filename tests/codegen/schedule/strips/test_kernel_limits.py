"""Working memory and least heights of a layout's stages: what the search offers is what is built."""

from __future__ import annotations

from functools import cache

import pytest

from tests.support.graphs import generator, with_small_scales
from tinyanime.boards.loader import load_board
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.kernels.kernel import KernelSource
from tinyanime.codegen.kernels.rule import NO_LIMIT, KernelRule, kernel_rule
from tinyanime.codegen.memory.banks import activation_banks
from tinyanime.codegen.memory.problem import MemoryProblem
from tinyanime.codegen.memory.shortage import fullest
from tinyanime.codegen.memory.solve import Shortage, solve
from tinyanime.codegen.schedule.check.check import check_schedule
from tinyanime.codegen.schedule.cost import CostModel
from tinyanime.codegen.schedule.plan import Schedule
from tinyanime.codegen.schedule.strips.build import build_schedule
from tinyanime.codegen.schedule.strips.layout import Layout, StageLayout
from tinyanime.codegen.schedule.strips.search import LayoutSpace, layout_space

BOARD = load_board("stm32h743")
HEIGHT = 32


@cache
def rule() -> KernelRule:
    return kernel_rule(BOARD, pinned=True)


@cache
def graph() -> Graph:
    return with_small_scales(generator(HEIGHT))


@cache
def space() -> LayoutSpace:
    return layout_space(graph(), rule(), CostModel(), Layout((), overlay=False))


def built(*stages: StageLayout) -> Schedule:
    """Checked byte by byte."""
    schedule = build_schedule(graph(), Layout(stages), rule())
    banks = activation_banks(BOARD)
    plan = solve(MemoryProblem(schedule.buffers, banks))
    assert not isinstance(plan, Shortage)
    check_schedule(schedule, plan, banks)
    return schedule


def scratch_bytes(schedule: Schedule) -> dict[int, int]:
    """By stage; stages without working memory have no such buffer."""
    return {
        stage: buffer.size_bytes
        for stage in range(len(schedule.stages))
        for buffer in schedule.buffers
        if buffer.name == f"stage{stage}.scratch"
    }


@pytest.mark.parametrize("least_rows", [1, 2, 4, 8])
def test_every_call_makes_the_least_rows_of_its_stage_where_so_many_are_left(least_rows: int) -> None:
    schedule = built(StageLayout(0, len(graph().ops), 1, least_rows=least_rows))
    for index, op in enumerate(graph().ops):
        counts = [step.output.rows.count for step in schedule.steps if step.op == index]
        height = graph().output_tensor(op).height
        assert sum(counts) == height
        assert all(count >= min(least_rows, height) for count in counts[:-1])
    if least_rows > 1:
        low = built(StageLayout(0, len(graph().ops), 1))
        assert len(schedule.steps) < len(low.steps)


def test_strips_that_are_higher_anyway_stay_as_they_are() -> None:
    high = [built(StageLayout(0, len(graph().ops), 16, least_rows=least)) for least in (1, 4)]
    assert [step.output.rows for step in high[0].steps] == [step.output.rows for step in high[1].steps]


def test_the_kernels_of_a_stage_work_within_its_limit_in_one_buffer() -> None:
    seen = set()
    for limit in (NO_LIMIT, 24 * 1024, 8 * 1024, 3 * 1024):
        schedule = built(StageLayout(0, 4, 4, limit, 4), StageLayout(4, 8, 4, 6 * 1024, 4))
        sizes = scratch_bytes(schedule)
        assert sizes[0] <= limit
        assert sizes[1] <= 6 * 1024
        seen.add(sizes[0])
        for step in schedule.steps:
            (call,) = step.calls
            assert call.scratch in ("", f"stage{step.stage}.scratch")
    assert len(seen) >= 3


def test_a_stage_has_the_kernels_that_the_rule_chooses_for_its_highest_calls() -> None:
    layout = StageLayout(0, len(graph().ops), 4, 8 * 1024, 4)
    schedule = built(layout)
    largest = 0
    for index, op in enumerate(graph().ops):
        steps = [step for step in schedule.steps if step.op == index]
        most = max(step.output.rows.count for step in steps)
        chosen = rule().choose(graph(), op, most, 8 * 1024)
        assert {call.kernel for step in steps for call in step.calls} == {chosen.kernel}
        assert {bool(call.scratch) for step in steps for call in step.calls} == {chosen.scratch_bytes > 0}
        largest = max(largest, chosen.scratch_bytes)
    assert scratch_bytes(schedule) == {0: largest}


def test_a_limit_below_every_kernel_leaves_those_of_least_memory() -> None:
    schedule = built(StageLayout(0, 4, 4, 0), StageLayout(4, 8, 4, 0))
    for index, op in enumerate(graph().ops):
        rows = max(step.output.rows.count for step in schedule.steps if step.op == index)
        least = min(candidate.scratch_bytes for candidate in rule().candidates(graph(), op, rows))
        assert scratch_bytes(schedule)[0 if index < 4 else 1] >= least


def test_the_search_offers_stages_of_several_limits_and_least_heights() -> None:
    stages = [option.layout for option in space().options]
    assert {stage.least_rows for stage in stages} == set(rule().least_rows)
    assert len({stage.scratch_limit for stage in stages}) > 1
    assert {stage.scratch_limit for stage in stages} <= set(rule().limits)


def test_the_working_memory_of_an_option_is_that_of_the_built_stage() -> None:
    whole = [option for option in space().options if option.layout.first_op == 0 and option.layout.end_op == 8]
    assert len({option.scratch_bytes for option in whole}) > 2
    for option in whole:
        schedule = build_schedule(graph(), Layout((option.layout,), overlay=False), rule())
        assert scratch_bytes(schedule).get(0, 0) == option.scratch_bytes
        assert fullest(schedule.buffers)[1] <= option.peak_bytes


def test_more_working_memory_never_makes_a_stage_slower() -> None:
    fastest: dict[StageLayout, list[tuple[int, int]]] = {}
    for option in space().options:
        stage = option.layout
        key = StageLayout(stage.first_op, stage.end_op, stage.strip_rows, least_rows=stage.least_rows)
        fastest.setdefault(key, []).append((stage.scratch_limit, option.cycles))
    assert any(len(options) > 1 for options in fastest.values())
    for options in fastest.values():
        cycles = [cycles for _, cycles in sorted(options)]
        assert cycles == sorted(cycles, reverse=True)


def test_a_part_of_the_space_has_only_stages_of_so_much_working_memory() -> None:
    sizes = sorted({option.scratch_bytes for option in space().options})
    limits = [limit for limit in sizes[:-1] if space().within(limit) is not space()]
    assert len(limits) > 2
    for limit in limits:
        part = space().within(limit)
        assert part.options == tuple(option for option in space().options if option.scratch_bytes <= limit)
        layout = part.fastest(1 << 30)
        assert layout is not None
        assert max(scratch_bytes(build_schedule(graph(), layout.layout, rule())).values()) <= limit


def test_a_part_of_the_space_without_any_layout_is_the_whole_space() -> None:
    assert space().within(0) is space()
    assert space().within(1 << 30).options == space().options


def test_faster_kernels_are_offered_for_more_memory() -> None:
    fast, small = space().fastest(1 << 30), space().smallest()
    assert fast is not None
    assert fast.cycles < small.cycles
    assert fast.peak_bytes > small.peak_bytes
    sources = {
        call.kernel.source
        for step in build_schedule(graph(), fast.layout, rule()).steps
        for call in step.calls
        if call.kernel and call.kernel.block
    }
    assert sources == {KernelSource.TINYANIME}
