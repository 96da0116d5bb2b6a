"""First fit in several orders, with two ways to choose the bank."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tinyanime.codegen.memory.fit import Fitting
from tinyanime.codegen.memory.layout import Place
from tinyanime.codegen.memory.problem import Buffer

_Key = Callable[[Buffer], tuple[float | str, ...]]


@dataclass(frozen=True, slots=True)
class Attempt:
    """`places` by buffer, None where no bank had room; `missing` are these buffers, in the order they were tried."""

    places: tuple[Place | None, ...]
    missing: tuple[int, ...]


def attempts(fitting: Fitting) -> Iterator[Attempt]:
    """All attempts, deterministic."""
    for key in orders():
        order = sorted(range(len(fitting.buffers)), key=lambda i: key(fitting.buffers[i]))
        yield _first_fit(fitting, order, by_growth=False)
        if len(fitting.banks) > 1:
            yield _first_fit(fitting, order, by_growth=True)


def occupied(fitting: Fitting, places: Sequence[Place | None], buffer: int, bank: int) -> list[tuple[int, int]]:
    """Byte ranges [begin, end) of `bank` that buffers alive together with `buffer` take, by begin."""
    ranges = []
    for other in fitting.neighbours[buffer]:
        place = places[other]
        if place is not None and place[0] == bank:
            ranges.append((place[1], place[1] + fitting.fit(other, bank).taken_bytes))
    ranges.sort()
    return ranges


def lowest_offset(fitting: Fitting, places: Sequence[Place | None], buffer: int, bank: int) -> int:
    """The lowest offset with room for `buffer` in `bank`, whose size is not looked at."""
    fit = fitting.fit(buffer, bank)
    lead = fitting.grids[bank].lead_bytes
    cursor = fitting.grids[bank].lowest(fit)
    for begin, end in occupied(fitting, places, buffer, bank):
        if cursor + fit.taken_bytes <= begin:
            break
        if end > cursor:
            cursor = end + -(lead + end) % fit.alignment_bytes
    return cursor


def refit(fitting: Fitting, places: Sequence[Place]) -> Attempt:
    """`places` from the lowest offset up, each in its bank as low as it goes, or elsewhere where it has no room."""
    order = sorted(range(len(places)), key=lambda i: (places[i][1], i))
    return _first_fit(fitting, order, by_growth=True, wanted=[bank for bank, _ in places])


def _first_fit(
    fitting: Fitting, order: Sequence[int], *, by_growth: bool, wanted: Sequence[int] | None = None
) -> Attempt:
    """Place in `order`, in the wanted or cheapest bank with room, or in the one whose peak grows least."""
    places: list[Place | None] = [None] * len(order)
    peaks = [0] * len(fitting.banks)
    missing = []
    for buffer in order:
        found: list[tuple[bool, int, int, int, int]] = []
        for bank, fit in fitting.choices(buffer):
            offset = lowest_offset(fitting, places, buffer, bank)
            if offset + fit.taken_bytes <= fitting.banks[bank].size_bytes:
                growth = max(offset + fit.taken_bytes - peaks[bank], 0) if by_growth else 0
                elsewhere = wanted is not None and wanted[buffer] != bank
                found.append((elsewhere, growth, fitting.banks[bank].access_cost, bank, offset))
        if not found:
            missing.append(buffer)
            continue
        *_, bank, offset = min(found)
        places[buffer] = (bank, offset)
        peaks[bank] = max(peaks[bank], offset + fitting.fit(buffer, bank).taken_bytes)
    return Attempt(tuple(places), tuple(missing))


def orders() -> tuple[_Key, ...]:
    """Ways to sort buffers for first fit: the most constrained or the dearest first."""

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
