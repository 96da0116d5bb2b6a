"""Cache maintenance for the transfers of a schedule whose buffers have been placed.

The Cortex-M7's data cache is write-back, and the core may read any line at any time on its own account (ARM DDI 0489,
section 5.1). So, for each line that a DMA touches:

- What the core wrote reaches memory by a clean: before a transfer reads it.
- What the core wrote may be written back at any time: the line is dropped before a transfer writes its memory.
- A line whose memory a transfer wrote is *stale*, since the cache may have held it all along: it is dropped after the
  transfer and before the core reads it. A core that writes all of it before (another buffer is there by then) makes
  it the core's again.

What came before is not known: at the beginning every line may be dirty. The link writes the network's input before
the first step and reads its output after the last.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from tinyanime.codegen.memory.problem import Bank, MemoryPlan
from tinyanime.codegen.schedule.plan import Clean, Command, Invalidate, Schedule, Span, Start
from tinyanime.codegen.schedule.transfers.accesses import Accesses

_NOBODY = -1


def add_maintenance(schedule: Schedule, plan: MemoryPlan, banks: tuple[Bank, ...]) -> Schedule:
    """Insert the cleans and invalidates that the placement asks for, none that could be left out.

    Spans are whole cache lines; the last one may end behind its buffer. Where no DMA reaches any bank, transfers are
    copies by the core and need none. ValueError where a transfer ends within a line that holds other bytes of its
    buffer, or where such a buffer begins within one: `add_transfers` and the planner never leave that.
    """
    if not any(bank.dma for bank in banks):
        return schedule
    cache = _Cache(_Lines.of(schedule, plan, banks))
    accesses = Accesses.of(schedule)
    steps = []
    for step in schedule.steps:
        commands: list[Command] = []
        for command in step.commands:
            commands += cache.prepare(command, accesses)
            commands.append(command)
        if step is schedule.steps[-1] and not schedule.streamed_output:
            for name in schedule.graph.outputs:
                commands += cache.read(_whole(schedule, name))
        steps.append(replace(step, commands=tuple(commands)))
    return replace(schedule, steps=tuple(steps))


def _whole(schedule: Schedule, tensor: str) -> Span:
    storage = schedule.storage_of(tensor)
    return Span(storage.buffer, storage.offset_bytes, schedule.graph.tensors[tensor].size_bytes)


@dataclass(frozen=True, slots=True)
class _Placed:
    """A buffer in a cached bank: its number, its place counted from the line of the bank's base, and its size."""

    name: str
    number: int
    bank: str
    offset_bytes: int
    size_bytes: int
    line_bytes: int


