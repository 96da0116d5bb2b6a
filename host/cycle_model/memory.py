"""Stated costs of memory beside the pipeline: lines that the caches fill, code and data apart.

Not simulated: a line costs what the board file says of its memory (`dma_cycles_per_kib`, cycles to move 1 KiB), times
the lines touched. TCM (`access_cost` 1) and memory without a cache in front cost nothing beyond the pipeline's cycles.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tinyanime.boards.schema import Board, MemoryRegion

LINE_BYTES = 32
"""Line of both caches, 8 words: DDI 0489F."""
ICACHE_LINES = 512
"""16 KiB: DS12110 (STM32H743)."""
_ASSUMED_CYCLES_PER_COST = 8
"""Cycles of a line per unit of `access_cost` where the board file gives no `dma_cycles_per_kib`; an assumption."""


@dataclass(frozen=True, slots=True)
class RegionCost:
    """Addresses [base, end): `line_cycles` for each line of 32 bytes that a cache fills from there or writes back."""

    name: str
    base: int
    end: int
    line_cycles: int


@dataclass(frozen=True, slots=True)
class MemoryCosts:
    """What memory adds to the cycles of the pipeline; an empty one adds nothing."""

    regions: tuple[RegionCost, ...] = ()
    icache_lines: int = ICACHE_LINES

    def region_at(self, address: int) -> RegionCost | None:
        return next((region for region in self.regions if region.base <= address < region.end), None)

    def line_cycles(self, address: int) -> int:
        region = self.region_at(address)
        return 0 if region is None else region.line_cycles

    def assumptions(self) -> tuple[str, ...]:
        """One sentence per region, for reports."""
        return tuple(
            f"{region.name}: {region.line_cycles} cycles per line of {LINE_BYTES} bytes"
            if region.line_cycles
            else f"{region.name}: no cycles beyond the pipeline's"
            for region in self.regions
        )


@dataclass(frozen=True, slots=True)
class LinesTouched:
    """Data traffic of a program through the data cache: `lines` filled or written back at `address`'s region.

    A line that stays in the cache counts once; DMA transfers do not count here.
    """

    address: int
    lines: int


def memory_costs(board: Board) -> MemoryCosts:
    """The costs that the board file states."""
    return MemoryCosts(
        tuple(
            RegionCost(region.name, region.base, region.base + region.size_bytes, _line_cycles(region))
            for region in board.memory
        )
    )


def _line_cycles(region: MemoryRegion) -> int:
    if region.access_cost <= 1 or not region.cacheable:
        return 0
    if region.dma_cycles_per_kib:
        return -(-region.dma_cycles_per_kib * LINE_BYTES // 1024)
    return _ASSUMED_CYCLES_PER_COST * region.access_cost


def fill_cycles(touched: Iterable[LinesTouched], costs: MemoryCosts) -> int:
    """Cycles that data lines cost; no overlap with execution is assumed."""
    return sum(lines.lines * costs.line_cycles(lines.address) for lines in touched)
