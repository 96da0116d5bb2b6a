"""What the tile DMA of a board can be used for, given the memories that it reaches."""

from __future__ import annotations

from dataclasses import dataclass

from tinyanime.boards.schema import Board, MemoryUse
from tinyanime.codegen.errors import BoardError
from tinyanime.codegen.memory.banks import activation_banks


@dataclass(frozen=True, slots=True)
class DmaReach:
    """`tiles`: whether tiles of maps and slots for weights have a place; `weights`: whether weights can go there.

    `shortfall` says in a sentence what is not possible and why; empty where all is, or where there is no tile DMA.
    """

    tiles: bool
    weights: bool
    shortfall: str


def dma_reach(board: Board) -> DmaReach:
    """Tiles go to the cheapest activation memory that the DMA reaches; behind a data cache they would win nothing."""
    if board.tile_dma is None:
        return DmaReach(tiles=False, weights=False, shortfall="")
    name = board.tile_dma.name
    banks = [bank for bank in activation_banks(board) if bank.dma]
    cheapest = min((bank.access_cost for bank in banks), default=0)
    if not banks or any(bank.cache_line_bytes for bank in banks if bank.access_cost == cheapest):
        return DmaReach(
            tiles=False,
            weights=False,
            shortfall=f"{name} reaches no tightly coupled memory for activations: weights stay in flash",
        )
    flash = board.regions(MemoryUse.CODE)[0]
    if not flash.dma:
        return DmaReach(tiles=True, weights=False, shortfall=f"{name} does not reach {flash.name}: weights stay there")
    return DmaReach(tiles=True, weights=True, shortfall="")


def unusable_dma(board: Board) -> BoardError:
    """Transfers were asked for on a board whose tile DMA cannot make any."""
    return BoardError(
        f"{board.source}: transfers were asked for, but {dma_reach(board).shortfall}.",
        hint='Set "dma = true" for a memory that it reaches and that no data cache lies before, or leave out --dma.',
    )
