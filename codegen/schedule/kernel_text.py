"""Which kernel computes each operator of a schedule, and what the others would have cost, for people."""

from __future__ import annotations

from dataclasses import dataclass

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.macs import op_macs
from tinyanime.codegen.ir.ops import Op
from tinyanime.codegen.kernels.kernel import Kernel
from tinyanime.codegen.kernels.plain_work import plain_work
from tinyanime.codegen.kernels.rule import Candidate, KernelRule, Refusal
from tinyanime.codegen.schedule.kernels import schedule_kernels
from tinyanime.codegen.schedule.plan import Schedule


@dataclass(frozen=True, slots=True)
class KernelStudy:
    """One operator with weights: calls of at most `rows` rows, the chosen kernel, the best of each other one.

    `chosen` and `others` are for calls of `rows` rows; `refusals` are the kernels that cannot compute the operator.
    """

    name: str
    kind: str
    macs: int
    rows: int
    chosen: Candidate
    others: tuple[Candidate, ...]
    refusals: tuple[Refusal, ...]


def study_kernels(schedule: Schedule, rule: KernelRule) -> tuple[KernelStudy, ...]:
    """One entry per operator that multiplies, in execution order."""
    graph = schedule.graph
    kernels = schedule_kernels(schedule)
    rows: dict[int, int] = {}
    for step in schedule.steps:
        rows[step.op] = max(rows.get(step.op, 0), step.output.rows.count)
    studies = []
    for index, most in sorted(rows.items()):
        op = graph.ops[index]
        macs = op_macs(graph, op)
        if not macs:
            continue
        candidates = rule.candidates(graph, op, most)
        chosen = _chosen(candidates, kernels[index], graph, op, most, rule)
        best: dict[str, Candidate] = {}
        for candidate in candidates:
            if candidate.kernel.function != chosen.kernel.function:
                best.setdefault(candidate.kernel.function, candidate)
        others = tuple(best.values())
        refusals = rule.refusals(graph, op)
        studies.append(KernelStudy(op.name, type(op).__name__, macs, most, chosen, others, refusals))
    return tuple(studies)


def format_kernels(studies: tuple[KernelStudy, ...]) -> str:
    """Several lines: per operator the chosen kernel, the others' modelled cycles, and why the rest cannot."""
    lines = ["Kernels (modelled cycles per call, working memory in tightly coupled memory):"]
    for study in studies:
        rows = f"{study.rows} row{'s' if study.rows > 1 else ''} a call"
        lines.append(f"  {study.name} ({study.kind}, {study.macs / 1e6:,.1f} million MACs, {rows})")
        lines.append(f"    {candidate_text(study.chosen)}  <- chosen")
        lines += [f"    {candidate_text(other)}" for other in study.others]
        lines += [f"    {r.function}: cannot, {r.reason}" for r in study.refusals if not _is_of_another_kind(r)]
    return "\n".join(lines)


def _is_of_another_kind(refusal: Refusal) -> bool:
    """Whether the kernel is for other operators altogether: nobody would expect it here."""
    return refusal.reason.startswith(("it is no ", "it is not "))


def candidate_text(candidate: Candidate) -> str:
    """Name, block, cores if more than one, cycles and working memory."""
    block = f", blocks of {candidate.kernel.block}" if candidate.kernel.block else ""
    cores = f", on {candidate.cores} cores" if candidate.cores > 1 else ""
    return (
        f"{candidate.kernel.function}{block}{cores}: {candidate.cost:,} cycles, "
        f"{candidate.scratch_bytes:,} bytes of working memory"
    )


def _chosen(
    candidates: tuple[Candidate, ...], kernel: Kernel, graph: Graph, op: Op, rows: int, rule: KernelRule
) -> Candidate:
    """The candidate of `kernel`; a portable kernel is none where another family was asked for and did not fit."""
    for candidate in candidates:
        if candidate.kernel == kernel:
            return candidate
    return Candidate(kernel, 0, plain_work(kernel, graph, op, rows), rule.call_cores(graph, op, rows, kernel))
