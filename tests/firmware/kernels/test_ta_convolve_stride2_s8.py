"""What is particular to `ta_convolve_stride2_s8`: paddings that make rows even or odd, sums at the bound."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.kernel_benches import kernel_benches
from tests.support.own_cases import assert_exact_everywhere
from tests.support.tiled_kernels import TILED_STRIDE2, tiled_case, whole
from tinyanime.codegen.ir.ops import Padding


@pytest.mark.parametrize("height", [7, 8, 9, 10])
@pytest.mark.parametrize("top", [0, 1])
@pytest.mark.parametrize("left", [0, 1])
def test_even_and_odd_maps_with_paddings_of_0_and_1_equal_the_reference(height: int, top: int, left: int) -> None:
    random = np.random.default_rng(height)
    x = random.integers(-128, 128, (1, height, height + 1, 8), np.int8)
    weights = random.integers(-127, 128, (4, 3, 3, 8), np.int8)
    case = tiled_case(x, weights, stride=2, zero_point=-20, padding=Padding(top, left, 1 - top, 1 - left))
    assert_exact_everywhere(TILED_STRIDE2.call(case, whole(case), 4), case.expected)


@pytest.mark.parametrize("sign", [1, -1])
def test_sums_just_below_the_bound_are_exact_and_one_more_is_refused(sign: int) -> None:
    """At 2**30 two sums leave int32."""
    x = np.full((1, 5, 5, 8), 127, np.int8)
    weights = np.full((4, 3, 3, 8), 127 * sign, np.int8)
    products = 72 * 127 * 255

    def with_sum(total: int) -> tuple[bool, bool]:
        """Whether the compiler takes it, and whether the kernel computes it."""
        case = tiled_case(x, weights, stride=2, zero_point=-128, scale=2.0**-22, bias=sign * (total - products))
        reason = TILED_STRIDE2.entry.refusal(case.graph, case.op)
        assert reason is None or str(total) in reason
        output = kernel_benches()[1].run(TILED_STRIDE2.call(case, whole(case), 2)).output
        return reason is None, np.array_equal(output, case.expected.reshape(-1))

    assert with_sum((1 << 30) - 1) == (True, True)
    assert with_sum(1 << 30) == (False, sign < 0)
