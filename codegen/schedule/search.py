"""Search over cut points and strip heights: the layouts worth building, from a cost model of stages.

A stage's cost does not depend on where the others are cut, so the best layout under a memory budget is a shortest
path over the cut points. Budgets are the stages' own peaks: there are only so many.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import ceil

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.schedule.build import ScratchBytes, streamed_input_of, whole_tensors
from tinyanime.codegen.schedule.cost import CostModel
from tinyanime.codegen.schedule.layout import Layout, StageLayout, is_alias
from tinyanime.codegen.schedule.needs import GraphNeeds
from tinyanime.codegen.schedule.plan import Call, RowRange, RowView
from tinyanime.codegen.schedule.storage import overlay_lead_bytes
from tinyanime.codegen.schedule.strips import RECEIVED, StageRun, run_stage

STRIP_ROWS = (1, 2, 4, 8, 16, 32)
"""Strip heights that are tried, beside the whole map for single operators."""

LOW_STRIP_ROWS = (1, 2, 4)
"""Those that can need the least memory: line buffers grow with the strip."""

_MOST_CUTS = 24
_SEARCHED_OPERATORS = 2000
"""Operators in all stages that are tried together, roughly: a bound on the time of the search."""


@dataclass(frozen=True, slots=True)
class StageOption:
    """A stage as it could be: its layout, peak bytes while it runs (all maps alive then), and modelled cycles.

    `apart_bytes` is the peak where no output shares the buffer of a dying input.
    """

    layout: StageLayout
    peak_bytes: int
    cycles: int
    apart_bytes: int


@dataclass(frozen=True, slots=True)
class LayoutOption:
    """A whole layout and what the model says of it."""

    layout: Layout
    peak_bytes: int
    cycles: int


@dataclass(frozen=True, eq=False, slots=True)
class LayoutSpace:
    """All stage options of a graph, and what they have in common."""

    options: tuple[StageOption, ...]
    operators: int
    template: Layout
    """Overlay and streaming as all layouts of this space have them."""

    def apart(self) -> LayoutSpace:
        """The same space without shared buffers."""
        options = tuple(replace(option, peak_bytes=option.apart_bytes) for option in self.options)
        return LayoutSpace(options, self.operators, replace(self.template, overlay=False))

    def budgets(self) -> tuple[int, ...]:
        """Every peak that a stage can have, ascending: only these are worth trying as budgets."""
        return tuple(sorted({option.peak_bytes for option in self.options}))

    def fastest(self, budget_bytes: int) -> LayoutOption | None:
        """The layout of fewest modelled cycles whose stages all stay within the budget; None where there is none."""
        best: dict[int, tuple[int, int, StageOption | None]] = {0: (0, 0, None)}
        by_end: dict[int, list[StageOption]] = {}
        for option in self.options:
            if option.peak_bytes <= budget_bytes:
                by_end.setdefault(option.layout.end_op, []).append(option)
        for end in sorted(by_end):
            for option in by_end[end]:
                before = best.get(option.layout.first_op)
                if before is None:
                    continue
                key = (before[0] + option.cycles, max(before[1], option.peak_bytes))
                if end not in best or key < best[end][:2]:
                    best[end] = (*key, option)
        if self.operators not in best:
            return None
        stages: list[StageLayout] = []
        at = self.operators
        while at:
            stage = best[at][2]
            assert stage is not None
            stages.insert(0, stage.layout)
            at = stage.layout.first_op
        cycles, peak, _ = best[self.operators]
        template = self.template
        layout = Layout(tuple(stages), template.overlay, template.stream_input, template.stream_output)
        return LayoutOption(layout, peak, cycles)

    def smallest(self) -> LayoutOption:
        """The layout of least peak memory, and of fewest cycles among these."""
        budgets = self.budgets()
        low, high = 0, len(budgets) - 1
        while low < high:
            middle = (low + high) // 2
            if self.fastest(budgets[middle]) is None:
                low = middle + 1
            else:
                high = middle
        found = self.fastest(budgets[low])
        assert found is not None, "some layout always exists"
        return found


def layout_space(
    graph: Graph,
    scratch_bytes: ScratchBytes,
    cost: CostModel,
    template: Layout,
    strip_rows: tuple[int, ...] = STRIP_ROWS,
) -> LayoutSpace:
    """Every stage between two of the graph's cut points, at every strip height, with its peak and cost."""
    needs = GraphNeeds.of(graph)
    cuts = _cut_points(graph, needs, template)
    evaluation = _Evaluation(needs, template, scratch_bytes, cost)
    options: list[StageOption] = []
    for position, first in enumerate(cuts[:-1]):
        for end in cuts[position + 1 :]:
            if end - first > 1 and any(is_alias(graph, graph.ops[i]) for i in range(first, end)):
                break
            for rows in _strip_heights(graph, first, end, strip_rows):
                stage = StageLayout(first, end, rows)
                options.append(evaluation.of(stage))
    return LayoutSpace(tuple(options), len(graph.ops), template)


def _strip_heights(graph: Graph, first: int, end: int, tried: tuple[int, ...]) -> tuple[int, ...]:
    height = graph.output_tensor(graph.ops[end - 1]).height
    heights = [rows for rows in tried if rows < height]
    if end - first == 1 or not heights:
        heights.append(height)
    return tuple(heights)


def _cut_points(graph: Graph, needs: GraphNeeds, template: Layout) -> tuple[int, ...]:
    """Positions between operators where few bytes cross, the ends, and both sides of operators without a kernel."""
    count = len(graph.ops)
    forced = {0, count}
    for i, op in enumerate(graph.ops):
        if is_alias(graph, op):
            forced |= {i, i + 1}
    free = sorted(
        (c for c in range(1, count) if c not in forced and not _separates_streams(needs, c, template)),
        key=lambda c: (_crossing_bytes(needs, c), c),
    )
    most = max(4, min(_MOST_CUTS, int((6 * _SEARCHED_OPERATORS / max(count, 1)) ** 0.5)))
    return tuple(sorted(forced | set(free[:most])))


