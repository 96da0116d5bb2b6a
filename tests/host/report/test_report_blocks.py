"""What the memory map shows of a plan."""

from __future__ import annotations

from dataclasses import replace

from tests.support.hand_schedules import line_buffer, streamed, transfers, whole_layers
from tests.support.report_study import planned_by_hand, report_study
from tinyanime.codegen.memory.problem import Buffer
from tinyanime.host.report.blocks import BlockKind, Level, bank_uses, blocks_of, levels


def test_buffers_are_named_after_what_the_schedule_does_with_them() -> None:
    kinds = {block.name: block.kind for block in blocks_of(planned_by_hand(transfers()))}
    assert kinds == {
        "x": BlockKind.MAP,
        "c": BlockKind.MAP,
        "y": BlockKind.MAP,
        "x0": BlockKind.TILE,
        "x1": BlockKind.TILE,
        "c0": BlockKind.TILE,
        "c1": BlockKind.TILE,
        "w0": BlockKind.SLOT,
        "w1": BlockKind.SLOT,
        "part": BlockKind.PART,
        "columns": BlockKind.SCRATCH,
    }


def test_a_line_buffer_says_how_many_rows_it_holds() -> None:
    block = next(b for b in blocks_of(planned_by_hand(line_buffer())) if b.name == "lines")
    assert block.kind is BlockKind.LINES
    assert block.holds == "a: 4 of 6 rows of 8 bytes"


def test_a_buffer_of_two_maps_names_both() -> None:
    block = next(b for b in blocks_of(planned_by_hand(whole_layers())) if b.name == "c")
    assert block.holds == "c: all 6 rows of 8 bytes; y: all 6 rows of 8 bytes"


def test_windows_of_streamed_pictures_are_told_apart() -> None:
    hand = streamed()
    windows = {hand.schedule.streamed_input, hand.schedule.streamed_output} - {""}
    assert windows
    kinds = {block.name: block.kind for block in blocks_of(planned_by_hand(hand))}
    assert all(kinds[name] is BlockKind.WINDOW for name in windows)


def test_levels_are_the_bytes_alive_from_each_change_on() -> None:
    buffers = (Buffer("a", 10, 0, 3), Buffer("b", 5, 1, 2), Buffer("c", 5, 2, 4))
    # b ends where c of the same size begins: no change.
    assert levels(buffers) == (Level(0, 10), Level(1, 15), Level(3, 5), Level(4, 0))
    assert levels(()) == (Level(0, 0),)


def test_every_block_lies_where_the_plan_says_and_within_its_banks_peak() -> None:
    planned = report_study().planned
    places = {p.buffer: p for p in planned.plan.placements}
    uses = {use.bank.name: use for use in bank_uses(planned)}
    blocks = blocks_of(planned)
    assert {block.name for block in blocks} == set(places)
    for block in blocks:
        assert (block.bank, block.offset_bytes) == (places[block.name].bank, places[block.name].offset_bytes)
        assert block.offset_bytes + block.size_bytes <= uses[block.bank].peak_bytes
    assert sum(use.peak_bytes for use in uses.values()) == planned.plan.certificate.total_peak_bytes
    assert max(level.size_bytes for level in levels(planned.schedule.buffers)) <= (
        planned.plan.certificate.total_peak_bytes
    )


def test_a_bank_without_buffers_is_listed_as_empty() -> None:
    planned = planned_by_hand(whole_layers())
    planned = replace(planned, plan=replace(planned.plan, peak_bytes=(("tcm", 132), ("axi", 0), ("far", 0))))
    uses = {use.bank.name: use for use in bank_uses(planned)}
    assert uses["tcm"].peak_bytes == 132
    assert uses["far"].peak_bytes == 0
    assert uses["far"].levels == (Level(0, 0),)
