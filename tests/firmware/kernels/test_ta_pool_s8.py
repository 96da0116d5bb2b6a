"""`ta_pool_s8` against the reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.cmsis_cases import band_call
from tests.support.kernel_case import Kernel, KernelCase
from tests.support.one_op import OneOp, bands, one_op, pools
from tests.support.own_cases import (
    assert_exact_everywhere,
    assert_refused_everywhere,
    row_band_call,
    with_scalar,
)
from tinyanime.codegen.ir.ops import AveragePool, MaxPool, Padding, Size2D
from tinyanime.codegen.ir.tensor import Quantization, Tensor

_SOME = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
_ONE = Quantization(1.0, 0)


def _call(case: OneOp, out_rows: tuple[int, int]) -> KernelCase:
    op = case.op
    assert isinstance(op, MaxPool | AveragePool)
    rows = band_call(case.input.height, out_rows, op.kernel.height, op.stride.height, 1, op.padding).rows_in
    parameters = (
        *(case.input.height, case.input.width, case.input.channels, case.output.width),
        *(op.kernel.height, op.kernel.width, op.stride.height, op.stride.width),
        *(op.padding.top, op.padding.left),
        *(int(isinstance(op, AveragePool)), op.clamp.minimum, op.clamp.maximum),
    )
    return row_band_call(Kernel.POOL, case, (rows.begin, rows.end), out_rows, parameters)


@pytest.mark.parametrize("kind", [MaxPool, AveragePool])
@_SOME
@given(data=st.data())
def test_bands_of_a_pool_equal_the_reference(kind: type[MaxPool] | type[AveragePool], data: st.DataObject) -> None:
    case = data.draw(pools(kind))
    out_rows = data.draw(bands(case.output.height))
    assert_exact_everywhere(_call(case, out_rows), case.rows_out(*out_rows))


@pytest.mark.parametrize("values", [(-3, -2), (3, 2), (-128, -127), (127, 126), (1, 0), (-1, 0)])
def test_halves_of_a_mean_are_rounded_away_from_zero(values: tuple[int, int]) -> None:
    op = AveragePool(name="pool", inputs=("x",), output="y", kernel=Size2D(1, 2), stride=Size2D(1, 2))
    x = np.array(values, np.int8).reshape(1, 1, 2, 1)
    case = one_op(op, (x,), (_ONE,), Tensor("y", (1, 1, 1, 1), _ONE))
    assert case.expected.item() == {-5: -3, 5: 3, -255: -128, 253: 127, 1: 1, -1: -1}[sum(values)]
    assert_exact_everywhere(_call(case, (0, 1)), case.expected)


@pytest.mark.parametrize("value", [-128, 127])
def test_the_mean_of_a_whole_map_of_one_extreme_is_that_extreme(value: int) -> None:
    side = 200
    op = AveragePool(name="pool", inputs=("x",), output="y", kernel=Size2D(side, side), stride=Size2D(1, 1))
    x = np.full((1, side, side, 1), value, np.int8)
    case = one_op(op, (x,), (_ONE,), Tensor("y", (1, 1, 1, 1), _ONE))
    assert_exact_everywhere(_call(case, (0, 1)), np.array([value], np.int8))


@_SOME
@given(st.data(), pools(MaxPool))
def test_a_band_that_needs_rows_above_its_input_is_refused(data: st.DataObject, case: OneOp) -> None:
    out_rows = data.draw(bands(case.output.height))
    call = _call(case, out_rows)
    assert_refused_everywhere(with_scalar(call, 0, call.scalars[0] + 1))


def _good() -> KernelCase:
    op = AveragePool(
        name="pool",
        inputs=("x",),
        output="y",
        kernel=Size2D(2, 3),
        stride=Size2D(2, 2),
        padding=Padding(1, 2, 1, 1),
    )
    x = np.arange(-60, 60, dtype=np.int8).reshape(1, 4, 6, 5)
    case = one_op(op, (x,), (_ONE,), Tensor("y", (1, 3, 4, 5), _ONE))
    call = _call(case, (0, 3))
    assert_exact_everywhere(call, case.expected)
    return call


# Scalars: in_row_begin, out_row_begin, out_row_end, in_height, in_width, channels, out_width, kernel (2), stride (2),
# pad_top, pad_left, mode, minimum, maximum.
@pytest.mark.parametrize("index", [3, 4, 5, 6, 7, 8, 9, 10])
def test_a_size_of_zero_is_refused(index: int) -> None:
    assert_refused_everywhere(with_scalar(_good(), index, 0))


@pytest.mark.parametrize(("index", "value"), [(1, 4), (13, 2), (14, -129), (15, 128), (14, 128)])
def test_parameters_out_of_range_are_refused(index: int, value: int) -> None:
    assert_refused_everywhere(with_scalar(_good(), index, value))


@pytest.mark.parametrize(
    ("index", "value", "side"),
    [(11, 2, "above"), (12, 3, "left"), (2, 4, "below"), (6, 5, "right")],
)
def test_windows_that_lie_wholly_in_the_padding_are_refused(index: int, value: int, side: str) -> None:
    call = with_scalar(_good(), index, value)
    spare = 40 if side in ("below", "right") else 0  # Refused, not merely out of room.
    larger = KernelCase(call.kernel, call.scalars, call.inputs, 0, call.output_bytes + spare)
    assert_refused_everywhere(larger)
