"""Independent check of a memory plan: shares only the problem's types with the solver."""

from __future__ import annotations

from itertools import combinations

from tinyanime.codegen.memory.problem import Bank, Buffer, MemoryPlan, MemoryProblem, Placement


class PlanError(Exception):
    """The plan breaks the problem's rules; a defect of the solver, never of the user."""


def validate_plan(problem: MemoryProblem, plan: MemoryPlan) -> None:
    """Raise PlanError naming the first rule that does not hold.

    Rules: one placement per buffer, in its order; known and allowed bank; inside the bank; aligned address; no two
    buffers alive in a common step share a byte; peaks are the true high-water marks.
    """
    if [p.buffer for p in plan.placements] != [b.name for b in problem.buffers]:
        raise PlanError("placements and buffers do not correspond one to one")
    banks = {bank.name: bank for bank in problem.banks}
    pairs = list(zip(problem.buffers, plan.placements, strict=True))
    for buffer, place in pairs:
        _check_one(buffer, place, banks)
    for (a, place_a), (b, place_b) in combinations(pairs, 2):
        if place_a.bank == place_b.bank and _alive_together(a, b) and _share_a_byte(a, place_a, b, place_b):
            raise PlanError(f"buffers {a.name} and {b.name} overlap in bank {place_a.bank}")
    for name, peak in plan.peak_bytes:
        true_peak = max((p.offset_bytes + b.size_bytes for b, p in pairs if p.bank == name), default=0)
        if peak != true_peak:
            raise PlanError(f"bank {name} claims a peak of {peak} bytes, it is {true_peak}")


def _check_one(buffer: Buffer, place: Placement, banks: dict[str, Bank]) -> None:
    if place.bank not in banks:
        raise PlanError(f"buffer {buffer.name} lies in unknown bank {place.bank}")
    if buffer.banks and place.bank not in buffer.banks:
        raise PlanError(f"buffer {buffer.name} may not lie in bank {place.bank}")
    bank = banks[place.bank]
    if place.offset_bytes < 0 or place.offset_bytes + buffer.size_bytes > bank.size_bytes:
        raise PlanError(f"buffer {buffer.name} leaves bank {bank.name}")
    if (bank.base + place.offset_bytes) % buffer.alignment_bytes:
        raise PlanError(f"buffer {buffer.name} is not aligned to {buffer.alignment_bytes} bytes")


def _alive_together(a: Buffer, b: Buffer) -> bool:
    return max(a.first_step, b.first_step) < min(a.end_step, b.end_step)


def _share_a_byte(a: Buffer, place_a: Placement, b: Buffer, place_b: Placement) -> bool:
    begin = max(place_a.offset_bytes, place_b.offset_bytes)
    end = min(place_a.offset_bytes + a.size_bytes, place_b.offset_bytes + b.size_bytes)
    return begin < end
