"""What is joined for our kernels: only where they may be chosen, and only where they are exact."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.models.builders import QdqBuilder, save
from tests.support.onnx_oracle import random_inputs
from tinyanime.boards.loader import load_board
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Conv2D, Op, UpsampleConv2D
from tinyanime.codegen.ir.rescale import conv_multipliers
from tinyanime.codegen.kernels.family import KernelFamily
from tinyanime.codegen.kernels.prepare import graph_for_kernels
from tinyanime.codegen.kernels.rule import KernelRule, kernel_rule
from tinyanime.codegen.pipeline import load_and_prepare
from tinyanime.codegen.reference import run_reference


def rule(family: KernelFamily = KernelFamily.AUTO) -> KernelRule:
    return kernel_rule(load_board("stm32h743"), pinned=True, family=family)


def upsampling_network(folder: Path) -> Graph:
    """Twice an upsampling by 2 with a 3x3 convolution behind it."""
    builder = QdqBuilder(5, name="up")
    x = builder.conv(builder.input((1, 3, 6, 6), zero_point=4), 8, relu=True)
    x = builder.conv(builder.resize(x, (2, 2)), 6, relu=True)
    return load_and_prepare(save(builder.finish(builder.conv(builder.resize(x, (2, 2)), 3)), folder / "model.onnx"))


def joined(graph: Graph) -> list[str]:
    return [op.name for op in graph.ops if isinstance(op, UpsampleConv2D)]


def convolutions_behind_upsamplings(graph: Graph) -> list[Conv2D]:
    resized = {op.output for op in graph.ops if type(op).__name__ == "ResizeNearest"}
    return [op for op in graph.ops if isinstance(op, Conv2D) and op.inputs[0] in resized]


def test_upsamplings_are_joined_with_their_convolutions_and_no_integer_changes(tmp_path: Path) -> None:
    graph = upsampling_network(tmp_path)
    prepared = graph_for_kernels(graph, rule())
    assert joined(prepared) == [op.name for op in convolutions_behind_upsamplings(graph)]
    assert len(joined(prepared)) == 2
    inputs = random_inputs(graph)
    before, behind = run_reference(graph, inputs), run_reference(prepared, inputs)
    for name in prepared.tensors:
        np.testing.assert_array_equal(before[name], behind[name])


@pytest.mark.parametrize("family", [KernelFamily.CMSIS_NN, KernelFamily.REFERENCE])
def test_families_without_such_a_kernel_keep_the_network_as_it_is(family: KernelFamily, tmp_path: Path) -> None:
    graph = upsampling_network(tmp_path)
    assert graph_for_kernels(graph, rule(family)) is graph


def test_a_convolution_that_the_kernel_cannot_compute_exactly_stays_apart(tmp_path: Path) -> None:
    graph = upsampling_network(tmp_path)
    first, second = convolutions_behind_upsamplings(graph)
    # Factors of a half and more: the kernel's right shift of at least one bit cannot say them.
    factors = [factor.mantissa * 2.0 ** (factor.shift - 31) for factor in conv_multipliers(first, graph)]
    large = replace(first, filter=replace(first.filter, scales=first.filter.scales * (0.6 / min(factors))))
    ops: tuple[Op, ...] = tuple(large if op is first else op for op in graph.ops)
    prepared = graph_for_kernels(replace(graph, ops=ops), rule())
    assert joined(prepared) == [second.name]
    assert first.name in [op.name for op in prepared.ops]
