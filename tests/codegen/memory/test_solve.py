"""The planner against its independent validator, and against trying everything where that is possible."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
from hypothesis import given, settings

from tests.support.memory_problems import best_score, layer_problem, small_problems, strip_problem
from tinyanime.boards.loader import load_board
from tinyanime.codegen.memory.banks import activation_banks
from tinyanime.codegen.memory.problem import Bank, Buffer, MemoryPlan, MemoryProblem, Objective, Placement
from tinyanime.codegen.memory.solve import Shortage, SolveOptions, lower_bound_bytes, solve
from tinyanime.codegen.memory.validate import validate_plan

H7_BANKS = activation_banks(load_board("stm32h743"))
FAST_SLOW = (Bank("fast", 0x2000_0000, 4096, 1), Bank("slow", 0x2400_0008, 16384, 3))
GREEDY = SolveOptions(exact=False)


def solved(problem: MemoryProblem, options: SolveOptions | None = None) -> MemoryPlan:
    plan = solve(problem, options)
    assert isinstance(plan, MemoryPlan)
    validate_plan(problem, plan)
    return plan


def score(problem: MemoryProblem, plan: MemoryPlan) -> tuple[int, int]:
    stated = plan.certificate
    both = (stated.access_cost, stated.total_peak_bytes)
    return both if problem.objective is Objective.TIME else both[::-1]


@given(small_problems())
@settings(max_examples=150, deadline=None)
def test_the_plan_of_a_tiny_problem_is_the_best_of_all_and_proven(problem: MemoryProblem) -> None:
    best = best_score(problem)
    result = solve(problem)
    if best is None:
        assert isinstance(result, Shortage)
        assert result.proven
        return
    assert isinstance(result, MemoryPlan)
    validate_plan(problem, result)
    assert result.certificate.proven
    assert score(problem, result) == best


@given(small_problems())
@settings(max_examples=80, deadline=None)
def test_the_greedy_plan_is_valid_and_its_bounds_hold(problem: MemoryProblem) -> None:
    best = best_score(problem)
    result = solve(problem, GREEDY)
    if isinstance(result, Shortage):
        assert best is None or not result.proven
        return
    validate_plan(problem, result)
    assert best is not None
    stated = result.certificate
    first, second = (stated.access_cost_bound, stated.peak_bound_bytes)
    if problem.objective is Objective.RAM:
        first, second = second, first
    assert first <= best[0]
    assert second <= best[1]
    assert score(problem, result) == best or not stated.proven


@given(small_problems(most_buffers=14))
@settings(max_examples=100, deadline=None)
def test_every_plan_passes_the_independent_validator(problem: MemoryProblem) -> None:
    result = solve(problem)
    if isinstance(result, MemoryPlan):
        validate_plan(problem, result)
    else:
        assert result.proven


@given(small_problems(most_buffers=10))
@settings(max_examples=20, deadline=None)
def test_planning_is_deterministic(problem: MemoryProblem) -> None:
    assert solve(problem) == solve(problem)


@pytest.mark.parametrize("objective", Objective)
@pytest.mark.parametrize("seed", [0, 3])
def test_a_network_in_strips_on_the_stm32h743_is_proven_optimal(seed: int, objective: Objective) -> None:
    problem = strip_problem(seed, 6, 6, objective, H7_BANKS)
    plan = solved(problem)
    assert plan.certificate.proven
    assert plan.certificate.gap_bytes == 0


@pytest.mark.parametrize("objective", Objective)
def test_a_network_of_120_layers_is_proven_optimal(objective: Objective) -> None:
    plan = solved(layer_problem(1, 120, objective, H7_BANKS))
    assert plan.certificate.proven


def test_the_ram_objective_takes_less_memory_and_the_time_objective_costs_less() -> None:
    time = solved(strip_problem(0, 6, 6, Objective.TIME, H7_BANKS)).certificate
    ram = solved(strip_problem(0, 6, 6, Objective.RAM, H7_BANKS)).certificate
    assert ram.total_peak_bytes < time.total_peak_bytes
    assert time.access_cost < ram.access_cost


def test_without_or_tools_the_greedy_plan_comes_with_its_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = strip_problem(0, 6, 6, Objective.RAM, H7_BANKS)
    for name in list(sys.modules):
        if name.split(".")[0] == "ortools":
            monkeypatch.setitem(sys.modules, name, None)
        elif name.startswith("tinyanime.codegen.memory."):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ortools", None)
    plan = solved(problem)
    assert plan == solved(problem, GREEDY)
    assert not plan.certificate.proven
    assert plan.certificate.access_cost > plan.certificate.access_cost_bound


def test_no_buffers_need_no_memory() -> None:
    plan = solved(MemoryProblem((), FAST_SLOW))
    assert plan.placements == ()
    assert plan.certificate.proven


def test_buffers_with_disjoint_lives_share_bytes() -> None:
    plan = solved(MemoryProblem((Buffer("a", 4096, 0, 1), Buffer("b", 4096, 1, 2)), (Bank("only", 0, 4096, 1),)))
    assert plan.peak_bytes == (("only", 4096),)
    assert plan.lower_bound_bytes == 4096


def test_hot_buffers_go_to_the_cheap_bank() -> None:
    cold = Buffer("cold", 3000, 0, 2, accesses_bytes=3000)
    hot = Buffer("hot", 3000, 0, 2, accesses_bytes=900_000)
    assert [p.bank for p in solved(MemoryProblem((cold, hot), FAST_SLOW)).placements] == ["slow", "fast"]


def test_a_dma_buffer_lies_where_the_dma_reaches_and_alone_in_its_cache_lines() -> None:
    bank = Bank("cached", 0x2400_0000, 256, 1, dma=True, cache_line_bytes=32)
    near = replace(bank, name="near", dma=False)
    buffers = (Buffer("tile", 40, 0, 2, 4, dma=True), Buffer("map", 20, 1, 3, 4), Buffer("rows", 12, 1, 3, 4))
    plan = solved(MemoryProblem(buffers, (near, bank), Objective.RAM))
    assert plan.placements[0].bank == "cached"
    assert plan.certificate.total_peak_bytes == 96
    after = solved(MemoryProblem((buffers[0], replace(buffers[1], first_step=2)), (near, bank), Objective.RAM))
    assert after.certificate.total_peak_bytes == 64


def test_the_exact_search_goes_on_where_greedy_placement_finds_no_room() -> None:
    lives = [(2, 3, 6), (4, 4, 5), (4, 2, 3), (3, 2, 5), (1, 0, 1), (2, 1, 4)]
    buffers = tuple(Buffer(f"b{i}", size * 16, first, end) for i, (size, first, end) in enumerate(lives))
    problem = MemoryProblem(buffers, (Bank("only", 0, 144, 1),))
    assert isinstance(solve(problem, GREEDY), Shortage)
    solved(problem)


def test_a_shortage_tells_the_buffer_the_moment_and_the_bank_where_the_best_plan_breaks() -> None:
    buffers = (Buffer("big", 600, 0, 2), Buffer("bigger", 700, 1, 3), Buffer("late", 100, 2, 4))
    result = solve(MemoryProblem(buffers, (Bank("only", 0, 1000, 1),)))
    assert isinstance(result, Shortage)
    assert result.buffer.name == "big"
    assert (result.bank, result.step) == ("only", 1)
    assert (result.needed_bytes, result.free_bytes, result.largest_gap_bytes) == (600, 300, 300)
    assert [p.buffer for p in result.placements] == ["bigger", "late"]
    assert (result.fullest_step, result.alive_bytes) == (1, 1300)
    assert result.proven


def test_a_shortage_of_pieces_rather_than_bytes_is_proven_by_search() -> None:
    buffers = tuple(Buffer(f"b{i}", 48, 0, 2) for i in range(4))
    banks = (Bank("x", 0, 80, 1), Bank("y", 0x1000, 80, 1), Bank("z", 0x2000, 80, 1))
    result = solve(MemoryProblem(buffers, banks))
    assert isinstance(result, Shortage)
    assert result.proven
    assert result.alive_bytes < sum(bank.size_bytes for bank in banks)
    assert (result.needed_bytes, result.largest_gap_bytes) == (48, 32)
    greedy = solve(MemoryProblem(buffers, banks), GREEDY)
    assert isinstance(greedy, Shortage)
    assert not greedy.proven


def test_a_buffer_that_may_lie_nowhere_is_the_one_that_the_shortage_names() -> None:
    buffers = (Buffer("tile", 10, 0, 1, dma=True), Buffer("huge", 9000, 0, 1))
    result = solve(MemoryProblem(buffers, (Bank("only", 0, 1000, 1, dma=False), Bank("big", 0x4000, 9999, 1))))
    assert isinstance(result, Shortage)
    assert (result.buffer.name, result.bank, result.largest_gap_bytes) == ("tile", "", 0)
    assert result.proven
    assert result.placements == (Placement("huge", "big", 0),)


def test_the_lower_bound_is_the_fullest_step() -> None:
    assert lower_bound_bytes((Buffer("a", 10, 0, 3), Buffer("b", 20, 2, 4), Buffer("c", 25, 3, 5))) == 45
