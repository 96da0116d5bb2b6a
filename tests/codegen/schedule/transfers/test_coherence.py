"""Cache maintenance: all that is needed for the checker, nothing that could be left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.support.hand_schedules import AXI, TCM, placed, transfers
from tests.support.tiled_schedules import WEIGHT_BYTES, Tiled, small_board, strips, tiled, wide_network
from tinyanime.codegen.memory.problem import Bank, MemoryPlan
from tinyanime.codegen.schedule.check.check import ScheduleError, check_schedule
from tinyanime.codegen.schedule.plan import Clean, Command, Invalidate, Schedule, Span, Start, Transfer, Wait
from tinyanime.codegen.schedule.transfers.coherence import add_maintenance
from tinyanime.codegen.schedule.transfers.dma import TransferOptions

STAGE_PER_LAYER = ((0, 1, 4), (1, 2, 2), (2, 3, 2), (3, 4, 2), (4, 5, 2))
SEVERAL_STAGES = ((0, 1, 2), (1, 3, 4), (3, 5, 2))


def tiled_maps(stages: tuple[tuple[int, int, int], ...], tile_bytes: int = 8192) -> Tiled:
    options = TransferOptions(WEIGHT_BYTES, activation_tile_bytes=tile_bytes)
    return tiled(strips(wide_network(), *stages), small_board(24 * 1024), options)


def maintenance(schedule: Schedule) -> list[Command]:
    return [c for step in schedule.steps for c in step.commands if isinstance(c, Clean | Invalidate)]


def without_maintenance(schedule: Schedule) -> Schedule:
    steps = tuple(
        replace(step, commands=tuple(c for c in step.commands if not isinstance(c, Clean | Invalidate)))
        for step in schedule.steps
    )
    return replace(schedule, steps=steps)


@pytest.mark.parametrize("stages", [STAGE_PER_LAYER, SEVERAL_STAGES])
def test_every_clean_invalidate_and_wait_is_needed(stages: tuple[tuple[int, int, int], ...]) -> None:
    case = tiled_maps(stages)
    check_schedule(case.finished, case.plan, case.banks)
    mutants = list(without_one(case.finished))
    assert len(mutants) > 20
    for mutant in mutants:
        with pytest.raises(ScheduleError):
            check_schedule(mutant, case.plan, case.banks)


def without_one(schedule: Schedule) -> Iterator[Schedule]:
    for step in schedule.steps:
        for position, command in enumerate(step.commands):
            if isinstance(command, Clean | Invalidate | Wait):
                changed = replace(step, commands=(*step.commands[:position], *step.commands[position + 1 :]))
                steps = (*schedule.steps[: step.index], changed, *schedule.steps[step.index + 1 :])
                yield replace(schedule, steps=steps)


def test_the_maintenance_of_a_schedule_by_hand_is_found() -> None:
    """The same spans as were worked out by hand, and each in its place."""
    case = transfers()
    bare = without_maintenance(case.schedule)
    assert maintenance(case.schedule)
    with pytest.raises(ScheduleError):
        check_schedule(bare, case.plan, case.banks)
    found = add_maintenance(bare, case.plan, case.banks)
    assert [step.commands for step in found.steps] == [step.commands for step in case.schedule.steps]
    check_schedule(found, case.plan, case.banks)


def with_start(source: str, target: str, *, again: bool = False) -> tuple[Schedule, MemoryPlan]:
    """The hand-made schedule with rows of x copied to the weight slot w0 (behind the cache here), maybe twice."""
    case = transfers()
    first = Transfer(0, 0, Span(source, 0, 64), Span(target, 0, 64))
    commands: tuple[Command, ...] = (Start(first), Wait(0, 0))
    if again:
        commands = (*commands, Start(replace(first, index=1)), Wait(1, 0))
    steps = (replace(case.schedule.steps[0], commands=commands),)
    return replace(case.schedule, steps=steps, streamed_output="y"), case.plan


def test_a_line_is_cleaned_once_until_the_core_writes_it_again() -> None:
    schedule, plan = with_start("x", "w0", again=True)
    found = add_maintenance(schedule, plan, (TCM, AXI))
    assert maintenance(found) == [Clean(Span("x", 0, 64))]


def test_a_target_is_dropped_once_while_only_the_dma_writes_it() -> None:
    schedule, plan = with_start("w0", "x", again=True)
    found = add_maintenance(schedule, plan, (TCM, AXI))
    assert maintenance(found) == [Invalidate(Span("x", 0, 64))]


def test_the_output_can_be_read_behind_the_last_step() -> None:
    schedule, plan = with_start("w0", "y")
    found = add_maintenance(replace(schedule, streamed_output=""), plan, (TCM, AXI))
    kinds = [type(command) for command in found.steps[-1].commands]
    assert kinds == [Invalidate, Start, Wait, Invalidate]
    assert found.steps[-1].commands[-1] == Invalidate(Span("y", 0, 64))


def test_the_last_line_of_a_buffer_is_maintained_as_a_whole() -> None:
    case = transfers()
    plan = placed(
        *((name, "axi" if name == "w1" else bank, 1024 if name == "w1" else at) for name, bank, at in case.spots)
    )
    found = add_maintenance(without_maintenance(case.schedule), plan, case.banks)
    spans = [c.span for c in maintenance(found) if isinstance(c, Invalidate) and c.span.buffer == "w1"]
    assert spans == [Span("w1", 0, 160)] * 2, "144 bytes: dropped before the DMA writes and before the core reads"
    check_schedule(found, plan, case.banks)


def test_a_transfer_to_a_part_of_a_line_is_refused() -> None:
    schedule, plan = with_start("w0", "x")
    start = Start(Transfer(0, 0, Span("w0", 0, 40), Span("x", 0, 40)))
    steps = (replace(schedule.steps[0], commands=(start, Wait(0, 0))),)
    with pytest.raises(ValueError, match="a transfer to 'x' shares a cache line with other bytes"):
        add_maintenance(replace(schedule, steps=steps), plan, (TCM, AXI))


def test_a_buffer_of_a_transfer_that_begins_within_a_line_is_refused() -> None:
    case = transfers().with_spot("x", "axi", 1040)
    with pytest.raises(ValueError, match="buffer 'x' of a transfer begins within a cache line"):
        add_maintenance(without_maintenance(case.schedule), case.plan, case.banks)


def test_banks_without_a_cache_need_no_maintenance() -> None:
    case = tiled_maps(STAGE_PER_LAYER)
    uncached = tuple(replace(bank, cache_line_bytes=0) for bank in case.banks)
    assert not maintenance(add_maintenance(case.after, case.plan, uncached))


def test_copies_by_the_core_need_no_maintenance() -> None:
    case = tiled_maps(STAGE_PER_LAYER)
    banks: tuple[Bank, ...] = tuple(replace(bank, dma=False) for bank in case.banks)
    assert add_maintenance(case.after, case.plan, banks) is case.after
