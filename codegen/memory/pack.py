"""One bank whose buffers are known: lowest peak, and a proof where it cannot be lower.

With time on one axis and addresses on the other, buffers alive together must not overlap in addresses. So every
maximal set of buffers alive together is a machine of a shop, a buffer a task on all machines whose sets it is in, its
address the start time and its size the duration; the peak is the makespan. CP-SAT's disjunctive reasoning is at its
best in this form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import gcd

from ortools.sat.python import cp_model

from tinyanime.codegen.memory.bottom_up import WORK_SECONDS, Verdict, climb
from tinyanime.codegen.memory.budget import Budget
from tinyanime.codegen.memory.fit import Fit, Fitting
from tinyanime.codegen.memory.greedy import lowest_offset, orders
from tinyanime.codegen.memory.layout import Place, stack_bytes
from tinyanime.codegen.memory.lives import fullest_sets, groups

_FIRST_CLIMB_SHARE = 0.1
_FIRST_CLIMB_SECONDS = 0.3
_EXACT_SHARE = 0.4
"""Shares of the time for one packing: a short search from the bottom up, CP-SAT, then a long one with the rest."""


@dataclass(frozen=True, slots=True)
class Packed:
    """`offsets` in the order of `members`; no packing of them has a peak below `bound`.

    `bound` is not above `peak`; neither says more than the target that was asked for.
    """

    members: tuple[int, ...]
    offsets: tuple[int, ...]
    peak: int
    bound: int


def pack_bank(
    fitting: Fitting, bank: int, members: Sequence[int], target: int, budget: Budget, most: float
) -> tuple[Packed, ...]:
    """Pack `members` into `bank` with a peak of at most `target` bytes, or as low as the budget allows.

    One result for each group of buffers that fall apart in time; each may cost `most` deterministic seconds. The
    bank's size is not looked at.
    """
    parts = groups(fitting.buffers, members)
    return tuple(pack(fitting, bank, part, target, budget, most) for part in parts)


def pack(fitting: Fitting, bank: int, members: tuple[int, ...], target: int, budget: Budget, most: float) -> Packed:
    """Pack one group of buffers, as `pack_bank` does: first fit, search from the bottom up, CP-SAT."""
    sets = fullest_sets(fitting.buffers, members)
    load = max(stack_bytes(fitting, bank, set(alive)) for alive in sets)
    good_enough = max(load, target)
    best = min((_stack(fitting, bank, order) for order in _sorted(fitting, members)), key=lambda p: p.peak)
    if best.peak <= good_enough or budget.spent:
        return Packed(best.members, best.offsets, best.peak, min(load, best.peak))
    limit = min(most, budget.left)
    best = replace(best, bound=min(load, best.peak))
    best = _climbed(fitting, bank, best, good_enough, budget, min(limit * _FIRST_CLIMB_SHARE, _FIRST_CLIMB_SECONDS))
    if best.peak > max(good_enough, best.bound):
        best = _exact(fitting, bank, best, sets, max(good_enough, best.bound), budget, limit * _EXACT_SHARE)
    if best.peak > max(good_enough, best.bound):
        share = 1 - _FIRST_CLIMB_SHARE - _EXACT_SHARE
        best = _climbed(fitting, bank, best, max(good_enough, best.bound), budget, limit * share)
    return best


def _climbed(fitting: Fitting, bank: int, best: Packed, good_enough: int, budget: Budget, most: float) -> Packed:
    """`best`, or what the search from the bottom up finds or proves: first for the bank's size if that is exceeded."""
    size = fitting.banks[bank].size_bytes
    heights = [size, good_enough] if best.peak > size > good_enough else [good_enough]
    for height in heights:
        seconds = max(min(most / len(heights), budget.left), 0)
        found = climb(fitting, bank, best.members, height, int(seconds / WORK_SECONDS))
        budget.left -= found.work * WORK_SECONDS
        if found.verdict is Verdict.FOUND:
            best = replace(best, offsets=found.offsets, peak=_peak(fitting, bank, best.members, found.offsets))
        elif found.verdict is Verdict.IMPOSSIBLE:
            return replace(best, bound=max(best.bound, height + 1))
    return best


def _peak(fitting: Fitting, bank: int, members: Sequence[int], offsets: Sequence[int]) -> int:
    return max(offset + fitting.fit(i, bank).taken_bytes for i, offset in zip(members, offsets, strict=True))


def _sorted(fitting: Fitting, members: tuple[int, ...]) -> list[list[int]]:
    return [sorted(members, key=lambda i: key(fitting.buffers[i])) for key in orders()]


def _stack(fitting: Fitting, bank: int, order: Sequence[int]) -> Packed:
    """First fit in the given order."""
    places: list[Place | None] = [None] * len(fitting.buffers)
    offsets = []
    peak = 0
    for buffer in order:
        offset = lowest_offset(fitting, places, buffer, bank)
        places[buffer] = (bank, offset)
        offsets.append(offset)
        peak = max(peak, offset + fitting.fit(buffer, bank).taken_bytes)
    return Packed(tuple(order), tuple(offsets), peak, 0)


