"""Chooses the schedule: layouts and transfers are built, planned and timed; the best one that fits is kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from math import ceil

from tinyanime.boards.schema import Board
from tinyanime.codegen.errors import DoesNotFitError, ModelError
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Conv2D
from tinyanime.codegen.memory.banks import activation_banks
from tinyanime.codegen.memory.problem import Bank, MemoryPlan, MemoryProblem, Objective
from tinyanime.codegen.memory.solve import Shortage, lower_bound_bytes, solve
from tinyanime.codegen.memory.validate import validate_plan
from tinyanime.codegen.schedule.build import ScratchBytes, build_schedule
from tinyanime.codegen.schedule.check import check_schedule
from tinyanime.codegen.schedule.coherence import add_maintenance
from tinyanime.codegen.schedule.cost import CostModel
from tinyanime.codegen.schedule.dma import TransferOptions, add_transfers
from tinyanime.codegen.schedule.layout import Layout, can_stream, whole_layer_layout
from tinyanime.codegen.schedule.plan import Recomputed, Schedule
from tinyanime.codegen.schedule.reach import dma_reach, unusable_dma
from tinyanime.codegen.schedule.recompute import MOST_LAYERS, RecomputeVariant, recompute_variants
from tinyanime.codegen.schedule.search import LOW_STRIP_ROWS, STRIP_ROWS, LayoutSpace, layout_space
from tinyanime.codegen.schedule.shortage import Attempt, no_banks, plan_does_not_fit, too_many_steps
from tinyanime.codegen.schedule.timeline import Timeline, simulate

MOST_STEPS = 65535
"""Steps of one inference: the firmware counts them in 16 bits."""

CLOSE_CYCLES = 1.01
"""Schedules whose modelled cycles are within this factor of the fastest count as equally fast: the smallest wins."""

_ACTIVATION_TILE_BYTES = 8 * 1024
_TILE_COUNTS = (1, 2, 4, 8)
_WEIGHT_SLOTS = 2
_SLOT_STEP_BYTES = 128
_NO_TRANSFERS = TransferOptions(weight_slot_bytes=0, activation_tile_bytes=0)


class Optimize(Enum):
    """What the schedule is chosen for."""

    TIME = "time"
    """Fewest modelled cycles; of nearly equal ones the one that needs the least memory."""
    RAM = "ram"
    """Least memory."""
    LAYERS = "layers"
    """Whole layer by whole layer, for comparison."""


@dataclass(frozen=True, slots=True)
class ScheduleOptions:
    """`transfers` None: where the board has a tile DMA. `stream` None: only where the whole picture does not fit."""

    optimize: Optimize = Optimize.TIME
    transfers: bool | None = None
    stream: bool | None = None


@dataclass(frozen=True, eq=False, slots=True)
class PlannedSchedule:
    """A schedule with a checked placement of all its buffers, and its modelled course in time."""

    schedule: Schedule
    problem: MemoryProblem
    plan: MemoryPlan
    timeline: Timeline
    transfers: TransferOptions
    options: ScheduleOptions


def choose_schedule(
    graph: Graph, board: Board, scratch_bytes: ScratchBytes, options: ScheduleOptions | None = None
) -> PlannedSchedule:
    """The best schedule whose plan fits; checked by the planner's validator and the hazard checker.

    DoesNotFitError describes the attempt that needs the least memory at its fullest step.
    """
    banks = activation_banks(board)
    if not banks:
        raise no_banks(board)
    return _Choice(graph, board, scratch_bytes, options or ScheduleOptions(), banks).best()


@dataclass(eq=False, slots=True)
class _Choice:
    graph: Graph
    board: Board
    scratch_bytes: ScratchBytes
    options: ScheduleOptions
    banks: tuple[Bank, ...]
    attempts: list[Attempt] = None  # type: ignore[assignment]

    def best(self) -> PlannedSchedule:
        self.attempts = []
        base = RecomputeVariant(self.graph, ())
        if self.options.optimize is Optimize.LAYERS:
            layout = whole_layer_layout(self.graph)
            found = self._first(((base, layout, _NO_TRANSFERS),), exact=True)
        else:
            found = self._searched(base)
        if found is None:
            raise self._failure()
        return found

    def _searched(self, base: RecomputeVariant) -> PlannedSchedule | None:
        for stream in self._streams():
            template = Layout((), stream_input=stream, stream_output=stream)
            if self.options.optimize is Optimize.TIME and (found := self._fastest(base, template)):
                return found
            if found := self._smallest(base, template):
                return found
        return None

    def _streams(self) -> tuple[bool, ...]:
        wanted = self.options.stream
        if wanted is None:
            return (False, True) if can_stream(self.graph) else (False,)
        if wanted and not can_stream(self.graph):
            raise ModelError(
                f"Network '{self.graph.name}' cannot be streamed: its input or output has no rows to exchange.",
                hint="Compile it without --stream.",
            )
        return (wanted,)

    def _space(self, graph: Graph, template: Layout, strip_rows: tuple[int, ...] = STRIP_ROWS) -> LayoutSpace:
        return layout_space(graph, self.scratch_bytes, CostModel(), template, strip_rows)

    def _fastest(self, variant: RecomputeVariant, template: Layout) -> PlannedSchedule | None:
        """Builds the smallest nearly fastest layout with several sizes of weight tiles."""
        space = self._space(variant.graph, template)
        room = sum(bank.size_bytes for bank in self.banks)
        fastest = space.fastest(room)
        if fastest is None:
            return None
        close = next(
            option
            for budget in space.budgets()
            if (option := space.fastest(budget)) is not None and option.cycles <= CLOSE_CYCLES * fastest.cycles
        )
        for layout in dict.fromkeys((close.layout, space.smallest().layout)):
            found = [
                planned
                for transfers in self._transfer_choices(variant.graph)
                if (planned := self._realise(variant, layout, transfers, exact=False)) is not None
            ]
            if found:
                least = min(planned.timeline.total_cycles for planned in found)
                best = min(
                    (planned for planned in found if planned.timeline.total_cycles <= CLOSE_CYCLES * least),
                    key=lambda planned: planned.plan.certificate.total_peak_bytes,
                )
                return self._realise(variant, layout, best.transfers, exact=True)
        return None

    def _smallest(self, base: RecomputeVariant, template: Layout) -> PlannedSchedule | None:
        """The layout of least memory, with skipped tensors computed again where that saves some."""
        choices: list[tuple[int, int, int, RecomputeVariant, Layout]] = []
        for variant in (base, *recompute_variants(self.graph)):
            # A shared buffer lives longer than either tensor: across stages that may cost more than it saves.
            space = self._space(variant.graph, template, LOW_STRIP_ROWS)
            for option in (space.smallest(), space.apart().smallest()):
                built = build_schedule(variant.graph, option.layout, self.scratch_bytes)
                choices.append((lower_bound_bytes(built.buffers), option.cycles, len(choices), variant, option.layout))
        choices.sort(key=lambda choice: choice[:3])
        return self._first(
            (
                (variant, layout, transfers)
                for *_, variant, layout in choices
                for transfers in self._small_transfer_choices(variant.graph)
            ),
            exact=True,
        )

    def _small_transfer_choices(self, graph: Graph) -> tuple[TransferOptions, ...]:
        """Transfers need slots and tiles: where memory counts they are made only if asked for, the smallest first."""
        if self.options.transfers is not True:
            return (_NO_TRANSFERS,)
        return self._transfer_choices(graph)[::-1]

    def _first(
        self,
        choices: Iterator[tuple[RecomputeVariant, Layout, TransferOptions]]
        | tuple[tuple[RecomputeVariant, Layout, TransferOptions], ...],
        *,
        exact: bool,
    ) -> PlannedSchedule | None:
        for variant, layout, transfers in choices:
            if planned := self._realise(variant, layout, transfers, exact=exact):
                return planned
        return None

    def _transfer_choices(self, graph: Graph) -> tuple[TransferOptions, ...]:
        wanted = self.options.transfers
        if wanted is False or (wanted is None and self.board.tile_dma is None):
            return (_NO_TRANSFERS,)
        reach = dma_reach(self.board)
        if self.board.tile_dma is not None and not reach.tiles:
            if wanted:
                raise unusable_dma(self.board)
            return (_NO_TRANSFERS,)
        if self.board.tile_dma is not None and not reach.weights:
            tiles = TransferOptions(0, slots=_WEIGHT_SLOTS, activation_tile_bytes=_ACTIVATION_TILE_BYTES)
            return (tiles, _NO_TRANSFERS) if wanted is None else (tiles,)
        reachable = [bank for bank in self.banks if bank.dma or self.board.tile_dma is None]
        cheapest = min(bank.access_cost for bank in reachable)
        room = sum(bank.size_bytes for bank in reachable if bank.access_cost == cheapest) // _WEIGHT_SLOTS
        largest = max(
            (op.filter.values.size for op in graph.ops if isinstance(op, Conv2D) and op.groups == 1), default=0
        )
        sizes = {ceil(ceil(largest / count) / _SLOT_STEP_BYTES) * _SLOT_STEP_BYTES for count in _TILE_COUNTS}
        choices = [
            TransferOptions(weight_slot_bytes=size, slots=_WEIGHT_SLOTS, activation_tile_bytes=_ACTIVATION_TILE_BYTES)
            for size in sorted(sizes, reverse=True)
            if 0 < size <= room
        ]
        return (*choices, _NO_TRANSFERS) if wanted is None else tuple(choices)

    def _realise(
        self, variant: RecomputeVariant, layout: Layout, transfers: TransferOptions, *, exact: bool
    ) -> PlannedSchedule | None:
        """Builds, plans and times a schedule; None, and a note of the attempt, where it does not fit."""
        cost = CostModel()
        schedule = build_schedule(variant.graph, layout, self.scratch_bytes)
        schedule = replace(schedule, recomputed=variant.recomputed)
        if transfers != _NO_TRANSFERS:
            schedule = add_transfers(schedule, self.board, cost, transfers)
        if len(schedule.steps) > MOST_STEPS:
            self.attempts.append(Attempt(schedule, None))
            return None
        objective = Objective.RAM if self.options.optimize is Optimize.RAM else Objective.TIME
        problem = MemoryProblem(schedule.buffers, self.banks, objective)
        plan = solve(problem)
        if isinstance(plan, Shortage):
            self.attempts.append(Attempt(schedule, plan))
            return None
        validate_plan(problem, plan)
        if exact:
            schedule = add_maintenance(schedule, plan, self.banks)
            check_schedule(schedule, plan, self.banks)
        timeline = simulate(schedule, self.board, cost, plan)
        return PlannedSchedule(schedule, problem, plan, timeline, transfers, self.options)

    def _failure(self) -> DoesNotFitError:
        """Of all attempts the one that needs the least at its fullest step."""
        least = min(self.attempts, key=lambda attempt: attempt.alive_bytes)
        if least.shortage is None:
            return too_many_steps(self.board, least.schedule, MOST_STEPS)
        return plan_does_not_fit(self.board, self.banks, least)


def recomputed_rows(schedule: Schedule) -> int:
    """Rows that are computed a second time."""
    again = {item.op for item in schedule.recomputed}
    return sum(step.output.rows.count for step in schedule.steps if step.op in again)


__all__ = [
    "CLOSE_CYCLES",
    "MOST_LAYERS",
    "MOST_STEPS",
    "Optimize",
    "PlannedSchedule",
    "Recomputed",
    "ScheduleOptions",
    "choose_schedule",
    "recomputed_rows",
]
