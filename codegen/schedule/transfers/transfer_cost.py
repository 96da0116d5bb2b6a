"""What a copy between two memories of a board costs: on its tile DMA, or on the core where there is none."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from tinyanime.boards.schema import Board, MemoryRegion, MemoryUse, TileDma
from tinyanime.codegen.memory.banks import activation_banks
from tinyanime.codegen.schedule.cost import CostModel
from tinyanime.codegen.schedule.plan import Span, WeightSpan

COPYING_PORT = TileDma("copies by the core", channels=4, largest_bytes=65536, setup_cycles=0)
"""Limits of `ta_port_dma_start` on chips without a tile DMA."""

_KIB = 1024
_WORD_BYTES = 4


def tile_dma(board: Board) -> TileDma:
    """The board's tile DMA, or the limits that hold where the core copies."""
    return board.tile_dma or COPYING_PORT


def transfer_cycles(dma: TileDma, size_bytes: int, source: MemoryRegion, target: MemoryRegion) -> int:
    """Core cycles that the DMA is busy with a transfer: set-up, and the slower of the two memories."""
    per_kib = max(source.dma_cycles_per_kib, target.dma_cycles_per_kib)
    return dma.setup_cycles + ceil(size_bytes * per_kib / _KIB)


def copy_cycles(cost: CostModel, size_bytes: int, source: MemoryRegion, target: MemoryRegion) -> int:
    """Core cycles of a copy by the core: as in tightly coupled memory, and what the two memories add per word."""
    waits = ceil(size_bytes / _WORD_BYTES) * (source.access_cost - 1 + target.access_cost - 1)
    return cost.move_cycles(size_bytes) + waits


def weights_region(board: Board) -> MemoryRegion:
    """Where the generated weights lie."""
    return board.regions(MemoryUse.CODE)[0]


@dataclass(frozen=True, slots=True)
class FastMemory:
    """The cheapest memory for activations, where slots and tiles go, and the next one, where large maps lie.

    `size_bytes` is what the regions in `fast` have left together. Regions that the tile DMA does not reach do not
    count, where there is one.
    """

    fast: tuple[MemoryRegion, ...]
    size_bytes: int
    slow: MemoryRegion | None
    has_dma: bool

    @classmethod
    def of(cls, board: Board) -> FastMemory:
        """ValueError where the board has no memory for activations that its tile DMA reaches."""
        has_dma = board.tile_dma is not None
        free = {bank.name: bank.size_bytes for bank in activation_banks(board)}
        regions = [r for r in board.regions(MemoryUse.ACTIVATIONS) if r.name in free and (r.dma or not has_dma)]
        if not regions:
            raise ValueError(f"{board.name} has no activation memory for tiles")
        cheapest = min(region.access_cost for region in regions)
        fast = tuple(region for region in regions if region.access_cost == cheapest)
        others = sorted((r for r in regions if r not in fast), key=lambda r: r.access_cost)
        return cls(fast, sum(free[region.name] for region in fast), others[0] if others else None, has_dma)


@dataclass(frozen=True, slots=True)
class TilePrice:
    """Modelled cycles of copies between a tile or slot in fast memory and where its bytes come from or go to."""

    board: Board
    cost: CostModel
    memory: FastMemory

    @property
    def setup_cycles(self) -> int:
        """Cycles before the first byte of a transfer moves."""
        return tile_dma(self.board).setup_cycles

    def dma_cycles(self, other_end: Span | WeightSpan) -> int:
        """Time on the DMA; 0 where the core copies, since nothing is under way then when the core goes on."""
        if not self.memory.has_dma:
            return 0
        source, target = self._regions(other_end)
        pieces = -(-other_end.size_bytes // tile_dma(self.board).largest_bytes)
        cycles = transfer_cycles(tile_dma(self.board), other_end.size_bytes, source, target)
        return cycles + (pieces - 1) * tile_dma(self.board).setup_cycles

    def core_cycles(self, other_end: Span | WeightSpan) -> int:
        """Time that the core loses to the copy."""
        if self.memory.has_dma:
            return 0
        return copy_cycles(self.cost, other_end.size_bytes, *self._regions(other_end))

    def _regions(self, other_end: Span | WeightSpan) -> tuple[MemoryRegion, MemoryRegion]:
        fast = self.memory.fast[0]
        if isinstance(other_end, WeightSpan):
            return weights_region(self.board), fast
        return self.memory.slow or fast, fast
