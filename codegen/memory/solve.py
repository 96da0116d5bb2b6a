"""The planner: greedy placement, certified lower bounds, and an exact search where they do not meet.

The exact search needs OR-tools (extra `plan`). Without it the greedy plan is returned with the gap that is left.
"""

from __future__ import annotations

from dataclasses import dataclass

from tinyanime.codegen.memory.fit import Fitting, work_out
from tinyanime.codegen.memory.greedy import Attempt, attempts
from tinyanime.codegen.memory.layout import (
    Layout,
    access_bound,
    all_choices,
    cheapest_choices,
    lay_out,
    peak_bound,
)
from tinyanime.codegen.memory.problem import Certificate, MemoryPlan, MemoryProblem, Objective, Placement
from tinyanime.codegen.memory.shortage import Shortage, describe, lower_bound_bytes

__all__ = ["Shortage", "SolveOptions", "lower_bound_bytes", "solve"]


@dataclass(frozen=True, slots=True)
class SolveOptions:
    """`exact`: whether to search where greedy placement is not proven optimal, and for how long.

    `effort_seconds` are about those of one core, but counted by CP-SAT in steps of its work: results depend on the
    number, not on the machine.
    """

    exact: bool = True
    effort_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class _Bounds:
    """Of the problem's first and second objective; `infeasible`: there is no plan at all."""

    first: int
    second: int
    infeasible: bool = False


def solve(problem: MemoryProblem, options: SolveOptions | None = None) -> MemoryPlan | Shortage:
    """Place every buffer as the problem's objective asks, or say what could not be placed. Deterministic."""
    options = options or SolveOptions()
    fitting = work_out(problem)
    tried, best, simple = _greedy(fitting)
    searched = None
    if options.exact and not simple.infeasible and (best is None or not _proven(problem, best, simple)):
        best, searched = _search(fitting, best, options)
    if best is None:
        return describe(fitting, tried, proven=simple.infeasible or (searched is not None and searched.infeasible))
    return _plan(problem, best, _settled(fitting, best, simple, searched))


def _greedy(fitting: Fitting) -> tuple[list[Attempt], Layout | None, _Bounds]:
    """Greedy attempts until one is proven optimal, the best complete one, and the bounds that need no search."""
    problem = fitting.problem
    tried: list[Attempt] = []
    best: Layout | None = None
    bounds = _simple_bounds(fitting)
    for attempt in attempts(fitting):
        tried.append(attempt)
        if attempt.missing:
            continue
        layout = lay_out(fitting, [place for place in attempt.places if place is not None])
        if best is None or layout.score(problem.objective) < best.score(problem.objective):
            best = layout
        if _proven(problem, best, bounds):
            break
    return tried, best, bounds


def _simple_bounds(fitting: Fitting) -> _Bounds:
    """What needs no search. In both orders the second bound holds for plans at the first bound, if there are any."""
    if not all(all_choices(fitting)):
        return _Bounds(0, 0, infeasible=True)
    access, peak = access_bound(fitting), peak_bound(fitting, all_choices(fitting))
    too_much = peak > sum(bank.size_bytes for bank in fitting.banks)
    if fitting.problem.objective is Objective.TIME:
        return _Bounds(access, peak_bound(fitting, cheapest_choices(fitting)), too_much)
    return _Bounds(peak, access, too_much)


def _settled(fitting: Fitting, layout: Layout, simple: _Bounds, searched: _Bounds | None) -> _Bounds:
    """The best bounds that hold for `layout`; the simple second bound only does at the simple first bound."""
    if fitting.problem.objective is Objective.RAM or layout.access_cost == simple.first:
        second = simple.second
    else:
        second = peak_bound(fitting, all_choices(fitting))
    if searched is None:
        return _Bounds(simple.first, second)
    return _Bounds(max(simple.first, searched.first), max(second, searched.second))


def _proven(problem: MemoryProblem, layout: Layout, bounds: _Bounds) -> bool:
    return layout.score(problem.objective) == (bounds.first, bounds.second)


def _search(fitting: Fitting, start: Layout | None, options: SolveOptions) -> tuple[Layout | None, _Bounds | None]:
    """A plan at least as good as `start`, with bounds that hold for it; `start` and None without OR-tools."""
    try:
        from tinyanime.codegen.memory.budget import Budget
        from tinyanime.codegen.memory.exact import ExactSearch
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "ortools":
            raise
        return start, None
    found = ExactSearch(fitting, start, Budget(options.effort_seconds)).run()
    return found.layout, _Bounds(found.first_bound, found.second_bound, found.infeasible)


def _plan(problem: MemoryProblem, layout: Layout, bounds: _Bounds) -> MemoryPlan:
    timed = problem.objective is Objective.TIME
    access, peak = (bounds.first, bounds.second) if timed else (bounds.second, bounds.first)
    return MemoryPlan(
        tuple(
            Placement(buffer.name, problem.banks[bank].name, offset)
            for buffer, (bank, offset) in zip(problem.buffers, layout.places, strict=True)
        ),
        tuple((bank.name, size) for bank, size in zip(problem.banks, layout.peaks, strict=True)),
        Certificate(
            total_peak_bytes=layout.total_peak,
            peak_bound_bytes=peak,
            access_cost=layout.access_cost,
            access_cost_bound=access,
            alive_bytes=lower_bound_bytes(problem.buffers),
            proven=layout.total_peak == peak and layout.access_cost == access,
        ),
    )
