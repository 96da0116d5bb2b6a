"""One bank filled from the bottom up: a complete search for a packing below a given height.

In a packing in which nothing can be pushed down any more, every buffer lies on the bank's bottom or on another buffer
that is alive together with it. Such a packing is found by placing buffers in the order of their addresses, each at
the lowest address that the placed ones leave. Three facts cut the search:

- A set of buffers alive together needs the sum of the sizes not yet placed, above the lowest address that any of them
  may still get. (A gap that nothing fills counts as soon as it is certain.)
- A buffer that would fit wholly below the next one could be pushed down, so the next one must begin below that.
- What falls apart in time once a buffer is placed is searched by itself.

The last is what Moffitt, "MiniMalloc", ASPLOS 2023, calls decomposition; the first two are close to its section
inference and its dominance of canonical solutions.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from enum import Enum

from tinyanime.codegen.memory.fit import Fitting
from tinyanime.codegen.memory.lives import fullest_sets

WORK_SECONDS = 1.5e-6
"""One unit of work in seconds of a 3 GHz core; measured."""


class Verdict(Enum):
    FOUND = "found"
    IMPOSSIBLE = "impossible"
    """No packing is so low."""
    UNKNOWN = "unknown"
    """The work limit came first."""


@dataclass(frozen=True, slots=True)
class Climb:
    """Result of a search: `offsets` of the members, in their order, where found; `work` that it took."""

    verdict: Verdict
    offsets: tuple[int, ...]
    work: int


@dataclass(frozen=True, slots=True)
class _Shape:
    """A buffer's numbers: sets [first_set, end_set) hold it, `fullest` is the most bytes of any of them."""

    member: int
    first_set: int
    end_set: int
    padded: int
    taken: int
    alignment: int
    fullest: int

    @property
    def area(self) -> int:
        return self.padded * (self.end_set - self.first_set)


_ORDERS: tuple[Callable[[_Shape], tuple[int, ...]], ...] = (
    lambda s: (-s.fullest, -s.area, s.first_set - s.end_set),
    lambda s: (-s.fullest, s.first_set - s.end_set, -s.area),
    lambda s: (s.first_set - s.end_set, -s.area, -s.fullest),
    lambda s: (-s.padded, s.first_set - s.end_set, -s.fullest),
    lambda s: (-s.area, -s.padded, -s.fullest),
)
"""Who goes first of those that may begin at the same address."""


