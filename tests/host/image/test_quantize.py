"""The exact conversion between picture bytes and tensor values."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyanime.host.image.quantize import PictureCoding, input_table, output_table, to_pixels, to_tensor

CODINGS = st.builds(
    PictureCoding,
    scale=st.floats(1e-3, 0.1),
    zero_point=st.integers(-128, 127),
    black=st.sampled_from([-1.0, 0.0]),
    white=st.sampled_from([1.0, 255.0 / 128]),
)


def stored(value: float) -> float:
    return float(np.float32(value))


@given(CODINGS)
def test_the_input_table_is_its_definition(coding: PictureCoding) -> None:
    scale, black, white = stored(coding.scale), stored(coding.black), stored(coding.white)
    table = input_table(coding)
    for byte in range(256):
        real = black + byte / 255.0 * (white - black)
        expected = max(-128, min(127, round(real / scale) + coding.zero_point))
        assert table[byte] == expected


@given(CODINGS)
def test_the_output_table_is_its_definition(coding: PictureCoding) -> None:
    scale, black, white = stored(coding.scale), stored(coding.black), stored(coding.white)
    table = output_table(coding)
    for value in range(-128, 128):
        real = (value - coding.zero_point) * scale
        expected = max(0, min(255, math.floor((real - black) / (white - black) * 255.0 + 0.5)))
        assert table[value + 128] == expected


@given(CODINGS)
def test_double_and_single_precision_scales_give_the_same_tables(coding: PictureCoding) -> None:
    """The manifest has the scale in float64, the device reports float32."""
    reported = PictureCoding(stored(coding.scale), coding.zero_point, stored(coding.black), stored(coding.white))
    np.testing.assert_array_equal(input_table(coding), input_table(reported))
    np.testing.assert_array_equal(output_table(coding), output_table(reported))


def test_halves_round_to_even_on_the_way_in() -> None:
    # real / scale is byte - 127.5 exactly: every value lies half way.
    coding = PictureCoding(scale=2.0 / 255.0, zero_point=0, black=-1.0, white=1.0)
    exact = [(Fraction(byte) - Fraction(255, 2)) for byte in range(256)]
    table = input_table(coding)
    assert all(abs(Fraction(int(value)) - wanted) <= Fraction(1, 2) for value, wanted in zip(table, exact, strict=True))
    halves = PictureCoding(scale=2.0, zero_point=0, black=0.0, white=255.0)
    assert list(input_table(halves)[[1, 3, 5, 7]]) == [0, 2, 2, 4]


def test_a_fine_enough_scale_loses_no_byte() -> None:
    coding = PictureCoding(scale=1.0 / 255.0, zero_point=-128, black=0.0, white=1.0)
    np.testing.assert_array_equal(output_table(coding)[input_table(coding).astype(int) + 128], np.arange(256))


def test_pixels_go_to_tensors_and_back_by_table() -> None:
    coding = PictureCoding(scale=1.0 / 127.5, zero_point=0, black=-1.0, white=1.0)
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3) * 10
    tensor = to_tensor(pixels, coding)
    assert tensor.shape == (1, 2, 4, 3)
    assert tensor.dtype == np.int8
    assert np.abs(to_pixels(tensor, coding).astype(int) - pixels).max() <= 1


def test_values_outside_the_picture_range_saturate() -> None:
    coding = PictureCoding(scale=0.1, zero_point=0, black=-1.0, white=1.0)
    table = output_table(coding)
    assert (table[0], table[255]) == (0, 255)


def test_the_zero_point_is_mid_grey() -> None:
    coding = PictureCoding(scale=1.0 / 127.5, zero_point=7, black=-1.0, white=1.0)
    assert output_table(coding)[7 + 128] == pytest.approx(128)
