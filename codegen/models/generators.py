"""Generators by shape, with random weights: what people train, for measurements and tests."""

from __future__ import annotations

import onnx

from tinyanime.codegen.models.qdq import Activation, QdqBuilder


def student_32_64_128(seed: int = 1, *, side: int = 128, long_skip: bool = False) -> onnx.ModelProto:
    """The classic distilled student: 32, 64 and 128 channels, two residual blocks, stem and head at full resolution.

    The input and output are [1, 3, side, side]; maps of `side` x `side` x 32 are 512 KiB each at 128 pixels.
    With `long_skip` the stem's map is added to the one that the head reads, at full resolution.
    """
    b = QdqBuilder(seed, name="student_32_64_128" + ("_skip" if long_skip else ""))
    stem = _conv(b, b.input((1, 3, side, side), zero_point=0), 32)
    x = _conv(b, _conv(b, stem, 64, stride=2), 128, stride=2)
    for _ in range(2):
        x = b.add(x, _conv(b, _conv(b, x, 128), 128, relu=False))
    x = _conv(b, b.resize(x, (2, 2)), 64)
    x = _conv(b, b.resize(x, (2, 2)), 32)
    if long_skip:
        x = b.add(stem, x)
    return b.finish(_conv(b, x, 3, relu=False))


def small_generator(seed: int = 1, *, side: int = 512) -> onnx.ModelProto:
    """A small generator for large pictures: 8, 16 and 24 channels, one residual block, [1, 3, side, side] in and out.

    At 512 pixels the picture alone has 768 KiB, and as many again come out.
    """
    b = QdqBuilder(seed, name="small_generator")
    x = _conv(b, b.input((1, 3, side, side), zero_point=0), 8, stride=2)
    x = _conv(b, _conv(b, x, 16, stride=2), 24, stride=2)
    x = b.add(x, _conv(b, _conv(b, x, 24), 24, relu=False))
    for channels in (16, 8):
        x = _conv(b, b.resize(x, (2, 2)), channels)
    return b.finish(_conv(b, b.resize(x, (2, 2)), 3, relu=False))


def _conv(b: QdqBuilder, x: Activation, channels: int, *, relu: bool = True, stride: int = 1) -> Activation:
    return b.conv(x, channels, kernel=(3, 3), pads=(1, 1, 1, 1), stride=(stride, stride), relu=relu)
