"""What the modelled figures rest on, in sentences, with the numbers of the model and of the board file."""

from __future__ import annotations

from tinyanime.boards.schema import Board, MemoryUse
from tinyanime.codegen.kernels.plain_work import CACHED_WEIGHT_BYTES
from tinyanime.codegen.kernels.team import MEETING_CYCLES, START_CYCLES
from tinyanime.codegen.schedule.cost import CostModel
from tinyanime.codegen.schedule.timeline import MAINTENANCE_CYCLES_PER_LINE
from tinyanime.codegen.schedule.transfers.transfer_cost import weights_region


def assumptions(board: Board) -> tuple[str, ...]:
    """One sentence or two each; all hold for the modelled time only, none for memory."""
    cost = CostModel()
    regions = ", ".join(f"{r.name} {r.access_cost}" for r in board.regions(MemoryUse.ACTIVATIONS))
    home = weights_region(board).name
    return (
        f"The time is modelled, not measured: a comparison of schedules, not a promise of speed. The clock is "
        f"{board.clock_hz / 1e6:g} MHz.",
        "The core takes one cycle per instruction. Instructions of each kernel were fitted to counts on an emulated "
        "Cortex-M7.",
        f"Rows in a slower bank cost its access cost less one cycle more per 4 bytes read or written: {regions}. A "
        "cache that holds them would be faster.",
        f"Weights in {home} cost {cost.flash_cycles_per_kib:,} cycles per 1,024 bytes. Up to {CACHED_WEIGHT_BYTES:,} "
        "bytes are read once per call, larger ones again for every two output pixels, as the kernels do.",
        *_cores(board),
        _transfers(board),
        f"Cache maintenance costs {MAINTENANCE_CYCLES_PER_LINE} cycles per line of 32 bytes. Starting a transfer and "
        "waiting for one that has ended cost nothing.",
        "Time in which the board waits for the computer at the other end of the link is not in it.",
    )


def _cores(board: Board) -> tuple[str, ...]:
    if board.cores == 1:
        return ()
    return (
        f"{board.cores} cores share the cycles of a call evenly, those of its operands in slower memories not. Waking "
        f"the others costs {START_CYCLES} cycles, a meeting {MEETING_CYCLES}.",
    )


def _transfers(board: Board) -> str:
    dma = board.tile_dma
    if dma is None:
        return (
            f"{board.name} has no tile DMA: the core copies a byte per cycle and pays the access costs of both banks."
        )
    paces = ", ".join(f"{r.name} {r.dma_cycles_per_kib:,}" for r in board.memory if r.dma)
    return (
        f"{dma.name} serves one transfer at a time, in the order of their starts, on {dma.channels} channels: "
        f"{dma.setup_cycles:,} cycles, and per 1,024 bytes the cycles of the slower of its two memories: {paces}. It "
        "takes no cycles from the core."
    )
