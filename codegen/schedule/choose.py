"""Tries fusion policies until a schedule's memory plan fits the board."""

from __future__ import annotations

from dataclasses import dataclass

from tinyanime.boards.schema import Board
from tinyanime.codegen.errors import DoesNotFitError
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.memory.banks import activation_banks
from tinyanime.codegen.memory.problem import MemoryPlan, MemoryProblem
from tinyanime.codegen.memory.solve import Shortage, solve
from tinyanime.codegen.memory.validate import validate_plan
from tinyanime.codegen.schedule.build import ScratchBytes, build_schedule
from tinyanime.codegen.schedule.plan import Schedule
from tinyanime.codegen.schedule.stages import DEFAULT_POLICIES, FusionPolicy


@dataclass(frozen=True, eq=False, slots=True)
class PlannedSchedule:
    """A schedule with a checked placement of all its buffers."""

    schedule: Schedule
    plan: MemoryPlan
    policy: FusionPolicy


def choose_schedule(graph: Graph, board: Board, scratch_bytes: ScratchBytes) -> PlannedSchedule:
    """The first policy whose plan fits; DoesNotFitError names the buffer that found no room in the last one."""
    banks = activation_banks(board)
    shortage: tuple[Schedule, Shortage] | None = None
    for policy in DEFAULT_POLICIES:
        schedule = build_schedule(graph, policy, scratch_bytes)
        problem = MemoryProblem(schedule.buffers, banks)
        result = solve(problem)
        if isinstance(result, Shortage):
            shortage = (schedule, result)
            continue
        validate_plan(problem, result)
        return PlannedSchedule(schedule, result, policy)
    assert shortage is not None
    raise _does_not_fit(board, *shortage)


def _does_not_fit(board: Board, schedule: Schedule, shortage: Shortage) -> DoesNotFitError:
    buffer = shortage.buffer
    banks = activation_banks(board)
    free = ", ".join(f"{bank.name} {bank.size_bytes:,}" for bank in banks)
    step = min(buffer.first_step, len(schedule.steps) - 1)
    layer = schedule.op_of(schedule.steps[step]).name
    alive = sum(b.size_bytes for b in schedule.buffers if b.first_step <= step < b.end_step)
    message = (
        f"The model does not fit {board.name}: tensor '{buffer.name}' (layer '{layer}') needs "
        f"{buffer.size_bytes:,} bytes in one bank and the largest free block is {shortage.largest_gap_bytes:,}; "
        f"all buffers alive there need {alive:,} bytes, the banks have {free}."
    )
    hint = (
        "Use a smaller picture, fewer channels in the layers with the largest maps, or no skip connection at full "
        "resolution; or choose a board with more memory (tinyanime boards)."
    )
    return DoesNotFitError(message, hint=hint)
