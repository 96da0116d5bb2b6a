"""The student as a list of layers, from which both ONNX graphs (float and QDQ) are written."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from tinyanime.codegen.compress.config import PICTURE_SIDE
from tinyanime.codegen.compress.folded_student import FoldedConvolution, FoldedStudent

PHOTO = "photo"
ANIME = "anime"


class LayerKind(Enum):
    """ONNX operator of a layer."""

    CONVOLUTION = "Conv"
    ADD = "Add"
    RESIZE = "Resize"
    SPACE_TO_DEPTH = "SpaceToDepth"
    DEPTH_TO_SPACE = "DepthToSpace"

    @property
    def moves_data(self) -> bool:
        """Whether output values are copies of input values, so that both share one quantization."""
        return self not in (LayerKind.CONVOLUTION, LayerKind.ADD)


@dataclass(frozen=True)
class Clip:
    """Activation fused with the layer: values are limited to [low, high]."""

    low: float
    high: float


RELU6 = Clip(0.0, 6.0)
PICTURE_CLIP = Clip(-1.0, 1.0)


@dataclass(frozen=True)
class Layer:
    """One operator; the layer's name is also the name of its output."""

    kind: LayerKind
    name: str
    inputs: tuple[str, ...]
    shape: tuple[int, int, int]  # output, (channels, height, width)
    clip: Clip | None = None
    convolution: FoldedConvolution | None = None

    @property
    def macs(self) -> int:
        """Multiply-accumulates of a convolution, 0 for other layers."""
        if self.convolution is None:
            return 0
        per_position = self.convolution.weight.size
        return int(per_position * self.shape[1] * self.shape[2])


def list_layers(student: FoldedStudent, side: int = PICTURE_SIDE) -> tuple[Layer, ...]:
    """Layers in execution order for a square photo of ``side`` pixels; the last one is ``anime``."""
    half, quarter = side // 2, side // 4

    def convolve(layer: FoldedConvolution, source: str, size: int, clip: Clip | None) -> Layer:
        shape = (layer.weight.shape[0], size, size)
        return Layer(LayerKind.CONVOLUTION, layer.name, (source,), shape, clip, layer)

    layers = [
        Layer(LayerKind.SPACE_TO_DEPTH, "cells", (PHOTO,), (12, half, half)),
        convolve(student.stem, "cells", half, RELU6),
        convolve(student.down, "stem", quarter, RELU6),
    ]
    for index, block in enumerate(student.body):
        source = layers[-1]
        layers.append(convolve(block.first, source.name, quarter, RELU6))
        layers.append(convolve(block.second, block.first.name, quarter, None))
        inputs = (source.name, block.second.name)
        layers.append(Layer(LayerKind.ADD, f"block{index}", inputs, source.shape, RELU6))
    wide = layers[-1]
    layers.append(Layer(LayerKind.RESIZE, "doubled", (wide.name,), (wide.shape[0], half, half)))
    layers.append(convolve(student.up, "doubled", half, None))
    layers.append(Layer(LayerKind.ADD, "joined", ("up", "stem"), layers[-1].shape, RELU6))
    for refine in student.refine:
        layers.append(convolve(refine, layers[-1].name, half, RELU6))
    layers.append(convolve(student.head, layers[-1].name, half, None))
    layers.append(Layer(LayerKind.DEPTH_TO_SPACE, "change", ("head",), (3, side, side)))
    layers.append(Layer(LayerKind.ADD, ANIME, (PHOTO, "change"), (3, side, side), PICTURE_CLIP))
    return tuple(layers)


@dataclass(frozen=True)
class StudentCost:
    """What the student costs on a device."""

    parameters: int
    macs: int
    weight_bytes: int  # int8 weights and int32 biases


def student_cost(layers: tuple[Layer, ...]) -> StudentCost:
    """Sum over all convolutions."""
    convolutions = [layer.convolution for layer in layers if layer.convolution is not None]
    weights = sum(int(layer.weight.size) for layer in convolutions)
    biases = sum(int(layer.bias.size) for layer in convolutions)
    return StudentCost(weights + biases, sum(layer.macs for layer in layers), weights + 4 * biases)
