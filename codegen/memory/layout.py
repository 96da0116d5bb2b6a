"""A complete placement by index, what it costs, and the bounds that hold for any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tinyanime.codegen.memory.fit import Fit, Fitting
from tinyanime.codegen.memory.problem import Objective

Place = tuple[int, int]
"""Bank index and offset in bytes."""

Choices = tuple[tuple[tuple[int, Fit], ...], ...]
"""For every buffer the banks that it may lie in."""


@dataclass(frozen=True, slots=True)
class Layout:
    """`places` in the order of the problem's buffers; `peaks` in the order of its banks, bytes."""

    places: tuple[Place, ...]
    peaks: tuple[int, ...]
    access_cost: int

    @property
    def total_peak(self) -> int:
        return sum(self.peaks)

    def score(self, objective: Objective) -> tuple[int, int]:
        """First and second objective of the problem."""
        if objective is Objective.TIME:
            return self.access_cost, self.total_peak
        return self.total_peak, self.access_cost


def lay_out(fitting: Fitting, places: Sequence[Place]) -> Layout:
    """`places` with its peaks and cost."""
    peaks = [0] * len(fitting.banks)
    cost = 0
    for buffer, (bank, offset) in enumerate(places):
        peaks[bank] = max(peaks[bank], offset + fitting.fit(buffer, bank).taken_bytes)
        cost += fitting.cost(buffer, bank)
    return Layout(tuple(places), tuple(peaks), cost)


def all_choices(fitting: Fitting) -> Choices:
    return tuple(fitting.choices(buffer) for buffer in range(len(fitting.buffers)))


def cheapest_choices(fitting: Fitting) -> Choices:
    """Only the banks in which a buffer costs least: all that a plan at the access bound uses."""
    kept = []
    for buffer, choices in enumerate(all_choices(fitting)):
        least = min((fitting.cost(buffer, bank) for bank, _ in choices), default=0)
        kept.append(tuple((bank, fit) for bank, fit in choices if fitting.cost(buffer, bank) == least))
    return tuple(kept)


def access_bound(fitting: Fitting) -> int:
    """Every buffer in its cheapest bank."""
    return sum(
        min(fitting.cost(buffer, bank) for bank, _ in choices) for buffer, choices in enumerate(all_choices(fitting))
    )


def peak_bound(fitting: Fitting, choices: Choices) -> int:
    """Sum of the banks' peaks of any plan within `choices`.

    Two arguments: what is alive together lies somewhere, and what has one bank only raises the peak of that bank.
    """
    together = max((_load(fitting, choices, members) for members in fitting.sets), default=0)
    apart = 0
    for bank in range(len(fitting.banks)):
        bound = [i for i, banks in enumerate(choices) if [b for b, _ in banks] == [bank]]
        apart += bank_load(fitting, bank, bound)
    return max(together, apart)


def bank_load(fitting: Fitting, bank: int, members: Sequence[int]) -> int:
    """Peak of `bank` that holds at least `members`: the fullest set, the topmost buffer of which is not padded."""
    inside = set(members)
    return max((stack_bytes(fitting, bank, inside.intersection(alive)) for alive in fitting.sets), default=0)


def stack_bytes(fitting: Fitting, bank: int, members: set[int]) -> int:
    """Height of `members` on top of one another in `bank`, at least."""
    fits = [fitting.fit(i, bank) for i in members]
    return sum(fit.padded_bytes for fit in fits) - max((fit.padded_bytes - fit.taken_bytes for fit in fits), default=0)


def _load(fitting: Fitting, choices: Choices, members: Sequence[int]) -> int:
    """Bytes that `members` take over all banks; in every bank one buffer may lie on top, without padding."""
    padded = sum(min(fit.padded_bytes for _, fit in choices[i]) for i in members)
    taken = sum(min(fit.taken_bytes for _, fit in choices[i]) for i in members)
    slack = sorted(max(fit.padded_bytes - fit.taken_bytes for _, fit in choices[i]) for i in members)
    return max(taken, padded - sum(slack[-len(fitting.banks) :]))
