"""A board as it is under an operating system: what of its memory that leaves to the application."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum

from tinyanime.boards.loader import list_boards
from tinyanime.boards.schema import Board, MemoryRegion, MemoryUse, ProjectKind
from tinyanime.codegen.errors import BoardError

NUTTX_FAMILY = "nuttx"
"""Folder under `firmware/port` of the port on NuttX's POSIX interfaces, which serves every chip."""


class Rtos(Enum):
    """Operating systems for which there are applications instead of firmware."""

    NUTTX = "nuttx"


def board_under(board: Board, rtos: Rtos) -> Board:
    """The description from which an application for `rtos` on `board` is made.

    Under NuttX the code memories stay as they are; static data and activations have what NuttX leaves of the region
    where its linker script puts .bss. Stacks are the system's, transfers are copies, one core computes. Raises
    BoardError, with the boards that have it, where `board` does not run `rtos`.
    """
    nuttx = board.nuttx
    if nuttx is None:
        supported = ", ".join(b.name for b in list_boards() if b.nuttx is not None)
        raise BoardError(
            f"Board {board.name} has no support for {rtos.value}.",
            hint=f"Use one of {supported}, or describe it in a table [nuttx] of {board.source.name}.",
        )
    return replace(
        board,
        title=f"{board.title}, NuttX {nuttx.configuration} at {nuttx.clock_hz / 1e6:g} MHz",
        family=NUTTX_FAMILY,
        project=ProjectKind.NUTTX,
        clock_hz=nuttx.clock_hz,
        memory=(*board.regions(MemoryUse.CODE), _left_by_system(board.region(nuttx.region), nuttx.system_bytes)),
        tile_dma=None,
        cores=1,
        fast_code_bytes=0,
    )


def _left_by_system(region: MemoryRegion, system_bytes: int) -> MemoryRegion:
    """Without DMA a region's cache needs no maintenance, whatever the region is."""
    return replace(
        region,
        size_bytes=region.size_bytes - system_bytes,
        uses=(MemoryUse.DATA, MemoryUse.ACTIVATIONS),
        dma=False,
        cacheable=False,
        dma_cycles_per_kib=0,
    )
