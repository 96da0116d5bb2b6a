"""Runs a stage strip by strip on paper: who computes which rows when, and how many rows each line buffer holds."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from math import ceil

from tinyanime.codegen.schedule.strips.needs import GraphNeeds

RECEIVED = -1
"""In place of an operator: the rows come from the link."""


@dataclass(frozen=True, slots=True)
class RowEvent:
    """Operator `op` (or RECEIVED) makes rows [begin, end) of `tensor`."""

    op: int
    tensor: str
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class StageRun:
    """What one stage does, in order; `line_rows` are the rows each line buffer must hold, by tensor."""

    events: tuple[RowEvent, ...]
    line_rows: tuple[tuple[str, int], ...]


def run_stage(
    needs: GraphNeeds,
    ops: tuple[int, ...],
    strip_rows: int,
    whole: Collection[str],
    streamed_input: str = "",
    least_rows: int = 1,
) -> StageRun:
    """The stage's events for strips of `strip_rows` rows of its last operator's output.

    Every operator makes at least `least_rows` rows at a time, as long as there are so many.

    `whole` are the tensors stored whole: all others that the stage makes are line buffers. Rows are pulled: a row is
    made when a later operator is about to read it, in chunks of as many rows as the operator makes per strip, so that
    line buffers stay as small as halos, lags of skips and chunks allow.
    """
    run = _Run(needs, ops, strip_rows, frozenset(whole), streamed_input, least_rows)
    run.execute()
    return StageRun(tuple(run.events), tuple(run.line_rows.items()))


@dataclass(slots=True)
class _Run:
    needs: GraphNeeds
    ops: tuple[int, ...]
    strip_rows: int
    whole: frozenset[str]
    streamed_input: str
    least_rows: int
    events: list[RowEvent] = field(default_factory=list)
    line_rows: dict[str, int] = field(default_factory=dict)
    done: dict[str, int] = field(default_factory=dict)
    """Rows made so far, by tensor of the stage."""
    chunk: dict[str, int] = field(default_factory=dict)
    members: frozenset[int] = frozenset()

    def execute(self) -> None:
        graph = self.needs.graph
        self.members = frozenset(self.ops)
        last_height = graph.output_tensor(graph.ops[self.ops[-1]]).height
        strips = ceil(last_height / self.strip_rows)
        names = [graph.ops[i].output for i in self.ops]
        if self.streamed_input:
            names.insert(0, self.streamed_input)
        for name in names:
            height = graph.tensors[name].height
            self.done[name] = 0
            self.chunk[name] = min(max(self.least_rows, round(height * self.strip_rows / last_height)), height)
            producer = self.needs.producer.get(name)
            if producer is not None and not self.needs.chunked[producer]:
                self.chunk[name] = height
        ends = self._ends()
        for strip in range(1, strips + 1):
            for name in ends:
                self._make(name, min(ceil(graph.tensors[name].height * strip / strips), graph.tensors[name].height))
        for name in names:
            # The link hands over every row of the picture, also those that nobody reads.
            if name in self.whole or name == self.streamed_input:
                self._make(name, graph.tensors[name].height)

    def _ends(self) -> tuple[str, ...]:
        """Tensors that no operator of the stage reads: their progress drives it."""
        outputs = [self.needs.graph.ops[i].output for i in self.ops]
        return tuple(
            name for name in outputs if not any(reader in self.members for reader, _ in self.needs.consumers[name])
        )

    def _make(self, tensor: str, upto: int) -> None:
        """Makes rows of `tensor` until there are at least `upto`."""
        height = self.needs.graph.tensors[tensor].height
        op = self.needs.producer.get(tensor, RECEIVED)
        while self.done[tensor] < upto:
            begin = self.done[tensor]
            end = min(begin + self.chunk[tensor], height)
            if op != RECEIVED:
                for position, name in enumerate(self.needs.graph.ops[op].inputs):
                    if name in self.done:
                        self._make(name, self.needs.inputs[op][position].end[end - 1])
            if self.done[tensor] != begin:
                continue
            self.events.append(RowEvent(op, tensor, begin, end))
            if tensor not in self.whole:
                rows = end - self.live(tensor)
                self.line_rows[tensor] = max(self.line_rows.get(tensor, 0), rows)
            self.done[tensor] = end

    def live(self, tensor: str) -> int:
        """First row of `tensor` that an operator of the stage has yet to read."""
        height = self.needs.graph.tensors[tensor].height
        first = height
        for reader, position in self.needs.consumers[tensor]:
            if reader in self.members:
                made = self.done[self.needs.graph.ops[reader].output]
                first = min(first, self.needs.inputs[reader][position].live[made])
        return min(first, self.done[tensor])
