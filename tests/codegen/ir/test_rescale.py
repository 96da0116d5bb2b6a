"""Integer parameters against values worked out by hand and against TensorFlow Lite's published examples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Add, Clamp, Conv2D, Filter
from tinyanime.codegen.ir.quantization import Multiplier
from tinyanime.codegen.ir.rescale import (
    add_parameters,
    conv_multipliers,
    device_multiplier,
    rescale_parameters,
    single_rounding_multiplier,
)
from tinyanime.codegen.ir.tensor import Quantization, Tensor


def tensor(name: str, scale: float, zero_point: int = 0) -> Tensor:
    return Tensor(name, (1, 2, 2, 1), Quantization(scale, zero_point))


def graph(op: Conv2D | Add, *tensors: Tensor) -> Graph:
    return Graph("g", op.inputs, (op.output,), {t.name: t for t in tensors}, (op,))


@pytest.mark.parametrize(
    ("real", "expected"),
    [
        (0.25, Multiplier(1 << 30, -1)),
        (1.0, Multiplier(1 << 30, 1)),
        (0.0, Multiplier(0, 0)),
        (1.0 - 2.0**-40, Multiplier(1 << 30, 1)),  # the mantissa rounds up to 2**31 and is carried
        (2.0**-31, Multiplier(1 << 30, -30)),
        (2.0**-32, Multiplier(0, 0)),  # a shift of 31 is undefined in C
    ],
)
def test_multipliers_are_split_as_tensorflow_lite_does(real: float, expected: Multiplier) -> None:
    assert device_multiplier(real) == expected


@given(st.floats(1e-9, 1e8))
def test_a_multiplier_is_exact_to_31_bits(real: float) -> None:
    multiplier = device_multiplier(real)
    assert (1 << 30) <= multiplier.mantissa < (1 << 31)
    assert math.isclose(math.ldexp(multiplier.mantissa, multiplier.shift - 31), real, rel_tol=2**-31)


@pytest.mark.parametrize("real", [math.nan, math.inf, -1.0, 2.0**31])
def test_a_multiplier_that_cannot_be_represented_raises(real: float) -> None:
    with pytest.raises(ValueError, match="multiplier"):
        device_multiplier(real)


@given(st.floats(2.0**-24, 2.0**8))
def test_small_values_are_rescaled_with_one_rounding(real: float) -> None:
    multiplier = single_rounding_multiplier(real)
    assert multiplier.shift >= 0
    assert 0 <= multiplier.mantissa < (1 << 31)
    error = abs(math.ldexp(multiplier.mantissa, multiplier.shift - 31) - real)
    assert error * 255 <= 255 * max(2.0**-32, real * 2.0**-31)


def test_convolutions_have_one_multiplier_per_channel() -> None:
    weights = Filter(np.zeros((2, 1, 1, 1), np.int8), np.array([0.5, 0.125]), np.zeros(2, np.int32))
    op = Conv2D(name="c", inputs=("a",), output="y", filter=weights)
    assert conv_multipliers(op, graph(op, tensor("a", 0.25), tensor("y", 0.5))) == (
        Multiplier(1 << 30, -1),
        Multiplier(1 << 30, -3),
    )


def test_add_scales_both_inputs_to_twice_the_larger_scale() -> None:
    op = Add(name="s", inputs=("a", "b"), output="y", clamp=Clamp(-5, 6))
    parameters = add_parameters(op, graph(op, tensor("a", 0.5, 3), tensor("b", 0.25, -7), tensor("y", 1.0, 11)))
    assert (parameters.a_offset, parameters.b_offset, parameters.out_offset) == (-3, 7, 11)
    assert parameters.a_multiplier == Multiplier(1 << 30, 0)  # 0.5 / 1
    assert parameters.b_multiplier == Multiplier(1 << 30, -1)  # 0.25 / 1
    assert parameters.out_multiplier == Multiplier(1 << 30, -19)  # 1 / (2**20 * 1)
    assert (parameters.left_shift, parameters.clamp) == (20, Clamp(-5, 6))


def test_equal_quantization_is_a_copy() -> None:
    same = rescale_parameters(Quantization(0.1, 4), Quantization(0.1, 4))
    assert same.is_copy
    assert not rescale_parameters(Quantization(0.1, 4), Quantization(0.1, 5)).is_copy
    assert not rescale_parameters(Quantization(0.1, 4), Quantization(0.1, 4), Clamp(0, 9)).is_copy
