"""Which calls two cores share, what that costs, and how it enters the choice of kernels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.support.graphs import conv, tensor
from tinyanime.boards.loader import load_board
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Add, Concat
from tinyanime.codegen.kernels.catalogue import CATALOGUE, call_work
from tinyanime.codegen.kernels.kernel import cmsis_nn, own
from tinyanime.codegen.kernels.rule import KernelRule, kernel_rule
from tinyanime.codegen.kernels.spec import Work
from tinyanime.codegen.kernels.team import Division, division, team_cores, team_cycles

ADD = Add(name="add", inputs=("a", "b"), output="y")
MUCH = Work(20_000, 20_000, 0, 0)
LITTLE = Work(900, 900, 0, 0)


def wide_layer() -> Graph:
    op = conv("conv", "x", "y", 32, 32)
    op = replace(op, filter=replace(op.filter, scales=np.full(32, 0.001)))
    return Graph("one", ("x",), ("y",), {"x": tensor("x", 16, 32), "y": tensor("y", 16, 32)}, (op,))


def rule(cores: int) -> KernelRule:
    return kernel_rule(replace(load_board("stm32h743"), cores=cores), pinned=True)


def test_all_kernels_of_convolve_h_know_teams_and_none_of_cmsis_nn_does() -> None:
    assert {division(own(kernel.function)) for kernel in CATALOGUE} == {Division.KERNEL}
    assert division(cmsis_nn("arm_convolve_wrapper_s8")) is Division.NONE


def test_work_that_is_not_worth_waking_a_core_is_left_to_one() -> None:
    assert team_cores(own("ta_add_s8"), ADD, 4, MUCH, 2) == 2
    assert team_cores(own("ta_add_s8"), ADD, 4, LITTLE, 2) == 1
    assert team_cores(own("ta_add_s8"), ADD, 4, replace(MUCH, meetings=500), 2) == 1
    assert team_cores(own("ta_add_s8"), ADD, 4, MUCH, 1) == 1


def test_one_row_cannot_be_divided_by_rows_and_one_block_not_by_blocks() -> None:
    assert [team_cores(own("ta_pad_s8"), ADD, rows, MUCH, 2) for rows in (1, 2)] == [1, 2]
    along_height = Concat(name="c", inputs=("a", "b"), output="y", axis=1)
    along_channels = Concat(name="c", inputs=("a", "b"), output="y", axis=3)
    assert team_cores(own("ta_concat_s8"), along_height, 8, MUCH, 2) == 1
    assert [team_cores(own("ta_concat_s8"), along_channels, rows, MUCH, 2) for rows in (1, 2)] == [1, 2]


def test_cores_share_the_cycles_and_pay_for_every_meeting() -> None:
    assert team_cycles(MUCH, 1) == 20_000
    start = team_cycles(MUCH, 2) - 10_000
    assert 0 < start < 1000
    assert team_cycles(replace(MUCH, meetings=7), 2) == 10_000 + start + 700


@pytest.mark.parametrize("cores", [1, 2])
def test_candidates_say_how_many_cores_compute_them_and_cost_accordingly(cores: int) -> None:
    graph = wide_layer()
    own_kernels = [c for c in rule(cores).candidates(graph, graph.ops[0], 8) if c.kernel.block]
    assert {candidate.cores for candidate in own_kernels} == {cores}
    for candidate in own_kernels:
        assert candidate.cost == team_cycles(candidate.work, cores) + candidate.work.weight_bytes
        assert candidate.work == call_work(candidate.kernel, graph, graph.ops[0], 8)


def test_a_second_core_nearly_halves_the_cheapest_kernels_cycles_in_the_same_memory() -> None:
    graph = wide_layer()
    alone, shared = (rule(cores).choose(graph, graph.ops[0], 8) for cores in (1, 2))
    assert shared.kernel.function == alone.kernel.function
    assert shared.scratch_bytes == alone.scratch_bytes
    assert team_cycles(shared.work, 2) < team_cycles(alone.work, 1) / 1.8


def test_only_depthwise_kernels_need_more_working_memory_for_a_second_core() -> None:
    op = conv("conv", "x", "y", 8, 8)
    graph = Graph("one", ("x",), ("y",), {"x": tensor("x", 8, 8), "y": tensor("y", 8, 8)}, (op,))
    for kernel in CATALOGUE:
        if kernel.refusal(graph, op) is None or "depthwise" in kernel.function:
            factor = 2 if "depthwise" in kernel.function else 1
            assert kernel.scratch_bytes(graph, op, 4, 2) == factor * kernel.scratch_bytes(graph, op, 4)
