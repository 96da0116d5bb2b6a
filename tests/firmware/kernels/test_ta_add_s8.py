"""`ta_add_s8` against the reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.kernel_case import Kernel, KernelCase
from tests.support.one_op import OneOp, clamps, one_op, values, zero_points
from tests.support.own_cases import assert_exact_everywhere, assert_refused_everywhere, pair, with_scalar
from tinyanime.codegen.ir.ops import Add
from tinyanime.codegen.ir.rescale import add_parameters
from tinyanime.codegen.ir.tensor import Quantization, Tensor


@st.composite
def _additions(draw: st.DrawFn) -> OneOp:
    op = Add(name="add", inputs=("a", "b"), output="y", clamp=draw(clamps()))
    shape = (1, 1, draw(st.integers(1, 9)), draw(st.integers(1, 40)))
    scales = st.floats(0.01, 1.5)
    quantizations = tuple(Quantization(draw(scales), draw(zero_points())) for _ in range(2))
    out = Tensor("y", shape, Quantization(draw(scales), draw(zero_points())))
    return one_op(op, (values(draw, shape), values(draw, shape)), quantizations, out)


def _call(case: OneOp, kernel: Kernel = Kernel.ADD) -> KernelCase:
    op = case.op
    assert isinstance(op, Add)
    p = add_parameters(op, case.graph)
    count = case.output.size_bytes
    scalars = (
        *(count, p.a_offset, *pair(p.a_multiplier), p.b_offset, *pair(p.b_multiplier), p.left_shift),
        *(p.out_offset, *pair(p.out_multiplier), p.clamp.minimum, p.clamp.maximum),
    )
    return KernelCase(kernel, scalars, case.inputs, 0, count)


@settings(max_examples=60, deadline=None)
@given(_additions())
def test_a_sum_equals_the_reference(case: OneOp) -> None:
    assert_exact_everywhere(_call(case), case.expected)


@settings(max_examples=30, deadline=None)
@given(_additions())
def test_a_sum_in_place_equals_the_reference(case: OneOp) -> None:
    assert_exact_everywhere(_call(case, Kernel.ADD_IN_PLACE), case.expected)


@pytest.mark.parametrize(
    ("index", "value"), [(1, 129), (2, -5), (4, -128), (6, 31), (7, 23), (7, -1), (8, 128), (10, -32), (11, 127)]
)
def test_parameters_out_of_range_are_refused(index: int, value: int) -> None:
    half = 1 << 30
    scalars = (4, 0, half, 0, 0, half, 0, 20, 0, half, -18, -128, 100)
    good = KernelCase(Kernel.ADD, scalars, (np.zeros(4, np.int8), np.zeros(4, np.int8)), 0, 4)
    assert_refused_everywhere(with_scalar(good, index, value))
