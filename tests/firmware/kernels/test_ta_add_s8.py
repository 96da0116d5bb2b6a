"""`ta_add_s8` against the reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.kernel_case import Kernel, KernelCase
from tests.support.kernel_measurement import measured_work
from tests.support.one_op import OneOp, clamps, one_op, values, zero_points
from tests.support.own_cases import assert_exact_everywhere, assert_refused_everywhere, pair, with_scalar
from tinyanime.codegen.ir.ops import Add, Clamp
from tinyanime.codegen.ir.quantization import Multiplier
from tinyanime.codegen.ir.rescale import add_parameters
from tinyanime.codegen.ir.tensor import Quantization, Tensor
from tinyanime.codegen.reference.fixed_point import requantize


@st.composite
def _additions(draw: st.DrawFn) -> OneOp:
    """Scales that differ, by much now and then, or are the same."""
    op = Add(name="add", inputs=("a", "b"), output="y", clamp=draw(clamps()))
    shape = (1, 1, draw(st.integers(1, 9)), draw(st.integers(1, 40)))
    scales = st.one_of(st.floats(0.01, 1.5), st.sampled_from([1.0, 1.0, 0.5, 2.0**-12, 300.0]))
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


_EVERY_A = np.repeat(np.arange(-128, 128, dtype=np.int8), 16)
_EVERY_B = np.tile(np.arange(-128, 128, 16, dtype=np.int8) + np.int8(3), 256)
_HALF = (1 << 30, 0)


def _exact(scalars: tuple[int, ...], a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The definition in codegen/reference/add.py for any parameters, from the kernel's scalars."""
    _, a_offset, a_mantissa, a_shift, b_offset, b_mantissa, b_shift, left, out, mantissa, shift, low, high = scalars
    term_a = requantize((a.astype(np.int64) + a_offset) << left, Multiplier(a_mantissa, a_shift))
    term_b = requantize((b.astype(np.int64) + b_offset) << left, Multiplier(b_mantissa, b_shift))
    return np.clip(requantize(term_a + term_b, Multiplier(mantissa, shift)) + out, low, high).astype(np.int8)


@pytest.mark.parametrize(
    ("a", "b", "left_shift", "out"),
    [
        (_HALF, _HALF, 20, (1_500_000_001, -18)),
        (_HALF, (1_234_567_891, -1), 20, (1_500_000_001, -17)),
        ((2_147_483_647, -3), _HALF, 20, (1_073_741_825, -19)),
        (_HALF, ((1 << 30) + 1, 0), 20, (1_500_000_001, -18)),
        (_HALF, (1_234_567_891, -31), 20, (1_500_000_001, -18)),
        ((1_234_567_891, -1), (1_834_567_891, -2), 20, (1_500_000_001, -18)),
        (_HALF, (1_234_567_891, -1), 18, (1_500_000_001, -16)),
        (_HALF, (1_234_567_891, -1), 20, (1_500_000_001, -22)),
        (_HALF, (1_234_567_891, -1), 20, (1_500_000_001, -23)),
        (_HALF, (1_234_567_891, -1), 20, (1 << 20, -1)),
        (_HALF, (1_234_567_891, -1), 20, (3_000, 0)),
        (_HALF, (700_000_000, 1), 19, (1_500_000_001, -17)),
        (_HALF, (0, 0), 20, (1_500_000_001, -18)),
        (_HALF, (1_500, -1), 20, (2_147_483_647, -1)),
        ((3_333, -2), _HALF, 20, (2_147_483_647, -2)),
    ],
)
@pytest.mark.parametrize("clamp", [(-128, 127), (-100, 90)])
def test_any_parameters_give_the_exact_sum(
    a: tuple[int, int], b: tuple[int, int], left_shift: int, out: tuple[int, int], clamp: tuple[int, int]
) -> None:
    """With and without the conditions under which words are summed."""
    for offsets in ((128, -127, -128), (-5, 128, 127), (0, 0, 7)):
        scalars = (len(_EVERY_A), offsets[0], *a, offsets[1], *b, left_shift, offsets[2], *out, *clamp)
        call = KernelCase(Kernel.ADD, scalars, (_EVERY_A, _EVERY_B), 0, len(_EVERY_A))
        assert_exact_everywhere(call, _exact(scalars, _EVERY_A, _EVERY_B))


def test_inputs_at_odd_addresses_are_summed() -> None:
    """Buffers end where their memory ends: with 3 behind a multiple of 4 bytes every address is odd."""
    a, b = _EVERY_A[:1023], _EVERY_B[:1023]
    scalars = (1023, 3, *_HALF, 4, 1_234_567_891, -1, 20, 5, 1_500_000_001, -18, -128, 127)
    call = KernelCase(Kernel.ADD, scalars, (a, b), 0, 1023)
    assert_exact_everywhere(call, _exact(scalars, a, b))


@pytest.mark.parametrize(("clamp", "most"), [(Clamp(), 16.0), (Clamp(-20, 127), 17.5)])
def test_a_sum_takes_few_instructions_per_element(clamp: Clamp, most: float) -> None:
    shape = (1, 1, 1, 4096)
    op = Add(name="add", inputs=("a", "b"), output="y", clamp=clamp)
    zeros_and_ones = (np.zeros(shape, np.int8), np.ones(shape, np.int8))
    quantizations = (Quantization(1.0, 3), Quantization(0.7, -128))
    case = one_op(op, zeros_and_ones, quantizations, Tensor("y", shape, Quantization(1.3, -1)))
    assert measured_work(_call(case)).instructions / 4096 < most


@pytest.mark.parametrize(
    ("index", "value"), [(1, 129), (2, -5), (4, -128), (6, 31), (7, 23), (7, -1), (8, 128), (10, -32), (11, 127)]
)
def test_parameters_out_of_range_are_refused(index: int, value: int) -> None:
    half = 1 << 30
    scalars = (4, 0, half, 0, 0, half, 0, 20, 0, half, -18, -128, 100)
    good = KernelCase(Kernel.ADD, scalars, (np.zeros(4, np.int8), np.zeros(4, np.int8)), 0, 4)
    assert_refused_everywhere(with_scalar(good, index, value))
