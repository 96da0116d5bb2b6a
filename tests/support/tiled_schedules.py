"""A small network and a board with little fast memory, so that weights and maps go through tiles."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tests.support.rules import plain_rule
from tinyanime.boards.loader import load_board
from tinyanime.boards.schema import Board, MemoryRegion
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Add, Conv2D, Filter, Op, Padding, Size2D
from tinyanime.codegen.ir.tensor import Quantization, Tensor
from tinyanime.codegen.memory.banks import activation_banks, reserved
from tinyanime.codegen.memory.problem import Bank, MemoryPlan, MemoryProblem
from tinyanime.codegen.memory.solve import Shortage, solve
from tinyanime.codegen.schedule.cost import CostModel
from tinyanime.codegen.schedule.plan import Schedule
from tinyanime.codegen.schedule.strips.build import build_schedule
from tinyanime.codegen.schedule.strips.layout import Layout, StageLayout
from tinyanime.codegen.schedule.transfers.coherence import add_maintenance
from tinyanime.codegen.schedule.transfers.dma import TransferOptions, add_transfers

SIDE = 16
CHANNELS = 32
WEIGHT_BYTES = CHANNELS * 9 * CHANNELS
"""Of one wide convolution: more than the cache keeps."""


def small_board(fast_bytes: int = 32 * 1024, setup_cycles: int = 0) -> Board:
    """The STM32H743 with `fast_bytes` of tightly coupled memory for buffers."""
    board = load_board("stm32h743")
    assert board.tile_dma is not None

    def changed(region: MemoryRegion) -> MemoryRegion:
        if region.name != "dtcm":
            return region
        return replace(region, size_bytes=fast_bytes + sum(item.size_bytes for item in reserved(board, region)))

    memory = tuple(changed(region) for region in board.memory)
    return replace(board, memory=memory, tile_dma=replace(board.tile_dma, setup_cycles=setup_cycles))


def wide_network(seed: int = 3) -> Graph:
    """photo -> stem -> first -> second, sum = stem + second, then head: 16x16 maps of 32 channels.

    Only `first` and `second` have wide weights. A row of every map is whole cache lines.
    """
    random = np.random.default_rng(seed)

    def convolution(name: str, source: str, inputs: int, outputs: int) -> Conv2D:
        values = random.integers(-40, 41, (outputs, 3, 3, inputs)).astype(np.int8)
        weights = Filter(values, np.full(outputs, 0.002), random.integers(-99, 100, outputs).astype(np.int32))
        return Conv2D(name=name, inputs=(source,), output=name, filter=weights, padding=Padding(1, 1, 1, 1))

    ops: tuple[Op, ...] = (
        convolution("stem", "photo", 4, CHANNELS),
        convolution("first", "stem", CHANNELS, CHANNELS),
        convolution("second", "first", CHANNELS, CHANNELS),
        Add(name="sum", inputs=("stem", "second"), output="sum"),
        replace(convolution("head", "sum", CHANNELS, 8), stride=Size2D(2, 2)),
    )
    shapes = {"photo": (SIDE, 4), "head": (SIDE // 2, 8)}
    tensors = {}
    for name in ("photo", *(op.output for op in ops)):
        side, channels = shapes.get(name, (SIDE, CHANNELS))
        tensors[name] = Tensor(name, (1, side, side, channels), Quantization(0.05, 3))
    return Graph("wide", ("photo",), ("head",), tensors, ops)


@dataclass(frozen=True, eq=False)
class Tiled:
    """A schedule before and after transfers were added, its placement, and the finished schedule."""

    board: Board
    before: Schedule
    after: Schedule
    plan: MemoryPlan
    finished: Schedule

    @property
    def banks(self) -> tuple[Bank, ...]:
        return activation_banks(self.board)


def strips(graph: Graph, *stages: tuple[int, int, int], board: Board | None = None, overlay: bool = True) -> Schedule:
    """`graph` in stages (first operator, end, rows per strip)."""
    layout = Layout(tuple(StageLayout(*stage) for stage in stages), overlay=overlay)
    return build_schedule(graph, layout, plain_rule(board or small_board()))


def tiled(schedule: Schedule, board: Board, options: TransferOptions) -> Tiled:
    """`schedule` with transfers, a plan by the planner, and maintenance."""
    after = add_transfers(schedule, board, CostModel(), options)
    banks = activation_banks(board)
    plan = solve(MemoryProblem(after.buffers, banks))
    assert not isinstance(plan, Shortage), plan
    return Tiled(board, schedule, after, plan, add_maintenance(after, plan, banks))
