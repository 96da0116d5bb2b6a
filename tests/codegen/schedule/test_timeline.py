"""The modelled course in time: hand-made schedules with figures worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.hand_schedules import HandMade, placed, streamed, transfers
from tests.support.tiled_schedules import WEIGHT_BYTES, Tiled, small_board, strips, tiled, wide_network
from tinyanime.boards.loader import load_board
from tinyanime.boards.schema import Board
from tinyanime.codegen.memory.problem import MemoryPlan
from tinyanime.codegen.schedule.cost import CostModel
from tinyanime.codegen.schedule.plan import Call, Command, Start, Wait
from tinyanime.codegen.schedule.timeline import MAINTENANCE_CYCLES_PER_LINE, Timeline, simulate
from tinyanime.codegen.schedule.transfers.dma import TransferOptions

SETUP = 400
FLASH, SRAM = 1024, 512
"""DMA cycles for 1024 bytes of the STM32H743's flash, and of its DTCM and AXI SRAM."""


def on_stm32h743(case: HandMade, **changes: str) -> MemoryPlan:
    """The hand-made placement in the banks of the real board; `changes` name other banks by buffer."""
    names = {"tcm": "dtcm", "axi": "axi", "far": "d2"}
    return placed(*((name, changes.get(name, names[bank]), at) for name, bank, at in case.spots))


def only(case: HandMade, *commands: Command) -> HandMade:
    """The first step alone, with these commands."""
    schedule = case.schedule
    return replace(case, schedule=replace(schedule, steps=(replace(schedule.steps[0], commands=commands),)))


def run(case: HandMade, board: Board | None = None, plan: MemoryPlan | None = None) -> Timeline:
    return simulate(case.schedule, board or load_board("stm32h743"), CostModel(), plan or on_stm32h743(case))


def test_a_transfer_takes_its_set_up_and_the_slower_memory() -> None:
    """96 bytes between AXI SRAM and DTCM, 144 bytes from flash: one after the other in the order of their starts."""
    case = transfers()
    timeline = run(only(case, case.command(0, 1), case.command(0, 2), Wait(0, 0), Wait(1, 1)))
    first = SETUP + 96 * SRAM // 1024
    second = SETUP + 144 * FLASH // 1024
    assert [(t.index, t.begin_cycle, t.end_cycle) for t in timeline.transfers] == [
        (0, 0, first),
        (1, first, first + second),
    ]
    assert [c.stall_cycles for c in timeline.commands] == [0, 0, first, second]
    assert timeline.total_cycles == timeline.stall_cycles == timeline.dma_busy_cycles == first + second
    assert timeline.transferred_bytes == 96 + 144
    assert timeline.stall_fraction == 1


def test_a_call_hides_the_transfer_under_way() -> None:
    case = transfers()
    call = case.call(0, 6)
    timeline = run(only(case, case.command(0, 2), call, Wait(1, 1)))
    hidden = timeline.compute_cycles
    assert timeline.stall_cycles == max(0, SETUP + 144 - hidden)
    longer = run(only(case, case.command(0, 2), call, call, call, Wait(1, 1)))
    assert longer.stall_cycles == 0
    assert longer.total_cycles == longer.compute_cycles == 3 * hidden
    assert longer.stall_fraction == 0


def test_without_a_dma_a_start_costs_the_core_the_copy() -> None:
    board = replace(load_board("stm32h743"), tile_dma=None)
    case = transfers()
    timeline = run(only(case, case.command(0, 1), Wait(0, 0)), board)
    # 96 bytes by the core, 24 words that AXI SRAM delays by one cycle each.
    expected = CostModel().move_cycles(96) + 24
    assert timeline.total_cycles == timeline.move_cycles == expected
    assert timeline.stall_cycles == timeline.dma_busy_cycles == 0
    assert timeline.transferred_bytes == 96


def test_operands_in_slower_memory_make_calls_slower() -> None:
    case = transfers()
    call = case.call(2, 3)
    near = run(only(case, call), plan=on_stm32h743(case, c="dtcm", y="dtcm"))
    far = run(only(case, call), plan=on_stm32h743(case, c="dtcm", y="d2"))
    assert far.compute_cycles - near.compute_cycles == 2 * 256 // 4


def test_cache_maintenance_counts_by_lines() -> None:
    case = transfers()
    timeline = run(only(case, case.command(0, 0), case.command(2, 2)))
    assert timeline.maintenance_cycles == timeline.total_cycles == (3 + 8) * MAINTENANCE_CYCLES_PER_LINE


def test_rows_of_a_streamed_picture_count_as_moves() -> None:
    timeline = run(streamed())
    assert timeline.move_cycles == 4 * CostModel().move_cycles(16)
    assert timeline.total_cycles == timeline.compute_cycles + timeline.move_cycles


@pytest.mark.parametrize("stages", [((0, 5, 2),), ((0, 1, 2), (1, 3, 4), (3, 5, 2))])
def test_the_parts_of_a_real_schedule_add_up(stages: tuple[tuple[int, int, int], ...]) -> None:
    case = slow_bus(stages)
    timeline = simulate(case.finished, case.board, CostModel(), case.plan)
    flat = [(step.index, i, c) for step in case.finished.steps for i, c in enumerate(step.commands)]
    assert [(c.step, c.position) for c in timeline.commands] == [(step, position) for step, position, _ in flat]
    for one, other in zip(timeline.commands, timeline.commands[1:], strict=False):
        assert one.end_cycle == other.begin_cycle
    assert timeline.commands[-1].end_cycle == timeline.total_cycles
    assert timeline.stall_cycles == sum(c.stall_cycles for c in timeline.commands) > 0
    parts = timeline.compute_cycles + timeline.move_cycles + timeline.maintenance_cycles + timeline.stall_cycles
    assert parts == timeline.total_cycles
    calls = [t for t, (_, _, command) in zip(timeline.commands, flat, strict=True) if isinstance(command, Call)]
    assert sum(t.end_cycle - t.begin_cycle for t in calls) == timeline.compute_cycles


def slow_bus(stages: tuple[tuple[int, int, int], ...]) -> Tiled:
    """Scheduled for a quick DMA and run on one that takes longer for a tile than the core computes with it."""
    board = small_board(24 * 1024)
    case = tiled(strips(wide_network(), *stages), board, TransferOptions(WEIGHT_BYTES // 4))
    return replace(case, board=small_board(24 * 1024, setup_cycles=400_000))


def test_no_call_runs_before_its_weights_have_come() -> None:
    case = slow_bus(((0, 5, 2),))
    timeline = simulate(case.finished, case.board, CostModel(), case.plan)
    ends = {transfer.index: transfer.end_cycle for transfer in timeline.transfers}
    times = iter(timeline.commands)
    loaded: dict[str, int] = {}
    for step in case.finished.steps:
        for command in step.commands:
            at = next(times)
            if isinstance(command, Start):
                loaded[command.transfer.target.buffer] = ends[command.transfer.index]
            elif isinstance(command, Call) and command.weights:
                assert at.begin_cycle >= loaded[command.weights.buffer]
    begins = [transfer.begin_cycle for transfer in timeline.transfers]
    assert all(later >= end for later, end in zip(begins[1:], [t.end_cycle for t in timeline.transfers], strict=False))
