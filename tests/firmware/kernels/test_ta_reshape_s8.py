"""`ta_reshape_s8` against the reference."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.kernel_case import Kernel, KernelCase
from tests.support.one_op import OneOp, one_op, values
from tests.support.own_cases import assert_exact_everywhere, assert_refused_everywhere
from tinyanime.codegen.ir.ops import Reshape
from tinyanime.codegen.ir.tensor import Quantization, Tensor


@st.composite
def _reshapes(draw: st.DrawFn) -> OneOp:
    a, b, c, d, e = (draw(st.integers(1, 4)) for _ in range(5))
    shape = (1, a * b, c, d * e)
    target = draw(st.sampled_from([(1, a, b * c * d, e), (1, c * e, a * d, b), (1, a * b * c * d * e), shape]))
    one = Quantization(1.0, 0)
    op = Reshape(name="reshape", inputs=("x",), output="y")
    return one_op(op, (values(draw, shape),), (one,), Tensor("y", target, one))


@settings(max_examples=60, deadline=None)
@given(_reshapes())
def test_a_reshape_equals_the_reference(case: OneOp) -> None:
    sizes = (*case.input.shape[1:], case.output.height, case.output.width, case.output.channels)
    call = KernelCase(Kernel.RESHAPE, sizes, case.inputs, 0, case.output.size_bytes)
    assert_exact_everywhere(call, case.expected)


def test_shapes_of_different_size_are_refused() -> None:
    call = KernelCase(Kernel.RESHAPE, (2, 2, 2, 2, 2, 3), (np.zeros(8, np.int8),), 0, 12)
    assert_refused_everywhere(call)
