"""Slots by themselves: which tile is replaced, and when a copy begins."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyanime.codegen.schedule.plan import WeightSpan
from tinyanime.codegen.schedule.transfers.slots import Assignment, Clock, Use, assign_slots


def tile(number: int) -> WeightSpan:
    return WeightSpan(number, 0, 100)


def uses(tiles: list[int], spacing: int = 1) -> tuple[Use, ...]:
    """Every `spacing`-th call uses the next tile."""
    return tuple(Use(spacing * i, tile(number)) for i, number in enumerate(tiles))


def clock(calls: int, call_cycles: int, transfer_cycles: int) -> Clock:
    return Clock(tuple(call_cycles * gap for gap in range(calls + 1)), lambda source: transfer_cycles)


def fewest_loads(tiles: tuple[int, ...], slots: int) -> int:
    """By trying every choice of slot for every load."""

    @cache
    def loads(at: int, held: tuple[int, ...]) -> int:
        if at == len(tiles):
            return 0
        if tiles[at] in held:
            return loads(at + 1, held)
        choices = {tuple(sorted((*held[:i], tiles[at], *held[i + 1 :]))) for i in range(slots)}
        return 1 + min(loads(at + 1, choice) for choice in choices)

    return loads(0, (-1,) * slots)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=14), st.integers(2, 3))
def test_where_copies_take_no_time_no_order_of_replacement_loads_less(tiles: list[int], slots: int) -> None:
    assigned = assign_slots(uses(tiles), slots, clock(len(tiles), 10, 0))
    assert len(assigned.loads) == fewest_loads(tuple(tiles), slots)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=20),
    st.integers(2, 4),
    st.integers(1, 3),
    st.integers(0, 40),
)
def test_every_use_finds_its_tile_in_a_slot_that_was_free_when_the_copy_began(
    tiles: list[int], slots: int, spacing: int, transfer_cycles: int
) -> None:
    wanted = uses(tiles, spacing)
    assigned = assign_slots(wanted, slots, clock(len(tiles) * spacing, 10, transfer_cycles))
    for number, use in enumerate(wanted):
        slot = assigned.slot_of[number]
        last = max((load for load in assigned.loads if load.slot == slot and load.gap <= use.call), key=lambda x: x.gap)
        assert last.source == use.source
        for earlier in range(number):
            if assigned.slot_of[earlier] == slot and wanted[earlier].source != use.source:
                assert last.gap > wanted[earlier].call
    gaps = [load.gap for load in assigned.loads]
    assert gaps == sorted(gaps)


def gaps(assigned: Assignment) -> list[int]:
    return [load.gap for load in assigned.loads]


def test_three_tiles_in_rotation_over_two_slots_are_always_one_call_ahead() -> None:
    """The tile that is needed again latest is the one in use: replacing it would stop the core."""
    assigned = assign_slots(uses([0, 1, 2] * 3), 2, clock(9, 10, 10))
    assert assigned.slot_of == (0, 1, 0, 1, 0, 1, 0, 1, 0)
    assert gaps(assigned) == [0, 0, 1, 2, 3, 4, 5, 6, 7]


def test_with_enough_calls_between_the_tile_needed_latest_is_replaced_although_it_was_used_last() -> None:
    assigned = assign_slots(uses([0, 1, 2, 0, 1, 2], spacing=3), 2, clock(18, 10, 15))
    assert [load.source.op for load in assigned.loads if isinstance(load.source, WeightSpan)] == [0, 1, 2, 1]
    assert gaps(assigned) == [0, 0, 4, 10]


def test_the_first_load_of_a_slot_begins_two_transfer_times_ahead_and_not_at_once() -> None:
    assigned = assign_slots((Use(50, tile(0)),), 2, clock(60, 10, 25))
    assert gaps(assigned) == [45]


def test_a_copy_never_begins_before_its_bytes_are_complete() -> None:
    assigned = assign_slots((Use(5, tile(0), ready=4), Use(6, tile(1), ready=6)), 2, clock(8, 10, 100))
    assert gaps(assigned) == [4, 6]


def test_a_call_that_uses_more_tiles_than_there_are_slots_is_refused() -> None:
    with pytest.raises(ValueError, match="call 0 uses more tiles than there are slots"):
        assign_slots((Use(0, tile(0)), Use(0, tile(1)), Use(0, tile(2))), 2, clock(1, 10, 0))
