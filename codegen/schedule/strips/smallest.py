"""The layouts that need the least memory: of the network, and with skipped tensors computed again where that may help.

A tensor that is computed again need not be kept while the operators between its producer and its late reader run. It
can help only where the layout of least memory is at its fullest meanwhile; other variants are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.kernels.rule import KernelRule
from tinyanime.codegen.memory.shortage import fullest
from tinyanime.codegen.schedule.cost import CostModel
from tinyanime.codegen.schedule.plan import Schedule
from tinyanime.codegen.schedule.strips.build import build_schedule
from tinyanime.codegen.schedule.strips.layout import Layout
from tinyanime.codegen.schedule.strips.recompute import RecomputeVariant, recompute_variants
from tinyanime.codegen.schedule.strips.search import (
    CLOSE_CYCLES,
    LOW_STRIP_ROWS,
    LayoutOption,
    LayoutSpace,
    layout_space,
)

_ROOMS = (1.0, 1.25, 2.0, 1000.0)
"""Budgets of the layouts that are built, relative to the least estimate; the last one is no limit."""


@dataclass(frozen=True, eq=False, slots=True)
class SmallLayout:
    """A layout of `variant`; `alive_bytes` are those of its built schedule's fullest step, so no plan needs less."""

    variant: RecomputeVariant
    layout: Layout
    alive_bytes: int
    cycles: int


def small_layouts(graph: Graph, rule: KernelRule, cost: CostModel, template: Layout) -> tuple[SmallLayout, ...]:
    """Candidates for least memory, the smallest first."""
    built = list(_layouts(RecomputeVariant(graph, ()), rule, cost, template, _ROOMS))
    found = [small for small, _ in built]
    _, smallest = min(built, key=lambda item: (item[0].alive_bytes, item[0].cycles))
    full = _fullest_stage(smallest)
    for variant in recompute_variants(graph):
        if variant.spared.start < full.stop and full.start < variant.spared.stop:
            found += [small for small, _ in _layouts(variant, rule, cost, template, _ROOMS[:1])]
    return tuple(sorted(found, key=lambda small: (small.alive_bytes, small.cycles)))


def _layouts(
    variant: RecomputeVariant, rule: KernelRule, cost: CostModel, template: Layout, rooms: tuple[float, ...]
) -> Iterator[tuple[SmallLayout, Schedule]]:
    """With shared buffers and without: one lives longer than either tensor, which may cost more than it saves.

    That is why the search's estimate is not the last word, and layouts of more room, and of one stage, where the
    estimate is exact, are built and compared too.
    """
    space = layout_space(variant.graph, rule, cost, template, LOW_STRIP_ROWS)
    tried: set[Layout] = set()
    for kind in (space, space.apart()):
        least = kind.smallest().peak_bytes
        for option in (*(kind.fastest(int(least * room)) for room in rooms), kind.undivided(), _nearly_fastest(kind)):
            if option is None or option.layout in tried:
                continue
            tried.add(option.layout)
            schedule = build_schedule(variant.graph, option.layout, rule)
            _, alive = fullest(schedule.buffers)
            yield SmallLayout(variant, option.layout, alive, option.cycles), schedule


def _nearly_fastest(space: LayoutSpace) -> LayoutOption:
    """What is chosen for speed: estimates that are optimistic for others may make it the smallest."""
    fastest = space.fastest(max(space.budgets()))
    assert fastest is not None, "some layout always exists"
    return space.smallest(int(CLOSE_CYCLES * fastest.cycles))


def _fullest_stage(schedule: Schedule) -> range:
    """Operators of the stage in which the most bytes are alive."""
    step, _ = fullest(schedule.buffers)
    ops = schedule.stages[schedule.steps[step].stage].ops
    return range(ops[0], ops[-1] + 1)