def _separates_streams(needs: GraphNeeds, cut: int, template: Layout) -> bool:
    """Whether a streamed input would be read on both sides of the cut: its rows are gone by then."""
    readers = [reader for reader, _ in needs.consumers[needs.graph.inputs[0]]]
    return template.stream_input and min(readers, default=cut) < cut <= max(readers, default=0)


def _crossing_bytes(needs: GraphNeeds, cut: int) -> int:
    graph = needs.graph
    total = 0
    for name, tensor in graph.tensors.items():
        made = needs.producer.get(name, -1) < cut
        read = any(reader >= cut for reader, _ in needs.consumers[name])
        total += tensor.size_bytes if made and read else 0
    return total


def _row_cycles(graph: Graph, index: int, cost: CostModel) -> tuple[int, int]:
    """Modelled instructions of an operator per row of its output, and per call beside its rows."""
    op = graph.ops[index]
    height = graph.output_tensor(op).height

    def cycles(rows: int) -> int:
        view = RowView(op.output, RowRange(0, rows), "", 0)
        return cost.call_instructions(graph, Call(index, (), view))

    if height == 1:
        return cycles(1), 0
    per_row = max(1, (cycles(height) - cycles(1)) // (height - 1))
    return per_row, max(0, cycles(1) - per_row)


@dataclass(eq=False, slots=True)
class _Evaluation:
    needs: GraphNeeds
    template: Layout
    scratch_bytes: ScratchBytes
    cost: CostModel
    row_cycles: dict[int, tuple[int, int]] = field(default_factory=dict)
    scratches: dict[tuple[int, int], int] = field(default_factory=dict)

    def of(self, stage: StageLayout) -> StageOption:
        needs, graph = self.needs, self.needs.graph
        if is_alias(graph, graph.ops[stage.first_op]):
            return StageOption(stage, 0, 0, 0)
        whole = whole_tensors(needs, stage, self.template)
        run = run_stage(needs, stage.ops, stage.strip_rows, whole, streamed_input_of(needs, stage, self.template))
        lines = {name: rows * graph.tensors[name].row_bytes for name, rows in run.line_rows}
        alive = _alive_whole(needs, stage, whole, self.template)
        apart = sum(lines.values()) + self._scratch(run) + sum(graph.tensors[name].size_bytes for name in alive)
        peak = apart - _shared_bytes(needs, stage, whole, alive, run) if self.template.overlay else apart
        cycles = 0
        for event in run.events:
            if event.op != RECEIVED:
                per_row, per_call = self._row_cycles(event.op)
                cycles += per_row * (event.end - event.begin) + per_call
        moved = sum(
            size * max(0, ceil(graph.tensors[name].height * graph.tensors[name].row_bytes / size) - 1)
            for name, size in lines.items()
            if size
        )
        outside = sum(graph.tensors[n].size_bytes for n in {*whole, *_inputs(needs, stage)})
        return StageOption(stage, peak, cycles + self.cost.move_cycles(moved) + outside // 4, apart)

    def _scratch(self, run: StageRun) -> int:
        rows: dict[int, int] = {}
        for event in run.events:
            rows[event.op] = max(rows.get(event.op, 0), event.end - event.begin)
        rows.pop(RECEIVED, None)
        graph = self.needs.graph
        for key in rows.items():
            if key not in self.scratches:
                self.scratches[key] = self.scratch_bytes(graph, graph.ops[key[0]], key[1])
        return max((self.scratches[key] for key in rows.items()), default=0)

    def _row_cycles(self, op: int) -> tuple[int, int]:
        if op not in self.row_cycles:
            self.row_cycles[op] = _row_cycles(self.needs.graph, op, self.cost)
        return self.row_cycles[op]


def _inputs(needs: GraphNeeds, stage: StageLayout) -> set[str]:
    graph = needs.graph
    return {
        name
        for i in stage.ops
        for name in graph.ops[i].inputs
        if not stage.first_op <= needs.producer.get(name, -1) < stage.end_op
    }


def _alive_whole(needs: GraphNeeds, stage: StageLayout, whole: frozenset[str], template: Layout) -> set[str]:
    """Whole maps alive while the stage runs: its own, its inputs, and what passes by."""
    graph = needs.graph
    alive = set(whole)
    for name in graph.tensors:
        if name in alive or (template.stream_input and name in graph.inputs):
            continue
        made = needs.producer.get(name, -1) < stage.first_op
        read = any(reader >= stage.first_op for reader, _ in needs.consumers[name])
        if made and (read or name in graph.outputs):
            alive.add(name)
    return alive


def _shared_bytes(needs: GraphNeeds, stage: StageLayout, whole: frozenset[str], alive: set[str], run: StageRun) -> int:
    """Bytes saved by outputs that grow over dying inputs."""
    graph = needs.graph
    dying = [
        name
        for name in sorted(_inputs(needs, stage) & alive)
        if name not in graph.outputs and all(reader < stage.end_op for reader, _ in needs.consumers[name])
    ]
    saved = 0
    for name in (graph.ops[i].output for i in stage.ops if graph.ops[i].output in whole):
        leads = [(lead, d) for d in dying if (lead := overlay_lead_bytes(graph, run.events, name, d)) is not None]
        if leads:
            lead, over = min(leads)
            dying.remove(over)
            sizes = (graph.tensors[name].size_bytes, graph.tensors[over].size_bytes)
            saved += sum(sizes) - max(lead + sizes[1], sizes[0])
    return saved
