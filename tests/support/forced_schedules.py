"""Schedules of small networks with strips, weight tiles and activation tiles that no cost model would choose."""

from __future__ import annotations

from dataclasses import dataclass, replace
from unittest.mock import patch

import onnx

from tests.models.builders import Activation, QdqBuilder
from tests.support.rules import one_kernel_rule, plain_rule
from tinyanime.boards.schema import Board, MemoryRegion, MemoryUse
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.kernels.prepare import graph_for_kernels
from tinyanime.codegen.kernels.upsample import UPSAMPLE_CONVOLVE
from tinyanime.codegen.memory.banks import activation_banks, reserved
from tinyanime.codegen.memory.problem import Bank, MemoryPlan, MemoryProblem
from tinyanime.codegen.memory.solve import Shortage, solve
from tinyanime.codegen.schedule.cost import CostModel
from tinyanime.codegen.schedule.plan import Schedule
from tinyanime.codegen.schedule.strips.build import build_schedule
from tinyanime.codegen.schedule.strips.layout import Layout, StageLayout, is_alias
from tinyanime.codegen.schedule.transfers import weight_tiles
from tinyanime.codegen.schedule.transfers.coherence import add_maintenance
from tinyanime.codegen.schedule.transfers.dma import TransferOptions, add_transfers


def whole_line_network(seed: int = 1) -> onnx.ModelProto:
    """A generator in small whose maps have rows of whole cache lines, so that a DMA can move them: 2 to 16 channels,
    16 to 8 columns, a residual block, stride 2 down and nearest neighbour up."""
    b = QdqBuilder(seed, name="whole_lines")

    def conv(x: Activation, channels: int, *, stride: int = 1) -> Activation:
        return b.conv(x, channels, kernel=(3, 3), pads=(1, 1, 1, 1), stride=(stride, stride), relu=stride == 1)

    x = conv(b.input((1, 2, 16, 16), zero_point=3), 8)
    x = conv(x, 16, stride=2)
    x = b.add(x, conv(conv(x, 16), 16))
    return b.finish(conv(conv(b.resize(x, (2, 2)), 8), 2))


@dataclass(frozen=True)
class Force:
    """How a network is cut: stages of `stage_ops` operators in strips of `strip_rows` rows.

    The fast memory has `fast_bytes` for buffers, weights come through slots of `slot_bytes`, rows of maps through
    tiles of at most `tile_bytes` for each map.
    """

    stage_ops: int = 2
    strip_rows: int = 2
    fast_bytes: int = 4096
    slot_bytes: int = 1024
    tile_bytes: int = 2048
    stream: bool = False
    function: str = ""
    """This kernel of convolve.h computes whatever it can, the plain ones the rest; empty: those alone."""


@dataclass(frozen=True, eq=False)
class ForcedSchedule:
    schedule: Schedule
    problem: MemoryProblem
    plan: MemoryPlan

    @property
    def banks(self) -> tuple[Bank, ...]:
        return self.problem.banks


def forced_schedule(graph: Graph, board: Board, force: Force) -> ForcedSchedule:
    """Strips, transfers, placement and maintenance as the compiler does them, with decisions taken by `force`."""
    board = _eager_board(board, force.fast_bytes)
    rule = one_kernel_rule(board, force.function) if force.function else plain_rule(board)
    graph = graph_for_kernels(graph, rule) if force.function == UPSAMPLE_CONVOLVE.function else graph
    schedule = build_schedule(graph, _layout(graph, force), rule)
    costly_flash = CostModel(flash_cycles_per_kib=1 << 20)
    options = TransferOptions(weight_slot_bytes=force.slot_bytes, activation_tile_bytes=force.tile_bytes)
    with patch.object(weight_tiles, "CACHED_WEIGHT_BYTES", 0):
        schedule = add_transfers(schedule, board, costly_flash, options)
    problem = MemoryProblem(schedule.buffers, activation_banks(board))
    plan = solve(problem)
    assert not isinstance(plan, Shortage), plan
    return ForcedSchedule(add_maintenance(schedule, plan, problem.banks), problem, plan)


def _layout(graph: Graph, force: Force) -> Layout:
    stages: list[StageLayout] = []
    first = 0
    for index, op in enumerate(graph.ops):
        ends = index + 1 == len(graph.ops) or is_alias(graph, op) or is_alias(graph, graph.ops[index + 1])
        if ends or index + 1 - first == force.stage_ops:
            rows = min(force.strip_rows, graph.output_tensor(op).height)
            stages.append(StageLayout(first, index + 1, rows))
            first = index + 1
    return Layout(tuple(stages), stream_input=force.stream, stream_output=force.stream)


def _eager_board(board: Board, fast_bytes: int) -> Board:
    """`board` with little fast memory and a DMA that takes no time."""
    assert board.tile_dma is not None
    cheapest = min(region.access_cost for region in board.regions(MemoryUse.ACTIVATIONS))

    def changed(region: MemoryRegion) -> MemoryRegion:
        if MemoryUse.ACTIVATIONS in region.uses and region.access_cost == cheapest:
            region = replace(region, size_bytes=sum(item.size_bytes for item in reserved(board, region)) + fast_bytes)
        return replace(region, dma_cycles_per_kib=min(region.dma_cycles_per_kib, 1))

    memory = tuple(changed(region) for region in board.memory)
    return replace(board, memory=memory, tile_dma=replace(board.tile_dma, setup_cycles=0))
