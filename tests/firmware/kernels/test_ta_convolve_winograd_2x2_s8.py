"""What is particular to `ta_convolve_winograd_2x2_s8`: sums at the bound of the proof."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.kernel_benches import kernel_benches
from tests.support.own_cases import assert_exact_everywhere
from tests.support.tiled_kernels import TILED_2X2, tiled_case, whole


@pytest.mark.parametrize("signs", [(1, -1, 1), (1, 1, -1), (1, 1, 1)])
def test_the_largest_transformed_inputs_and_weights_equal_the_reference(signs: tuple[int, int, int]) -> None:
    board = np.outer([1, -1, -1, 1, 1, -1, -1, 1], [1, 1, -1, -1, 1, 1, -1, -1])[None, :, :, None]
    x = np.where(np.broadcast_to(board, (1, 8, 8, 8)) > 0, 127, -128).astype(np.int8)
    taps = np.outer(signs, signs)[None, :, :, None] * 127
    weights = np.broadcast_to(taps, (4, 3, 3, 8)).astype(np.int8)
    for zero_point in (-128, 127):
        case = tiled_case(x, weights, stride=1, zero_point=zero_point)
        assert_exact_everywhere(TILED_2X2.call(case, whole(case), 4), case.expected)


@pytest.mark.parametrize("sign", [1, -1])
def test_sums_just_below_the_bound_are_exact_and_one_more_is_refused(sign: int) -> None:
    """At 2**29 four sums leave int32."""
    x = np.full((1, 4, 4, 8), 127, np.int8)
    weights = np.full((4, 3, 3, 8), 127 * sign, np.int8)
    products = 72 * 127 * 255

    def with_sum(total: int) -> tuple[bool, bool]:
        """Whether the compiler takes it, and whether the kernel computes it."""
        case = tiled_case(x, weights, stride=1, zero_point=-128, scale=2.0**-22, bias=sign * (total - products))
        reason = TILED_2X2.entry.refusal(case.graph, case.op)
        assert reason is None or str(total) in reason
        output = kernel_benches()[1].run(TILED_2X2.call(case, whole(case), 2)).output
        return reason is None, np.array_equal(output, case.expected.reshape(-1))

    assert with_sum((1 << 29) - 1) == (True, True)
    assert with_sum(1 << 29) == (False, sign < 0)
