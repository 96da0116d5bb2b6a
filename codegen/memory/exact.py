"""Exact search: assign banks, pack each bank, feed back what packing proved; the whole problem at once as last resort.

The assignment (`assign.py`) bounds every plan from below. Where each bank can be packed to the peak that it assumes,
that plan is optimal, and most are decided here. Otherwise each bank that cannot be packed gives a cut, and the
assignment is solved again. Where packing is too hard to prove anything, CP-SAT gets the rest of the budget for
banks and addresses together, with the best plan so far as hint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tinyanime.codegen.memory.assign import Assigner, Assignment, Cut, OutOfBudgetError
from tinyanime.codegen.memory.budget import Budget
from tinyanime.codegen.memory.fit import Fitting
from tinyanime.codegen.memory.greedy import refit
from tinyanime.codegen.memory.layout import Layout, Place, lay_out
from tinyanime.codegen.memory.pack import pack_bank
from tinyanime.codegen.memory.whole import WholeModel

_ROUNDS = 40
_WHOLE_SHARE = 0.3
"""Share of the budget that is left for banks and addresses at once."""
_ASSIGN_SECONDS = 6.0
_PACK_SHARE = 0.6
"""Of what is left of the budget, for packing all banks of one assignment."""
_LONE_SHARE = 0.95
"""The same where there is one bank only, and packing it is all there is to do."""
_SHRINK_SECONDS = 2.0
"""For making one cut smaller."""
_SHRINK_MOST = 40
"""Buffers of a cut that is made smaller; larger ones are used as they are."""


@dataclass(frozen=True, slots=True)
class Found:
    """The best plan, if any, and bounds of both objectives (the second's for plans at the first's optimum).

    `infeasible`: it is proven that there is no plan.
    """

    layout: Layout | None
    first_bound: int
    second_bound: int
    infeasible: bool = False


class ExactSearch:
    """State of one search: the best layout and what is proven so far."""

    def __init__(self, fitting: Fitting, start: Layout | None, budget: Budget) -> None:
        self.fitting = fitting
        self.budget = budget
        self.best = start
        self.first_bound = 0
        self.second_bound = 0
        self.second_limit = -1
        """`second_bound` holds for plans whose first objective is at most this."""
        self.assigner = Assigner(fitting)

    def run(self) -> Found:
        """Search until everything is proven or the budget is spent."""
        reserve = self.budget.left * _WHOLE_SHARE
        try:
            if self._by_assignment(reserve) or self._whole():
                return Found(self.best, self.first_bound, self.second_bound, infeasible=self.best is None)
        except OutOfBudgetError:
            pass
        return Found(self.best, self.first_bound, self._second_bound_here())

    def _by_assignment(self, reserve: float) -> bool:
        """Whether this decides the problem: the best plan is optimal, or there is none."""
        for _ in range(_ROUNDS):
            if self.budget.left <= reserve:
                return False
            first = self.assigner.minimise_first(self.best, self.budget, _ASSIGN_SECONDS)
            if first is None:
                return True
            self.first_bound = max(self.first_bound, first.bound)
            if not first.optimal:
                return False
            second = self.assigner.minimise_second(first.value, self.best, self.budget, _ASSIGN_SECONDS)
            if second is None:
                raise AssertionError("the optimum of the first objective has no assignment")
            self.second_bound, self.second_limit = second.bound, first.value
            if self._is_proven():
                return True
            if not self._pack(second):
                return self._is_proven()
            if self._is_proven():
                return True
        return False

    def _is_proven(self) -> bool:
        return self.best is not None and self._score(self.best) == (self.first_bound, self.second_bound)

    def _score(self, layout: Layout) -> tuple[int, int]:
        return layout.score(self.fitting.problem.objective)

    def _pack(self, assignment: Assignment) -> bool:
        """Pack every bank of `assignment`; keep the plan if it is the best. Whether there are new cuts."""
        places: list[Place] = [(bank, 0) for bank in assignment.banks]
        cuts = []
        most = self.budget.left * (_PACK_SHARE / len(assignment.peaks) if len(assignment.peaks) > 1 else _LONE_SHARE)
        for bank, target in enumerate(assignment.peaks):
            members = [i for i, chosen in enumerate(assignment.banks) if chosen == bank]
            for packed in pack_bank(self.fitting, bank, members, target, self.budget, most):
                for index, offset in zip(packed.members, packed.offsets, strict=True):
                    places[index] = (bank, offset)
                if packed.bound > target:
                    cuts.append(self._shrunk(Cut(bank, packed.members, packed.bound)))
        self._keep(places)
        for cut in cuts:
            self.assigner.add(cut)
        return bool(cuts)

    def _keep(self, places: Sequence[Place]) -> None:
        """Remember `places` if they are the best yet; where a bank is too small some go to others."""
        layout = lay_out(self.fitting, places)
        sizes = [bank.size_bytes for bank in self.fitting.banks]
        if any(peak > size for peak, size in zip(layout.peaks, sizes, strict=True)):
            attempt = refit(self.fitting, places)
            if attempt.missing:
                return
            layout = lay_out(self.fitting, [place for place in attempt.places if place is not None])
        if self.best is None or self._score(layout) < self._score(self.best):
            self.best = layout

    def _shrunk(self, cut: Cut) -> Cut:
        """`cut` with as few members as a quick search still proves it for: it then excludes more assignments."""
        if len(cut.members) > _SHRINK_MOST:
            return cut
        limit = min(cut.peak - 1, self.fitting.banks[cut.bank].size_bytes)
        budget = Budget(min(_SHRINK_SECONDS, self.budget.left))
        allowed = budget.left
        for index in sorted(cut.members, key=lambda i: self.fitting.buffers[i].size_bytes):
            if index not in cut.members or budget.spent:
                continue
            rest = [i for i in cut.members if i != index]
            for packed in pack_bank(self.fitting, cut.bank, rest, limit, budget, _SHRINK_SECONDS / 4):
                if packed.bound > limit:
                    cut = Cut(cut.bank, packed.members, packed.bound)
                    break
        self.budget.left -= allowed - budget.left
        return cut

    def _whole(self) -> bool:
        """As `_by_assignment`, with banks and addresses at once; a lone bank is no other problem than before."""
        if len(self.fitting.banks) == 1:
            return False
        model = WholeModel(self.fitting)
        for cut in self.assigner.cuts:
            model.add(cut)
        model.add_bounds(self.first_bound, 0)
        if self.best is None or self._score(self.best)[0] > self.first_bound:
            first = model.minimise_first(self.best, self.budget, self.budget.left * 0.7)
            if first is None:
                return True
            self._keep(tuple(zip(first.banks, first.offsets, strict=True)))
            self.first_bound = max(self.first_bound, first.bound)
        if self.best is None:
            raise AssertionError("CP-SAT placed the buffers outside the banks")
        limit = self._score(self.best)[0]
        if limit <= self.second_limit:
            model.add_bounds(self.first_bound, self.second_bound)
        second = model.minimise_second(limit, self.best, self.budget, self.budget.left)
        if second is None:
            raise AssertionError("CP-SAT denies a plan that exists")
        self._keep(tuple(zip(second.banks, second.offsets, strict=True)))
        if limit == self.second_limit:
            self.second_bound = max(self.second_bound, second.bound)
        else:
            self.second_bound, self.second_limit = second.bound, limit
        return self._is_proven()

    def _second_bound_here(self) -> int:
        """A bound of the second objective for plans that are no worse than the best in the first."""
        if self.best is None:
            return 0
        limit = self._score(self.best)[0]
        if limit <= self.second_limit:
            return self.second_bound
        try:
            relaxed = self.assigner.minimise_second(limit, self.best, Budget(_ASSIGN_SECONDS), _ASSIGN_SECONDS)
        except OutOfBudgetError:
            return 0
        return relaxed.bound if relaxed else 0
