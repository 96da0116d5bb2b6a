"""The checker's memory: what every byte of every bank holds, which transfers are under way, what the cache knows.

A content id says which byte of which tensor or weight array a byte of memory holds. The data cache is tracked by line:
*dirty* where the core wrote and nobody cleaned, *stale* where a DMA writes or wrote and nobody invalidated since. The
core may fetch and evict any line at any time on its own account.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tinyanime.codegen.memory.problem import Bank, Buffer, MemoryPlan
from tinyanime.codegen.schedule.plan import Clean, Invalidate, Span, Transfer, Wait

LARGEST_TRANSFER_BYTES = 65536
"""Of one transfer, firmware/include/tinyanime/port.h."""
DMA_CHANNELS = 4
"""TA_DMA_CHANNELS of firmware/include/tinyanime/port.h."""

GARBAGE, LOST, UNDER_WAY, LINK_WINDOW = range(4)
"""Ids of bytes that hold nothing anybody may need; tensors and weights have the ids from FIRST_ID on."""
FIRST_ID = 4

Ids = NDArray[np.int64]
Lines = NDArray[np.bool_]


class ScheduleError(Exception):
    """The schedule does not compute its network; a defect of the scheduler, never of the user."""


@dataclass(frozen=True, slots=True)
class Area:
    """Bytes [begin, end) of a bank, as offsets from its base; `name` describes them in messages."""

    bank: str
    begin: int
    end: int
    name: str

    def meets(self, other: Area) -> bool:
        """Whether they have a byte in common."""
        return self.bank == other.bank and max(self.begin, other.begin) < min(self.end, other.end)


@dataclass(frozen=True, eq=False, slots=True)
class _Flight:
    """A transfer between Start and Wait; `ids` are its source's contents, None as `source` means flash."""

    transfer: Transfer
    source: Area | None
    target: Area
    ids: Ids


