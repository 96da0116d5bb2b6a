"""Which slot of fast memory a tile is copied to, and when the copy begins.

The calls of a schedule are numbered from 0 in order; *gap* `g` is the moment right after call `g - 1`, so right before
the commands that lead to call `g`. All uses of tiles are known beforehand: a copy replaces the tile that is needed
again latest (Belady), among the slots whose last reader is done early enough for the copy to end in time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field

from tinyanime.codegen.schedule.plan import Span, WeightSpan

TileSource = Span | WeightSpan

_AHEAD = 2
"""A slot that nobody has used yet is filled this many transfer times before it is needed."""


@dataclass(frozen=True, slots=True)
class Use:
    """Call number `call` reads a copy of `source`, whose bytes are complete from gap `ready` on."""

    call: int
    source: TileSource
    ready: int = 0


@dataclass(frozen=True, slots=True)
class Load:
    """`source` is copied to slot `slot` from gap `gap` on, for call number `call`."""

    source: TileSource
    slot: int
    gap: int
    call: int


@dataclass(frozen=True, slots=True)
class Assignment:
    """`slot_of[i]` is where the i-th use finds its tile; `loads` are in the order of need and of their gaps."""

    slot_of: tuple[int, ...]
    loads: tuple[Load, ...]


@dataclass(frozen=True, slots=True)
class Clock:
    """`gaps[g]` are the core cycles of everything before gap `g`; `transfer_cycles` is the time of a copy by size."""

    gaps: tuple[int, ...]
    transfer_cycles: Callable[[TileSource], int]

    def latest_gap(self, call: int, cycles: int, earliest: int) -> int:
        """The last gap at least `cycles` before call `call`, or `earliest` where that is later."""
        gap = call
        while gap > earliest and self.gaps[call] - self.gaps[gap] < cycles:
            gap -= 1
        return max(gap, earliest)

    def first_gap_after(self, gap: int, cycles: int) -> int:
        """The first gap at least `cycles` behind gap `gap`, or the last one where there is none."""
        last = len(self.gaps) - 1
        return next((g for g in range(gap + 1, last) if self.gaps[g] - self.gaps[gap] >= cycles), last)


@dataclass(slots=True)
class _Slot:
    source: TileSource | None = None
    free_gap: int = 0
    """Gap behind the last call that reads the tile."""
    next_use: int = 0
    """Index of the use that needs this tile next; the number of uses where none does."""


def assign_slots(uses: tuple[Use, ...], slots: int, clock: Clock) -> Assignment:
    """Give each use (in the order of calls) one of `slots` slots; copies follow each other in the order of need.

    ValueError where one call uses more tiles than there are slots.
    """
    following = _next_uses(uses)
    state = [_Slot() for _ in range(slots)]
    slot_of: list[int] = []
    bus = _Bus(clock)
    for number, use in enumerate(uses):
        chosen = next((i for i, slot in enumerate(state) if slot.source == use.source), None)
        if chosen is None:
            chosen = _choose(state, use, bus)
            bus.load(use, chosen, _gap(state[chosen], use, bus))
        state[chosen].source = use.source
        state[chosen].free_gap = use.call + 1
        state[chosen].next_use = following[number]
        slot_of.append(chosen)
    return Assignment(tuple(slot_of), tuple(bus.loads))


@dataclass(slots=True)
class _Bus:
    """Copies so far, one after the other. `stalls[i]` are all waits up to call
    `stalled_calls[i]`, which waited for its copy."""

    clock: Clock
    loads: list[Load] = field(default_factory=list)
    free_cycle: int = 0
    stalled_calls: list[int] = field(default_factory=list)
    stalls: list[int] = field(default_factory=list)

    def cycle(self, gap: int) -> int:
        """When the core comes to gap `gap`, as far as it is known."""
        before = bisect_left(self.stalled_calls, gap)
        return self.clock.gaps[gap] + (self.stalls[before - 1] if before else 0)

    def end_cycle(self, use: Use, gap: int) -> int:
        """When a copy for `use` that begins in `gap` has ended."""
        return max(self.free_cycle, self.cycle(gap)) + self.clock.transfer_cycles(use.source)

    def late_cycles(self, use: Use, gap: int) -> int:
        """How long the core waits for such a copy."""
        return max(0, self.end_cycle(use, gap) - self.cycle(use.call))

    def load(self, use: Use, slot: int, gap: int) -> None:
        late = self.late_cycles(use, gap)
        self.free_cycle = self.end_cycle(use, gap)
        if late:
            self.stalls.append(late + (self.stalls[-1] if self.stalls else 0))
            self.stalled_calls.append(use.call)
        self.loads.append(Load(use.source, slot, gap, use.call))


def _choose(state: list[_Slot], use: Use, bus: _Bus) -> int:
    """The slot for a copy: where the core waits least for it, then the one whose tile is needed again latest."""

    def rank(number: int) -> tuple[int, bool, int]:
        slot = state[number]
        return bus.late_cycles(use, _gap(slot, use, bus)), slot.source is not None, -slot.next_use

    free = [number for number, slot in enumerate(state) if slot.free_gap <= use.call]
    if not free:
        raise ValueError(f"call {use.call} uses more tiles than there are slots ({len(state)})")
    return min(free, key=rank)


def _gap(slot: _Slot, use: Use, bus: _Bus) -> int:
    """When a copy to `slot` begins: as soon as nobody needs its tile, or late enough where it is empty."""
    earliest = max(slot.free_gap, use.ready, bus.loads[-1].gap if bus.loads else 0)
    if slot.source is not None:
        return earliest
    return bus.clock.latest_gap(use.call, _AHEAD * bus.clock.transfer_cycles(use.source), earliest)


def _next_uses(uses: tuple[Use, ...]) -> list[int]:
    """For each use, the index of the next use of the same tile."""
    following = [len(uses)] * len(uses)
    seen: dict[TileSource, int] = {}
    for number in reversed(range(len(uses))):
        following[number] = seen.get(uses[number].source, len(uses))
        seen[uses[number].source] = number
    return following
