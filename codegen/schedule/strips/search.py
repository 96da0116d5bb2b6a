"""Search over cut points and strip heights: the layouts worth building, from a cost model of stages.

A stage's cost does not depend on where the others are cut, so the best layout under a memory budget is a shortest
path over the cut points. Budgets are the stages' own peaks: there are only so many.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.kernels.rule import KernelRule
from tinyanime.codegen.schedule.cost import CostModel
from tinyanime.codegen.schedule.strips.layout import Layout, StageLayout, is_alias
from tinyanime.codegen.schedule.strips.needs import GraphNeeds
from tinyanime.codegen.schedule.strips.stage_cost import StageCosts, StageOption

STRIP_ROWS = (1, 2, 4, 8, 16, 32)
"""Strip heights that are tried, beside the whole map for single operators."""

LOW_STRIP_ROWS = (1, 2, 4)
"""Those that can need the least memory: line buffers grow with the strip."""

CLOSE_CYCLES = 1.03
"""Layouts whose modelled cycles are within this factor of the fastest count as equally fast: the smallest wins."""

_MOST_CUTS = 36
"""Cut points beside the forced ones: the time of the search grows with their square."""


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

    def within(self, scratch_bytes: int) -> LayoutSpace:
        """The stages whose kernels work in so many bytes; all where some operator has no such stage."""
        options = tuple(option for option in self.options if option.scratch_bytes <= scratch_bytes)
        part = LayoutSpace(options, self.operators, self.template)
        return part if options and part.fastest(max(option.peak_bytes for option in options)) else self

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

    def undivided(self) -> LayoutOption | None:
        """Of the layouts of one stage the one of least memory; None where the network cannot be one stage."""
        whole = [o for o in self.options if o.layout.first_op == 0 and o.layout.end_op == self.operators]
        if not whole:
            return None
        least = min(whole, key=lambda option: (option.peak_bytes, option.cycles))
        return LayoutOption(replace(self.template, stages=(least.layout,)), least.peak_bytes, least.cycles)

    def smallest(self, most_cycles: int | None = None) -> LayoutOption:
        """The layout of least peak memory (of those of at most `most_cycles`, which some must have), and of fewest
        cycles among these: the larger the budget, the faster its fastest layout."""
        budgets = self.budgets()
        low, high = 0, len(budgets) - 1
        while low < high:
            middle = (low + high) // 2
            option = self.fastest(budgets[middle])
            if option is None or (most_cycles is not None and option.cycles > most_cycles):
                low = middle + 1
            else:
                high = middle
        found = self.fastest(budgets[low])
        assert found is not None, "some layout always exists"
        return found


def layout_space(
    graph: Graph,
    rule: KernelRule,
    cost: CostModel,
    template: Layout,
    strip_rows: tuple[int, ...] = STRIP_ROWS,
) -> LayoutSpace:
    """Every stage between two of the graph's cut points, at every strip height, with its peak and cost."""
    needs = GraphNeeds.of(graph)
    cuts = _cut_points(graph, needs, template)
    costs = StageCosts(needs, template, rule, cost)
    options: list[StageOption] = []
    for position, end in enumerate(cuts[1:], start=1):
        by_height: dict[int, list[int]] = {}
        for first in reversed(cuts[:position]):
            if end - first > 1 and (is_alias(graph, graph.ops[first]) or is_alias(graph, graph.ops[end - 1])):
                break
            for rows in _strip_heights(graph, first, end, strip_rows):
                by_height.setdefault(rows, []).append(first)
        for rows, firsts in by_height.items():
            options += costs.ending_at(firsts, end, rows)
    options.sort(key=lambda option: (option.layout.first_op, option.layout.end_op, option.layout.strip_rows))
    return LayoutSpace(tuple(options), len(graph.ops), template)


def _strip_heights(graph: Graph, first: int, end: int, tried: tuple[int, ...]) -> tuple[int, ...]:
    height = graph.output_tensor(graph.ops[end - 1]).height
    heights = [rows for rows in tried if rows < height]
    if end - first == 1 or not heights:
        heights.append(height)
    return tuple(heights)


def _cut_points(graph: Graph, needs: GraphNeeds, template: Layout) -> tuple[int, ...]:
    """Positions between operators: the ends, both sides of operators without a kernel, and where few bytes cross.

    All positions where there are not too many, else the best one of each of `_MOST_CUTS` windows: stages need cuts
    everywhere, not only where maps are small.
    """
    count = len(graph.ops)
    forced = {0, count}
    for i, op in enumerate(graph.ops):
        if is_alias(graph, op):
            forced |= {i, i + 1}
    free = [c for c in range(1, count) if c not in forced and not _separates_streams(needs, c, template)]
    crossing = _crossing_bytes(needs)
    windows = min(len(free), _MOST_CUTS)
    bounds = [window * len(free) // max(windows, 1) for window in range(windows + 1)]
    chosen = (min(free[begin:end], key=lambda c: (crossing[c], c)) for begin, end in pairwise(bounds))
    return tuple(sorted(forced.union(chosen)))


def _separates_streams(needs: GraphNeeds, cut: int, template: Layout) -> bool:
    """Whether a streamed input would be read on both sides of the cut: its rows are gone by then."""
    readers = [reader for reader, _ in needs.consumers[needs.graph.inputs[0]]]
    return template.stream_input and min(readers, default=cut) < cut <= max(readers, default=0)


def _crossing_bytes(needs: GraphNeeds) -> tuple[int, ...]:
    """For every position between operators the bytes of the maps made before it and read behind it."""
    graph = needs.graph
    changes = [0] * (len(graph.ops) + 2)
    for name, tensor in graph.tensors.items():
        last = max((reader for reader, _ in needs.consumers[name]), default=-1)
        first = needs.producer.get(name, -1) + 1
        if first <= last:
            changes[first] += tensor.size_bytes
            changes[last + 1] -= tensor.size_bytes
    return tuple(accumulate(changes))
