"""The schedule checker on transfers and the data cache: each hazard is found and named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.hand_schedules import AXI, BANKS, TCM, HandMade, transfers
from tinyanime.codegen.memory.problem import Buffer
from tinyanime.codegen.schedule.check.check import ScheduleError, check_schedule
from tinyanime.codegen.schedule.plan import Clean, Invalidate, Span, Start, Transfer, Wait, WeightSpan


def accept(case: HandMade) -> None:
    check_schedule(case.schedule, case.plan, case.banks)


def reject(case: HandMade, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        accept(case)


def started(case: HandMade, step: int, position: int) -> Transfer:
    command = case.command(step, position)
    assert isinstance(command, Start)
    return command.transfer


def test_nobody_reads_the_target_of_a_transfer_before_the_wait() -> None:
    reject(
        transfers().with_command(0, 4),
        r"step 0 \('conv' rows 0 to 1\), command 5 \(Call\): reads bytes 0 to 96 of buffer 'x0' while transfer 0",
    )
    reject(transfers().with_command(0, 5), "reads bytes 0 to 144 of buffer 'w0' while transfer 1 writes")
    reject(transfers().with_command(2, 1), "reads bytes 0 to 256 of buffer 'c' while transfer 5 writes")


def test_nobody_writes_the_source_of_a_transfer_before_the_wait() -> None:
    # The second strip's output over the first one's, which transfer 4 still reads.
    reject(transfers().with_spot("c1", "tcm", 640), "step 1 .*writes .* of buffer 'c1' while transfer 4 is under way")


def test_scratch_and_tiles_stay_away_from_transfers() -> None:
    case = transfers()
    reject(case.with_spot("columns", "tcm", 480), "writes .*'columns' while transfer 2 is under way")
    reject(case.with_spot("part", "tcm", 480), "writes .*'part' while transfer 2 is under way")


def test_no_transfer_writes_what_another_one_reads_or_writes() -> None:
    case = transfers()
    reject(case.with_spot("w0", "tcm", 0), "transfer 1 meets transfer 0 at .*'w0'")
    reject(case.with_spot("x1", "tcm", 480), "transfer 3 meets transfer 2 at .*'x1'")


def test_a_channel_serves_one_transfer_at_a_time() -> None:
    case = transfers()
    same = replace(started(case, 0, 2), channel=0)
    reject(case.with_command(0, 2, Start(same)), "channel 0 is busy with transfer 0")
    reject(case.with_command(0, 2, Start(replace(same, channel=4))), "on channel 4, there are 4")


def test_a_wait_names_a_transfer_under_way_and_its_channel() -> None:
    case = transfers()
    reject(case.with_command(0, 4, Wait(0, 1)), "waits for transfer 0 on channel 1")
    reject(case.with_command(0, 4, Wait(0, 0), Wait(0, 0)), "waits for transfer 0, which is not under way")
    reject(case.with_command(0, 1), "waits for transfer 0, which is not under way")


def test_each_transfer_starts_once() -> None:
    case = transfers()
    again = replace(started(case, 1, 4), index=3)
    reject(case.with_command(1, 4, Start(again)), "transfer 3 starts a second time")


def test_all_transfers_are_waited_for_in_the_end() -> None:
    case = transfers()
    extra = Start(Transfer(6, 2, WeightSpan(0, 0, 16), Span("c0", 0, 16)))
    reject(case.with_command(2, 3, case.command(2, 3), extra), "after the last step: nobody waited for transfer 6")


def test_source_and_target_of_a_transfer_have_one_size() -> None:
    case = transfers()
    short = replace(started(case, 0, 1), target=Span("x0", 0, 64))
    reject(case.with_command(0, 1, Start(short)), "transfer 0 copies 96 bytes to 64 bytes")
    beyond = replace(started(case, 0, 3), source=WeightSpan(0, 152, 144))
    reject(case.with_command(0, 3, Start(beyond)), "transfer 2 copies 0 bytes to 144 bytes")


def test_transfers_stay_in_banks_that_the_dma_reaches() -> None:
    case = replace(transfers(), banks=(TCM, replace(AXI, dma=False)))
    reject(case, "no DMA reaches bank axi with bytes 0 to 96 of buffer 'x'")
    case = transfers()
    reject(case.with_buffer(replace(case.buffer("w0"), dma=False)), "buffer 'w0' is not marked for the DMA")


def test_a_buffer_lives_until_its_transfer_has_ended() -> None:
    case = transfers()
    reject(case.with_buffer(replace(case.buffer("c0"), end_step=2)), "step 2 .*'c0' is alive in steps 0 to 1")
    reject(case.with_buffer(replace(case.buffer("x"), end_step=1)), "step 1 .*'x' is alive in steps 0 to 0")


def test_a_transfer_reads_no_dirty_line() -> None:
    reject(
        transfers().with_command(0, 0), "transfer 0 reads bytes 0 to 96 of buffer 'x', of which a cache line is dirty"
    )
    reject(transfers().with_command(0, 0, Clean(Span("x", 0, 64))), "transfer 0 reads .* is dirty")
    reject(transfers().with_command(0, 7), "transfer 3 reads bytes 32 to 128 of buffer 'x'")


def test_a_transfer_writes_no_dirty_line() -> None:
    reject(transfers().with_command(0, 11), "transfer 4 writes bytes 0 to 128 of buffer 'c', of which .* is dirty")
    accept(transfers().with_command(0, 11, Clean(Span("c", 0, 128))))


def test_the_core_touches_no_line_that_a_dma_wrote_before_it_is_invalidated() -> None:
    reject(transfers().with_command(2, 2), "reads bytes 0 to 256 of buffer 'c', of which .* not invalidated since")
    reject(transfers().with_command(2, 2, Invalidate(Span("c", 0, 224))), "reads bytes 0 to 256 .* not invalidated")


def test_invalidating_before_the_wait_is_too_early() -> None:
    case = transfers()
    swapped = case.with_command(2, 1, case.command(2, 2)).with_command(2, 2, case.command(2, 1))
    reject(swapped, "reads bytes 0 to 256 of buffer 'c', of which .* not invalidated since")


def with_dump(size: int, source: Span | WeightSpan, end_step: int) -> HandMade:
    """Also transfer 6 on channel 3 to a buffer `dump` in the cached bank, from after transfer 4 to step 1."""
    case = transfers()
    dump = Buffer("dump", size, 0, end_step, dma=True)
    case = replace(
        case,
        schedule=replace(case.schedule, buffers=(*case.schedule.buffers, dump)),
        spots=(*case.spots, ("dump", "axi", 1024)),
    )
    lines = Span("dump", 0, -(-size // 32) * 32)
    start = Start(Transfer(6, 3, source, Span("dump", 0, size)))
    return case.with_command(0, 12, case.command(0, 12), Invalidate(lines), start).with_command(
        1, 0, Wait(6, 3), Invalidate(lines), case.command(1, 0)
    )


def test_a_buffer_may_follow_a_dma_written_one_in_its_lines() -> None:
    case = with_dump(128, Span("c0", 0, 128), 2).with_spot("y", "axi", 1024)
    accept(case)
    # The cache may hold what was there before the transfer: the core's writes replace all of it.
    accept(case.with_command(1, 1))


def test_the_rest_of_a_line_that_a_transfer_writes_is_not_for_the_core() -> None:
    case = with_dump(16, WeightSpan(0, 0, 16), 2)
    accept(case)
    # The tile's first bytes share the line of the dump's 16; the dump's own bytes are read by the core at the end.
    shared = case.with_spot("part", "axi", 1024 + 16)
    accept(shared)
    under_way = shared.with_command(1, 0).with_command(1, 0).with_command(1, 1, case.command(1, 3), Wait(6, 3))
    reject(under_way, "step 1 .*writes bytes 0 to 64 of buffer 'part' in a cache line that transfer 6 writes to")


def test_a_core_write_to_a_stale_line_loses_the_other_bytes_of_the_line() -> None:
    # The last 16 bytes of the weights in w0 share their line with the tile, which the call on w1 writes first.
    case = transfers().with_spot("w0", "axi", 1024).with_spot("part", "axi", 1024 + 144)
    first, second = case.call(0, 6), case.call(0, 10)
    before = (Invalidate(Span("w0", 0, 160)), case.command(0, 2))
    case = case.with_command(0, 10, second, Invalidate(Span("w0", 0, 128)), first).with_command(0, 6)
    reject(case.with_command(0, 2, *before), "do not hold the weights of channels 0 to 3")
    after = (case.command(0, 5), Invalidate(Span("w0", 0, 160)))
    accept(case.with_command(0, 5, *after).with_command(0, 2, *before))


def test_bytes_of_a_dirty_line_that_is_invalidated_are_lost() -> None:
    case = transfers().with_command(0, 0, Invalidate(Span("x", 0, 96)))
    reject(case, "row 0 of 'x' is not at byte 0 of buffer 'x0': its cache line was invalidated")


def test_maintenance_is_for_whole_lines_of_cached_banks() -> None:
    case = transfers()
    reject(case.with_command(0, 0, Clean(Span("x", 0, 90))), "bytes 0 to 90 of buffer 'x' are not whole cache lines")
    reject(case.with_command(0, 0, Clean(Span("x", 16, 96))), "are not whole cache lines of 32 bytes")
    reject(case.with_command(0, 0, Clean(Span("x", 64, 96))), "bytes 64 to 160 .* not within the buffer's cache lines")
    reject(case.with_command(0, 0, Clean(Span("x0", 0, 96))), "no data cache before bank tcm")


def test_maintenance_may_reach_to_the_end_of_the_last_line() -> None:
    # As if the rows had been shorter: 80 bytes of scratch in a cached bank end within a line.
    case = transfers().with_spot("columns", "axi", 1024)
    accept(case.with_command(1, 1, case.command(1, 1), Clean(Span("columns", 0, 96))))
    reject(case.with_command(1, 1, case.command(1, 1), Clean(Span("columns", 0, 128))), "not within the buffer's")


def test_without_a_dma_transfers_are_copies_and_need_no_maintenance() -> None:
    banks = tuple(replace(bank, dma=False) for bank in BANKS)
    case = replace(transfers(), banks=banks)
    bare = case.with_command(2, 2).with_command(1, 3).with_command(0, 11).with_command(0, 7).with_command(0, 0)
    accept(bare)
    reject(bare.with_command(0, 3), "reads .*'x0' while transfer 0 writes")
