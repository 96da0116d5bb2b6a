"""The rule takes the cheapest kernel that is exact and fits its working memory, from the family that was asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from tests.support.graphs import conv, generator, tensor, with_small_scales
from tinyanime.boards.loader import load_board
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Conv2D, MaxPool, Op, Size2D, UpsampleConv2D
from tinyanime.codegen.kernels.catalogue import CATALOGUE, convolution_kernel
from tinyanime.codegen.kernels.family import KernelFamily
from tinyanime.codegen.kernels.kernel import KernelSource
from tinyanime.codegen.kernels.rule import NO_LIMIT, Candidate, KernelRule, kernel_rule
from tinyanime.codegen.passes.fuse_upsample import fuse_upsample

BOARD = load_board("stm32h743")
ROWS = 8


def rule(family: KernelFamily = KernelFamily.AUTO) -> KernelRule:
    return kernel_rule(BOARD, pinned=True, family=family)


def one_layer(op: Op, channels: int = 32, outputs: int = 32, height: int = 16) -> Graph:
    target = tensor("y", height, outputs)
    return Graph("one", ("x",), ("y",), {"x": tensor("x", height, channels), "y": target}, (op,))


def exact_conv(channels: int = 32, outputs: int = 32, stride: int = 1) -> Conv2D:
    """With scales that every kernel can say."""
    op = conv("conv", "x", "y", channels, outputs, stride)
    return replace(op, filter=replace(op.filter, scales=np.full(outputs, 0.001)))


WIDE = exact_conv()
WIDE_GRAPH = one_layer(WIDE)


def test_the_cheapest_kernel_comes_first_and_is_chosen_where_nothing_limits_it() -> None:
    found = rule()
    candidates = found.candidates(WIDE_GRAPH, WIDE, ROWS)
    costs = [candidate.cost for candidate in candidates]
    assert costs == sorted(costs)
    assert len({candidate.kernel.function for candidate in candidates}) > 2
    fitting = [candidate for candidate in candidates if candidate.scratch_bytes <= found.limits[0]]
    assert found.choose(WIDE_GRAPH, WIDE, ROWS) is fitting[0]
    assert found.choose(WIDE_GRAPH, WIDE, ROWS).kernel.source is KernelSource.TINYANIME


def test_under_every_limit_the_choice_is_the_cheapest_that_fits_it() -> None:
    found = rule()
    candidates = found.candidates(WIDE_GRAPH, WIDE, ROWS)
    sizes = sorted({candidate.scratch_bytes for candidate in candidates})
    assert len(sizes) > 4
    for size in sizes:
        for limit in (size - 1, size):
            fitting = [item for item in candidates if item.scratch_bytes <= min(limit, found.limits[0])]
            if fitting:
                chosen = found.choose(WIDE_GRAPH, WIDE, ROWS, limit)
                assert chosen.scratch_bytes <= limit
                assert chosen.cost == min(item.cost for item in fitting)


def test_where_no_kernel_fits_the_least_memory_is_taken() -> None:
    found = rule()
    least = min(candidate.scratch_bytes for candidate in found.candidates(WIDE_GRAPH, WIDE, ROWS))
    assert least > 0
    assert found.choose(WIDE_GRAPH, WIDE, ROWS, least - 1).scratch_bytes == least
    assert found.choose(WIDE_GRAPH, WIDE, ROWS, 0).scratch_bytes == least


def test_the_first_limit_holds_for_callers_that_set_none() -> None:
    found = rule()
    least = found.choose(WIDE_GRAPH, WIDE, ROWS, 0).scratch_bytes
    tight = KernelRule(KernelFamily.AUTO, found.scratch, (least,))
    assert tight.choose(WIDE_GRAPH, WIDE, ROWS).scratch_bytes == least
    assert tight.choose(WIDE_GRAPH, WIDE, ROWS, NO_LIMIT).scratch_bytes == least


def test_a_smaller_limit_never_gives_a_cheaper_kernel() -> None:
    found = rule()
    costs = [found.choose(WIDE_GRAPH, WIDE, ROWS, limit).cost for limit in found.limits]
    assert list(found.limits) == sorted(found.limits, reverse=True)
    assert costs == sorted(costs)


def test_the_limits_are_shares_of_the_boards_fastest_memory() -> None:
    limits = rule().limits
    dtcm = next(bank for bank in BOARD.memory if bank.name == "dtcm")
    assert 0 < limits[-1] < limits[0] <= dtcm.size_bytes


def test_each_candidate_has_the_working_memory_and_work_of_its_kernel_and_block() -> None:
    for candidate in rule().candidates(WIDE_GRAPH, WIDE, ROWS):
        known = convolution_kernel(candidate.kernel)
        if known is not None:
            assert candidate.scratch_bytes == known.scratch_bytes(WIDE_GRAPH, WIDE, candidate.kernel.block)
            assert candidate.work == known.work(WIDE_GRAPH, WIDE, ROWS, candidate.kernel.block)


def test_what_no_kernel_of_ours_computes_exactly_stays_with_the_plain_one() -> None:
    # Sums beyond what any int16 kernel takes: a scale above one half is no ta_channel.
    op = replace(WIDE, filter=replace(WIDE.filter, scales=np.full(32, 2.0)))
    graph = one_layer(op)
    (only,) = rule().candidates(graph, op, ROWS)
    assert only.kernel.function == "arm_convolve_wrapper_s8"
    refusals = rule().refusals(graph, op)
    assert {refusal.function for refusal in refusals} == {kernel.function for kernel in CATALOGUE}
    direct = next(refusal for refusal in refusals if refusal.function == "ta_convolve_direct_s8")
    assert "channel 0 is rescaled by" in direct.reason


@pytest.mark.parametrize("op", [WIDE, exact_conv(stride=2), exact_conv(3, 32)], ids=["3x3", "stride 2", "picture"])
def test_a_kernel_is_either_a_candidate_or_refused_with_a_reason(op: Conv2D) -> None:
    graph = one_layer(op, op.filter.values.shape[3], height=16 if op.stride.height == 1 else 8)
    graph = replace(graph, tensors={**graph.tensors, "x": tensor("x", 16, op.filter.values.shape[3])})
    found = rule()
    candidates = {item.kernel.function for item in found.candidates(graph, op, 4)}
    refused = {refusal.function: refusal.reason for refusal in found.refusals(graph, op)}
    for kernel in CATALOGUE:
        assert (kernel.function in candidates) != (kernel.function in refused)
    assert all(reason.strip() == reason != "" for reason in refused.values())


def functions(found: KernelRule, graph: Graph, op: Op) -> set[str]:
    return {candidate.kernel.function for candidate in found.candidates(graph, op, 1)}


def test_plain_cmsis_nn_never_takes_an_int16_kernel() -> None:
    own = {kernel.function for kernel in CATALOGUE}
    graph = with_small_scales(generator(32))
    assert any(functions(rule(), graph, op) & own for op in graph.ops)
    for op in graph.ops:
        candidates = rule(KernelFamily.CMSIS_NN).candidates(graph, op, 1)
        assert len(candidates) == 1
        assert not functions(rule(KernelFamily.CMSIS_NN), graph, op) & own
    convolutions = [op for op in graph.ops if isinstance(op, Conv2D)]
    assert all(functions(rule(KernelFamily.CMSIS_NN), graph, op) == {"arm_convolve_wrapper_s8"} for op in convolutions)


def test_the_reference_takes_our_portable_kernels_only() -> None:
    graph = generator(32)
    for op in graph.ops:
        (candidate,) = rule(KernelFamily.REFERENCE).candidates(graph, op, 1)
        assert candidate.kernel.source is KernelSource.TINYANIME
        assert candidate.kernel.block == 0
        assert candidate.scratch_bytes == 0


def test_esp_nn_is_taken_where_its_working_memory_fits_and_ours_elsewhere() -> None:
    found = rule(KernelFamily.ESP_NN)
    theirs, ours = found.candidates(WIDE_GRAPH, WIDE, ROWS)
    assert (theirs.kernel.function, theirs.kernel.source) == ("esp_nn_conv_s8", KernelSource.ESP_NN)
    assert (ours.kernel.function, ours.scratch_bytes) == ("ta_convolve_grouped_s8", 0)
    assert theirs.scratch_bytes > 0
    assert found.choose(WIDE_GRAPH, WIDE, ROWS, theirs.scratch_bytes) is theirs
    assert found.choose(WIDE_GRAPH, WIDE, ROWS, theirs.scratch_bytes - 1) is ours
    assert not found.refusals(WIDE_GRAPH, WIDE)
    dilated = replace(WIDE, dilation=Size2D(2, 2))
    graph = one_layer(dilated)
    assert functions(found, graph, dilated) == {"ta_convolve_grouped_s8"}
    assert [refusal.function for refusal in found.refusals(graph, dilated)] == ["esp_nn_conv_s8"]


def test_calls_of_esp_nn_are_preferred_to_ours_on_two_cores_and_made_by_one() -> None:
    found = kernel_rule(load_board("esp32s3"), pinned=True, family=KernelFamily.ESP_NN)
    theirs, ours = found.candidates(WIDE_GRAPH, WIDE, ROWS)
    assert (theirs.kernel.source, theirs.cores, ours.cores) == (KernelSource.ESP_NN, 1, 2)


@pytest.mark.parametrize("family", [KernelFamily.CMSIS_NN, KernelFamily.REFERENCE])
def test_families_without_a_choice_have_one_limit_and_one_height(family: KernelFamily) -> None:
    assert rule(family).limits == (NO_LIMIT,)
    assert rule(family).least_rows == (1,)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unknown(Op):
    """No kernel computes this."""


@pytest.mark.parametrize("family", KernelFamily)
def test_an_operator_without_a_kernel_is_an_error(family: KernelFamily) -> None:
    op = _Unknown(name="odd", inputs=("x",), output="y")
    with pytest.raises(TypeError, match="no kernel for _Unknown"):
        rule(family).candidates(one_layer(op), op, 1)


def test_an_upsampling_that_no_kernel_computes_is_an_error() -> None:
    scales = np.full(32, 2.0)  # What the pass would not have joined.
    op = UpsampleConv2D(name="up", inputs=("x",), output="y", filter=replace(WIDE.filter, scales=scales))
    graph = one_layer(op)
    graph = replace(graph, tensors={"x": tensor("x", 8, 32), "y": tensor("y", 16, 32)})
    with pytest.raises(TypeError, match=r"no kernel for UpsampleConv2D 'up'"):
        rule().candidates(graph, op, 2)


def test_an_upsampling_with_its_convolution_has_one_kernel() -> None:
    graph = fuse_upsample(generator(32), lambda _: True)
    op = next(op for op in graph.ops if isinstance(op, UpsampleConv2D))
    exact = replace(op, filter=replace(op.filter, scales=op.filter.scales / 64))
    graph = replace(graph, ops=tuple(exact if other is op else other for other in graph.ops))
    assert functions(rule(), graph, exact) == {"ta_upsample_convolve_s8"}


def by_name(found: KernelRule, graph: Graph) -> dict[str, Candidate]:
    return {op.name: found.choose(graph, op, 2) for op in graph.ops}


def test_one_rule_serves_many_graphs_whose_operators_have_the_same_names() -> None:
    shared = rule()
    for channels in (8, 32, 64, 32):
        for height in (16, 32):
            op = exact_conv(channels, channels)
            graph = one_layer(op, channels, channels, height)
            assert by_name(shared, graph) == by_name(rule(), graph)


def test_what_a_rule_keeps_outlives_the_graphs_it_was_asked_about() -> None:
    """Results are kept by the operators' identities, which must not be given to others."""
    shared = rule()
    for turn in range(200):
        outputs = 4 + 4 * (turn % 5)
        op = exact_conv(4, outputs)
        graph = one_layer(op, 4, outputs)
        known = shared.candidates(graph, op, 2)
        assert shared.candidates(graph, op, 2) is known
        work = known[-1].work.instructions
        assert work == rule().candidates(graph, op, 2)[-1].work.instructions
        del op, graph


def test_pools_have_scratch_by_cmsis_nn_and_none_by_ours() -> None:
    pool = MaxPool(name="pool", inputs=("x",), output="y", kernel=Size2D(1, 1), stride=Size2D(1, 1))
    graph = one_layer(pool)
    assert functions(rule(KernelFamily.REFERENCE), graph, pool) == {"ta_pool_s8"}
    assert functions(rule(), graph, pool) == {"arm_max_pool_s8"}


def test_weights_read_from_flash_count_in_what_a_candidate_costs() -> None:
    for candidate in rule().candidates(WIDE_GRAPH, WIDE, ROWS):
        assert candidate.cost == candidate.work.cycles + candidate.work.weight_bytes
    # The plain kernel reads 9,216 bytes of weights for every two pixels.
    plain = next(c for c in rule().candidates(WIDE_GRAPH, WIDE, ROWS) if c.kernel.source is KernelSource.CMSIS_NN)
    assert plain.work.weight_bytes == 9216 * ROWS * 16 // 2
