"""What a stage would need and take: peak bytes and modelled cycles, without building it.

What an operator of a stage does depends on the operators behind it only: rows are pulled from the stage's end. All
stages with the same end and strip height therefore follow from one run of the longest of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import ceil

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.schedule.cost import CostModel
from tinyanime.codegen.schedule.plan import Call, RowRange, RowView
from tinyanime.codegen.schedule.strips.build import ScratchBytes, streamed_input_of, whole_tensors
from tinyanime.codegen.schedule.strips.layout import Layout, StageLayout, is_alias
from tinyanime.codegen.schedule.strips.needs import GraphNeeds
from tinyanime.codegen.schedule.strips.run import RECEIVED, RowEvent, StageRun, run_stage
from tinyanime.codegen.schedule.strips.storage import overlay_lead_bytes


@dataclass(frozen=True, slots=True)
class StageOption:
    """A stage as it could be: its layout, peak bytes while it runs (all maps alive then), and modelled cycles.

    `apart_bytes` is the peak where no output shares the buffer of a dying input.
    """

    layout: StageLayout
    peak_bytes: int
    cycles: int
    apart_bytes: int


@dataclass(slots=True)
class _Share:
    """What one operator (or the link) adds to its stage: line buffer, bytes moved in it, scratch, cycles."""

    line_bytes: int = 0
    moved_bytes: int = 0
    scratch_bytes: int = 0
    cycles: int = 0
    events: list[tuple[int, RowEvent]] = field(default_factory=list)
    """Its events with their positions in the run."""


@dataclass(eq=False, slots=True)
class StageCosts:
    """Costs of the stages of one graph; `template` says whether buffers are shared and which ends are streamed."""

    needs: GraphNeeds
    template: Layout
    scratch_bytes: ScratchBytes
    cost: CostModel
    row_cycles: dict[int, tuple[int, int]] = field(default_factory=dict)
    scratches: dict[tuple[int, int], int] = field(default_factory=dict)

    def ending_at(self, firsts: Sequence[int], end: int, strip_rows: int) -> list[StageOption]:
        """The stages [first, end) in strips of `strip_rows` rows, for each of `firsts`.

        Two of them that hold readers of a streamed input must hold the same ones.
        """
        needs, graph = self.needs, self.needs.graph
        if is_alias(graph, graph.ops[end - 1]):
            return [StageOption(StageLayout(first, end, strip_rows), 0, 0, 0) for first in firsts]
        longest = StageLayout(min(firsts), end, strip_rows)
        whole = whole_tensors(needs, longest, self.template)
        streamed = streamed_input_of(needs, longest, self.template)
        shares = self._shares(run_stage(needs, longest.ops, strip_rows, whole, streamed))
        return [self._option(StageLayout(first, end, strip_rows), shares) for first in firsts]

    def _option(self, stage: StageLayout, shares: dict[int, _Share]) -> StageOption:
        needs, graph = self.needs, self.needs.graph
        parts = [shares[op] for op in stage.ops]
        if streamed_input_of(needs, stage, self.template):
            parts.append(shares[RECEIVED])
        whole = whole_tensors(needs, stage, self.template)
        alive = _alive_whole(needs, stage, whole, self.template)
        apart = sum(part.line_bytes for part in parts) + max(part.scratch_bytes for part in parts)
        apart += sum(graph.tensors[name].size_bytes for name in alive)
        peak = apart - _shared_bytes(needs, stage, whole, alive, shares) if self.template.overlay else apart
        moved = sum(part.moved_bytes for part in parts)
        outside = sum(graph.tensors[n].size_bytes for n in {*whole, *_inputs(needs, stage)})
        cycles = sum(part.cycles for part in parts) + self.cost.move_cycles(moved) + outside // 4
        return StageOption(stage, peak, cycles, apart)

    def _shares(self, run: StageRun) -> dict[int, _Share]:
        graph = self.needs.graph
        shares: dict[int, _Share] = {}
        for position, event in enumerate(run.events):
            share = shares.setdefault(event.op, _Share())
            share.events.append((position, event))
            if event.op == RECEIVED:
                continue
            rows = event.end - event.begin
            per_row, per_call = self._row_cycles(event.op)
            share.cycles += per_row * rows + per_call
            share.scratch_bytes = max(share.scratch_bytes, self._scratch(event.op, rows))
        for name, rows in run.line_rows:
            share = shares[self.needs.producer.get(name, RECEIVED)]
            share.line_bytes = rows * graph.tensors[name].row_bytes
            share.moved_bytes = share.line_bytes * max(0, ceil(graph.tensors[name].height / rows) - 1) if rows else 0
        return shares

    def _scratch(self, op: int, rows: int) -> int:
        if (op, rows) not in self.scratches:
            graph = self.needs.graph
            self.scratches[op, rows] = self.scratch_bytes(graph, graph.ops[op], rows)
        return self.scratches[op, rows]

    def _row_cycles(self, op: int) -> tuple[int, int]:
        if op not in self.row_cycles:
            self.row_cycles[op] = _row_cycles(self.needs.graph, op, self.cost)
        return self.row_cycles[op]


def _row_cycles(graph: Graph, index: int, cost: CostModel) -> tuple[int, int]:
    """Modelled cycles of an operator per row of its output, and per call beside its rows, weights from flash."""
    op = graph.ops[index]
    height = graph.output_tensor(op).height

    def cycles(rows: int) -> int:
        view = RowView(op.output, RowRange(0, rows), "", 0)
        return cost.call_cycles(graph, Call(index, (), view))

    if height == 1:
        return cycles(1), 0
    per_row = max(1, (cycles(height) - cycles(1)) // (height - 1))
    return per_row, max(0, cycles(1) - per_row)


def _inputs(needs: GraphNeeds, stage: StageLayout) -> set[str]:
    """Tensors that the stage reads and does not make."""
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


def _shared_bytes(
    needs: GraphNeeds, stage: StageLayout, whole: frozenset[str], alive: set[str], shares: dict[int, _Share]
) -> int:
    """Bytes saved by outputs that grow over dying inputs."""
    graph = needs.graph
    dying = [
        name
        for name in sorted(_inputs(needs, stage) & alive)
        if name not in graph.outputs and all(reader < stage.end_op for reader, _ in needs.consumers[name])
    ]
    saved = 0
    for i in stage.ops:
        name = graph.ops[i].output
        if name not in whole:
            continue
        leads: list[tuple[int, str]] = []
        for tensor in dying:
            readers = {reader for reader, _ in needs.consumers[tensor] if reader >= stage.first_op}
            lead = overlay_lead_bytes(graph, _in_order(shares[op] for op in readers | {i}), name, tensor)
            if lead is not None:
                leads.append((lead, tensor))
        if leads:
            lead, over = min(leads)
            dying.remove(over)
            sizes = (graph.tensors[name].size_bytes, graph.tensors[over].size_bytes)
            saved += sum(sizes) - max(lead + sizes[1], sizes[0])
    return saved


def _in_order(shares: Iterable[_Share]) -> tuple[RowEvent, ...]:
    """The events of some operators, as they follow each other in the run."""
    events = sorted((item for share in shares for item in share.events), key=lambda item: item[0])
    return tuple(event for _, event in events)
