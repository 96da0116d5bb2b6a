"""What a stage would need and take: peak bytes and modelled cycles, without building it.

What an operator of a stage does depends on the operators behind it only: rows are pulled from the stage's end. All
stages with the same end and strip height therefore follow from one run of the longest of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import ceil

from tinyanime.codegen.kernels.kernel import Kernel
from tinyanime.codegen.kernels.rule import Candidate, KernelRule
from tinyanime.codegen.schedule.cost import CostModel
from tinyanime.codegen.schedule.plan import Call, RowRange, RowView
from tinyanime.codegen.schedule.strips.build import streamed_input_of, whole_tensors
from tinyanime.codegen.schedule.strips.layout import Layout, StageLayout, is_alias
from tinyanime.codegen.schedule.strips.needs import GraphNeeds
from tinyanime.codegen.schedule.strips.run import RECEIVED, RowEvent, StageRun, run_stage
from tinyanime.codegen.schedule.strips.storage import overlay_lead_bytes


@dataclass(frozen=True, slots=True)
class StageOption:
    """A stage as it could be: its layout, peak bytes while it runs (all maps alive then), and modelled cycles.

    `apart_bytes` is the peak where no output shares the buffer of a dying input, `scratch_bytes` the part of either
    that is the kernels' working memory.
    """

    layout: StageLayout
    peak_bytes: int
    cycles: int
    apart_bytes: int
    scratch_bytes: int = 0


@dataclass(slots=True)
class _Share:
    """What one operator (or the link) adds to its stage: line buffer, bytes moved in it, scratch, cycles."""

    line_bytes: int = 0
    moved_bytes: int = 0
    scratch_bytes: int = 0
    cycles: int = 0
    events: list[tuple[int, RowEvent]] = field(default_factory=list)
    """Its events with their positions in the run."""


@dataclass(frozen=True, slots=True)
class _StageMemory:
    """Of a stage without its kernels' working memory: peak bytes with nothing shared, bytes that sharing saves, and
    modelled cycles of moves and of reading and writing whole maps."""

    apart_bytes: int
    shared_bytes: int
    moving_cycles: int


@dataclass(eq=False, slots=True)
class StageCosts:
    """Costs of the stages of one graph by the kernels of `rule`.

    `template` says whether buffers are shared and which ends are streamed.
    """

    needs: GraphNeeds
    template: Layout
    rule: KernelRule
    cost: CostModel
    cycles: dict[tuple[int, Kernel, int], int] = field(default_factory=dict)
    """Modelled cycles of a call: by operator, kernel and rows."""

    def ending_at(self, firsts: Sequence[int], end: int, strip_rows: int) -> list[StageOption]:
        """The stages [first, end) in strips of `strip_rows` rows, for each of `firsts` and each limit of the kernels'
        working memory that makes a difference.

        Two of them that hold readers of a streamed input must hold the same ones.
        """
        needs, graph = self.needs, self.needs.graph
        if is_alias(graph, graph.ops[end - 1]):
            return [StageOption(StageLayout(first, end, strip_rows), 0, 0, 0) for first in firsts]
        longest = StageLayout(min(firsts), end, strip_rows)
        whole = whole_tensors(needs, longest, self.template)
        streamed = streamed_input_of(needs, longest, self.template)
        options = []
        runs: list[StageRun] = []
        for least_rows in self.rule.least_rows:
            run = run_stage(needs, longest.ops, strip_rows, whole, streamed, least_rows)
            if run in runs:
                continue
            runs.append(run)
            base = self._shares(run)
            # What the kernels do not change, by first operator.
            fixed = {first: self._memory(StageLayout(first, end, strip_rows), base) for first in firsts}
            for limit, chosen in self._choices(run):
                shares = self._with_kernels(base, chosen)
                for first in firsts:
                    stage = StageLayout(first, end, strip_rows, limit, least_rows)
                    options.append(self._option(stage, shares, fixed[first]))
        return options

    def _memory(self, stage: StageLayout, shares: dict[int, _Share]) -> _StageMemory:
        needs, graph = self.needs, self.needs.graph
        parts = self._parts(stage, shares)
        whole = whole_tensors(needs, stage, self.template)
        alive = _alive_whole(needs, stage, whole, self.template)
        apart = sum(part.line_bytes for part in parts) + sum(graph.tensors[name].size_bytes for name in alive)
        shared = _shared_bytes(needs, stage, whole, alive, shares) if self.template.overlay else 0
        moved = sum(part.moved_bytes for part in parts)
        outside = sum(graph.tensors[n].size_bytes for n in {*whole, *_inputs(needs, stage)})
        return _StageMemory(apart, shared, self.cost.move_cycles(moved) + outside // 4)

    def _option(self, stage: StageLayout, shares: dict[int, _Share], memory: _StageMemory) -> StageOption:
        parts = self._parts(stage, shares)
        scratch = max(part.scratch_bytes for part in parts)
        apart = memory.apart_bytes + scratch
        cycles = memory.moving_cycles + sum(part.cycles for part in parts)
        return StageOption(stage, apart - memory.shared_bytes, cycles, apart, scratch)

    def _parts(self, stage: StageLayout, shares: dict[int, _Share]) -> list[_Share]:
        parts = [shares[op] for op in stage.ops]
        if streamed_input_of(self.needs, stage, self.template):
            parts.append(shares[RECEIVED])
        return parts

    def _shares(self, run: StageRun) -> dict[int, _Share]:
        graph = self.needs.graph
        shares: dict[int, _Share] = {}
        for position, event in enumerate(run.events):
            share = shares.setdefault(event.op, _Share())
            share.events.append((position, event))
        for name, rows in run.line_rows:
            share = shares[self.needs.producer.get(name, RECEIVED)]
            share.line_bytes = rows * graph.tensors[name].row_bytes
            share.moved_bytes = share.line_bytes * max(0, ceil(graph.tensors[name].height / rows) - 1) if rows else 0
        return shares

    def _choices(self, run: StageRun) -> Iterator[tuple[int, dict[int, Candidate]]]:
        """Limits of working memory with the kernels that they lead to; one limit for each set of kernels."""
        graph = self.needs.graph
        rows: dict[int, int] = {}
        for event in run.events:
            if event.op != RECEIVED:
                rows[event.op] = max(rows.get(event.op, 0), event.end - event.begin)
        seen: list[dict[int, Candidate]] = []
        for limit in self.rule.limits:
            chosen = {op: self.rule.choose(graph, graph.ops[op], most, limit) for op, most in rows.items()}
            if chosen not in seen:
                seen.append(chosen)
                yield limit, chosen

    def _with_kernels(self, base: dict[int, _Share], chosen: dict[int, Candidate]) -> dict[int, _Share]:
        """The shares with the working memory and the cycles of these kernels."""
        shares = dict(base)
        for op, candidate in chosen.items():
            calls = Counter(event.end - event.begin for _, event in base[op].events)
            cycles = sum(count * self._call_cycles(op, candidate.kernel, rows) for rows, count in calls.items())
            shares[op] = replace(base[op], scratch_bytes=candidate.scratch_bytes, cycles=cycles)
        return shares

    def _call_cycles(self, op: int, kernel: Kernel, rows: int) -> int:
        """Modelled cycles of a call with all operands in tightly coupled memory and weights from flash."""
        key = (op, kernel, rows)
        if key not in self.cycles:
            graph = self.needs.graph
            view = RowView(graph.ops[op].output, RowRange(0, rows), "", 0)
            cores = self.rule.call_cores(graph, graph.ops[op], rows, kernel)
            self.cycles[key] = self.cost.call_cycles(graph, Call(op, (), view, kernel=kernel, cores=cores))
        return self.cycles[key]


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
