"""What the picture of core and DMA shows of a plan."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from tests.support.hand_schedules import transfers
from tests.support.report_study import report_study
from tinyanime.codegen.schedule.plan import Span, Start, Transfer
from tinyanime.host.report.course import Activity, course_of, transfer_ops


def test_each_transfer_works_for_the_operator_that_needs_or_made_its_bytes() -> None:
    served = transfer_ops(transfers().schedule)
    # Tiles of x and weights are the convolution's, and so are its results on their way to the map.
    assert served == dict.fromkeys(range(6), 0)


def test_rows_on_their_way_to_a_tile_belong_to_the_call_that_reads_it() -> None:
    schedule = transfers().schedule
    rows = Span("c", 0, 256)
    early = Start(Transfer(6, 3, rows, Span("late", 0, 256)))
    call = schedule.steps[2].calls[0]
    late = replace(call, inputs=(replace(call.inputs[0], buffer="late"),))
    first, second, third = schedule.steps
    steps = (first, replace(second, commands=(*second.commands, early)), replace(third, commands=(late,)))
    assert transfer_ops(replace(schedule, steps=steps))[6] == 1


def test_works_follow_one_another_and_add_up_to_the_timeline() -> None:
    planned = report_study().planned
    course = course_of(planned, has_dma=True)
    assert course.works[0].begin_cycle == 0
    assert all(one.end_cycle == other.begin_cycle for one, other in pairwise(course.works))
    assert course.works[-1].end_cycle == planned.timeline.total_cycles == course.step_begin[-1]
    stalls = sum(w.end_cycle - w.begin_cycle for w in course.works if w.activity is Activity.STALL)
    assert stalls == planned.timeline.stall_cycles
    kernels = sum(w.end_cycle - w.begin_cycle for w in course.works if w.activity is Activity.KERNEL)
    assert kernels == planned.timeline.compute_cycles
    assert list(course.step_begin) == sorted(course.step_begin)


def test_transfers_are_those_of_the_timeline_on_the_channels_of_the_schedule() -> None:
    planned = report_study().planned
    course = course_of(planned, has_dma=True)
    assert course.transfers
    assert sum(t.size_bytes for t in course.transfers) == planned.timeline.transferred_bytes
    channels = {
        command.transfer.index: command.transfer.channel
        for step in planned.schedule.steps
        for command in step.commands
        if isinstance(command, Start)
    }
    assert {t.index: t.channel for t in course.transfers} == channels
    assert all(t.is_weights and t.what.startswith("weights of ") for t in course.transfers)


def test_without_a_dma_there_are_no_transfers_beside_the_core() -> None:
    assert course_of(report_study().planned, has_dma=False).transfers == ()
