"""`ta_requantize_s8` against the reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.kernel_case import Kernel, KernelCase
from tests.support.kernel_measurement import measured_work
from tests.support.one_op import OneOp, clamps, one_op, values, zero_points
from tests.support.own_cases import (
    assert_exact_everywhere,
    assert_refused_everywhere,
    rescale_scalars,
    with_scalar,
)
from tinyanime.codegen.ir.ops import Requantize
from tinyanime.codegen.ir.quantization import Multiplier
from tinyanime.codegen.ir.rescale import rescale_parameters
from tinyanime.codegen.ir.tensor import Quantization, Tensor
from tinyanime.codegen.reference.fixed_point import requantize


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
@given(_requantizations(st.one_of(st.integers(1, 40), st.integers(590, 700))))
def test_requantization_equals_the_reference(case: OneOp) -> None:
    assert_exact_everywhere(_call(case), case.expected)


@settings(max_examples=30, deadline=None)
@given(_requantizations(st.one_of(st.integers(1, 40), st.integers(590, 700))))
def test_requantization_in_place_equals_the_reference(case: OneOp) -> None:
    assert_exact_everywhere(_call(case, Kernel.REQUANTIZE_IN_PLACE), case.expected)


@pytest.mark.parametrize(
    ("multiplier", "shift"),
    [(1_518_500_250, -1), (1_518_500_250, 0), (700_000_001, 0), (1_100_000_000, 3), (5, 21), (1, 22), (3, 23), (0, 0)],
)
@pytest.mark.parametrize("zero_points", [(-7, 3), (-128, 127), (127, -128)])
def test_all_values_equal_the_definition_with_and_without_a_table(
    multiplier: int, shift: int, zero_points: tuple[int, int]
) -> None:
    """Lengths: without a table, with one; both with bytes behind the last word."""
    x = np.arange(-128, 128, dtype=np.int8)
    scaled = requantize(x.astype(np.int64) - zero_points[0], Multiplier(multiplier, shift))
    expected = np.clip(scaled + zero_points[1], -100, 90).astype(np.int8)
    for count in (3, 255, 256, 599, 601, 1023):
        scalars = (count, zero_points[0], multiplier, shift, zero_points[1], -100, 90)
        call = KernelCase(Kernel.REQUANTIZE, scalars, (np.resize(x, count),), 0, count)
        assert_exact_everywhere(call, np.resize(expected, count))


@pytest.mark.parametrize(("count", "most"), [(400, 8.5), (4096, 5.0)])
def test_a_requantization_takes_few_instructions_per_element(count: int, most: float) -> None:
    scalars = (count, -128, 1_000_000_001, 0, 3, -128, 127)
    call = KernelCase(Kernel.REQUANTIZE, scalars, (np.zeros(count, np.int8),), 0, count)
    assert measured_work(call).instructions / count < most


@pytest.mark.parametrize(
    ("index", "value"), [(1, 128), (2, -1), (3, 31), (3, -32), (4, -129), (5, 200), (6, -129), (5, 101)]
)
def test_parameters_out_of_range_are_refused(index: int, value: int) -> None:
    good = KernelCase(Kernel.REQUANTIZE, (8, 0, 1 << 30, 0, 0, -100, 100), (np.zeros(8, np.int8),), 0, 8)
    assert_refused_everywhere(with_scalar(good, index, value))
