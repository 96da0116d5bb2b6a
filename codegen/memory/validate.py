"""Independent check of a memory plan: shares only the problem's types with the solver."""

from __future__ import annotations

from itertools import combinations

from tinyanime.codegen.memory.problem import Bank, Buffer, MemoryPlan, MemoryProblem, Objective, Placement


class PlanError(Exception):
    """The plan breaks the problem's rules; a defect of the solver, never of the user."""


def validate_plan(problem: MemoryProblem, plan: MemoryPlan) -> None:
    """Raise PlanError naming the first rule that does not hold.

    Rules: one placement per buffer, in its order; known and allowed bank; inside the bank; aligned address; a DMA's
    buffer where the DMA reaches, in whole cache lines of its own; no two buffers alive in a common step share a byte;
    peaks are the true high-water marks (cache lines of DMA buffers count whole), one per bank; the certificate states
    the plan's peaks and cost, bounds that are not above them, the bytes alive, and no proof that it has not.
    """
    if [p.buffer for p in plan.placements] != [b.name for b in problem.buffers]:
        raise PlanError("placements and buffers do not correspond one to one")
    banks = {bank.name: bank for bank in problem.banks}
    pairs = list(zip(problem.buffers, plan.placements, strict=True))
    for buffer, place in pairs:
        _check_one(buffer, place, banks)
    for (a, place_a), (b, place_b) in combinations(pairs, 2):
        if place_a.bank == place_b.bank and _alive_together(a, b):
            _check_two(a, place_a, b, place_b, banks[place_a.bank])
    _check_peaks(problem, plan, pairs, banks)
    _check_certificate(problem, plan, banks)


def _check_one(buffer: Buffer, place: Placement, banks: dict[str, Bank]) -> None:
    if place.bank not in banks:
        raise PlanError(f"buffer {buffer.name} lies in unknown bank {place.bank}")
    if buffer.banks and place.bank not in buffer.banks:
        raise PlanError(f"buffer {buffer.name} may not lie in bank {place.bank}")
    bank = banks[place.bank]
    if buffer.dma and not bank.dma:
        raise PlanError(f"buffer {buffer.name} lies in bank {place.bank}, which the DMA does not reach")
    address = bank.base + place.offset_bytes
    if address < bank.base or _end(buffer, place, bank) > bank.base + bank.size_bytes:
        raise PlanError(f"buffer {buffer.name} leaves bank {bank.name}")
    if address % buffer.alignment_bytes:
        raise PlanError(f"buffer {buffer.name} is not aligned to {buffer.alignment_bytes} bytes")
    if buffer.dma and bank.cache_line_bytes and address % bank.cache_line_bytes:
        raise PlanError(f"buffer {buffer.name} is a DMA's and does not begin a cache line")


def _check_two(a: Buffer, place_a: Placement, b: Buffer, place_b: Placement, bank: Bank) -> None:
    if not a.size_bytes or not b.size_bytes:
        return
    first_a, first_b = place_a.offset_bytes, place_b.offset_bytes
    last_a, last_b = first_a + a.size_bytes - 1, first_b + b.size_bytes - 1
    if first_a <= last_b and first_b <= last_a:
        raise PlanError(f"buffers {a.name} and {b.name} overlap in bank {bank.name}")
    if bank.cache_line_bytes and (a.dma or b.dma):
        lines_a = _lines(bank, first_a, last_a)
        lines_b = _lines(bank, first_b, last_b)
        if lines_a[0] <= lines_b[1] and lines_b[0] <= lines_a[1]:
            raise PlanError(f"buffers {a.name} and {b.name} share a cache line in bank {bank.name}")


def _lines(bank: Bank, first: int, last: int) -> tuple[int, int]:
    """Numbers of the cache lines that hold the first and last byte."""
    return (bank.base + first) // bank.cache_line_bytes, (bank.base + last) // bank.cache_line_bytes


def _end(buffer: Buffer, place: Placement, bank: Bank) -> int:
    """Address behind the last byte that belongs to the buffer alone."""
    end = bank.base + place.offset_bytes + buffer.size_bytes
    if buffer.dma and bank.cache_line_bytes and end % bank.cache_line_bytes:
        end += bank.cache_line_bytes - end % bank.cache_line_bytes
    return end


def _check_peaks(
    problem: MemoryProblem, plan: MemoryPlan, pairs: list[tuple[Buffer, Placement]], banks: dict[str, Bank]
) -> None:
    if [name for name, _ in plan.peak_bytes] != [bank.name for bank in problem.banks]:
        raise PlanError("peaks and banks do not correspond one to one")
    for name, peak in plan.peak_bytes:
        bank = banks[name]
        true_peak = max((_end(b, p, bank) - bank.base for b, p in pairs if p.bank == name), default=0)
        if peak != true_peak:
            raise PlanError(f"bank {name} claims a peak of {peak} bytes, it is {true_peak}")


def _check_certificate(problem: MemoryProblem, plan: MemoryPlan, banks: dict[str, Bank]) -> None:
    stated = plan.certificate
    total = sum(peak for _, peak in plan.peak_bytes)
    if stated.total_peak_bytes != total:
        raise PlanError(f"the certificate claims {stated.total_peak_bytes} bytes in all, the peaks' sum is {total}")
    cost = 0
    for buffer, place in zip(problem.buffers, plan.placements, strict=True):
        cost += buffer.accesses_bytes * banks[place.bank].access_cost
    if stated.access_cost != cost:
        raise PlanError(f"the certificate claims an access cost of {stated.access_cost}, it is {cost}")
    alive = _alive_bytes(problem)
    if stated.alive_bytes != alive:
        raise PlanError(f"the certificate claims {stated.alive_bytes} bytes alive at once, there are {alive}")
    if stated.peak_bound_bytes > total:
        raise PlanError(f"the bound of {stated.peak_bound_bytes} bytes is above the peaks' sum of {total}")
    if stated.access_cost_bound > cost:
        raise PlanError(f"the access cost bound of {stated.access_cost_bound} is above the cost of {cost}")
    if problem.objective is Objective.RAM and stated.peak_bound_bytes < alive:
        raise PlanError(f"the bound of {stated.peak_bound_bytes} bytes is below the {alive} alive at once")
    if stated.proven != (stated.peak_bound_bytes == total and stated.access_cost_bound == cost):
        raise PlanError("the certificate's claim of a proof does not agree with its gaps")


def _alive_bytes(problem: MemoryProblem) -> int:
    """Most bytes alive in one step, looked up where something is born: there the sum of sizes can only have grown."""
    births = {buffer.first_step for buffer in problem.buffers}
    sums = (sum(b.size_bytes for b in problem.buffers if b.first_step <= step < b.end_step) for step in births)
    return max(sums, default=0)


def _alive_together(a: Buffer, b: Buffer) -> bool:
    return max(a.first_step, b.first_step) < min(a.end_step, b.end_step)
