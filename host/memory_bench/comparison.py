"""All engines on one network and board: ours by time and memory, layer by layer, and the `bakenn` compiler."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tinyanime.boards.schema import Board
from tinyanime.codegen.errors import DoesNotFitError
from tinyanime.codegen.memory.banks import activation_banks
from tinyanime.codegen.memory.solve import lower_bound_bytes
from tinyanime.codegen.schedule.choose import Optimize, PlannedSchedule, ScheduleOptions
from tinyanime.codegen.schedule.strips.build import build_schedule
from tinyanime.codegen.schedule.strips.layout import whole_layer_layout
from tinyanime.host.memory_bench.bakenn_arena import ENGINE, NotTakenError, bakenn_arena, is_installed
from tinyanime.host.memory_bench.board_file import wide_board
from tinyanime.host.memory_bench.figures import LAYERS, OURS, OURS_WITHOUT_DMA, Figures, figures_of_plan
from tinyanime.host.memory_bench.workbench import COUNTING_FAMILIES, Candidate, Run, Workbench

_OPTIMIZE = (Optimize.TIME, Optimize.RAM)

_Work = tuple[str, str, tuple[object, ...]]
"""Network, board, and what their schedule consists of."""


@dataclass(frozen=True, slots=True)
class Effort:
    """`run`: whether networks are run at all; `long_runs`: also those that take minutes."""

    run: bool = True
    long_runs: bool = False

    def runs(self, candidate: Candidate) -> bool:
        return self.run and (self.long_runs or not candidate.network.long_run)


class Comparison:
    """Compares on one network at a time; whole-layer execution is measured once per network and core."""

    def __init__(self, bench: Workbench, effort: Effort) -> None:
        self._bench = bench
        self._effort = effort
        self._whole_layers: dict[tuple[str, str], Run] = {}
        self._last: tuple[_Work, Run] | None = None

    def of(self, candidate: Candidate, board: Board) -> Iterator[Figures]:
        """One line per engine and choice, as they are measured."""
        for optimize in _OPTIMIZE:
            yield self._ours(candidate, board, ScheduleOptions(optimize), OURS)
            if optimize is Optimize.TIME and board.tile_dma is not None:
                yield self._ours(candidate, board, ScheduleOptions(optimize, transfers=False), OURS_WITHOUT_DMA)
        yield self._layer_by_layer(candidate, board)
        yield bakenn_figures(candidate, board)

    def _ours(self, candidate: Candidate, board: Board, options: ScheduleOptions, engine: str) -> Figures:
        name = candidate.network.name
        what = f"{name} on {board.name}, {options.optimize.value}"
        self._bench.report(f"{what}: planning")
        runs = self._effort.runs(candidate) and engine == OURS
        try:
            planned = (self._bench.compile if runs else self._bench.plan)(candidate, board, options)
        except DoesNotFitError as error:
            return Figures(board.name, name, options.optimize.value, engine, note=error.message.splitlines()[0])
        figures = figures_of_plan(board.name, name, engine, planned)
        if not runs:
            return figures
        run = self._run(candidate, board, planned, what)
        whole = self._run_whole_layers(candidate, board)
        return replace(
            figures,
            instructions=run.instructions,
            instructions_whole_layer=whole.instructions if whole else None,
            bit_exact=run.bit_exact,
        )

    def _run(self, candidate: Candidate, board: Board, planned: PlannedSchedule, what: str) -> Run:
        """Runs what was compiled last, unless the run before it did the very same work."""
        work = (candidate.network.name, board.name, _work_of(planned))
        if self._last is None or self._last[0] != work:
            self._last = (work, self._bench.run(candidate, board, what))
        return self._last[1]

    def _run_whole_layers(self, candidate: Candidate, board: Board) -> Run | None:
        """On the same virtual core with a bank that holds whole layers; None where it does not count instructions."""
        if board.family not in COUNTING_FAMILIES:
            return None
        key = (candidate.network.name, board.name)
        if key not in self._whole_layers:
            wide = wide_board(board, self._bench.folder / "boards" / f"{board.name}-wide.toml")
            what = f"{candidate.network.name} layer by layer"
            self._bench.report(f"{what}: planning")
            # Whole pictures: streaming is no part of whole-layer execution.
            self._bench.compile(candidate, wide, ScheduleOptions(Optimize.LAYERS, stream=False))
            self._whole_layers[key] = self._bench.run(candidate, wide, what)
        return self._whole_layers[key]

    def _layer_by_layer(self, candidate: Candidate, board: Board) -> Figures:
        """Its plan, or the bytes that would be needed at once where there is none."""
        name = candidate.network.name
        whole = self._whole_layers.get((name, board.name))
        measured = Figures(
            board.name,
            name,
            Optimize.LAYERS.value,
            LAYERS,
            instructions=whole.instructions if whole else None,
            instructions_whole_layer=whole.instructions if whole else None,
            bit_exact=whole.bit_exact if whole else None,
        )
        self._bench.report(f"{name} on {board.name}, layer by layer: planning")
        try:
            planned = self._bench.plan(candidate, board, ScheduleOptions(Optimize.LAYERS, stream=False))
        except DoesNotFitError as error:
            rule = self._bench.rule(board)
            graph = candidate.graph
            schedule = build_schedule(graph, whole_layer_layout(graph), rule)
            alive = lower_bound_bytes(schedule.buffers)
            return replace(
                measured,
                peak_bytes=alive,
                lower_bound_bytes=alive,
                recomputed_rows=0,
                note=error.message.splitlines()[0],
            )
        return replace(
            figures_of_plan(board.name, name, LAYERS, planned),
            instructions=measured.instructions,
            instructions_whole_layer=measured.instructions_whole_layer,
            bit_exact=measured.bit_exact,
        )


def _work_of(planned: PlannedSchedule) -> tuple[object, ...]:
    """What decides which commands run on which addresses: equal for equal firmware of one network and board."""
    schedule = planned.schedule
    return (schedule.stages, schedule.buffers, schedule.storage, planned.plan.placements, planned.transfers)


def bakenn_figures(candidate: Candidate, board: Board) -> Figures:
    """bakenn's arena and the caller's buffers; the same on every board, whose memory it does not look at."""
    figures = Figures(board.name, candidate.network.name, None, ENGINE)
    if not is_installed():
        return replace(figures, note="bakenn is not installed (pip install 'tinyanime[kernels]')")
    try:
        arena = bakenn_arena(candidate.graph)
    except NotTakenError as error:
        return replace(figures, note=f"bakenn does not take it: {error}")
    room = max((bank.size_bytes for bank in activation_banks(board)), default=0)
    note = "" if arena.arena_bytes <= room else f"its arena is one block, the largest bank has {room:,} bytes"
    return replace(
        figures,
        peak_bytes=arena.total_bytes,
        peak_bytes_by_bank=(("arena", arena.arena_bytes), ("in and out", arena.caller_bytes)),
        placed=not note,
        note=note,
    )