@dataclass(frozen=True, slots=True)
class _Lines:
    """Which cache lines buffers lie in; buffers outside cached banks are not in `placed`."""

    placed: dict[str, _Placed]
    line_counts: dict[str, int]

    @classmethod
    def of(cls, schedule: Schedule, plan: MemoryPlan, banks: tuple[Bank, ...]) -> _Lines:
        cached = {bank.name: bank for bank in banks if bank.cache_line_bytes}
        sizes = {buffer.name: buffer.size_bytes for buffer in schedule.buffers}
        placed = {}
        for number, p in enumerate(plan.placements):
            if p.bank in cached:
                line = cached[p.bank].cache_line_bytes
                offset = cached[p.bank].base % line + p.offset_bytes
                placed[p.buffer] = _Placed(p.buffer, number, p.bank, offset, sizes[p.buffer], line)
        counts = {name: bank.size_bytes // bank.cache_line_bytes + 2 for name, bank in cached.items()}
        return cls(placed, counts)

    def lines(self, span: Span) -> slice:
        """The lines that hold bytes of `span`."""
        placed = self.placed[span.buffer]
        begin = (placed.offset_bytes + span.offset_bytes) // placed.line_bytes
        return slice(begin, -(-(placed.offset_bytes + span.end_bytes) // placed.line_bytes))

    def parts(self, span: Span) -> list[slice]:
        """The first and the last line of `span` where it does not hold all of their bytes."""
        placed, lines = self.placed[span.buffer], self.lines(span)
        parts = []
        if (placed.offset_bytes + span.offset_bytes) % placed.line_bytes:
            parts.append(slice(lines.start, lines.start + 1))
        if (placed.offset_bytes + span.end_bytes) % placed.line_bytes:
            parts.append(slice(lines.stop - 1, lines.stop))
        return parts

    def span(self, placed: _Placed, first: int, begin: int, end: int) -> Span:
        """Lines [first + begin, first + end) of the bank as bytes of a buffer."""
        if placed.offset_bytes % placed.line_bytes:
            raise ValueError(f"buffer '{placed.name}' of a transfer begins within a cache line")
        offset = (first + begin) * placed.line_bytes - placed.offset_bytes
        return Span(placed.name, offset, (end - begin) * placed.line_bytes)

    def check_target(self, target: Span) -> None:
        """Bytes beside a transfer's target, in its own lines, would be lost with them."""
        placed = self.placed[target.buffer]
        last_line = -(-target.end_bytes // placed.line_bytes) * placed.line_bytes
        if target.offset_bytes % placed.line_bytes or (last_line != target.end_bytes and last_line < placed.size_bytes):
            raise ValueError(f"a transfer to '{target.buffer}' shares a cache line with other bytes")


@dataclass(slots=True)
class _Cache:
    """What the cache may hold, by bank and line.

    `dirty`: the core may have written the line since it was cleaned or dropped. `stale`: number of the buffer as which
    a transfer wrote the line's memory since, or -1.
    """

    where: _Lines
    dirty: dict[str, NDArray[np.bool_]] = field(init=False)
    stale: dict[str, NDArray[np.int32]] = field(init=False)

    def __post_init__(self) -> None:
        self.dirty = {bank: np.ones(count, np.bool_) for bank, count in self.where.line_counts.items()}
        self.stale = {bank: np.full(count, _NOBODY, np.int32) for bank, count in self.where.line_counts.items()}

    def prepare(self, command: Command, accesses: Accesses) -> list[Command]:
        """Maintenance that `command` needs before it; the state behind it is taken over."""
        if isinstance(command, Start):
            return self._start(command)
        needed = [item for span in accesses.reads(command) for item in self.read(span)]
        return needed + [item for span in accesses.writes(command) for item in self._write(span)]

    def read(self, span: Span) -> list[Command]:
        """The core reads `span`: its stale lines are dropped."""
        placed = self.where.placed.get(span.buffer)
        return self._drop_stale(placed, self.where.lines(span)) if placed else []

    def _write(self, span: Span) -> list[Command]:
        """The core writes `span`; a line of which it writes a part would keep the other bytes as they were."""
        placed = self.where.placed.get(span.buffer)
        if placed is None:
            return []
        lines = self.where.lines(span)
        needed: list[Command] = []
        for edge in self.where.parts(span):
            needed += self._drop_stale(placed, edge)
        self.stale[placed.bank][lines] = _NOBODY
        self.dirty[placed.bank][lines] = True
        return needed

    def _drop_stale(self, placed: _Placed, lines: slice) -> list[Command]:
        """Invalidates for the lines that a transfer wrote as this same buffer."""
        old = self.stale[placed.bank][lines] == placed.number
        self.stale[placed.bank][lines][old] = _NOBODY
        return [Invalidate(self.where.span(placed, lines.start, begin, end)) for begin, end in _runs(old)]

    def _start(self, start: Start) -> list[Command]:
        needed: list[Command] = []
        source, target = start.transfer.source, start.transfer.target
        placed = self.where.placed.get(source.buffer) if isinstance(source, Span) else None
        if placed and isinstance(source, Span):
            lines = self.where.lines(source)
            dirty = self.dirty[placed.bank][lines]
            needed += [Clean(self.where.span(placed, lines.start, begin, end)) for begin, end in _hull(dirty)]
            dirty[:] = False
        placed = self.where.placed.get(target.buffer)
        if placed:
            self.where.check_target(target)
            lines = self.where.lines(target)
            dirty = self.dirty[placed.bank][lines]
            needed += [Invalidate(self.where.span(placed, lines.start, begin, end)) for begin, end in _hull(dirty)]
            dirty[:] = False
            self.stale[placed.bank][lines] = placed.number
        return needed


def _hull(lines: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """One range over all set lines; none where none is set."""
    indices = np.flatnonzero(lines)
    return [(int(indices[0]), int(indices[-1]) + 1)] if indices.size else []


def _runs(lines: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Ranges of set lines without a gap."""
    edges = np.flatnonzero(np.diff(lines.astype(np.int8), prepend=0, append=0))
    yield from ((int(begin), int(end)) for begin, end in edges.reshape(-1, 2))
