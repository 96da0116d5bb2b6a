"""The strip schedule as bands: which rows of which map are made when, and how long they are kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil

from tinyanime.codegen.schedule.plan import Receive, RowRange, Schedule, Send

_MARGIN = 0.15
"""Rows shown above and below those at work, as a part of them."""

LINK = -1
"""In place of an operator: rows that the link brings or takes."""


@dataclass(frozen=True, slots=True)
class Band:
    """Rows [row_begin, row_end) are made in step `step`; step `kept_step` is the first that needs none of them."""

    step: int
    row_begin: int
    row_end: int
    kept_step: int


@dataclass(frozen=True, slots=True)
class Lane:
    """One map over time. `op` indexes the graph's operators or is LINK; `again` marks what is computed twice.

    `stored` says in words where the rows lie.
    """

    label: str
    op: int
    tensor: str
    height: int
    again: bool
    stored: str
    bands: tuple[Band, ...]
    holds_few: bool = False
    """Only some of the rows are held at a time."""

    def rows_at_work(self, first_step: int, end_step: int) -> RowRange:
        """Rows made during these steps and, where few are held, those held then, with a margin; all without such."""
        busy = [
            band
            for band in self.bands
            if band.step < end_step and (band.kept_step if self.holds_few else band.step + 1) > first_step
        ]
        if not busy:
            return RowRange(0, self.height)
        begin, end = min(band.row_begin for band in busy), max(band.row_end for band in busy)
        margin = max(1, ceil((end - begin) * _MARGIN))
        return RowRange(max(begin - margin, 0), min(end + margin, self.height))


def lanes_of(schedule: Schedule) -> tuple[Lane, ...]:
    """Rows that come over the link, every operator that has steps, in order, and rows that leave over the link."""
    found = _Rows.of(schedule)
    again = {item.op for item in schedule.recomputed}
    stored = {storage.tensor: storage for storage in schedule.storage}
    lanes = []
    if found.received:
        name = schedule.graph.inputs[0]
        lanes.append(_link_lane(schedule, f"{name} (received)", name, found.received, found.last_read.get(name, [])))
    for index, op in enumerate(schedule.graph.ops):
        if index not in found.made:
            continue
        height = schedule.graph.tensors[op.output].height
        rows = stored[op.output].rows if op.output in stored else height
        text = "stored whole" if rows == height else f"line buffer of {rows} rows"
        bands = _bands(found.made[index], found.last_read.get(op.output, []))
        lanes.append(Lane(op.name, index, op.output, height, index in again, text, bands, rows < height))
    if found.sent:
        name = schedule.graph.outputs[0]
        lanes.append(_link_lane(schedule, f"{name} (sent)", name, found.sent, []))
    return tuple(lanes)


def _link_lane(
    schedule: Schedule, label: str, tensor: str, rows: list[tuple[int, RowRange]], last_read: list[int]
) -> Lane:
    height = schedule.graph.tensors[tensor].height
    return Lane(label, LINK, tensor, height, False, "exchanged over the link", _bands(rows, last_read), True)


def _bands(rows: list[tuple[int, RowRange]], last_read: list[int]) -> tuple[Band, ...]:
    """`last_read` has for each row the first step that does not need it any more; empty where nobody reads it."""
    return tuple(
        Band(step, made.begin, made.end, max((step + 1, *last_read[made.begin : made.end]))) for step, made in rows
    )


@dataclass(slots=True)
class _Rows:
    """Rows made by each operator and exchanged with the link, by step; `last_read` per row of each tensor."""

    made: dict[int, list[tuple[int, RowRange]]] = field(default_factory=dict)
    received: list[tuple[int, RowRange]] = field(default_factory=list)
    sent: list[tuple[int, RowRange]] = field(default_factory=list)
    last_read: dict[str, list[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, schedule: Schedule) -> _Rows:
        rows = cls()
        for name in schedule.graph.outputs:
            kept = 0 if schedule.streamed_output else len(schedule.steps)
            rows.last_read[name] = [kept] * schedule.graph.tensors[name].height
        for step in schedule.steps:
            rows.made.setdefault(step.op, []).append((step.index, step.output.rows))
            for call in step.calls:
                for view in call.inputs:
                    height = schedule.graph.tensors[view.tensor].height
                    rows._read(view.tensor, height, view.rows, step.index)
            for command in step.commands:
                if isinstance(command, Receive):
                    rows.received.append((step.index, command.rows))
                elif isinstance(command, Send):
                    rows.sent.append((step.index, command.rows))
                    height = schedule.graph.tensors[schedule.graph.outputs[0]].height
                    rows._read(schedule.graph.outputs[0], height, command.rows, step.index)
        return rows

    def _read(self, tensor: str, height: int, rows: RowRange, step: int) -> None:
        last = self.last_read.setdefault(tensor, [0] * height)
        last[rows.begin : rows.end] = [step + 1] * rows.count
