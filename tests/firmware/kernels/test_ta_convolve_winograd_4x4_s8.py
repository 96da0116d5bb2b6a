"""What is particular to `ta_convolve_winograd_4x4_s8`: the largest lanes, and sums at the bound of the proof."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.kernel_benches import kernel_benches
from tests.support.own_cases import assert_exact_everywhere
from tests.support.tiled_kernels import TILED_4X4, tiled_case, whole
from tinyanime.codegen.ir.ops import Padding

_INPUT_ROWS = ((4, 0, -5, 0, 1, 0), (0, -4, -4, 1, 1, 0), (0, 4, -4, -1, 1, 0), (0, -2, -1, 2, 1, 0))
"""Rows of the inputs' transform; the other two are mirrored."""
_WEIGHT_ROWS = ((1, 1, 1), (1, -1, 1), (1, 2, 4), (1, -2, 4))


@pytest.mark.parametrize("zero_point", [-128, 127, 0])
@pytest.mark.parametrize("row", _INPUT_ROWS)
@pytest.mark.parametrize("column", _INPUT_ROWS)
def test_the_largest_transformed_inputs_equal_the_reference(
    row: tuple[int, ...], column: tuple[int, ...], zero_point: int
) -> None:
    """Inputs at the two ends, with the signs of the transform and with the opposite ones in other channels."""
    signs = np.outer(row, column) >= 0
    patch = np.where(signs[None, :, :, None] ^ np.array([False, True, True, False]), 127, -128).astype(np.int8)
    random = np.random.default_rng(1)
    weights = random.choice(np.array([-127, 127], np.int8), (4, 3, 3, 4))
    case = tiled_case(patch, weights, stride=1, zero_point=zero_point, padding=Padding())
    assert_exact_everywhere(TILED_4X4.call(case, whole(case), 2), case.expected)


@pytest.mark.parametrize("row", _WEIGHT_ROWS)
@pytest.mark.parametrize("column", _WEIGHT_ROWS)
@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_and_the_smallest_transformed_weights_equal_the_reference(
    row: tuple[int, ...], column: tuple[int, ...], sign: int
) -> None:
    """Low lanes must stay positive with the constant that they have: in the first channel of a quad, and the second."""
    taps = np.where(np.outer(row, column) >= 0, 127 * sign, -127 * sign)
    weights = np.broadcast_to(taps[None, :, :, None], (4, 3, 3, 8)).astype(np.int8)
    random = np.random.default_rng(2)
    x = random.choice(np.array([-128, 127], np.int8), (1, 4, 8, 8))
    case = tiled_case(x, weights, stride=1, zero_point=-128)
    assert_exact_everywhere(TILED_4X4.call(case, whole(case), 2), case.expected)


@pytest.mark.parametrize("sign", [1, -1])
def test_sums_just_below_the_bound_are_exact_and_one_more_is_refused(sign: int) -> None:
    """At 2**25 the kernel's multiple of a sum leaves int32."""
    x = np.full((1, 6, 6, 8), 127, np.int8)
    weights = np.full((4, 3, 3, 8), 127 * sign, np.int8)
    products = 72 * 127 * 255

    def with_sum(total: int) -> tuple[bool, bool]:
        """Whether the compiler takes it, and whether the kernel computes it."""
        case = tiled_case(x, weights, stride=1, zero_point=-128, scale=2.0**-20, bias=sign * (total - products))
        reason = TILED_4X4.entry.refusal(case.graph, case.op)
        assert reason is None or str(total) in reason
        output = kernel_benches()[1].run(TILED_4X4.call(case, whole(case), 2)).output
        return reason is None, np.array_equal(output, case.expected.reshape(-1))

    assert with_sum((1 << 25) - 1) == (True, True)
    assert with_sum(1 << 25) == (False, sign < 0)
