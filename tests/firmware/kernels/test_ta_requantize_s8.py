"""`ta_requantize_s8` against the reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.kernel_case import Kernel, KernelCase
from tests.support.one_op import OneOp, clamps, one_op, values, zero_points
from tests.support.own_cases import (
    assert_exact_everywhere,
    assert_refused_everywhere,
    rescale_scalars,
    with_scalar,
)
from tinyanime.codegen.ir.ops import Requantize
from tinyanime.codegen.ir.rescale import rescale_parameters
from tinyanime.codegen.ir.tensor import Quantization, Tensor


@st.composite
def _requantizations(draw: st.DrawFn, sizes: st.SearchStrategy[int]) -> OneOp:
    op = Requantize(name="requantize", inputs=("x",), output="y", clamp=draw(clamps()))
    ratio = draw(st.one_of(st.sampled_from([1.0, 0.5, 2.0, 2.0**-30, 300.0]), st.floats(2.0**-12, 64.0)))
    x = values(draw, (1, 1, 1, draw(sizes)))
    out = Tensor("y", x.shape, Quantization(1.0, draw(zero_points())))
    return one_op(op, (x,), (Quantization(ratio, draw(zero_points())),), out)


def _call(case: OneOp, kernel: Kernel = Kernel.REQUANTIZE) -> KernelCase:
    op = case.op
    assert isinstance(op, Requantize)
    parameters = rescale_parameters(case.input.quantization, case.output.quantization, op.clamp)
    count = case.input.size_bytes
    return KernelCase(kernel, (count, *rescale_scalars(parameters)), case.inputs, 0, count)


@settings(max_examples=60, deadline=None)
@given(_requantizations(st.one_of(st.integers(1, 40), st.integers(254, 600))))
def test_requantization_equals_the_reference(case: OneOp) -> None:
    assert_exact_everywhere(_call(case), case.expected)


@settings(max_examples=30, deadline=None)
@given(_requantizations(st.one_of(st.integers(1, 40), st.integers(254, 600))))
def test_requantization_in_place_equals_the_reference(case: OneOp) -> None:
    assert_exact_everywhere(_call(case, Kernel.REQUANTIZE_IN_PLACE), case.expected)


def test_all_values_through_table_and_single_steps_agree() -> None:
    x = np.arange(-128, 128, dtype=np.int8)
    scalars = (-7, 1_518_500_250, -1, 3, -100, 90)
    once = KernelCase(Kernel.REQUANTIZE, (255, *scalars), (x[:255],), 0, 255)
    table = KernelCase(Kernel.REQUANTIZE, (256, *scalars), (x,), 0, 256)
    exact = (x.astype(np.int64) + 7) * 1_518_500_250
    high = (exact + (1 << 30)) >> 31
    half = np.where(high < 0, -((-high + 1) // 2), (high + 1) // 2)
    expected = np.clip(half + 3, -100, 90).astype(np.int8)
    assert_exact_everywhere(once, expected[:255])
    assert_exact_everywhere(table, expected)


@pytest.mark.parametrize(
    ("index", "value"), [(1, 128), (2, -1), (3, 31), (3, -32), (4, -129), (5, 200), (6, -129), (5, 101)]
)
def test_parameters_out_of_range_are_refused(index: int, value: int) -> None:
    good = KernelCase(Kernel.REQUANTIZE, (8, 0, 1 << 30, 0, 0, -100, 100), (np.zeros(8, np.int8),), 0, 8)
    assert_refused_everywhere(with_scalar(good, index, value))
