"""Post-training quantization: ranges of activations to int8 parameters, weights and biases to integers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from tinyanime.codegen.compress.config import QuantizationConfig
from tinyanime.codegen.compress.folded_student import FoldedConvolution
from tinyanime.codegen.compress.layers import ANIME, PHOTO, Layer
from tinyanime.codegen.compress.teacher import Picture

Q_MIN, Q_MAX = -128, 127


@dataclass(frozen=True)
class Quantization:
    """Per tensor int8: real = scale * (q - zero_point), q in [-128, 127]."""

    scale: float
    zero_point: int


PICTURE_QUANTIZATION = Quantization(scale=1 / 127, zero_point=0)
"""Of photo and anime, real = u / 127.5 - 1 for a uint8 value u.

With the obvious scale 2/255 every u would fall exactly between two integers, and rounding half to
even would merge them in pairs. With 1/127 no u is a tie, 0 and 255 come back exactly and only the
two mid greys 127 and 128 share a code.
"""


@dataclass(frozen=True)
class QuantizedConvolution:
    """Integers of a convolution.

    ``weight`` int8 [out, in, 3, 3] in [-127, 127] at ``weight_scale`` [out]; ``bias`` int32 [out]
    at ``bias_scale`` [out], which is the input's scale times the weight's.
    """

    weight: NDArray[np.int8]
    weight_scale: NDArray[np.float32]
    bias: NDArray[np.int32]
    bias_scale: NDArray[np.float32]


def quantization_of_range(low: float, high: float) -> Quantization:
    """Asymmetric int8 parameters that cover [low, high] and represent 0 exactly."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = max((high - low) / (Q_MAX - Q_MIN), 1e-8)
    zero_point = int(np.clip(round(Q_MIN - low / scale), Q_MIN, Q_MAX))
    return Quantization(float(np.float32(scale)), zero_point)


def quantize_convolution(layer: FoldedConvolution, source: Quantization) -> QuantizedConvolution:
    """Symmetric int8 per output channel; a bias far larger than its weights widens the scale."""
    largest = np.abs(layer.weight).reshape(layer.weight.shape[0], -1).max(axis=1)
    needed_by_bias = np.abs(layer.bias) / (source.scale * 2.0**30)
    weight_scale = np.maximum(np.maximum(largest / 127, needed_by_bias), 1e-12).astype(np.float32)
    weight = np.rint(layer.weight / weight_scale[:, None, None, None]).clip(-127, 127)
    bias_scale = np.float32(source.scale) * weight_scale
    bias = np.rint(layer.bias.astype(np.float64) / bias_scale)
    return QuantizedConvolution(weight.astype(np.int8), weight_scale, bias.astype(np.int32), bias_scale)


def photo_tensor(photo: Picture) -> NDArray[np.float32]:
    """[H, W, 3] uint8 to [1, 3, H, W] float in [-1, 1]."""
    return photo.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(127.5) - np.float32(1)


def calibrate(
    float_model: onnx.ModelProto,
    layers: tuple[Layer, ...],
    photos: Iterable[Picture],
    config: QuantizationConfig,
) -> Mapping[str, Quantization]:
    """Parameters of every tensor, from the values the float model shows on training photos."""
    watched = [layer.name for layer in layers if not layer.kind.moves_data and layer.name != ANIME]
    model = onnx.ModelProto()
    model.CopyFrom(float_model)
    for name in watched:
        model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    seen: dict[str, list[NDArray[np.float32]]] = {name: [] for name in watched}
    for photo in photos:
        values = session.run(watched, {PHOTO: photo_tensor(photo)})
        for name, value in zip(watched, values, strict=True):
            seen[name].append(np.asarray(value, np.float32).ravel())
    quantizations = {PHOTO: PICTURE_QUANTIZATION, ANIME: PICTURE_QUANTIZATION}
    tails = (config.clipped_fraction, 1 - config.clipped_fraction)
    for name in watched:
        low, high = np.quantile(np.concatenate(seen[name]), tails)
        quantizations[name] = quantization_of_range(float(low), float(high))
    for layer in layers:
        if layer.kind.moves_data:
            quantizations[layer.name] = quantizations[layer.inputs[0]]
    return quantizations
