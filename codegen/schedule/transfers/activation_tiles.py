"""Rows of large maps that go through tiles in fast memory: which maps, and the copies to and from their tiles.

Why early reads and late writes are safe, also where a growing output takes the place of a dying input: a map is read
through tiles only in stages that do not write it, so its rows are complete before the stage begins, and nothing that
is written between the copy and the call may touch them, since the call needs them unharmed in the schedule without
tiles as well. A map is written through tiles only in stages that do not read it; whoever touches the place of its
rows afterwards finds the copy under way and waits (`channels.py`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby

from tinyanime.codegen.memory.problem import Buffer
from tinyanime.codegen.schedule.plan import Call, Schedule, Span, Step
from tinyanime.codegen.schedule.transfers.channels import Copy
from tinyanime.codegen.schedule.transfers.map_accesses import MapAccess, map_accesses
from tinyanime.codegen.schedule.transfers.naming import BufferNames
from tinyanime.codegen.schedule.transfers.slots import Clock, Use, assign_slots
from tinyanime.codegen.schedule.transfers.transfer_cost import TilePrice

TILES = 2
"""One that the core works on, one that the DMA works on."""

_DMA_SHARE = 2
"""Tiles may keep the DMA busy for one in so many cycles of their stage, so that weights are not late for them."""

_BEHIND = 2
"""A copy back to the map is waited for after this many transfer times, if nothing needs it before."""


@dataclass(frozen=True, slots=True)
class TiledMaps:
    """Where calls find rows instead of the map, by (number of call, input position or None), copies and buffers."""

    tile_of: dict[tuple[int, int | None], str] = field(default_factory=dict)
    copies: tuple[Copy, ...] = ()
    buffers: tuple[Buffer, ...] = ()


@dataclass(frozen=True, slots=True)
class _Stream:
    """All reads or all writes of one tensor in one stage, in order."""

    stage: int
    tensor: str
    reads: bool
    accesses: tuple[MapAccess, ...]

    @property
    def tile_bytes(self) -> int:
        return max(access.span.size_bytes for access in self.accesses)


def tile_maps(
    schedule: Schedule,
    steps: tuple[Step, ...],
    price: TilePrice,
    clock: Clock,
    *,
    tensor_bytes: int,
    total_bytes: int,
    names: BufferNames,
) -> TiledMaps:
    """Choose the streams of `steps` that go through tiles and lay out their copies.

    `tensor_bytes` limits the tiles of one stream, `total_bytes` those of two stages in a row, whose tiles are alive
    together for a moment. Only maps that do not fit `total_bytes` are considered: others may lie in fast memory whole.
    """
    if price.memory.slow is None or not price.memory.has_dma:
        return TiledMaps()
    calls = tuple((step, call) for step in steps for call in step.calls)
    accesses = map_accesses(schedule, steps, total_bytes)
    streams = [s for s in _streams(schedule, accesses) if TILES * s.tile_bytes <= tensor_bytes]
    laid = _Layout(clock, price, names, calls)
    for stream in _chosen(schedule, streams, calls, price, total_bytes):
        if stream.reads:
            laid.add_reads(stream)
        else:
            laid.add_writes(stream)
    return TiledMaps(laid.tile_of, tuple(laid.copies), tuple(laid.buffers))


def _streams(schedule: Schedule, accesses: Iterable[MapAccess]) -> list[_Stream]:
    """Reads of maps from earlier stages and writes for later stages, in stages of several strips."""
    grouped: dict[tuple[int, str, bool], list[MapAccess]] = defaultdict(list)
    for access in accesses:
        grouped[access.stage, access.tensor, access.position is not None].append(access)
    return [
        _Stream(*key, tuple(own))
        for key, own in grouped.items()
        if schedule.stages[key[0]].strips > 1 and not any(access.within_stage for access in own)
    ]


def _chosen(
    schedule: Schedule, streams: list[_Stream], calls: tuple[tuple[Step, Call], ...], price: TilePrice, total_bytes: int
) -> Iterator[_Stream]:
    """The streams that save most first, while memory and DMA last; in the order of stages.

    A copy has to save more than its set-up takes, since the core programs it.
    """
    used: dict[int, int] = defaultdict(int)
    saved = {(s.stage, s.tensor, s.reads): _saved_cycles(schedule, s, calls, price) for s in streams}
    core: dict[int, int] = defaultdict(int)
    for step, call in calls:
        core[step.stage] += price.cost.call_cycles(schedule.graph, call)
    for stage, candidates in groupby(streams, key=lambda s: s.stage):
        busy = 0
        for stream in sorted(candidates, key=lambda s: -saved[s.stage, s.tensor, s.reads]):
            copied = _copied(stream)
            cycles = busy + sum(price.dma_cycles(span) for span in copied)
            size = TILES * stream.tile_bytes
            set_up = len(copied) * price.setup_cycles
            if (
                saved[stage, stream.tensor, stream.reads] > set_up
                and cycles * _DMA_SHARE <= core[stage]
                and used[stage - 1] + used[stage] + size <= total_bytes
            ):
                busy = cycles
                used[stage] += size
                yield stream


def _copied(stream: _Stream) -> list[Span]:
    """What is copied, one after the other: rows that several calls in a row use are copied once."""
    return [span for span, _ in groupby(access.span for access in stream.accesses)]


def _saved_cycles(schedule: Schedule, stream: _Stream, calls: tuple[tuple[Step, Call], ...], price: TilePrice) -> int:
    """Core cycles that the calls take longer with the rows in the next slower memory than with a tile."""
    fast, slow = price.memory.fast[0], price.memory.slow
    assert slow is not None
    saved = 0
    for access in stream.accesses:
        buffer, slow_cost = access.span.buffer, slow.access_cost
        call = calls[access.call][1]

        def access_cost(name: str, buffer: str = buffer, slow_cost: int = slow_cost) -> int:
            return slow_cost if name == buffer else fast.access_cost

        tiled = redirected(call, {access.position: "tile"})
        saved += price.cost.call_cycles(schedule.graph, call, access_cost)
        saved -= price.cost.call_cycles(schedule.graph, tiled, access_cost)
    return saved


def redirected(call: Call, tiles: dict[int | None, str]) -> Call:
    """`call` with the rows of these inputs (or of the output, None) at the beginning of the named buffers."""
    inputs = tuple(
        replace(view, buffer=tiles[position], offset_bytes=0) if position in tiles else view
        for position, view in enumerate(call.inputs)
    )
    output = replace(call.output, buffer=tiles[None], offset_bytes=0) if None in tiles else call.output
    return replace(call, inputs=inputs, output=output)


@dataclass(slots=True)
class _Layout:
    """Collects the tiles and copies of the chosen streams; `calls` are numbered by their position."""

    clock: Clock
    price: TilePrice
    names: BufferNames
    calls: tuple[tuple[Step, Call], ...]
    tile_of: dict[tuple[int, int | None], str] = field(default_factory=dict)
    copies: list[Copy] = field(default_factory=list)
    buffers: list[Buffer] = field(default_factory=list)

    def add_reads(self, stream: _Stream) -> None:
        """Copies ahead of the reads, not before the stage before begins, whose tiles count as alive together."""
        earliest = next(n for n, (step, _) in enumerate(self.calls) if step.stage >= stream.stage - 1)
        uses = tuple(Use(a.call, a.span, max(a.ready, earliest)) for a in stream.accesses)
        assignment = assign_slots(uses, TILES, self.clock)
        tiles = self._tiles(stream, "read", max(assignment.slot_of) + 1)
        for access, slot in zip(stream.accesses, assignment.slot_of, strict=True):
            self.tile_of[access.call, access.position] = tiles[slot]
        for load in assignment.loads:
            target = Span(tiles[load.slot], 0, load.source.size_bytes)
            self.copies.append(Copy(load.source, target, load.gap, load.call, load.call + 1))

    def add_writes(self, stream: _Stream) -> None:
        """A tile for each step in turn, copied to the map behind the step's last call.

        First of all copies of that moment: another may be a read of these very rows.
        """
        by_step = [tuple(group) for _, group in groupby(stream.accesses, key=lambda access: access.step)]
        tiles = self._tiles(stream, "write", min(len(by_step), TILES))
        for turn, own in enumerate(by_step):
            for access in own:
                self.tile_of[access.call, None] = tiles[turn % TILES]
            gap, rows = own[-1].call + 1, own[-1].span
            end = self.clock.first_gap_after(gap, _BEHIND * self.price.dma_cycles(rows))
            tile = Span(tiles[turn % TILES], 0, rows.size_bytes)
            self.copies.append(Copy(tile, rows, gap, own[-1].call, end))

    def _tiles(self, stream: _Stream, direction: str, count: int) -> tuple[str, ...]:
        """Buffers for the stream, one where its rows go at once; `dma.py` sets the steps in which they are alive."""
        accessed = sum(access.span.size_bytes for access in stream.accesses)
        first = stream.accesses[0].step
        tiles = tuple(self.names.fresh(f"{stream.tensor}.{direction}{stream.stage}.{i}") for i in range(count))
        self.buffers += [
            Buffer(name, stream.tile_bytes, first, first + 1, accesses_bytes=accessed // count) for name in tiles
        ]
        return tiles
