"""Banks of a board that the planner may fill, with what start-up and link keep for themselves taken off."""

from __future__ import annotations

from tinyanime.boards.schema import Board, MemoryRegion, MemoryUse
from tinyanime.codegen.memory.problem import Bank

RESERVED_DATA_BYTES = 12 * 1024
"""Kept for .data and .bss (link buffers, executor state, library state); the linker script enforces it."""

BANK_ALIGNMENT_BYTES = 32
"""One Cortex-M7 cache line."""


def reserved_bytes(board: Board, region: MemoryRegion) -> int:
    """Bytes of `region` that the stack and static data take."""
    reserved = 0
    if region in board.regions(MemoryUse.DATA)[:1]:
        reserved += RESERVED_DATA_BYTES
    if region in board.regions(MemoryUse.STACK)[:1]:
        reserved += board.stack_bytes
    return reserved


def activation_banks(board: Board) -> tuple[Bank, ...]:
    """Banks for feature maps and scratch, in the order of the board file."""
    banks = []
    for region in board.regions(MemoryUse.ACTIVATIONS):
        free = region.size_bytes - reserved_bytes(board, region)
        free -= free % BANK_ALIGNMENT_BYTES
        if free > 0:
            banks.append(Bank(region.name, region.base, free, region.access_cost))
    return tuple(banks)
