"""Chooses between the network as it is and the network with operators joined for our kernels."""

from __future__ import annotations

from tinyanime.boards.schema import Board
from tinyanime.codegen.errors import DoesNotFitError
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.kernels.family import KernelFamily
from tinyanime.codegen.kernels.prepare import graph_for_kernels
from tinyanime.codegen.kernels.rule import SEARCHED_FAMILIES, KernelRule
from tinyanime.codegen.schedule.choose import Optimize, PlannedSchedule, ScheduleOptions, choose_schedule


def choose_joined_schedule(
    graph: Graph, board: Board, rule: KernelRule, options: ScheduleOptions | None = None
) -> PlannedSchedule:
    """The best schedule of `graph`, of operators joined where that is faster.

    A joined operator has no plain kernel, and fast kernels need more working memory than plain ones. Where memory
    counts (`--optimize ram`), or nothing else fits, the network as it is is planned too, with the kernels that need the
    least. Raises DoesNotFitError where none fits.
    """
    options = options or ScheduleOptions()
    try:
        planned = choose_schedule(graph_for_kernels(graph, rule), board, rule, options)
    except DoesNotFitError:
        if rule.family not in SEARCHED_FAMILIES:
            raise
        return _smallest_that_fits(graph, board, rule, options)
    if options.optimize is not Optimize.RAM or rule.family is not KernelFamily.AUTO:
        return planned
    smallest = choose_schedule(graph, board, rule.smallest(), options)
    return min(planned, smallest, key=lambda plan: plan.plan.certificate.total_peak_bytes)


def _smallest_that_fits(graph: Graph, board: Board, rule: KernelRule, options: ScheduleOptions) -> PlannedSchedule:
    """With kernels of little working memory, else with those that need none, however slow. Raises DoesNotFitError."""
    try:
        return choose_schedule(graph, board, rule.smallest(), options)
    except DoesNotFitError as error:
        try:
            return choose_schedule(graph, board, rule.portable(), options)
        except DoesNotFitError:
            raise error from None
