"""The fixed-point primitives against their definitions in Python integers and fractions."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyanime.codegen.ir.ops import Clamp
from tinyanime.codegen.ir.quantization import Multiplier
from tinyanime.codegen.reference.fixed_point import (
    clamp_to_int8,
    divide_by_power_of_two,
    doubling_high_mult,
    requantize,
)

INT32 = st.integers(-(1 << 31), (1 << 31) - 1)
MANTISSA = st.integers(1 << 30, (1 << 31) - 1)


def scalar(function: object, *numbers: int) -> int:
    arrays = [np.array([number], np.int64) for number in numbers]
    return int(function(*arrays)[0])  # type: ignore[operator]


@given(value=INT32, mantissa=MANTISSA)
def test_the_high_multiply_rounds_to_nearest_with_halves_up(value: int, mantissa: int) -> None:
    assert scalar(doubling_high_mult, value, mantissa) == floor(Fraction(value * mantissa, 1 << 31) + Fraction(1, 2))


@given(value=INT32, exponent=st.integers(0, 30))
def test_the_division_rounds_to_nearest_with_halves_away_from_zero(value: int, exponent: int) -> None:
    exact = Fraction(abs(value), 1 << exponent)
    magnitude = floor(exact + Fraction(1, 2))
    assert scalar(divide_by_power_of_two, value, exponent) == (magnitude if value >= 0 else -magnitude)


@pytest.mark.parametrize(
    ("value", "mantissa", "expected"),
    [
        (1, 1 << 30, 1),  # 0.5 rounds up
        (-1, 1 << 30, 0),  # -0.5 rounds up too: gemmlowp would give -1 here
        (-3, 1 << 30, -1),
        (1 << 30, 1 << 30, 1 << 29),
    ],
)
def test_the_high_multiply_has_no_symmetric_rounding(value: int, mantissa: int, expected: int) -> None:
    assert scalar(doubling_high_mult, value, mantissa) == expected


@pytest.mark.parametrize(
    ("value", "exponent", "expected"),
    [(1, 1, 1), (-1, 1, -1), (3, 1, 2), (-3, 1, -2), (-5, 2, -1), (-6, 2, -2), (7, 0, 7)],
)
def test_the_division_of_small_numbers(value: int, exponent: int, expected: int) -> None:
    assert scalar(divide_by_power_of_two, value, exponent) == expected


def test_requantize_rounds_twice() -> None:
    # 5 * 0.25 * (1 + 2**-30): 2.5 rounds to 3, then 1.5 rounds to 2; a single rounding would give 1.
    result = requantize(np.array([5], np.int64), Multiplier((1 << 30) + 1, -1))
    assert result.tolist() == [2]


@given(value=st.integers(-(1 << 24), 1 << 24), mantissa=MANTISSA, shift=st.integers(-30, 6))
def test_requantize_is_within_one_of_the_real_product(value: int, mantissa: int, shift: int) -> None:
    real = Fraction(value * mantissa) * Fraction(2) ** (shift - 31)
    result = int(requantize(np.array([value], np.int64), Multiplier(mantissa, shift))[0])
    assert abs(result - real) <= 1


def test_requantize_takes_one_multiplier_per_channel() -> None:
    values = np.array([[[100, 100, 100]]], np.int64)
    multipliers = (Multiplier(1 << 30, 1), Multiplier(1 << 30, 0), Multiplier(0, 0))
    assert requantize(values, multipliers).tolist() == [[[100, 50, 0]]]


def test_clamping_limits_before_narrowing() -> None:
    values = np.array([-1000, -3, 0, 5, 1000], np.int64)
    assert clamp_to_int8(values, Clamp(-2, 4)).tolist() == [-2, -2, 0, 4, 4]
    assert clamp_to_int8(values, Clamp()).tolist() == [-128, -3, 0, 5, 127]
