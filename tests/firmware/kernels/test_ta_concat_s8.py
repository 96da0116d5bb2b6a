"""`ta_concat_s8` against the reference, along every axis."""

from __future__ import annotations

from math import prod

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.kernel_benches import kernel_benches
from tests.support.kernel_case import UNWRITTEN, Kernel, KernelCase, assert_refused
from tests.support.one_op import OneOp, one_op, values, zero_points
from tests.support.own_cases import rescale_scalars
from tinyanime.codegen.ir.ops import Concat
from tinyanime.codegen.ir.rescale import rescale_parameters
from tinyanime.codegen.ir.tensor import Quantization, Tensor


@st.composite
def _concatenations(draw: st.DrawFn) -> OneOp:
    axis = draw(st.integers(1, 3))
    common = [1, *(draw(st.integers(1, 9)) for _ in range(3))]
    sizes = draw(st.lists(st.integers(1, 9), min_size=2, max_size=3))
    shapes = [(*common[:axis], size, *common[axis + 1 :]) for size in sizes]
    out = Quantization(0.5, draw(zero_points()))
    different = st.builds(Quantization, st.floats(0.01, 4.0), zero_points())
    quantizations = tuple(draw(st.one_of(st.just(out), different)) for _ in shapes)
    names = tuple(f"x{index}" for index in range(len(shapes)))
    op = Concat(name="concat", inputs=names, output="y", axis=axis)
    joined = (*common[:axis], sum(sizes), *common[axis + 1 :])
    return one_op(op, tuple(values(draw, shape) for shape in shapes), quantizations, Tensor("y", joined, out))


@settings(max_examples=60, deadline=None)
@given(_concatenations())
def test_every_part_of_a_concatenation_equals_the_reference_and_leaves_the_rest_alone(case: OneOp) -> None:
    op = case.op
    assert isinstance(op, Concat)
    out_inner = prod(case.output.shape[op.axis :])
    position = 0
    for part, tensor in zip(case.inputs, case.graph.input_tensors(op), strict=True):
        in_inner = prod(tensor.shape[op.axis :])
        parameters = rescale_parameters(tensor.quantization, case.output.quantization)
        outer = tensor.element_count // in_inner
        scalars = (outer, in_inner, out_inner, position, int(not parameters.is_copy), *rescale_scalars(parameters))
        expected = np.full((outer, out_inner), UNWRITTEN, np.int8)
        columns = slice(position, position + in_inner)
        expected[:, columns] = case.expected.reshape(outer, out_inner)[:, columns]
        call = KernelCase(Kernel.CONCAT, scalars, (part,), 0, case.output.size_bytes)
        for bench in kernel_benches():
            result = bench.run(call)
            assert result.status == 0
            np.testing.assert_array_equal(result.output, expected.reshape(-1), err_msg=bench.name)
        position += in_inner


def test_an_input_that_is_wider_than_the_output_is_refused() -> None:
    call = KernelCase(Kernel.CONCAT, (1, 5, 4, 0, 0, 0, 0, 0, 0, 0, 0), (np.zeros(5, np.int8),), 0, 4)
    for bench in kernel_benches():
        assert_refused(bench, call)


def test_a_rescale_out_of_range_is_refused() -> None:
    call = KernelCase(Kernel.CONCAT, (1, 4, 4, 0, 1, 0, 1 << 30, 31, 0, -128, 127), (np.zeros(4, np.int8),), 0, 4)
    for bench in kernel_benches():
        assert_refused(bench, call)
