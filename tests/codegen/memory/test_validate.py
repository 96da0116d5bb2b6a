"""Each rule of the validator rejects a plan that breaks just it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.support.memory_problems import small_problems
from tinyanime.codegen.memory.problem import Bank, Buffer, MemoryPlan, MemoryProblem, Objective, Placement
from tinyanime.codegen.memory.solve import SolveOptions, solve
from tinyanime.codegen.memory.validate import PlanError, validate_plan

PROBLEM = MemoryProblem(
    (
        Buffer("a", 100, 0, 2, accesses_bytes=7),
        Buffer("b", 100, 1, 3, 8, banks=("slow",), accesses_bytes=5),
        Buffer("tile", 40, 1, 2, 4, dma=True),
    ),
    (
        Bank("fast", 0x2000_0000, 4096, 1),
        Bank("slow", 0x2400_0008, 16384, 3),
        Bank("cached", 0x3000_0000, 512, 2, dma=True, cache_line_bytes=32),
    ),
)
GOOD = solve(PROBLEM)


def broken(places: tuple[tuple[str, int], ...] = (), /, **changes: object) -> MemoryPlan:
    """GOOD with other banks and offsets, or with other values in its certificate."""
    assert isinstance(GOOD, MemoryPlan)
    placements = tuple(Placement(b.name, *place) for b, place in zip(PROBLEM.buffers, places, strict=False))
    changed = {name: value for name, value in changes.items() if name != "peak_bytes"}
    plan = replace(GOOD, placements=placements or GOOD.placements, certificate=replace(GOOD.certificate, **changed))  # type: ignore[arg-type]
    return replace(plan, peak_bytes=changes["peak_bytes"]) if "peak_bytes" in changes else plan  # type: ignore[arg-type]


def test_the_validator_accepts_a_good_plan() -> None:
    assert isinstance(GOOD, MemoryPlan)
    assert [(p.bank, p.offset_bytes) for p in GOOD.placements] == [("fast", 0), ("slow", 0), ("cached", 0)]
    assert GOOD.peak_bytes == (("fast", 100), ("slow", 100), ("cached", 64))
    validate_plan(PROBLEM, GOOD)


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ((("slow", 8), ("slow", 96), ("cached", 0)), "a and b overlap in bank slow"),
        ((("fast", 0), ("fast", 112), ("cached", 0)), "b may not lie in bank fast"),
        ((("fast", 0), ("slow", 0), ("fast", 128)), "tile lies in bank fast, which the DMA does not reach"),
        ((("fast", 4000), ("slow", 0), ("cached", 0)), "a leaves bank fast"),
        ((("fast", -16), ("slow", 0), ("cached", 0)), "a leaves bank fast"),
        ((("fast", 0), ("slow", 0), ("cached", 480)), "tile leaves bank cached"),
        ((("fast", 8), ("slow", 0), ("cached", 0)), "a is not aligned to 16"),
        ((("fast", 0), ("slow", 4), ("cached", 0)), "b is not aligned to 8"),
        ((("fast", 0), ("slow", 0), ("cached", 16)), "tile is a DMA's and does not begin a cache line"),
        ((("cached", 48), ("slow", 0), ("cached", 0)), "a and tile share a cache line"),
        ((("cached", 64), ("slow", 0), ("cached", 32)), "a and tile overlap in bank cached"),
        ((("disk", 0), ("slow", 0), ("cached", 0)), "unknown bank disk"),
        ((("fast", 0), ("slow", 0)), "one to one"),
        ((("fast", 16), ("slow", 0), ("cached", 0)), "bank fast claims a peak of 100 bytes, it is 116"),
    ],
)
def test_the_validator_names_each_broken_rule_of_placement(places: tuple[tuple[str, int], ...], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        validate_plan(PROBLEM, broken(places))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"peak_bytes": (("fast", 100), ("slow", 99), ("cached", 64))}, "slow claims a peak of 99 bytes, it is 100"),
        ({"peak_bytes": (("fast", 100), ("slow", 100), ("cached", 40))}, "cached claims a peak of 40 bytes, it is 64"),
        ({"peak_bytes": (("fast", 100), ("slow", 100))}, "peaks and banks"),
        ({"total_peak_bytes": 240}, "claims 240 bytes in all, the peaks' sum is 264"),
        ({"access_cost": 21}, "claims an access cost of 21, it is 22"),
        ({"alive_bytes": 200}, "claims 200 bytes alive at once, there are 240"),
        ({"peak_bound_bytes": 265}, "the bound of 265 bytes is above"),
        ({"access_cost_bound": 23}, "the access cost bound of 23 is above"),
        ({"peak_bound_bytes": 263}, "claim of a proof"),
        ({"access_cost_bound": 21}, "claim of a proof"),
        ({"proven": False}, "claim of a proof"),
    ],
)
def test_the_validator_names_each_false_claim(changes: dict[str, object], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        validate_plan(PROBLEM, broken(**changes))


def test_a_bound_below_what_is_alive_at_once_is_refused_where_ram_comes_first() -> None:
    problem = replace(PROBLEM, objective=Objective.RAM)
    with pytest.raises(PlanError, match="below the 240 alive"):
        validate_plan(problem, broken(peak_bound_bytes=239, proven=False))


def test_buffers_of_different_times_may_share_the_cache_lines_of_a_dma_buffer() -> None:
    buffers = (Buffer("tile", 40, 0, 1, dma=True), Buffer("map", 16, 1, 2))
    problem = MemoryProblem(buffers, PROBLEM.banks[2:])
    plan = solve(problem)
    assert isinstance(plan, MemoryPlan)
    validate_plan(problem, replace(plan, placements=(plan.placements[0], Placement("map", "cached", 48))))


@given(small_problems(most_buffers=8), st.data())
@settings(max_examples=100, deadline=None)
def test_an_alive_buffer_put_onto_another_is_rejected(problem: MemoryProblem, data: st.DataObject) -> None:
    plan = solve(problem, SolveOptions(exact=False))
    assume(isinstance(plan, MemoryPlan))
    assert isinstance(plan, MemoryPlan)
    meeting = [
        (i, j)
        for i, a in enumerate(problem.buffers)
        for j, b in enumerate(problem.buffers)
        if i != j and a.first_step < b.end_step and b.first_step < a.end_step
    ]
    assume(meeting)
    i, j = data.draw(st.sampled_from(meeting))
    target = plan.placements[j]
    moved = [replace(target, buffer=p.buffer) if k == i else p for k, p in enumerate(plan.placements)]
    with pytest.raises(PlanError):
        validate_plan(problem, replace(plan, placements=tuple(moved)))
