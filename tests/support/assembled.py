"""Projects assembled from a schedule and a placement that no search has chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.support.hand_schedules import HandMade
from tinyanime.boards.loader import load_board
from tinyanime.boards.schema import Board, MemoryKind, MemoryRegion, MemoryUse
from tinyanime.codegen.bundle import Bundle
from tinyanime.codegen.cmsis_nn.sources import find_cmsis_nn
from tinyanime.codegen.emit.project import ProjectInput, assemble_project
from tinyanime.codegen.emit.write import write_project
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Conv2D, Filter, Op
from tinyanime.codegen.kernels.family import KernelFamily
from tinyanime.codegen.memory.banks import activation_banks
from tinyanime.codegen.memory.problem import Bank, Certificate, MemoryPlan, MemoryProblem
from tinyanime.codegen.schedule.choose import PlannedSchedule, ScheduleOptions
from tinyanime.codegen.schedule.cost import CostModel
from tinyanime.codegen.schedule.kernels import schedule_kernels
from tinyanime.codegen.schedule.plan import Schedule
from tinyanime.codegen.schedule.timeline import simulate
from tinyanime.codegen.schedule.transfers.dma import TransferOptions


def assembled(schedule: Schedule, plan: MemoryPlan, board: Board, directory: Path) -> Bundle:
    """Write the project of `schedule`, placed by `plan` in the banks of `board`; nothing is checked."""
    planned = PlannedSchedule(
        schedule,
        MemoryProblem(schedule.buffers, activation_banks(board)),
        plan,
        simulate(schedule, board, CostModel(), plan),
        TransferOptions(0),
        ScheduleOptions(),
    )
    kernels = schedule_kernels(schedule)
    project = assemble_project(
        ProjectInput(board, planned, kernels, find_cmsis_nn(None), KernelFamily.CMSIS_NN, b"no model")
    )
    write_project(directory, project.files)
    return Bundle(directory, project.manifest)


def hand_assembled(hand: HandMade, directory: Path) -> Bundle:
    """The project of a schedule made by hand, on a board with its banks and the DMA of the stm32h743."""
    board = board_with(hand.banks)
    plan = hand.plan
    peaks = {bank.name: 0 for bank in hand.banks}
    sizes = {buffer.name: buffer.size_bytes for buffer in hand.schedule.buffers}
    for place in plan.placements:
        peaks[place.bank] = max(peaks[place.bank], place.offset_bytes + sizes[place.buffer])
    total = sum(peaks.values())
    proof = Certificate(total, total, 0, 0, total, proven=True)
    return assembled(hand.schedule, MemoryPlan(plan.placements, tuple(peaks.items()), proof), board, directory)


def board_with(banks: tuple[Bank, ...]) -> Board:
    """The stm32h743 with these memories for activations, beside one for stack and data."""
    board = load_board("stm32h743")
    regions = tuple(
        MemoryRegion(
            bank.name,
            MemoryKind.RAM,
            bank.base,
            bank.size_bytes,
            (MemoryUse.ACTIVATIONS,),
            access_cost=bank.access_cost,
            cacheable=bank.cache_line_bytes > 0,
            dma=bank.dma,
        )
        for bank in banks
    )
    data = replace(board.region("dtcm"), uses=(MemoryUse.DATA, MemoryUse.STACK))
    return replace(board, memory=(board.region("flash"), data, *regions))


def with_random_weights(graph: Graph, seed: int) -> Graph:
    """`graph` with other weights, scales and biases in every convolution: no two channels compute alike."""
    random = np.random.default_rng(seed)

    def changed(op: Op) -> Op:
        if not isinstance(op, Conv2D):
            return op
        shape = op.filter.values.shape
        channels = shape[0]
        weights = Filter(
            random.integers(-127, 128, shape).astype(np.int8),
            np.asarray(random.uniform(0.001, 0.003, channels), dtype=np.float64),
            np.asarray(random.integers(-9000, 9000, channels), dtype=np.int32),
        )
        return replace(op, filter=weights)

    return replace(graph, ops=tuple(changed(op) for op in graph.ops))


def with_graph(hand: HandMade, change: Callable[[Graph], Graph]) -> HandMade:
    """`hand` with another graph of the same shapes."""
    return replace(hand, schedule=replace(hand.schedule, graph=change(hand.schedule.graph)))
