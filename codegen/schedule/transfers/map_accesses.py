"""How calls read and write the large maps that tiles may stand in for: which bytes, and who wrote or reads them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from tinyanime.codegen.schedule.plan import Move, Receive, RowView, Schedule, Send, Span, Step, Storage
from tinyanime.codegen.schedule.transfers.accesses import Accesses, view_span

LINE_BYTES = 32
"""A cache line. Tiles are whole lines, so that no line holds bytes of the DMA and bytes of the core."""


@dataclass(frozen=True, slots=True)
class MapAccess:
    """Call number `call` reads (as its input `position`) or writes (`position` is None) whole rows of `tensor`.

    A read has in `ready` the gap (`slots.py`) from which on its bytes are complete. `within_stage`: bytes that a read
    needs are written in its own stage, or bytes of a write are read in its own stage.
    """

    call: int
    step: int
    stage: int
    position: int | None
    tensor: str
    span: Span
    ready: int = 0
    within_stage: bool = False


def map_accesses(schedule: Schedule, steps: tuple[Step, ...], least_bytes: int) -> tuple[MapAccess, ...]:
    """Accesses to tensors stored whole, row by row in whole cache lines, in buffers larger than `least_bytes`.

    Buffers that moves or the link touch are left out. Order: by call, a call's reads before its write.
    """
    moved = _moved_buffers(steps, Accesses.of(schedule))
    sizes = {b.name: b.size_bytes for b in schedule.buffers if b.size_bytes > least_bytes and b.name not in moved}
    history = _History({name: np.full(-(-size // LINE_BYTES), -1, np.int64) for name, size in sizes.items()})
    whole = {
        storage.tensor: storage
        for storage in schedule.storage
        if storage.buffer in sizes and storage.rows == schedule.graph.tensors[storage.tensor].height
    }
    number = 0
    for step in steps:
        for call in step.calls:
            for position, view in enumerate(call.inputs):
                if view.buffer in sizes and view.rows.count:
                    history.read(_access(schedule, whole, step, number, position, view))
            if call.output.buffer in sizes:
                history.write(_access(schedule, whole, step, number, None, call.output))
            number += 1
    return tuple(access for access in history.accesses if access.tensor)


def _moved_buffers(steps: tuple[Step, ...], accesses: Accesses) -> set[str]:
    """Buffers that something else than kernel calls reads or writes."""
    return {
        span.buffer
        for step in steps
        for command in step.commands
        if isinstance(command, Move | Receive | Send)
        for span in (*accesses.reads(command), *accesses.writes(command))
    }


def _access(
    schedule: Schedule, whole: dict[str, Storage], step: Step, number: int, position: int | None, view: RowView
) -> MapAccess:
    """The access through `view`, without a tensor's name where its rows are no whole lines of a map."""
    span = view_span(schedule.graph, view)
    aligned = view.offset_bytes % LINE_BYTES == 0 and schedule.graph.tensors[view.tensor].row_bytes % LINE_BYTES == 0
    known = aligned and view.tensor in whole and whole[view.tensor].buffer == view.buffer
    return MapAccess(number, step.index, step.stage, position, view.tensor if known else "", span)


@dataclass(slots=True)
class _History:
    """Walks calls in order; `writers` has for each line of a buffer the index of the access that wrote it last."""

    writers: dict[str, NDArray[np.int64]]
    accesses: list[MapAccess] = field(default_factory=list)

    def _lines(self, span: Span) -> NDArray[np.int64]:
        return self.writers[span.buffer][span.offset_bytes // LINE_BYTES : -(-span.end_bytes // LINE_BYTES)]

    def write(self, access: MapAccess) -> None:
        self._lines(access.span)[:] = len(self.accesses)
        self.accesses.append(access)

    def read(self, access: MapAccess) -> None:
        """One call more than needed lies between a write and `ready`: the write may itself go through a tile."""
        ready, within = 0, False
        for writer in np.unique(self._lines(access.span)).tolist():
            if writer < 0:
                continue
            written = self.accesses[writer]
            ready = max(ready, min(written.call + 2, access.call))
            if written.stage == access.stage:
                within = True
                self.accesses[writer] = replace(written, within_stage=True)
        self.accesses.append(replace(access, ready=ready, within_stage=within))