def _exact(
    fitting: Fitting,
    bank: int,
    start: Packed,
    sets: tuple[tuple[int, ...], ...],
    good_enough: int,
    budget: Budget,
    most: float,
) -> Packed:
    bottom = _bottom(fitting, bank, start, sets)
    for index in bottom:
        start = _sunk(fitting, bank, start, index)
    shop = _Shop(fitting, bank, start, sets, good_enough)
    for offset, index in zip(start.offsets, start.members, strict=True):
        if index in bottom:
            shop.fix(index, offset)
    answer = budget.solve(shop.model, most, linear=False)
    if not answer.found:
        return Packed(start.members, start.offsets, start.peak, good_enough)
    offsets = tuple(shop.offset_bytes(answer.solver, i) for i in start.members)
    peak = _peak(fitting, bank, start.members, offsets)
    return Packed(start.members, offsets, peak, min(max(answer.bound * shop.scale, good_enough), peak))


def _bottom(fitting: Fitting, bank: int, start: Packed, sets: tuple[tuple[int, ...], ...]) -> tuple[int, ...]:
    """Buffers that may lie at the bottom without loss: alive together with all others.

    In any plan they can be slid below the rest. What lay below goes up by their size, which must keep it aligned and
    be the same with padding.
    """
    alignment = max(fitting.fit(i, bank).alignment_bytes for i in start.members)
    if fitting.grids[bank].lead_bytes % alignment:
        return ()
    always = [i for i in start.members if all(i in alive for alive in sets)]
    return tuple(i for i in always if fitting.fit(i, bank).taken_bytes % alignment == 0)


def _sunk(fitting: Fitting, bank: int, start: Packed, index: int) -> Packed:
    """`start` with buffer `index` at offset 0 and everything that was below it above."""
    own = start.offsets[start.members.index(index)]
    size = fitting.fit(index, bank).taken_bytes
    offsets = tuple(
        0 if i == index else offset + size if offset < own else offset
        for i, offset in zip(start.members, start.offsets, strict=True)
    )
    return Packed(start.members, offsets, start.peak, start.bound)


class _Shop:
    """The CP-SAT model of one bank; all its numbers are multiples of `scale` bytes."""

    def __init__(
        self, fitting: Fitting, bank: int, start: Packed, sets: tuple[tuple[int, ...], ...], good_enough: int
    ) -> None:
        self.fitting = fitting
        self.fits = {i: fitting.fit(i, bank) for i in start.members}
        self.grid = fitting.grids[bank]
        self.scale = gcd(self.grid.unit_bytes, self.grid.lead_bytes, *(fit.taken_bytes for fit in self.fits.values()))
        self.model = cp_model.CpModel()
        self.highest = start.peak // self.scale
        self.peak = self.model.new_int_var(min(-(-good_enough // self.scale), self.highest), self.highest, "peak")
        self.strides: dict[int, cp_model.IntVar] = {}
        """Address of each buffer in strides of its own."""
        hints = sorted(zip(start.offsets, start.members, strict=True))
        intervals = {index: self._add_buffer(index, offset) for offset, index in hints}
        for alive in sets:
            self.model.add_no_overlap(intervals[i] for i in alive)
        self._order_twins()
        self.model.minimize(self.peak)

    def fix(self, index: int, offset_bytes: int) -> None:
        stride = self.grid.stride_bytes(self.fits[index])
        self.model.add(self.strides[index] == (offset_bytes + self.grid.lead_bytes) // stride)

    def offset_bytes(self, solver: cp_model.CpSolver, index: int) -> int:
        return solver.value(self.strides[index]) * self.grid.stride_bytes(self.fits[index]) - self.grid.lead_bytes

    def _add_buffer(self, index: int, hint: int) -> cp_model.IntervalVar:
        fit, lead = self.fits[index], self.grid.lead_bytes
        stride = self.grid.stride_bytes(fit)
        last = (self.highest * self.scale + lead - fit.taken_bytes) // stride
        var = self.model.new_int_var(-(-lead // stride), last, f"at{index}")
        self.model.add_hint(var, (hint + lead) // stride)
        self.strides[index] = var
        self.model.add(self.peak >= var * (stride // self.scale) + (fit.taken_bytes - lead) // self.scale)
        return self.model.new_fixed_size_interval_var(
            var * (stride // self.scale), fit.padded_bytes // self.scale, f"buffer{index}"
        )

    def _order_twins(self) -> None:
        """Of buffers alike in life and size one lies lower: exchanging them changes nothing else."""
        last: dict[tuple[int, int, Fit], int] = {}
        for index in self.strides:
            buffer, fit = self.fitting.buffers[index], self.fits[index]
            kind = (buffer.first_step, buffer.end_step, fit)
            if kind in last:
                self.model.add(self.strides[last[kind]] <= self.strides[index])
            last[kind] = index
