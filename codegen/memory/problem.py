"""The placement problem and its solution as data; solver and validator share nothing but these types."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Objective(Enum):
    """What the planner minimises first; the other breaks ties."""

    TIME = "time"
    """Bytes accessed times the cost of their bank."""
    RAM = "ram"
    """Sum of all banks' high-water marks."""


@dataclass(frozen=True, slots=True)
class Buffer:
    """A block of bytes that is alive during the steps [first_step, end_step) (half-open).

    `alignment_bytes` is a power of two. `banks` names the banks it may lie in; empty means any.
    `accesses_bytes` estimates the bytes that the core reads and writes over its life: hot buffers go to cheap banks.
    `dma`: a DMA reads or writes it, so its bank must be one that the DMA reaches, and in a bank behind a data cache
    it shares no cache line with any other buffer, whenever that one is alive.
    """

    name: str
    size_bytes: int
    first_step: int
    end_step: int
    alignment_bytes: int = 16
    banks: tuple[str, ...] = ()
    accesses_bytes: int = 0
    dma: bool = False


@dataclass(frozen=True, slots=True)
class Reserved:
    """Bytes of a bank that are taken before the plan: stack, link and other static data."""

    name: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Bank:
    """`size_bytes` at address `base` are free for buffers; `access_cost` is per byte moved (1 is the cheapest).

    `dma`: whether the board's tile DMA reaches the bank. `cache_line_bytes` is 0 where no data cache lies before it.
    `reserved` are not part of `size_bytes`; they are listed for people.
    """

    name: str
    base: int
    size_bytes: int
    access_cost: int
    dma: bool = False
    cache_line_bytes: int = 0
    reserved: tuple[Reserved, ...] = ()


@dataclass(frozen=True, slots=True)
class MemoryProblem:
    buffers: tuple[Buffer, ...]
    banks: tuple[Bank, ...]
    objective: Objective = Objective.TIME


@dataclass(frozen=True, slots=True)
class Placement:
    """`buffer` lies `offset_bytes` behind the base of `bank`."""

    buffer: str
    bank: str
    offset_bytes: int


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was proven about a plan.

    `total_peak_bytes` is the sum of the banks' high-water marks, `access_cost` the sum of accessed bytes times bank
    cost. The bounds are lower bounds under the problem's objective: the first objective's bound holds for any plan,
    the second's for any plan that is optimal in the first. `proven` where both gaps are 0.
    `alive_bytes` is the largest sum of sizes alive in one step: no plan can use less.
    """

    total_peak_bytes: int
    peak_bound_bytes: int
    access_cost: int
    access_cost_bound: int
    alive_bytes: int
    proven: bool

    @property
    def gap_bytes(self) -> int:
        return self.total_peak_bytes - self.peak_bound_bytes


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """`placements` in the order of the problem's buffers; `peak_bytes` is the high-water mark of each bank.

    The cache lines of a DMA's buffer count whole.
    """

    placements: tuple[Placement, ...]
    peak_bytes: tuple[tuple[str, int], ...]
    certificate: Certificate

    @property
    def lower_bound_bytes(self) -> int:
        return self.certificate.peak_bound_bytes
