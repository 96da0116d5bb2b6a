"""Banks and addresses in one CP-SAT model: the last resort where packing bank by bank proves nothing."""

from __future__ import annotations

from dataclasses import replace

from ortools.sat.python import cp_model

from tinyanime.codegen.memory.assign import Assigner, Assignment, Term
from tinyanime.codegen.memory.budget import Answer
from tinyanime.codegen.memory.fit import Fitting
from tinyanime.codegen.memory.layout import Layout


class WholeModel(Assigner):
    """The assignment with an address for every buffer in every bank where it may lie."""

    linear = False

    def __init__(self, fitting: Fitting) -> None:
        super().__init__(fitting)
        self.strides: dict[tuple[int, int], cp_model.IntVar] = {}
        """Address of a buffer in a bank, in strides of its own."""
        intervals = {
            (buffer, bank): self._add_interval(buffer, bank)
            for buffer, variables in enumerate(self.lies)
            for bank in variables
        }
        for bank in range(len(fitting.banks)):
            for alive in fitting.sets:
                self.model.add_no_overlap(intervals[i, bank] for i in alive if (i, bank) in intervals)

    def _add_interval(self, buffer: int, bank: int) -> cp_model.IntervalVar:
        fit, grid = self.fitting.fit(buffer, bank), self.fitting.grids[bank]
        stride = grid.stride_bytes(fit)
        last = (self.fitting.banks[bank].size_bytes + grid.lead_bytes - fit.taken_bytes) // stride
        var = self.model.new_int_var(-(-grid.lead_bytes // stride), last, f"at{buffer}@{bank}")
        self.strides[buffer, bank] = var
        lies = self.lies[buffer][bank]
        end = var * (stride // self.grain) + (fit.taken_bytes - grid.lead_bytes) // self.grain
        self.model.add(self.peaks[bank] >= end).only_enforce_if(lies)
        return self.model.new_optional_fixed_size_interval_var(
            var * (stride // grid.unit_bytes), fit.padded_bytes // grid.unit_bytes, lies, f"buffer{buffer}@{bank}"
        )

    def hint(self, model: cp_model.CpModel, layout: Layout) -> None:
        super().hint(model, layout)
        for buffer, (bank, offset) in enumerate(layout.places):
            grid = self.fitting.grids[bank]
            stride = grid.stride_bytes(self.fitting.fit(buffer, bank))
            model.add_hint(self.strides[buffer, bank], (offset + grid.lead_bytes) // stride)

    def read(self, answer: Answer, objective: Term) -> Assignment:
        assignment = super().read(answer, objective)
        return replace(assignment, offsets=tuple(self._offset(answer, i, b) for i, b in enumerate(assignment.banks)))

    def _offset(self, answer: Answer, buffer: int, bank: int) -> int:
        grid = self.fitting.grids[bank]
        stride = grid.stride_bytes(self.fitting.fit(buffer, bank))
        return answer.solver.value(self.strides[buffer, bank]) * stride - grid.lead_bytes
