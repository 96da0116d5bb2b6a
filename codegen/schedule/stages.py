"""Grouping operators into stages: chains whose inner tensors never exist whole."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, lcm

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import (
    AveragePool,
    Conv2D,
    DepthToSpace,
    MaxPool,
    Op,
    Pad,
    ResizeNearest,
    SpaceToDepth,
    TransposeConv2D,
)
from tinyanime.codegen.schedule.plan import RowRange
from tinyanime.codegen.schedule.rows import banded, read_rows, row_local, row_multiple

_Windowed = Conv2D | MaxPool | AveragePool | TransposeConv2D
_Mover = ResizeNearest | Pad | SpaceToDepth


@dataclass(frozen=True, slots=True)
class FusionPolicy:
    """What may share a stage, and how many bytes of inner rows a band may hold.

    `fuse_consumers` also joins row-local consumers (additions, rescales, depth-to-space) to the producer before them,
    which saves whole maps and costs one more loop over bands.
    """

    fuse_consumers: bool
    band_bytes: int


DEFAULT_POLICIES = (
    FusionPolicy(fuse_consumers=False, band_bytes=64 * 1024),
    FusionPolicy(fuse_consumers=False, band_bytes=32 * 1024),
    FusionPolicy(fuse_consumers=True, band_bytes=64 * 1024),
    FusionPolicy(fuse_consumers=True, band_bytes=32 * 1024),
    FusionPolicy(fuse_consumers=True, band_bytes=16 * 1024),
    FusionPolicy(fuse_consumers=True, band_bytes=1),
)
"""Tried in this order; the first whose plan fits the board is used. 1 byte means the smallest band possible."""


@dataclass(frozen=True, slots=True)
class Chain:
    """Indices of the operators of one stage, in execution order, and its rows per band."""

    ops: tuple[int, ...]
    band_rows: int


def build_chains(graph: Graph, policy: FusionPolicy) -> tuple[Chain, ...]:
    """Partition the graph's operators into chains, ordered by their last operator (a valid execution order)."""
    index_of = {op.output: i for i, op in enumerate(graph.ops)}
    merged_into_next: dict[int, int] = {}
    taken: set[int] = set()
    for i, op in enumerate(graph.ops):
        for name in op.inputs:
            producer = index_of.get(name)
            if producer is None or producer in merged_into_next or i in taken:
                continue
            if _may_fuse(graph, producer, i, policy):
                merged_into_next[producer] = i
                taken.add(i)
    chains = []
    for i in range(len(graph.ops)):
        if i in merged_into_next:
            continue
        members = [i]
        previous = {after: before for before, after in merged_into_next.items()}
        while members[0] in previous:
            members.insert(0, previous[members[0]])
        chains.append(Chain(tuple(members), _band_rows(graph, members, policy)))
    return tuple(chains)


def _may_fuse(graph: Graph, producer_index: int, consumer_index: int, policy: FusionPolicy) -> bool:
    producer, consumer = graph.ops[producer_index], graph.ops[consumer_index]
    if len(graph.consumers(producer.output)) != 1 or consumer.inputs.count(producer.output) != 1:
        return False
    if producer.output in graph.outputs or not (banded(producer, graph) and banded(consumer, graph)):
        return False
    if isinstance(consumer, _Windowed):
        return isinstance(producer, _Mover)
    if _is_folded_into_window(graph, consumer):
        # Its rows are read with a halo: whatever came before it in the same stage would be computed twice.
        return False
    return policy.fuse_consumers and row_local(consumer) and isinstance(producer, Conv2D | DepthToSpace | ResizeNearest)


def _is_folded_into_window(graph: Graph, op: Op) -> bool:
    readers = graph.consumers(op.output)
    return isinstance(op, _Mover) and len(readers) == 1 and isinstance(readers[0], _Windowed)


def _band_rows(graph: Graph, members: list[int], policy: FusionPolicy) -> int:
    """Rows of the last output per band: the most whose inner rows fit the policy's bytes."""
    last = graph.ops[members[-1]]
    height = graph.output_tensor(last).height
    if len(members) == 1:
        return height
    unit = lcm(*(row_multiple(graph.ops[i]) for i in members))
    best = min(unit, height)
    rows = best
    while rows <= height:
        if inner_bytes(graph, tuple(members), rows) <= policy.band_bytes:
            best = rows
        rows += unit
    bands = ceil(height / best)
    return min(height, ceil(height / bands / unit) * unit)


def inner_bytes(graph: Graph, members: tuple[int, ...], band_rows: int) -> int:
    """Bytes of all inner rows that one band of `band_rows` output rows holds at most."""
    return sum(graph.output_tensor(graph.ops[i]).row_bytes * n for i, n in inner_rows(graph, members, band_rows))


def inner_rows(graph: Graph, members: tuple[int, ...], band_rows: int) -> tuple[tuple[int, int], ...]:
    """For every operator but the last: its index and the most rows that one band needs of its output."""
    most = dict.fromkeys(members[:-1], 0)
    height = graph.output_tensor(graph.ops[members[-1]]).height
    for begin in range(0, height, band_rows):
        for i, rows in chain_rows(graph, members, RowRange(begin, min(begin + band_rows, height)))[:-1]:
            most[i] = max(most[i], rows.count)
    return tuple(most.items())


def chain_rows(graph: Graph, members: tuple[int, ...], out: RowRange) -> tuple[tuple[int, RowRange], ...]:
    """Rows of each operator's output needed for the rows `out` of the last one, in execution order.

    At least one row each, also where a window lies wholly in the padding and reads none: a step never computes nothing.
    """
    rows = [(members[-1], out)]
    for i in reversed(members[:-1]):
        consumer_index, consumer_rows = rows[0]
        consumer: Op = graph.ops[consumer_index]
        position = consumer.inputs.index(graph.ops[i].output)
        read = read_rows(graph, consumer, position, consumer_rows).rows
        if read.count == 0:
            nearest = min(read.begin, graph.output_tensor(graph.ops[i]).height - 1)
            read = RowRange(nearest, nearest + 1)
        rows.insert(0, (i, read))
    return tuple(rows)
