"""Why a problem has no plan, for people: the best partial plan, the bank and the moment where it breaks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tinyanime.codegen.memory.fit import Fitting
from tinyanime.codegen.memory.greedy import Attempt, occupied
from tinyanime.codegen.memory.problem import Buffer, Placement


@dataclass(frozen=True, slots=True)
class Shortage:
    """The attempt that placed the most bytes, and the largest buffer for which it has no room.

    A buffer that fits no bank even alone goes before larger ones.

    `bank` is the one that the buffer misses by the least ("" where it may lie in none: wrong banks, or no DMA), `step`
    the fullest step of that bank in the buffer's life: there it needs `needed_bytes` for the buffer and has
    `free_bytes`, perhaps in pieces. `largest_gap_bytes` is the largest piece in any of its banks that is free during
    the whole life. `placements` hold the other buffers, as far as they found room. `alive_bytes` is the largest sum
    of sizes alive in one step, at `fullest_step`. `proven` where no plan exists; else none was found in time.
    """

    buffer: Buffer
    largest_gap_bytes: int
    step: int
    bank: str
    needed_bytes: int
    free_bytes: int
    placements: tuple[Placement, ...]
    alive_bytes: int
    fullest_step: int
    proven: bool


def lower_bound_bytes(buffers: Iterable[Buffer]) -> int:
    """Largest sum of buffer sizes alive in one step."""
    return fullest(buffers)[1]


def fullest(buffers: Iterable[Buffer]) -> tuple[int, int]:
    """The first step at which the most bytes are alive, and these bytes; (0, 0) without buffers."""
    changes: dict[int, int] = {}
    for buffer in buffers:
        if buffer.first_step < buffer.end_step:
            changes[buffer.first_step] = changes.get(buffer.first_step, 0) + buffer.size_bytes
            changes[buffer.end_step] = changes.get(buffer.end_step, 0) - buffer.size_bytes
    best = (0, 0)
    alive = 0
    for step in sorted(changes):
        alive += changes[step]
        if alive > best[1]:
            best = (step, alive)
    return best


def describe(fitting: Fitting, attempts: Iterable[Attempt], *, proven: bool) -> Shortage:
    """The shortage of the best of `attempts`, none of which is complete."""
    attempt = min(attempts, key=lambda a: sum(fitting.buffers[i].size_bytes for i in a.missing))
    missing = max(attempt.missing, key=lambda i: (not fitting.choices(i), fitting.buffers[i].size_bytes))
    buffer = fitting.buffers[missing]
    gaps = [(_largest_gap(fitting, attempt, missing, bank), bank) for bank, _ in _candidates(fitting, missing)]
    gap, bank = max(gaps, key=lambda entry: entry[0], default=(0, -1))
    step, used = _fullest_step(fitting, attempt, missing, bank)
    fullest_step, alive_bytes = fullest(fitting.buffers)
    return Shortage(
        buffer=buffer,
        largest_gap_bytes=gap,
        step=step,
        bank=fitting.banks[bank].name if bank >= 0 else "",
        needed_bytes=buffer.size_bytes,
        free_bytes=fitting.banks[bank].size_bytes - used if bank >= 0 else 0,
        placements=tuple(
            Placement(b.name, fitting.banks[place[0]].name, place[1])
            for b, place in zip(fitting.buffers, attempt.places, strict=True)
            if place is not None
        ),
        alive_bytes=alive_bytes,
        fullest_step=fullest_step,
        proven=proven,
    )


def _candidates(fitting: Fitting, buffer: int) -> tuple[tuple[int, int], ...]:
    """Index and size of the banks where `buffer` may lie, even if it is larger than they are."""
    item = fitting.buffers[buffer]
    return tuple(
        (index, bank.size_bytes)
        for index, bank in enumerate(fitting.banks)
        if (not item.banks or bank.name in item.banks) and (bank.dma or not item.dma)
    )


def _largest_gap(fitting: Fitting, attempt: Attempt, buffer: int, bank: int) -> int:
    cursor = largest = 0
    end_of_bank = fitting.banks[bank].size_bytes
    for begin, end in [*occupied(fitting, attempt.places, buffer, bank), (end_of_bank, end_of_bank)]:
        largest = max(largest, begin - cursor)
        cursor = max(cursor, end)
    return largest


def _fullest_step(fitting: Fitting, attempt: Attempt, buffer: int, bank: int) -> tuple[int, int]:
    """The step of the buffer's life in which `bank` holds the most, and the bytes it holds."""
    life = fitting.buffers[buffer]
    starts = [life.first_step, *(fitting.buffers[i].first_step for i in fitting.neighbours[buffer])]
    best = (life.first_step, -1)
    for step in sorted({start for start in starts if life.first_step <= start < max(life.end_step, start + 1)}):
        used = 0
        for other in fitting.neighbours[buffer]:
            place, item = attempt.places[other], fitting.buffers[other]
            if place is not None and place[0] == bank and item.first_step <= step < item.end_step:
                used += fitting.fit(other, bank).taken_bytes
        if used > best[1]:
            best = (step, used)
    return best
