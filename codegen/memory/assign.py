"""Which bank each buffer goes to: a relaxation of the placement, solved exactly.

Addresses are left out. In every bank the buffers of each set that is alive together must fit below the bank's peak,
as if they could always be pushed together. So every plan is a solution, and the optimum bounds all plans; where the
buffers of the solution can be packed as tightly, the plan is optimal. Where they cannot, what packing proved comes
back as a `Cut`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

from ortools.sat.python import cp_model

from tinyanime.codegen.memory.budget import Answer, Budget
from tinyanime.codegen.memory.fit import Fitting
from tinyanime.codegen.memory.layout import Layout, access_bound, all_choices, peak_bound
from tinyanime.codegen.memory.problem import Objective


@dataclass(frozen=True, slots=True)
class Cut:
    """A bank that holds all `members` has a peak of at least `peak` bytes."""

    bank: int
    members: tuple[int, ...]
    peak: int


@dataclass(frozen=True, slots=True)
class Assignment:
    """`banks` by buffer minimise an objective whose optimum is at least `bound`; `optimal` where it is just that.

    `peaks` by bank, bytes, are what the buffers need at least. `offsets` by buffer only where the model has addresses.
    """

    banks: tuple[int, ...]
    peaks: tuple[int, ...]
    value: int
    bound: int
    optimal: bool
    offsets: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Term:
    """An objective: `value` times `scale`."""

    value: cp_model.LinearExprT
    scale: int


class OutOfBudgetError(Exception):
    """The search ended without a solution and without a proof that there is none."""


class Assigner:
    """The CP-SAT model; grows by cuts and is solved anew for each objective. Its peaks count grains of bytes."""

    linear = True
    """Whether linear relaxations help to solve it."""

    def __init__(self, fitting: Fitting) -> None:
        self.fitting = fitting
        self.grain = fitting.grain_bytes
        self.cuts: list[Cut] = []
        self.model = cp_model.CpModel()
        self.lies = [
            {bank: self.model.new_bool_var(f"b{buffer}@{bank}") for bank, _ in choices}
            for buffer, choices in enumerate(all_choices(fitting))
        ]
        for variables in self.lies:
            self.model.add_exactly_one(variables.values())
        self.peaks = [
            self.model.new_int_var(0, bank.size_bytes // self.grain, f"peak {bank.name}") for bank in fitting.banks
        ]
        for bank in range(len(fitting.banks)):
            self._add_loads(bank)
        timed = fitting.problem.objective is Objective.TIME
        objectives = (self._access_cost(), self._total_peak())
        self.first, self.second = objectives if timed else objectives[::-1]

    def _access_cost(self) -> Term:
        costs = [
            (variable, self.fitting.cost(buffer, bank))
            for buffer, variables in enumerate(self.lies)
            for bank, variable in variables.items()
        ]
        scale = max(gcd(*(cost for _, cost in costs)), 1)
        term = Term(cp_model.LinearExpr.sum([variable * (cost // scale) for variable, cost in costs]), scale)
        self.model.add(term.value >= access_bound(self.fitting) // scale)
        return term

    def _total_peak(self) -> Term:
        term = Term(cp_model.LinearExpr.sum(self.peaks), self.grain)
        self.model.add(term.value >= -(-peak_bound(self.fitting, all_choices(self.fitting)) // self.grain))
        return term

    def _add_loads(self, bank: int) -> None:
        """What is alive together lies below the peak; one buffer may be on top, without padding."""
        seen: set[tuple[int, ...]] = set()
        for alive in self.fitting.sets:
            members = tuple(i for i in alive if bank in self.lies[i])
            if not members or members in seen:
                continue
            seen.add(members)
            load, tops = [], []
            for i in members:
                fit = self.fitting.fit(i, bank)
                load.append(self.lies[i][bank] * (fit.padded_bytes // self.grain))
                if fit.padded_bytes > fit.taken_bytes:
                    top = self.model.new_bool_var("")
                    self.model.add_implication(top, self.lies[i][bank])
                    tops.append(top)
                    load.append(top * ((fit.taken_bytes - fit.padded_bytes) // self.grain))
            self.model.add_at_most_one(tops)
            self.model.add(cp_model.LinearExpr.sum(load) <= self.peaks[bank])

    def add(self, cut: Cut) -> None:
        """Use what packing proved, in every bank where the same buffers lie in the same way."""
        self.cuts.append(cut)
        for bank in range(len(self.fitting.banks)):
            alike = self.fitting.grids[bank] == self.fitting.grids[cut.bank] and all(
                self.fitting.fits[i][bank] == self.fitting.fits[i][cut.bank] for i in cut.members
            )
            if not alike:
                continue
            together = [self.lies[i][bank] for i in cut.members]
            if cut.peak > self.fitting.banks[bank].size_bytes:
                self.model.add_bool_or([~variable for variable in together])
            else:
                self.model.add(self.peaks[bank] >= -(-cut.peak // self.grain)).only_enforce_if(together)

    def add_bounds(self, first: int, second: int) -> None:
        """Use bounds of the objectives that were proven elsewhere."""
        self.model.add(self.first.value >= -(-first // self.first.scale))
        self.model.add(self.second.value >= -(-second // self.second.scale))

    def minimise_first(self, hint: Layout | None, budget: Budget, most: float) -> Assignment | None:
        """None where there is no assignment at all; raises `OutOfBudgetError` where none was found in time."""
        model = self.model.clone()
        model.minimize(self.first.value)
        return self._solve(model, self.first, hint, budget, most)

    def minimise_second(self, first_limit: int, hint: Layout | None, budget: Budget, most: float) -> Assignment | None:
        """The second objective where the first is at most `first_limit`."""
        model = self.model.clone()
        model.add(self.first.value <= first_limit // self.first.scale)
        model.minimize(self.second.value)
        return self._solve(model, self.second, hint, budget, most)

    def _solve(
        self, model: cp_model.CpModel, objective: Term, hint: Layout | None, budget: Budget, most: float
    ) -> Assignment | None:
        if hint is not None:
            self.hint(model, hint)
        answer = budget.solve(model, most, linear=self.linear)
        if answer.infeasible:
            return None
        if not answer.found:
            raise OutOfBudgetError
        return self.read(answer, objective)

    def hint(self, model: cp_model.CpModel, layout: Layout) -> None:
        for (place, _), variables in zip(layout.places, self.lies, strict=True):
            for bank, variable in variables.items():
                model.add_hint(variable, bank == place)
        for variable, peak in zip(self.peaks, layout.peaks, strict=True):
            model.add_hint(variable, peak // self.grain)

    def read(self, answer: Answer, objective: Term) -> Assignment:
        solver = answer.solver
        banks = tuple(next(bank for bank, v in variables.items() if solver.value(v)) for variables in self.lies)
        return Assignment(
            banks,
            tuple(solver.value(peak) * self.grain for peak in self.peaks),
            solver.value(objective.value) * objective.scale,
            answer.bound * objective.scale,
            answer.optimal,
        )
