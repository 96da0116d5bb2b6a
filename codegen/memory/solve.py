"""Greedy placement: several deterministic orders of first fit over all banks, the cheapest complete one wins."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tinyanime.codegen.memory.problem import Bank, Buffer, MemoryPlan, MemoryProblem, Placement

_Key = Callable[[Buffer], tuple[float | str, ...]]


@dataclass(frozen=True, slots=True)
class Shortage:
    """Why no order placed everything: the buffer that found no room in the attempt that came furthest."""

    buffer: Buffer
    largest_gap_bytes: int
    """Largest free block in any bank during the buffer's life, next to what was already placed."""


def lower_bound_bytes(buffers: Iterable[Buffer]) -> int:
    """Largest sum of buffer sizes alive in one step."""
    items = tuple(buffers)
    starts = {buffer.first_step for buffer in items}
    return max((sum(b.size_bytes for b in items if b.first_step <= s < b.end_step) for s in starts), default=0)


def solve(problem: MemoryProblem) -> MemoryPlan | Shortage:
    """Place every buffer, or say which one could not be placed. Deterministic."""
    best: tuple[int, tuple[Placement, ...]] | None = None
    shortage: tuple[int, Shortage] | None = None
    for key in _orders():
        placed = _first_fit(problem, sorted(problem.buffers, key=key))
        if isinstance(placed, Shortage):
            rank = placed.largest_gap_bytes - placed.buffer.size_bytes
            if shortage is None or rank > shortage[0]:
                shortage = (rank, placed)
            continue
        cost = _access_cost(problem, placed)
        if best is None or cost < best[0]:
            best = (cost, placed)
    if best is None:
        assert shortage is not None
        return shortage[1]
    return MemoryPlan(best[1], _peaks(problem, best[1]), lower_bound_bytes(problem.buffers))


def _orders() -> tuple[_Key, ...]:
    def hotness(b: Buffer) -> float:
        return b.accesses_bytes / max(b.size_bytes, 1)

    def lifetime(b: Buffer) -> int:
        return b.end_step - b.first_step

    return (
        lambda b: (-hotness(b), -b.size_bytes, b.name),
        lambda b: (-b.size_bytes, -lifetime(b), b.name),
        lambda b: (-b.size_bytes * lifetime(b), -b.size_bytes, b.name),
        lambda b: (-lifetime(b), -b.size_bytes, b.name),
        lambda b: (b.first_step, -b.size_bytes, b.name),
        lambda b: (-b.end_step, -b.size_bytes, b.name),
    )


def _first_fit(problem: MemoryProblem, order: list[Buffer]) -> tuple[Placement, ...] | Shortage:
    banks = sorted(problem.banks, key=lambda bank: (bank.access_cost, bank.name))
    placed: dict[str, tuple[Buffer, Placement]] = {}
    for buffer in order:
        placement = next((p for bank in banks if (p := _lowest_place(buffer, bank, placed.values())) is not None), None)
        if placement is None:
            return Shortage(buffer, max(_largest_gap(buffer, bank, placed.values()) for bank in banks))
        placed[buffer.name] = (buffer, placement)
    return tuple(placed[buffer.name][1] for buffer in problem.buffers)


def _occupied(buffer: Buffer, bank: Bank, placed: Iterable[tuple[Buffer, Placement]]) -> list[tuple[int, int]]:
    """Byte ranges of `bank` taken by buffers alive together with `buffer`, by address; closed by the bank's end."""
    ranges = sorted(
        (place.offset_bytes, place.offset_bytes + other.size_bytes)
        for other, place in placed
        if place.bank == bank.name and other.first_step < buffer.end_step and buffer.first_step < other.end_step
    )
    return [*ranges, (bank.size_bytes, bank.size_bytes)]


def _lowest_place(buffer: Buffer, bank: Bank, placed: Iterable[tuple[Buffer, Placement]]) -> Placement | None:
    if buffer.banks and bank.name not in buffer.banks:
        return None
    cursor = 0
    for begin, end in _occupied(buffer, bank, placed):
        misaligned = -(bank.base + cursor) % buffer.alignment_bytes
        if cursor + misaligned + buffer.size_bytes <= begin:
            return Placement(buffer.name, bank.name, cursor + misaligned)
        cursor = max(cursor, end)
    return None


def _largest_gap(buffer: Buffer, bank: Bank, placed: Iterable[tuple[Buffer, Placement]]) -> int:
    if buffer.banks and bank.name not in buffer.banks:
        return 0
    cursor = largest = 0
    for begin, end in _occupied(buffer, bank, placed):
        largest = max(largest, begin - cursor)
        cursor = max(cursor, end)
    return largest


def _access_cost(problem: MemoryProblem, placements: tuple[Placement, ...]) -> int:
    cost = {bank.name: bank.access_cost for bank in problem.banks}
    return sum(b.accesses_bytes * cost[p.bank] for b, p in zip(problem.buffers, placements, strict=True))


def _peaks(problem: MemoryProblem, placements: tuple[Placement, ...]) -> tuple[tuple[str, int], ...]:
    peaks = {bank.name: 0 for bank in problem.banks}
    for buffer, place in zip(problem.buffers, placements, strict=True):
        peaks[place.bank] = max(peaks[place.bank], place.offset_bytes + buffer.size_bytes)
    return tuple(peaks.items())
