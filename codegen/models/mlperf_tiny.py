"""Networks of the MLPerf Tiny benchmark by shape, with random weights: what published engines are compared on.

Shapes: MLPerf Tiny v1.x reference models (image classification, visual wake words, keyword spotting). Strided layers
have TensorFlow's "same" padding. The softmax at the end is left out, as in published integer deployments.
"""

from __future__ import annotations

import onnx

from tinyanime.codegen.models.qdq import Activation, Pads, QdqBuilder

_SAME_3X3: Pads = (1, 1, 1, 1)
_SAME_3X3_STRIDE_2: Pads = (0, 0, 1, 1)
"""Of maps with an even number of rows and columns."""


def resnet8(seed: int = 11) -> onnx.ModelProto:
    """ResNet v1 with eight weighted layers for CIFAR-10: [1, 3, 32, 32] to [1, 10], 12.5 M multiply-accumulates."""
    b = QdqBuilder(seed, name="resnet8")
    x = b.conv(b.input((1, 3, 32, 32), zero_point=0), 16, relu=True)
    x = b.add(x, b.conv(b.conv(x, 16, relu=True), 16), relu=True)
    for channels in (32, 64):
        main = b.conv(x, channels, stride=(2, 2), pads=_SAME_3X3_STRIDE_2, relu=True)
        shortcut = b.conv(x, channels, kernel=(1, 1), stride=(2, 2), pads=(0, 0, 0, 0))
        x = b.add(shortcut, b.conv(main, channels), relu=True)
    return _classified(b, x, 10, pool=(8, 8))


def mobilenet_v1_025(seed: int = 12) -> onnx.ModelProto:
    """MobileNet v1, width 0.25, for person detection: [1, 3, 96, 96] to [1, 2], 7.5 M multiply-accumulates."""
    b = QdqBuilder(seed, name="mobilenet_v1_025")
    x = b.conv(b.input((1, 3, 96, 96), zero_point=0), 8, stride=(2, 2), pads=_SAME_3X3_STRIDE_2, relu=True)
    blocks = ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *((128, 1),) * 5, (256, 2), (256, 1))
    for channels, stride in blocks:
        x = _separable(b, x, channels, stride)
    return _classified(b, x, 2, pool=(3, 3))


def ds_cnn(seed: int = 13) -> onnx.ModelProto:
    """Depthwise separable network for keyword spotting: [1, 1, 49, 10] to [1, 12], 2.7 M multiply-accumulates."""
    b = QdqBuilder(seed, name="ds_cnn")
    x = b.conv(b.input((1, 1, 49, 10), zero_point=0), 64, kernel=(10, 4), stride=(2, 2), pads=(4, 1, 5, 1), relu=True)
    for _ in range(4):
        x = _separable(b, x, 64, 1)
    return _classified(b, x, 12, pool=(25, 5))


def _separable(b: QdqBuilder, x: Activation, channels: int, stride: int) -> Activation:
    pads = _SAME_3X3 if stride == 1 else _SAME_3X3_STRIDE_2
    x = b.conv(x, x.shape[1], groups=x.shape[1], stride=(stride, stride), pads=pads, relu=True)
    return b.conv(x, channels, kernel=(1, 1), pads=(0, 0, 0, 0), relu=True)


def _classified(b: QdqBuilder, x: Activation, classes: int, *, pool: tuple[int, int]) -> onnx.ModelProto:
    """Average of the whole map and a fully connected layer."""
    x = b.pool(x, "AveragePool", kernel=pool, stride=pool)
    return b.finish(b.gemm(b.flatten(x), classes))
