"""Generators by shape, with random weights."""

from __future__ import annotations

import onnx

from tests.models.builders import Activation, QdqBuilder


def student_32_64_128(seed: int = 1, *, side: int = 128) -> onnx.ModelProto:
    """The classic distilled student: 32, 64 and 128 channels, two residual blocks, stem and head at full resolution.

    The input and output are [1, 3, side, side]; maps of `side` x `side` x 32 are 512 KiB each at 128 pixels.
    """
    b = QdqBuilder(seed, name="student_32_64_128")

    def conv(x: Activation, channels: int, *, relu: bool = True, stride: int = 1) -> Activation:
        return b.conv(x, channels, kernel=(3, 3), pads=(1, 1, 1, 1), stride=(stride, stride), relu=relu)

    x = conv(b.input((1, 3, side, side), zero_point=0), 32)
    x = conv(conv(x, 64, stride=2), 128, stride=2)
    for _ in range(2):
        x = b.add(x, conv(conv(x, 128), 128, relu=False))
    x = conv(b.resize(x, (2, 2)), 64)
    x = conv(b.resize(x, (2, 2)), 32)
    return b.finish(conv(x, 3, relu=False))
