from __future__ import annotations

import pytest

from tests.support.m7_program import decoded
from tinyanime.host.cycle_model.pipeline import Pipeline, issue_cycles, loop_cycles, repeated_cycles

_BLOCK = (
    ("smlad r3, r9, r11, r3", "ldr.w r9, [r12], #4"),
    ("smlad r4, r8, r10, r4", "tst.w r12, #0xff0"),
    ("smlad r5, r8, r11, r5", "ldr.w r8, [r12], #4"),
    ("smlad r6, r9, r10, r6", "ldr.w r10, [lr], #8"),
    ("smlad r7, r9, r11, r7", "ldr.w r11, [lr, #-4]"),
    ("smlad r0, r8, r10, r0", "ldr.w r9, [r12], #4"),
    ("smlad r1, r8, r11, r1", "ldr.w r8, [r12], #4"),
    ("smlad r2, r9, r10, r2", "bne.w 1b"),
)
"""A register block of four channels and two positions, its loads two cycles ahead of their use."""


_PAUSE = ("nop.w", "nop.w")


def test_eight_dual_products_six_loads_and_the_loop_take_eight_cycles() -> None:
    assert loop_cycles(decoded("1:", *(line for pair in _BLOCK for line in pair))) == 8


def test_a_loop_that_loads_first_waits_for_its_loads() -> None:
    loads = ["ldr.w r8, [r12], #4", "ldr.w r9, [lr], #4"]
    products = [f"smlad r{index}, r8, r9, r{index}" for index in range(4)]
    assert loop_cycles(decoded("1:", *loads, *products, "subs r10, #1", "bne.w 1b")) == 2 + 1 + 4 + 1


def test_a_doubled_load_costs_its_cycle_beside_products() -> None:
    products = [f"smlad r{index}, r8, r9, r{index}" for index in range(4)]
    single = repeated_cycles(decoded("ldr.w r10, [r12], #4", *products, "ldr.w r11, [r12], #4"))
    doubled = repeated_cycles(decoded("ldrd r10, r11, [r12], #8", *products))
    assert (single, doubled) == (4, 5)


def test_an_instruction_behind_a_waiting_one_waits_too() -> None:
    code = decoded("ldrb.w r0, [r1]", "nop.w", "eor.w r2, r0, r0", "eor.w r3, r4, r5")
    assert issue_cycles(code) == (0, 0, 2, 2)


def test_unrelated_addresses_are_kept_apart_unless_told_otherwise() -> None:
    code = decoded("ldr.w r0, [r1]", "ldr.w r2, [r3]")
    reached = []
    for conflict in (True, False):
        pipeline = Pipeline(banks_unknown_conflict=conflict)
        pipeline.run(code)
        reached.append(pipeline.position)
    assert reached == [1.5, 1.0]


def test_banks_are_followed_through_moved_and_copied_bases() -> None:
    apart = decoded("mov.w r3, r1", "add.w r3, r3, #12", *_PAUSE, "ldr.w r0, [r1], #8", "ldr.w r2, [r3]")
    same = decoded("mov.w r3, r1", "add.w r3, r3, #8", *_PAUSE, "ldr.w r0, [r1], #8", "ldr.w r2, [r3]")
    assert issue_cycles(apart)[4:] == (2, 2)
    assert issue_cycles(same)[4:] == (2, 3)


def test_a_base_that_was_overwritten_is_unrelated() -> None:
    code = decoded("eor.w r1, r1, r4", "nop.w", "nop.w", "nop.w", "ldr.w r0, [r1]", "ldr.w r2, [r5, #4]")
    assert issue_cycles(code)[4:] == (2, 3)


def test_bytes_go_into_the_store_buffer_until_it_stands() -> None:
    assert issue_cycles(decoded(*["strb.w r0, [r1]"] * 8)) == (0, 1, 2, 3, 4, 5, 7, 11)


def test_two_stores_or_two_branches_take_two_cycles() -> None:
    assert issue_cycles(decoded("str.w r0, [r1]", "str.w r2, [r1, #4]")) == (0, 1)
    assert issue_cycles(decoded("beq.w .", "bne.w .")) == (0, 1)


def test_a_taken_branch_leaves_the_younger_slot_empty() -> None:
    alone = decoded("1:", "eor.w r0, r1, r2", "eor.w r3, r4, r5", "bne.w 1b")
    paired = decoded("1:", "eor.w r0, r1, r2", "eor.w r3, r4, r5", "eor.w r6, r7, r8", "bne.w 1b")
    assert loop_cycles(alone) == loop_cycles(paired) == 2


@pytest.mark.parametrize(("between", "distance"), [(0, 0), (4, 2), (6, 3)])
def test_the_distance_from_flags_to_branch_is_known(between: int, distance: int) -> None:
    pipeline = Pipeline()
    pipeline.run(decoded("subs.w r0, r0, #1", *["nop.w"] * between, "bne.w ."))
    assert pipeline.flags_distance == distance
