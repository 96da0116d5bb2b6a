"""Executions on the emulated core, and passages inferred from them."""

from __future__ import annotations

from pathlib import Path

import pytest
from unicorn import arm_const

from tests.support.m7_program import linked
from tinyanime.codegen.errors import ToolError
from tinyanime.host.cycle_model import CycleModel, ExecutedBlock, MemoryCosts, functions_of
from tinyanime.host.cycle_model.execution import BlockCounts, MachineCode, load_function, run_with_block_counts
from tinyanime.host.cycle_model.flow import infer_passages
from tinyanime.host.emulate.block_counter import BlockCounter

_NESTED = """
.global rows
.type rows, %function
rows: push {r4, lr}
 mov r4, r0
1: mov r0, r1
 bl sum
 subs r4, #1
 bne 1b
 pop {r4, pc}
.size rows, . - rows
.type sum, %function
sum: movs r2, #0
2: add r2, r2, r0
 tst r0, #1
 beq 3f
 eor r2, r2, #5
3: subs r0, #1
 bne 2b
 mov r0, r2
 bx lr
.size sum, . - sum
"""

_APART = """
.global apart
.type apart, %function
apart: movs r2, #0
 b 1f
1: mov r1, r0
 b 2f
2: add r2, r2, r1
 tst r1, #1
 beq 3f
 eor r2, r2, #5
 b 3f
3: subs r1, #1
 bne 2b
 b 4f
4: subs r0, #1
 bne 1b
 bx lr
.size apart, . - apart
"""
"""No block begins within another one."""


def _run(folder: Path, text: str, name: str, *arguments: int) -> tuple[BlockCounts, CycleModel]:
    image = linked(folder, text)
    machine, entry = load_function(image, name)
    counts = run_with_block_counts(machine, entry, arguments)
    return counts, CycleModel(MachineCode(machine), functions_of(image))


def test_blocks_times_executions_are_the_counted_instructions(tmp_path: Path) -> None:
    counts, model = _run(tmp_path, _NESTED, "rows", 7, 10)
    executed = sum(len(model.instructions((b.address, b.size))) * b.executions for b in counts.blocks)
    inner = 10 * 5 + 5  # The odd ones have one instruction more.
    assert executed == counts.instructions == 2 + 7 * (1 + 1 + 1 + inner + 2 + 2) + 1


def test_each_passage_ends_where_a_block_was_executed(tmp_path: Path) -> None:
    counts, _ = _run(tmp_path, _NESTED, "rows", 7, 10)
    for block in counts.blocks:
        key = (block.address, block.size)
        assert sum(one.executions for one in counts.passages if one.to == key) == block.executions


def test_what_a_function_returns_is_handed_back(tmp_path: Path) -> None:
    counts, _ = _run(tmp_path, "f: add r0, r0, r1\n sub r0, r0, r2, lsl #1\n bx lr\n", "f", 3, 4, 9)
    assert counts.result == 3 + 4 - 18


def test_code_in_more_than_one_translated_piece_is_counted_once(tmp_path: Path) -> None:
    counts, model = _run(tmp_path, "f:\n.rept 3000\n add.w r0, r0, #1\n.endr\n bx lr\n", "f")
    assert (counts.instructions, counts.result) == (3001, 3000)
    assert len(counts.blocks) > 1
    report = model.report(counts.blocks, MemoryCosts(), passages=counts.passages)
    assert report.pipeline_cycles == pytest.approx(3000, abs=2)


def test_inferred_passages_are_the_measured_ones_where_branches_are_direct(tmp_path: Path) -> None:
    counts, model = _run(tmp_path, _APART, "apart", 9)
    code = {(b.address, b.size): model.instructions((b.address, b.size)) for b in counts.blocks}
    inferred = {(p.origin, p.to): p.executions for p in infer_passages(counts.blocks, code)}
    assert inferred == {(p.origin, p.to): p.executions for p in counts.passages}


def test_inferred_passages_carry_every_execution(tmp_path: Path) -> None:
    counts, model = _run(tmp_path, _NESTED, "rows", 3, 8)
    code = {(b.address, b.size): model.instructions((b.address, b.size)) for b in counts.blocks}
    passages = infer_passages(counts.blocks, code)
    for block in counts.blocks:
        key = (block.address, block.size)
        assert sum(p.executions for p in passages if p.to == key) == block.executions


def test_cycles_from_executions_alone_are_near_those_from_passages(tmp_path: Path) -> None:
    counts, model = _run(tmp_path, _NESTED, "rows", 20, 30)
    measured = model.report(counts.blocks, MemoryCosts(), passages=counts.passages)
    inferred = model.report(counts.blocks, MemoryCosts())
    assert inferred.pipeline_cycles == pytest.approx(measured.pipeline_cycles, rel=0.05)
    assert inferred.instructions == measured.instructions


def test_a_fault_is_reported_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="faults at 0x0800000"):
        _run(tmp_path, "f: movs r0, #0\n ldr r0, [r0]\n bx lr\n", "f")


def test_one_machine_runs_several_calls_each_counted_alone(tmp_path: Path) -> None:
    machine, entry = load_function(linked(tmp_path, ".global f\nf: subs r0, #1\n bne f\n bx lr\n"), "f")
    counts = [run_with_block_counts(machine, entry, [turns]).instructions for turns in (3, 50, 3)]
    assert counts == [7, 101, 7]


def test_a_missing_function_is_named(tmp_path: Path) -> None:
    image = linked(tmp_path, ".global f\nf: bx lr\n")
    with pytest.raises(ToolError, match="no function g") as failure:
        load_function(image, "g")
    assert failure.value.hint


def test_a_new_profile_is_empty_and_a_full_one_is_refused(tmp_path: Path) -> None:
    machine, entry = load_function(linked(tmp_path, ".global f\nf: adds r0, #1\n bx lr\n"), "f")
    counter = BlockCounter(machine)
    counter.start_profile()
    machine.reg_write(arm_const.UC_ARM_REG_LR, 0x1000_0001)
    machine.emu_start(entry | 1, 0x1000_0000)
    (passage,) = counter.passages()
    assert (passage.from_size, passage.address, passage.size, passage.executions) == (0, entry, 4, 1)
    counter.start_profile()
    assert counter.passages() == ()
    counter._profile[0] = b"\x01"  # The count of lost executions.
    with pytest.raises(ToolError, match="1 executions were not counted"):
        counter.passages()


def test_a_block_without_a_known_predecessor_begins_alone(tmp_path: Path) -> None:
    counts, model = _run(tmp_path, "f: eor r0, r1, r2\n eor r3, r1, r2\n bx lr\n", "f")
    (block,) = counts.blocks
    report = model.report([ExecutedBlock(block.address, block.size, 1)], MemoryCosts())
    assert report.pipeline_cycles == 1.5
