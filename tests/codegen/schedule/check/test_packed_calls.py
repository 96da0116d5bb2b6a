"""Calls that take packed inputs are right only behind the call that packed them: everything else is rejected."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.channel_ranges import RANGE_KERNELS, RangeCase, range_case
from tests.support.schedule_mutations import Mutant, dropped, late_waits, shifted, short_lived
from tinyanime.codegen.kernels.kernel import Kernel, own
from tinyanime.codegen.schedule.check.check import ScheduleError, check_schedule
from tinyanime.codegen.schedule.plan import Call, Command, Move, Schedule, Span, Step


def rejection(case: RangeCase, schedule: Schedule) -> str:
    """What the checker says; empty where it accepts."""
    try:
        check_schedule(schedule, case.forced.plan, case.forced.banks)
    except ScheduleError as error:
        return str(error)
    return ""


def survivors(case: RangeCase, mutated: Iterator[Mutant]) -> list[str]:
    return [mutant.name for mutant in mutated if not rejection(case, mutant.schedule)]


def with_commands(schedule: Schedule, step: Step, *commands: Command) -> Schedule:
    changed = replace(step, commands=commands)
    return replace(schedule, steps=(*schedule.steps[: step.index], changed, *schedule.steps[step.index + 1 :]))


def first_packed(schedule: Schedule) -> tuple[Step, int, Call]:
    """The first call that takes packed inputs: its step and position."""
    for step in schedule.steps:
        for position, command in enumerate(step.commands):
            if isinstance(command, Call) and command.packed:
                return step, position, command
    raise AssertionError("no call takes packed inputs")


def claims(schedule: Schedule) -> Iterator[Mutant]:
    """Each call that packs inputs takes them as packed instead."""
    for step in schedule.steps:
        for position, command in enumerate(step.commands):
            if isinstance(command, Call) and command.scratch and not command.packed:
                commands = (*step.commands[:position], replace(command, packed=True), *step.commands[position + 1 :])
                name = f"step {step.index}, command {position} claims packed inputs"
                yield Mutant(name, with_commands(schedule, step, *commands))


@pytest.mark.parametrize("function", RANGE_KERNELS)
def test_every_mutant_of_a_schedule_with_packed_inputs_is_rejected(function: str, tmp_path: Path) -> None:
    case = range_case(function, tmp_path)
    assert not rejection(case, case.schedule)
    assert survivors(case, dropped(case.schedule)) == []
    assert survivors(case, late_waits(case.schedule)) == []
    assert survivors(case, short_lived(case.schedule)) == []
    everything = list(shifted(case.schedule))
    assert survivors(case, iter(everything[::5])) == []


@pytest.mark.parametrize(("stage_ops", "same_op"), [(1, True), (3, False)], ids=["other rows", "another operator"])
def test_no_call_takes_the_inputs_of_other_rows_or_of_another_operator(
    stage_ops: int, same_op: bool, tmp_path: Path
) -> None:
    case = range_case("ta_convolve_direct_s8", tmp_path, stage_ops=stage_ops)
    # Working memory is one buffer for a stage, so that what the call before left is really there.
    neighbours = [(a, b) for a, b in pairwise(case.calls) if a.output.rows != b.output.rows or a.op != b.op]
    assert any((a.op == b.op) is same_op and a.scratch == b.scratch != "" for a, b in neighbours)
    messages = [rejection(case, mutant.schedule) for mutant in claims(case.schedule)]
    assert len(messages) > 12
    assert all("packed inputs" in message for message in messages)


def test_working_memory_that_was_moved_or_overwritten_holds_no_packed_inputs(tmp_path: Path) -> None:
    case = range_case("ta_convolve_direct_s8", tmp_path)
    step, position, call = first_packed(case.schedule)
    moved = Move(Span(call.scratch, 32, 32), Span(call.scratch, 0, 32))
    commands = (*step.commands[:position], moved, *step.commands[position:])
    assert "do not hold the packed inputs of" in rejection(case, with_commands(case.schedule, step, *commands))


def with_block(schedule: Schedule, op: int, kernel: Kernel) -> Schedule:
    def changed(command: Command) -> Command:
        return replace(command, kernel=kernel) if isinstance(command, Call) and command.op == op else command

    steps = tuple(replace(step, commands=tuple(changed(c) for c in step.commands)) for step in schedule.steps)
    return replace(schedule, steps=steps)


@pytest.mark.parametrize("function", RANGE_KERNELS)
def test_inputs_of_several_blocks_are_never_packed_for_another_call(function: str, tmp_path: Path) -> None:
    case = range_case(function, tmp_path)
    _, _, call = first_packed(case.schedule)
    assert call.kernel is not None
    smaller = with_block(case.schedule, call.op, own(function, call.kernel.block // 2))
    assert "cannot leave its packed inputs for another call" in rejection(case, smaller)


def test_only_kernels_that_pack_inputs_leave_them_behind(tmp_path: Path) -> None:
    case = range_case("ta_convolve_direct_s8", tmp_path)
    _, _, call = first_packed(case.schedule)
    other = with_block(case.schedule, call.op, own("ta_transpose_convolve_s8", 1024))
    assert rejection(case, other)
