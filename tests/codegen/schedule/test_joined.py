"""The network with joined operators is planned where that is faster, the network as it is where memory counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.models.builders import QdqBuilder, save
from tinyanime.boards.loader import load_board
from tinyanime.boards.schema import Board, MemoryUse
from tinyanime.codegen.errors import DoesNotFitError
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import UpsampleConv2D
from tinyanime.codegen.kernels.family import KernelFamily
from tinyanime.codegen.kernels.prepare import graph_for_kernels
from tinyanime.codegen.kernels.rule import KernelRule, kernel_rule
from tinyanime.codegen.pipeline import load_and_prepare
from tinyanime.codegen.schedule.choose import Optimize, PlannedSchedule, ScheduleOptions, choose_schedule
from tinyanime.codegen.schedule.joined import choose_joined_schedule
from tinyanime.codegen.schedule.kernel_text import format_kernels, study_kernels
from tinyanime.codegen.schedule.kernels import schedule_kernels

BOARD = load_board("stm32h743")


def upsampling_network(folder: Path) -> Graph:
    builder = QdqBuilder(5, name="up")
    x = builder.conv(builder.input((1, 3, 16, 16)), 24, relu=True)
    x = builder.conv(builder.resize(x, (2, 2)), 16, relu=True)
    return load_and_prepare(save(builder.finish(builder.conv(x, 3)), folder / "model.onnx"))


def rule(board: Board = BOARD, family: KernelFamily = KernelFamily.AUTO) -> KernelRule:
    return kernel_rule(board, pinned=True, family=family)


def joins(planned: PlannedSchedule) -> bool:
    return any(isinstance(op, UpsampleConv2D) for op in planned.schedule.graph.ops)


def peak(planned: PlannedSchedule) -> int:
    return planned.plan.certificate.total_peak_bytes


def with_ram_bytes(size: int) -> Board:
    """The stm32h743 with one memory of this size beside stack and data."""
    data = replace(BOARD.region("dtcm"), uses=(MemoryUse.DATA, MemoryUse.STACK))
    ram = replace(BOARD.region("dtcm"), name="ram", base=data.end, size_bytes=size, uses=(MemoryUse.ACTIVATIONS,))
    return replace(BOARD, memory=(BOARD.region("flash"), data, ram), tile_dma=None)


def test_operators_are_joined_for_speed(tmp_path: Path) -> None:
    graph = upsampling_network(tmp_path)
    planned = choose_joined_schedule(graph, BOARD, rule())
    assert joins(planned)
    apart = choose_schedule(graph, BOARD, rule())
    assert planned.timeline.total_cycles < apart.timeline.total_cycles


def test_for_memory_the_smaller_of_both_plans_wins(tmp_path: Path) -> None:
    graph = upsampling_network(tmp_path)
    options = ScheduleOptions(Optimize.RAM)
    planned = choose_joined_schedule(graph, BOARD, rule(), options)
    joined = choose_schedule(graph_for_kernels(graph, rule()), BOARD, rule(), options)
    plain = choose_schedule(graph, BOARD, rule().smallest(), options)
    assert peak(planned) == min(peak(joined), peak(plain))
    assert peak(plain) < peak(joined)
    assert not joins(planned)


def test_where_only_the_network_as_it_is_fits_it_is_taken(tmp_path: Path) -> None:
    graph = upsampling_network(tmp_path)
    least = peak(choose_joined_schedule(graph, BOARD, rule(), ScheduleOptions(Optimize.RAM)))
    board = with_ram_bytes(least + 64)
    with pytest.raises(DoesNotFitError):
        choose_schedule(graph_for_kernels(graph, rule(board)), board, rule(board))
    planned = choose_joined_schedule(graph, board, rule(board))
    assert not joins(planned)
    assert peak(planned) <= least + 64


@pytest.mark.parametrize("family", KernelFamily)
def test_where_nothing_fits_the_error_says_so(family: KernelFamily, tmp_path: Path) -> None:
    board = with_ram_bytes(1024)
    with pytest.raises(DoesNotFitError):
        choose_joined_schedule(upsampling_network(tmp_path), board, rule(board, family))


@pytest.mark.parametrize("family", [KernelFamily.CMSIS_NN, KernelFamily.REFERENCE])
@pytest.mark.parametrize("optimize", [Optimize.TIME, Optimize.RAM])
def test_families_without_joined_operators_plan_the_network_as_it_is(
    family: KernelFamily, optimize: Optimize, tmp_path: Path
) -> None:
    graph = upsampling_network(tmp_path)
    planned = choose_joined_schedule(graph, BOARD, rule(family=family), ScheduleOptions(optimize))
    assert not joins(planned)


def test_portable_kernels_serve_where_no_other_leaves_room(tmp_path: Path) -> None:
    graph = upsampling_network(tmp_path)
    ram = ScheduleOptions(Optimize.RAM)
    size = peak(choose_schedule(graph, BOARD, rule().portable(), ram))
    tight = with_ram_bytes(size + 16)
    with pytest.raises(DoesNotFitError):
        choose_schedule(graph, tight, rule(tight).smallest(), ram)
    planned = choose_joined_schedule(graph, tight, rule(tight))
    assert "ta_convolve_grouped_s8" in {kernel.function for kernel in schedule_kernels(planned.schedule)}
    text = format_kernels(study_kernels(planned.schedule, rule(tight)))
    assert "ta_convolve_grouped_s8" in text
