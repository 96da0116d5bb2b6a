"""Which plans a report compares."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.graphs import generator
from tests.support.report_study import report_study
from tests.support.rules import no_scratch
from tinyanime.boards.loader import load_board
from tinyanime.boards.schema import Board, MemoryUse
from tinyanime.codegen.errors import DoesNotFitError
from tinyanime.codegen.schedule.choose import Optimize, ScheduleOptions
from tinyanime.codegen.schedule.strips.build import build_schedule
from tinyanime.codegen.schedule.strips.layout import whole_layer_layout
from tinyanime.host.report.page import choices_of
from tinyanime.host.report.study import Study, alive_bytes, make_study, schedule_instructions, title_of


def small_board(free_bytes: int) -> Board:
    """An mps2-an500 with one bank of `free_bytes` for buffers."""
    board = load_board("mps2-an500")
    regions = tuple(
        replace(region, size_bytes=free_bytes)
        if MemoryUse.ACTIVATIONS in region.uses and MemoryUse.DATA not in region.uses
        else replace(region, uses=tuple(use for use in region.uses if use is not MemoryUse.ACTIVATIONS))
        for region in board.memory
    )
    return replace(board, memory=regions)


def study_of(board: Board, options: ScheduleOptions | None = None) -> Study:
    return make_study("g.onnx", generator(32), board, no_scratch, options or ScheduleOptions())


def test_a_plan_with_transfers_is_compared_with_itself_without() -> None:
    study = report_study()
    assert [choice.title for choice in choices_of(study)] == [
        "fast",
        "fast, without DMA",
        "least memory",
        "layer by layer",
    ]
    without = study.alternatives[0].planned
    assert without is not None
    assert without.timeline.transferred_bytes == 0 < study.planned.timeline.transferred_bytes
    assert without.timeline.total_cycles > study.planned.timeline.total_cycles


def test_a_plan_without_transfers_has_no_such_alternative() -> None:
    study = study_of(load_board("mps2-an500"))
    assert [choice.title for choice in choices_of(study)] == ["fast", "least memory", "layer by layer"]


def test_copies_by_the_core_are_not_called_dma() -> None:
    without, with_them = ScheduleOptions(transfers=False), ScheduleOptions(transfers=True)
    assert title_of(without, load_board("stm32h743")) == "fast, without DMA"
    assert title_of(with_them, load_board("mps2-an500")) == "fast, with copies"


def test_a_title_leaves_out_what_goes_without_saying() -> None:
    board = load_board("stm32h743")
    titles = [title_of(ScheduleOptions(goal, transfers=dma), board) for goal in Optimize for dma in (False, None, True)]
    assert titles == [
        *("fast, without DMA", "fast", "fast"),
        *("least memory", "least memory", "least memory, with DMA"),
        *("layer by layer",) * 3,
    ]


def test_layer_by_layer_is_listed_once_when_it_is_what_was_asked_for() -> None:
    study = study_of(load_board("mps2-an500"), ScheduleOptions(Optimize.LAYERS))
    assert [choice.title for choice in choices_of(study)] == ["layer by layer", "fast", "least memory"]
    assert study.instructions == study.whole_layer_instructions


def test_an_alternative_that_does_not_fit_says_what_it_would_need() -> None:
    graph = generator(32)
    whole = build_schedule(graph, whole_layer_layout(graph), no_scratch)
    needed = alive_bytes(whole)
    study = study_of(small_board(needed - 32))
    layers = choices_of(study)[-1]
    assert (layers.title, layers.cycles, layers.peak_bytes) == ("layer by layer", None, needed)
    assert "does not fit" in layers.refusal
    assert layers.instructions == schedule_instructions(whole) == study.whole_layer_instructions


def test_a_network_that_fits_in_no_way_is_refused_with_the_largest_picture_that_would_fit() -> None:
    with pytest.raises(DoesNotFitError) as caught:
        study_of(small_board(1024))
    assert "picture" in caught.value.hint


def test_alive_bytes_are_those_of_the_fullest_step() -> None:
    schedule = report_study().planned.schedule
    fullest = max(
        sum(b.size_bytes for b in schedule.buffers if b.first_step <= step < b.end_step)
        for step in range(len(schedule.steps))
    )
    assert alive_bytes(schedule) == fullest
