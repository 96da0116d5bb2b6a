"""Tries fusion policies until a schedule's memory plan fits the board."""

from __future__ import annotations

from dataclasses import dataclass

from tinyanime.boards.schema import Board
from tinyanime.codegen.errors import DoesNotFitError
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.memory.banks import activation_banks
from tinyanime.codegen.memory.problem import MemoryPlan, MemoryProblem
from tinyanime.codegen.memory.solve import Shortage, lower_bound_bytes, solve
from tinyanime.codegen.memory.validate import validate_plan
from tinyanime.codegen.schedule.build import ScratchBytes, build_schedule
from tinyanime.codegen.schedule.plan import Schedule
from tinyanime.codegen.schedule.shortage import no_banks, plan_does_not_fit, too_many_steps
from tinyanime.codegen.schedule.stages import DEFAULT_POLICIES, FusionPolicy

MOST_STEPS = 65535
"""Kernel calls of one inference: the firmware counts them in 16 bits."""


@dataclass(frozen=True, eq=False, slots=True)
class PlannedSchedule:
    """A schedule with a checked placement of all its buffers."""

    schedule: Schedule
    plan: MemoryPlan
    policy: FusionPolicy


def choose_schedule(graph: Graph, board: Board, scratch_bytes: ScratchBytes) -> PlannedSchedule:
    """The first policy whose plan fits.

    DoesNotFitError describes the attempt that needs the least memory at its fullest step.
    """
    banks = activation_banks(board)
    if not banks:
        raise no_banks(board)
    failures: list[tuple[int, DoesNotFitError]] = []
    for policy in DEFAULT_POLICIES:
        schedule = build_schedule(graph, policy, scratch_bytes)
        least_bytes = lower_bound_bytes(schedule.buffers)
        if len(schedule.steps) > MOST_STEPS:
            failures.append((least_bytes, too_many_steps(board, schedule, MOST_STEPS)))
            continue
        problem = MemoryProblem(schedule.buffers, banks)
        result = solve(problem)
        if isinstance(result, Shortage):
            failures.append((least_bytes, plan_does_not_fit(board, banks, schedule, result)))
            continue
        validate_plan(problem, result)
        return PlannedSchedule(schedule, result, policy)
    raise min(failures, key=lambda failure: failure[0])[1]