def climb(fitting: Fitting, bank: int, members: Sequence[int], height: int, most_work: int) -> Climb:
    """Look for offsets of `members` (a group alive together in time) in `bank` with a peak of at most `height` bytes.

    Tries several orders of preference, each with a share of `most_work` (buffers looked at), which then grows.
    """
    solid = [member for member in members if fitting.fit(member, bank).padded_bytes]
    if not solid:
        return Climb(Verdict.FOUND, _with_empty(fitting, bank, members, (), ()), 0)
    shapes = _shapes(fitting, bank, solid)
    spent = 0
    share = max(most_work // 8, 1)
    while spent < most_work:
        for order in _ORDERS:
            search = _Search(
                sorted(shapes, key=lambda s: (*order(s), s.member)), fitting.grids[bank].lead_bytes, height
            )
            verdict = search.run(min(share, most_work - spent))
            spent += search.work
            if verdict is Verdict.FOUND:
                return Climb(verdict, _with_empty(fitting, bank, members, solid, search.offsets_of(solid)), spent)
            if verdict is Verdict.IMPOSSIBLE or spent >= most_work:
                return Climb(verdict, (), spent)
        share *= 4
    return Climb(Verdict.UNKNOWN, (), spent)


def _with_empty(
    fitting: Fitting, bank: int, members: Sequence[int], solid: Sequence[int], offsets: Sequence[int]
) -> tuple[int, ...]:
    """`offsets` of `solid` for all `members`: those without bytes are in nobody's way."""
    found = dict(zip(solid, offsets, strict=True))
    grid = fitting.grids[bank]
    return tuple(found.get(member, grid.lowest(fitting.fit(member, bank))) for member in members)


def _shapes(fitting: Fitting, bank: int, members: Sequence[int]) -> list[_Shape]:
    sets = fullest_sets(fitting.buffers, members)
    sums = [sum(fitting.fit(i, bank).padded_bytes for i in alive) for alive in sets]
    shapes = []
    for member in members:
        inside = [number for number, alive in enumerate(sets) if member in alive]
        first, end = inside[0], inside[-1] + 1
        fit = fitting.fit(member, bank)
        shapes.append(
            _Shape(member, first, end, fit.padded_bytes, fit.taken_bytes, fit.alignment_bytes, max(sums[first:end]))
        )
    return shapes


_Placing = Generator[tuple[list[int], tuple[int, int]], bool | None, bool]


@dataclass(slots=True)
class _Search:
    """Depth first; addresses count from `lead` below the bank's base, shapes are numbered in order of preference."""

    shapes: list[_Shape]
    lead: int
    height: int
    work: int = 0
    lowest: list[int] = field(default_factory=list)
    """Lowest address that the placed buffers leave, by shape."""
    address: list[int | None] = field(default_factory=list)
    """Where a shape is placed."""
    open_bytes: list[int] = field(default_factory=list)
    """By set: what is not placed yet, less the padding that its topmost buffer may save."""
    meeting: list[list[int]] = field(default_factory=list)
    """By shape: the shapes alive together with it."""

    def run(self, most_work: int) -> Verdict:
        self._prepare()
        everything = sorted(range(len(self.shapes)), key=lambda i: self.shapes[i].first_set)
        calls = [self._place(everything, (-1, -1))]
        placed: bool | None = None
        while calls:
            if self.work > most_work:
                return Verdict.UNKNOWN
            try:
                part, last = calls[-1].send(placed)
            except StopIteration as end:
                calls.pop()
                placed = end.value
            else:
                calls.append(self._place(part, last))
                placed = None
        return Verdict.FOUND if placed else Verdict.IMPOSSIBLE

    def offsets_of(self, members: Sequence[int]) -> tuple[int, ...]:
        found = {shape.member: at for shape, at in zip(self.shapes, self.address, strict=True) if at is not None}
        return tuple(found[member] - self.lead for member in members)

    def _prepare(self) -> None:
        shapes = self.shapes
        self.lowest = [self.lead + -self.lead % shape.alignment for shape in shapes]
        self.address = [None] * len(shapes)
        count = max(shape.end_set for shape in shapes)
        self.open_bytes = []
        for number in range(count):
            inside = [shape for shape in shapes if shape.first_set <= number < shape.end_set]
            slack = max(shape.padded - shape.taken for shape in inside)
            self.open_bytes.append(sum(shape.padded for shape in inside) - slack)
        self.meeting = [
            [j for j, b in enumerate(shapes) if j != i and a.first_set < b.end_set and b.first_set < a.end_set]
            for i, a in enumerate(shapes)
        ]

    def _parts(self, indices: Sequence[int]) -> list[list[int]]:
        """`indices`, sorted by first set, split where no set holds buffers of both sides; small parts first."""
        parts: list[list[int]] = []
        end = -1
        for index in indices:
            if self.shapes[index].first_set < end:
                parts[-1].append(index)
                end = max(end, self.shapes[index].end_set)
            else:
                parts.append([index])
                end = self.shapes[index].end_set
        parts.sort(key=len)
        return parts

    def _place(self, part: list[int], last: tuple[int, int]) -> _Placing:
        """Place all of `part` behind `last` (address and number of the shape before) in the search's order.

        As deep as there are buffers, so it does not call itself: it yields what to place next, is sent whether that
        could be, and returns whether all could.
        """
        self.work += len(part)
        for index in self._candidates(part, last):
            at = self.lowest[index]
            shape = self.shapes[index]
            before = [self.lowest[other] for other in part]
            self._raise_meeting(index, at + shape.padded)
            self.address[index] = at
            self._count(shape, -shape.padded)
            rest = [other for other in part if other != index]
            for smaller in self._parts(rest):
                if not (yield smaller, (at, index)):
                    break
            else:
                return True
            for other, lowest in zip(part, before, strict=True):
                self.lowest[other] = lowest
                if self.address[other] is not None:
                    self.address[other] = None
                    self._count(self.shapes[other], self.shapes[other].padded)
        return False

    def _candidates(self, part: list[int], last: tuple[int, int]) -> list[int]:
        """Shapes that may come next, by address; none where some set no longer fits below the height."""
        top = self.lead + self.height
        begin = self.shapes[part[0]].first_set
        least = [top] * (max(self.shapes[i].end_set for i in part) - begin)
        below = min(self.lowest[i] + self.shapes[i].padded for i in part)
        found = []
        for index in part:
            shape, at = self.shapes[index], self.lowest[index]
            if (at, index) > last:
                if at < below:
                    found.append((at, index))
            else:
                at = last[0] + 1
            if at + shape.taken > top:
                return []
            for number in range(shape.first_set - begin, shape.end_set - begin):
                if at < least[number]:
                    least[number] = at
        for number, at in enumerate(least, begin):
            if at + self.open_bytes[number] > top and at < top:
                return []
        return [index for _, index in sorted(found)]

    def _raise_meeting(self, index: int, end: int) -> None:
        """Nothing alive together with shape `index` begins below `end` any more."""
        for other in self.meeting[index]:
            if self.address[other] is None and self.lowest[other] < end:
                self.lowest[other] = end + -end % self.shapes[other].alignment

    def _count(self, shape: _Shape, change: int) -> None:
        for number in range(shape.first_set, shape.end_set):
            self.open_bytes[number] += change
