"""The placement problem and its solution as data; solver and validator share nothing but these types."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Buffer:
    """A block of bytes that is alive during the steps [first_step, end_step) (half-open).

    `alignment_bytes` is a power of two. `banks` names the banks it may lie in; empty means any.
    `accesses_bytes` estimates the bytes read and written over its life: hot buffers go to cheap banks first.
    """

    name: str
    size_bytes: int
    first_step: int
    end_step: int
    alignment_bytes: int = 16
    banks: tuple[str, ...] = ()
    accesses_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Bank:
    """`size_bytes` at address `base` are free for buffers; `access_cost` is per byte moved (1 is the cheapest)."""

    name: str
    base: int
    size_bytes: int
    access_cost: int


@dataclass(frozen=True, slots=True)
class MemoryProblem:
    buffers: tuple[Buffer, ...]
    banks: tuple[Bank, ...]


@dataclass(frozen=True, slots=True)
class Placement:
    """`buffer` lies `offset_bytes` behind the base of `bank`."""

    buffer: str
    bank: str
    offset_bytes: int


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """`placements` in the order of the problem's buffers; `peak_bytes` is the high-water mark of each bank."""

    placements: tuple[Placement, ...]
    peak_bytes: tuple[tuple[str, int], ...]
    lower_bound_bytes: int
    """Largest sum of sizes alive in one step: no plan can use less in total."""
