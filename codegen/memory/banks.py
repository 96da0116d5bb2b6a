"""Banks of a board that the planner may fill, with what start-up and link keep for themselves taken off."""

from __future__ import annotations

from tinyanime.boards.schema import Board, MemoryRegion, MemoryUse
from tinyanime.codegen.memory.problem import Bank, Reserved

RESERVED_DATA_BYTES = 12 * 1024
"""Kept for .data and .bss (link buffers, executor state, library state); the linker script enforces it."""

CACHE_LINE_BYTES = 32
"""Cortex-M7 data cache (ARM DDI 0489, section 5.1); the only core with a data cache among the boards."""


def reserved(board: Board, region: MemoryRegion) -> tuple[Reserved, ...]:
    """What takes bytes of `region` before the plan: static data, stacks and fast code, each in the first region that
    has the use."""
    taken = []
    if region in board.regions(MemoryUse.DATA)[:1]:
        taken.append(Reserved("link and static data", RESERVED_DATA_BYTES))
    if region in board.regions(MemoryUse.STACK)[:1]:
        taken.append(Reserved("stack", board.stack_bytes))
    if region in board.regions(MemoryUse.CORE1_STACK)[:1]:
        taken.append(Reserved("stack of core 1", board.stack_bytes))
    if board.fast_code_bytes and region in board.regions(MemoryUse.FAST_CODE)[:1]:
        taken.append(Reserved("fast code", board.fast_code_bytes))
    return tuple(taken)


def activation_banks(board: Board) -> tuple[Bank, ...]:
    """Banks for feature maps and scratch, in the order of the board file; whole cache lines, none empty."""
    banks = []
    for region in board.regions(MemoryUse.ACTIVATIONS):
        taken = reserved(board, region)
        free = region.size_bytes - sum(item.size_bytes for item in taken)
        free -= free % CACHE_LINE_BYTES
        if free <= 0:
            continue
        banks.append(
            Bank(
                region.name,
                region.base,
                free,
                region.access_cost,
                dma=region.dma and board.tile_dma is not None,
                cache_line_bytes=CACHE_LINE_BYTES if region.cacheable else 0,
                reserved=taken,
            )
        )
    return tuple(banks)