@dataclass(slots=True)
class _BankState:
    bank: Bank
    contents: Ids
    dirty: Lines
    stale: Lines

    @property
    def cached(self) -> bool:
        return self.bank.cache_line_bytes > 0

    def lines(self, area: Area) -> slice:
        """The cache lines that hold any byte of `area`; lines are counted from the one that holds the bank's base."""
        size, ahead = self.bank.cache_line_bytes, self.bank.base % self.bank.cache_line_bytes
        return slice((ahead + area.begin) // size, (ahead + area.end - 1) // size + 1)

    def whole_lines(self, area: Area) -> Area:
        """`area` grown to whole lines."""
        size, ahead, lines = self.bank.cache_line_bytes, self.bank.base % self.bank.cache_line_bytes, self.lines(area)
        return Area(area.bank, max(lines.start * size - ahead, 0), lines.stop * size - ahead, area.name)

    def lose(self, area: Area, lines: Lines) -> None:
        """The bytes of those of the area's lines that are set are lost; `area` is whole lines."""
        held = self.contents[area.begin : area.end]
        ahead = (self.bank.base + area.begin) % self.bank.cache_line_bytes
        held[np.repeat(lines, self.bank.cache_line_bytes)[ahead : ahead + held.size]] = LOST


@dataclass(slots=True)
class Memory:
    """All banks while the schedule runs; `step` and `place` say where it stands, for lifetimes and messages.

    At the beginning every line counts as dirty: an earlier inference or the link may have written it. Where no bank is
    reached by a DMA, a transfer is a copy by the core.
    """

    buffers: dict[str, Buffer]
    spots: dict[str, tuple[str, int]]
    banks: dict[str, _BankState]
    has_dma: bool
    step: int = 0
    place: str = "before the first step"
    flights: dict[int, _Flight] = field(default_factory=dict)
    started: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, buffers: tuple[Buffer, ...], plan: MemoryPlan, banks: tuple[Bank, ...]) -> Memory:
        """Raises ScheduleError where a buffer has no place in one of the banks or leaves it."""
        spots = {place.buffer: (place.bank, place.offset_bytes) for place in plan.placements}
        sizes = {bank.name: bank.size_bytes for bank in banks}
        used = dict.fromkeys(sizes, 0)
        for buffer in buffers:
            bank, offset = spots.get(buffer.name, ("", 0))
            if bank not in sizes:
                raise ScheduleError(f"buffer '{buffer.name}' has no place in any bank")
            if offset < 0 or offset + buffer.size_bytes > sizes[bank]:
                raise ScheduleError(f"buffer '{buffer.name}' leaves bank {bank}: {offset} + {buffer.size_bytes} bytes")
            used[bank] = max(used[bank], offset + buffer.size_bytes)
        states = {bank.name: _bank_state(bank, used[bank.name]) for bank in banks}
        named = {buffer.name: buffer for buffer in buffers}
        return cls(named, spots, states, any(bank.dma for bank in banks))

    def fail(self, message: str) -> ScheduleError:
        return ScheduleError(f"{self.place}: {message}")

    def area(self, span: Span) -> Area:
        """Where `span` lies; its buffer must be alive now and hold it."""
        buffer = self._alive(span.buffer)
        if span.offset_bytes < 0 or span.size_bytes < 0 or span.end_bytes > buffer.size_bytes:
            raise self.fail(
                f"bytes {span.offset_bytes} to {span.end_bytes} are not within buffer '{span.buffer}' of "
                f"{buffer.size_bytes} bytes"
            )
        return self._located(span)

    def whole(self, buffer: str) -> Area:
        return self.area(Span(buffer, 0, self._alive(buffer).size_bytes))

    def contents(self, area: Area) -> Ids:
        """A view: writing to it changes memory."""
        return self.banks[area.bank].contents[area.begin : area.end]

    def core_reads(self, area: Area) -> None:
        if flight := self._meeting(area, sources=False):
            raise self.fail(f"reads {area.name} while transfer {flight.transfer.index} writes {flight.target.name}")
        state = self.banks[area.bank]
        if state.cached and area.begin < area.end and state.stale[state.lines(area)].any():
            raise self.fail(f"reads {area.name}, of which a cache line was written by a DMA and not invalidated since")

    def core_writes(self, area: Area) -> None:
        if flight := self._meeting(area, sources=True):
            raise self.fail(f"writes {area.name} while transfer {flight.transfer.index} is under way there")
        state = self.banks[area.bank]
        if state.cached and area.begin < area.end:
            self._write_lines(state, area)

    def start(self, transfer: Transfer, source: Area | None, ids: Ids) -> None:
        """`ids` are what the source holds; None as `source` means that it lies in flash."""
        target = self._dma_end(transfer.target)
        size = target.end - target.begin
        if transfer.index in self.started:
            raise self.fail(f"transfer {transfer.index} starts a second time")
        if not 0 <= transfer.channel < DMA_CHANNELS:
            raise self.fail(f"transfer {transfer.index} is on channel {transfer.channel}, there are {DMA_CHANNELS}")
        if not 1 <= size <= LARGEST_TRANSFER_BYTES or ids.size != size:
            raise self.fail(f"transfer {transfer.index} copies {ids.size} bytes to {size} bytes at {target.name}")
        for flight in self.flights.values():
            if flight.transfer.channel == transfer.channel:
                raise self.fail(f"channel {transfer.channel} is busy with transfer {flight.transfer.index}")
        for end in (source, target):
            if end and (meeting := self._meeting(end, sources=end is target)):
                raise self.fail(f"transfer {transfer.index} meets transfer {meeting.transfer.index} at {end.name}")
        if source and source.meets(target):
            raise self.fail(f"transfer {transfer.index} copies {source.name} onto itself")
        if self.has_dma:
            self._dma_takes(transfer, source, target)
        else:
            if source:
                self.core_reads(source)
            self.core_writes(target)
        self.started.add(transfer.index)
        self.flights[transfer.index] = _Flight(transfer, source, target, ids.copy())
        self.contents(target)[:] = UNDER_WAY

    def dma_source(self, span: Span) -> Area:
        return self._dma_end(span)

    def wait(self, wait: Wait) -> None:
        flight = self.flights.get(wait.transfer)
        if flight is None:
            raise self.fail(f"waits for transfer {wait.transfer}, which is not under way")
        if flight.transfer.channel != wait.channel:
            raise self.fail(f"waits for transfer {wait.transfer} on channel {wait.channel}, it is on another one")
        for end in (flight.transfer.source, flight.transfer.target):
            if isinstance(end, Span):
                self._alive(end.buffer)
        del self.flights[wait.transfer]
        self.contents(flight.target)[:] = flight.ids

    def clean(self, command: Clean) -> None:
        state, lines, _ = self._maintained(command.span)
        state.dirty[lines] = False

    def invalidate(self, command: Invalidate) -> None:
        """A dirty line's bytes are lost. A line that a transfer is writing stays stale: the core may fetch it again."""
        state, lines, area = self._maintained(command.span)
        state.lose(area, state.dirty[lines])
        state.dirty[lines] = False
        state.stale[lines] = False
        for flight in self.flights.values():
            if self.has_dma and flight.target.bank == area.bank:
                state.stale[state.lines(flight.target)] = True

    def _alive(self, name: str) -> Buffer:
        buffer = self.buffers.get(name)
        if buffer is None:
            raise self.fail(f"there is no buffer '{name}'")
        if not buffer.first_step <= self.step < buffer.end_step:
            raise self.fail(f"buffer '{name}' is alive in steps {buffer.first_step} to {buffer.end_step - 1} only")
        return buffer

    def _located(self, span: Span) -> Area:
        bank, offset = self.spots[span.buffer]
        name = f"bytes {span.offset_bytes} to {span.end_bytes} of buffer '{span.buffer}'"
        return Area(bank, offset + span.offset_bytes, offset + span.end_bytes, name)

    def _meeting(self, area: Area, *, sources: bool) -> _Flight | None:
        """A transfer under way that writes a byte of `area`, with `sources` also one that reads one."""
        for flight in self.flights.values():
            if area.meets(flight.target) or (sources and flight.source and area.meets(flight.source)):
                return flight
        return None

    def _write_lines(self, state: _BankState, area: Area) -> None:
        """The cache may hold a stale line as it was before the transfer: a write to it loses the line's other bytes."""
        lines, grown = state.lines(area), state.whole_lines(area)
        for flight in self.flights.values():
            if self.has_dma and flight.target.bank == area.bank and state.whole_lines(flight.target).meets(grown):
                raise self.fail(f"writes {area.name} in a cache line that transfer {flight.transfer.index} writes to")
        if state.stale[lines].any():
            state.lose(grown, state.stale[lines])
            state.stale[lines] = False
        state.dirty[lines] = True

    def _dma_end(self, span: Span) -> Area:
        area = self.area(span)
        if self.has_dma and not self.banks[area.bank].bank.dma:
            raise self.fail(f"no DMA reaches bank {area.bank} with {area.name}")
        if self.has_dma and not self.buffers[span.buffer].dma:
            raise self.fail(f"buffer '{span.buffer}' is not marked for the DMA")
        return area

    def _dma_takes(self, transfer: Transfer, source: Area | None, target: Area) -> None:
        for end in (source, target):
            state = self.banks[end.bank] if end else None
            if end and state and state.cached and state.dirty[state.lines(end)].any():
                verb = "reads" if end is source else "writes"
                raise self.fail(f"transfer {transfer.index} {verb} {end.name}, of which a cache line is dirty")
        state = self.banks[target.bank]
        if state.cached:
            state.stale[state.lines(target)] = True

    def _maintained(self, span: Span) -> tuple[_BankState, slice, Area]:
        """Whole lines; the last one may reach behind the buffer's end, as far as its bytes share that line."""
        buffer = self._alive(span.buffer)
        area = self._located(span)
        state = self.banks[area.bank]
        line = state.bank.cache_line_bytes
        if not line:
            raise self.fail(f"there is no data cache before bank {area.bank} with {area.name}")
        if span.size_bytes <= 0 or (state.bank.base + area.begin) % line or span.size_bytes % line:
            raise self.fail(f"{area.name} are not whole cache lines of {line} bytes")
        if span.offset_bytes < 0 or span.end_bytes >= buffer.size_bytes + line:
            raise self.fail(f"{area.name} are not within the buffer's cache lines")
        return state, state.lines(area), area


def _bank_state(bank: Bank, used_bytes: int) -> _BankState:
    lines = 0
    if bank.cache_line_bytes:
        lines = (bank.base % bank.cache_line_bytes + used_bytes) // bank.cache_line_bytes + 2
    return _BankState(bank, np.zeros(used_bytes, np.int64), np.ones(lines, np.bool_), np.zeros(lines, np.bool_))
