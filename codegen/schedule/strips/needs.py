"""Row needs of every operator as tables: which input rows a row of output reads, and which are read later still."""

from __future__ import annotations

from dataclasses import dataclass

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.schedule.plan import RowRange
from tinyanime.codegen.schedule.strips.rows import banded, read_rows


@dataclass(frozen=True, slots=True)
class RowNeeds:
    """Needs of one input of one operator, by output row.

    `end[r]`: input rows below it must exist before output rows up to r can be computed (at least one row).
    `live[r]`: the first input row that output rows from r on still read; the input's height for r == output height.
    """

    end: tuple[int, ...]
    live: tuple[int, ...]


@dataclass(frozen=True, eq=False, slots=True)
class GraphNeeds:
    """Tables of a graph: `inputs[op][position]`; `chunked[op]` is false where the kernel computes all rows at once.

    `producer` maps a tensor to its operator's index, `consumers` to the (operator, position) pairs that read it.
    """

    graph: Graph
    inputs: tuple[tuple[RowNeeds, ...], ...]
    chunked: tuple[bool, ...]
    producer: dict[str, int]
    consumers: dict[str, tuple[tuple[int, int], ...]]

    @classmethod
    def of(cls, graph: Graph) -> GraphNeeds:
        consumers: dict[str, list[tuple[int, int]]] = {name: [] for name in graph.tensors}
        for index, op in enumerate(graph.ops):
            for position, name in enumerate(op.inputs):
                consumers[name].append((index, position))
        return cls(
            graph,
            tuple(
                tuple(_needs(graph, index, position) for position in range(len(op.inputs)))
                for index, op in enumerate(graph.ops)
            ),
            tuple(banded(op, graph) for op in graph.ops),
            {op.output: index for index, op in enumerate(graph.ops)},
            {name: tuple(readers) for name, readers in consumers.items()},
        )


def _needs(graph: Graph, index: int, position: int) -> RowNeeds:
    op = graph.ops[index]
    in_height = graph.tensors[op.inputs[position]].height
    out_height = graph.output_tensor(op).height
    if not banded(op, graph):
        return RowNeeds((in_height,) * out_height, (0,) * out_height + (in_height,))
    ends: list[int] = []
    begins: list[int] = []
    for row in range(out_height):
        rows = read_rows(graph, op, position, RowRange(row, row + 1)).rows
        # A window that lies wholly in the padding reads nothing; its call still gets a pointer to a row that exists.
        begin = min(rows.begin, in_height - 1)
        begins.append(begin)
        ends.append(max(rows.end, begin + 1, ends[-1] if ends else 0))
    live = [in_height]
    for begin in reversed(begins):
        live.append(min(live[-1], begin))
    return RowNeeds(tuple(ends), tuple(reversed(live)))
