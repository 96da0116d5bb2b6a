"""The planner against its independent validator, on random problems and on constructed ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyanime.codegen.memory.problem import Bank, Buffer, MemoryPlan, MemoryProblem, Placement
from tinyanime.codegen.memory.solve import Shortage, lower_bound_bytes, solve
from tinyanime.codegen.memory.validate import PlanError, validate_plan

BANKS = (Bank("fast", 0x2000_0000, 4096, 1), Bank("slow", 0x2400_0008, 16384, 3))


@st.composite
def problems(draw: st.DrawFn) -> MemoryProblem:
    buffers = []
    for index in range(draw(st.integers(1, 14))):
        first = draw(st.integers(0, 9))
        buffers.append(
            Buffer(
                f"b{index}",
                draw(st.integers(1, 3000)),
                first,
                first + draw(st.integers(1, 5)),
                2 ** draw(st.integers(0, 6)),
                draw(st.sampled_from([(), ("slow",), ("fast", "slow")])),
                draw(st.integers(0, 10_000)),
            )
        )
    return MemoryProblem(tuple(buffers), BANKS)


@given(problems())
@settings(max_examples=150, deadline=None)
def test_every_plan_passes_the_independent_validator(problem: MemoryProblem) -> None:
    result = solve(problem)
    if isinstance(result, MemoryPlan):
        validate_plan(problem, result)
        assert sum(size for _, size in result.peak_bytes) >= result.lower_bound_bytes or len(BANKS) > 1
        assert max(b.size_bytes for b in problem.buffers) <= result.lower_bound_bytes
    else:
        assert result.largest_gap_bytes < result.buffer.size_bytes + result.buffer.alignment_bytes


@given(problems())
@settings(max_examples=30, deadline=None)
def test_planning_is_deterministic(problem: MemoryProblem) -> None:
    assert solve(problem) == solve(problem)


def test_buffers_with_disjoint_lives_share_bytes() -> None:
    problem = MemoryProblem((Buffer("a", 4096, 0, 1), Buffer("b", 4096, 1, 2)), (Bank("only", 0, 4096, 1),))
    plan = solve(problem)
    assert isinstance(plan, MemoryPlan)
    assert plan.peak_bytes == (("only", 4096),)
    assert plan.lower_bound_bytes == 4096


def test_hot_buffers_go_to_the_cheap_bank() -> None:
    cold = Buffer("cold", 3000, 0, 2, accesses_bytes=3000)
    hot = Buffer("hot", 3000, 0, 2, accesses_bytes=900_000)
    plan = solve(MemoryProblem((cold, hot), BANKS))
    assert isinstance(plan, MemoryPlan)
    assert [p.bank for p in plan.placements] == ["slow", "fast"]


def test_a_shortage_names_the_buffer_and_the_largest_gap() -> None:
    problem = MemoryProblem((Buffer("big", 600, 0, 2), Buffer("bigger", 700, 1, 3)), (Bank("only", 0, 1000, 1),))
    result = solve(problem)
    assert isinstance(result, Shortage)
    assert (result.buffer.name, result.largest_gap_bytes) in {("bigger", 400), ("big", 300), ("bigger", 392)}


def test_the_lower_bound_is_the_fullest_step() -> None:
    buffers = (Buffer("a", 10, 0, 3), Buffer("b", 20, 2, 4), Buffer("c", 25, 3, 5))
    assert lower_bound_bytes(buffers) == 45


PROBLEM = MemoryProblem((Buffer("a", 100, 0, 2), Buffer("b", 100, 1, 3, banks=("slow",))), BANKS)
GOOD = MemoryPlan((Placement("a", "fast", 0), Placement("b", "slow", 8)), (("fast", 100), ("slow", 108)), 200)


def test_the_validator_accepts_a_good_plan() -> None:
    validate_plan(PROBLEM, GOOD)


@pytest.mark.parametrize(
    ("placements", "peaks", "message"),
    [
        ((Placement("a", "slow", 8), Placement("b", "slow", 88)), (("slow", 188),), "overlap"),
        ((Placement("a", "fast", 0), Placement("b", "fast", 112)), GOOD.peak_bytes, "may not lie"),
        ((Placement("a", "fast", 4000), Placement("b", "slow", 8)), GOOD.peak_bytes, "leaves bank"),
        ((Placement("a", "fast", 3), Placement("b", "slow", 8)), GOOD.peak_bytes, "not aligned"),
        ((Placement("a", "disk", 0), Placement("b", "slow", 8)), GOOD.peak_bytes, "unknown bank"),
        ((Placement("a", "fast", 0),), GOOD.peak_bytes, "one to one"),
        (GOOD.placements, (("fast", 100), ("slow", 107)), "claims a peak"),
    ],
)
def test_the_validator_names_each_broken_rule(
    placements: tuple[Placement, ...], peaks: tuple[tuple[str, int], ...], message: str
) -> None:
    with pytest.raises(PlanError, match=message):
        validate_plan(PROBLEM, replace(GOOD, placements=placements, peak_bytes=peaks))
