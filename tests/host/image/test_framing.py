"""Cropping, fitting and stretching."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyanime.host.image.framing import Box, FrameMode, frame_photo, unframe


def photo(height: int, width: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, 3), dtype=np.uint8)


@given(height=st.integers(1, 300), width=st.integers(1, 300), mode=st.sampled_from(FrameMode))
def test_every_photo_fills_the_network_input(height: int, width: int, mode: FrameMode) -> None:
    framed = frame_photo(photo(height, width), 32, 24, mode)
    assert framed.pixels.shape == (24, 32, 3)
    assert framed.visible.size > 0
    assert unframe(framed.pixels, framed).shape == framed.visible.shape


def test_a_photo_of_the_right_size_stays_as_it_is() -> None:
    original = photo(24, 32)
    for mode in FrameMode:
        np.testing.assert_array_equal(frame_photo(original, 32, 24, mode).pixels, original)


def test_crop_takes_the_centre() -> None:
    wide = np.zeros((10, 30, 3), dtype=np.uint8)
    wide[:, 10:20] = 255
    assert frame_photo(wide, 8, 8, FrameMode.CROP).pixels.min() == 255


def test_crop_of_a_tall_photo_cuts_top_and_bottom_equally() -> None:
    tall = np.repeat(np.arange(30, dtype=np.uint8)[:, None, None], 10, axis=1).repeat(3, axis=2)
    pixels = frame_photo(tall, 10, 10, FrameMode.CROP).pixels
    np.testing.assert_array_equal(pixels[:, 0, 0], np.arange(10, 20))


def test_fit_keeps_everything_and_the_aspect_ratio() -> None:
    framed = frame_photo(photo(60, 120), 32, 32, FrameMode.FIT)
    assert framed.content == Box(0, 8, 32, 24)
    np.testing.assert_array_equal(framed.pixels[0], framed.pixels[8])
    np.testing.assert_array_equal(framed.pixels[31], framed.pixels[23])


def test_bars_are_cut_off_an_output_of_another_scale() -> None:
    framed = frame_photo(photo(60, 120), 32, 32, FrameMode.FIT)
    doubled = framed.pixels.repeat(2, axis=0).repeat(2, axis=1)
    np.testing.assert_array_equal(unframe(doubled, framed), framed.visible.repeat(2, axis=0).repeat(2, axis=1))


@pytest.mark.parametrize(("height", "width"), [(1, 5000), (5000, 1)])
def test_a_photo_of_one_row_or_column_still_has_content(height: int, width: int) -> None:
    framed = frame_photo(photo(height, width), 16, 16, FrameMode.FIT)
    assert min(framed.visible.shape[:2]) == 1
