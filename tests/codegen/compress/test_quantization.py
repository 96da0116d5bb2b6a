"""Integer parameters of pictures, activations, weights and biases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyanime.codegen.compress.config import QuantizationConfig
from tinyanime.codegen.compress.folded_student import FoldedConvolution, FoldedStudent
from tinyanime.codegen.compress.layers import list_layers
from tinyanime.codegen.compress.onnx_graph import write_float_model
from tinyanime.codegen.compress.pairs import Pair
from tinyanime.codegen.compress.quantization import (
    PICTURE_QUANTIZATION,
    Quantization,
    calibrate,
    photo_tensor,
    quantization_of_range,
    quantize_convolution,
)


def test_no_picture_value_lies_between_two_codes_and_all_come_back() -> None:
    values = np.arange(256)
    reals = photo_tensor(np.repeat(values[:, None, None], 3, 2).astype(np.uint8))[0, 0, :, 0]
    codes = reals / PICTURE_QUANTIZATION.scale + PICTURE_QUANTIZATION.zero_point
    assert np.abs(codes - np.floor(codes) - 0.5).min() > 1e-3
    rounded = np.rint(codes)
    back = np.rint((rounded * PICTURE_QUANTIZATION.scale + 1) * 127.5)
    assert rounded.min() >= -128
    assert rounded.max() <= 127
    assert np.count_nonzero(back != values) == 1
    assert np.abs(back - values).max() == 1
    assert (back[0], back[255]) == (0, 255)


@given(st.floats(-50, 50), st.floats(0, 50))
def test_a_range_is_covered_and_zero_is_exact(low: float, width: float) -> None:
    high = low + width
    q = quantization_of_range(low, high)
    assert -128 <= q.zero_point <= 127
    lowest, highest = (q.scale * (code - q.zero_point) for code in (-128, 127))
    assert lowest - 0.51 * q.scale <= low
    assert high <= highest + 0.51 * q.scale


def test_weights_are_symmetric_and_biases_have_the_product_scale() -> None:
    random = np.random.default_rng(1)
    weight = random.normal(size=(5, 3, 3, 3)).astype(np.float32)
    bias = random.normal(size=5).astype(np.float32)
    integers = quantize_convolution(FoldedConvolution("c", weight, bias), Quantization(0.02, -128))
    assert np.abs(integers.weight).reshape(5, -1).max(axis=1).tolist() == [127] * 5
    np.testing.assert_allclose(integers.bias_scale, 0.02 * integers.weight_scale, rtol=1e-6)
    half_step = integers.bias_scale.max() / 2
    np.testing.assert_allclose(integers.bias * integers.bias_scale, bias, atol=1.01 * half_step)


def test_a_channel_without_weights_keeps_its_bias_within_int32() -> None:
    weight = np.zeros((1, 2, 3, 3), np.float32)
    layer = FoldedConvolution("dead", weight, np.array([3.0], np.float32))
    integers = quantize_convolution(layer, Quantization(0.02, 0))
    assert integers.bias[0] * integers.bias_scale[0] == pytest.approx(3.0, rel=1e-6)


def test_moved_data_keeps_the_parameters_of_its_source(folded_student: FoldedStudent, pairs: list[Pair]) -> None:
    layers = list_layers(folded_student)
    photos = [pair.photo[:, :128] for pair in pairs]
    found = calibrate(write_float_model(layers, "m", "0"), layers, photos, QuantizationConfig())
    assert found["cells"] == found["photo"] == found["anime"] == PICTURE_QUANTIZATION
    assert found["doubled"] == found["block0"]
    assert found["change"] == found["head"]
    assert found["stem"].zero_point == -128  # ReLU6 leaves nothing below zero
    assert found["up"].zero_point not in (-128, 127)
