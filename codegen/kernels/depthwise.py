"""`ta_depthwise_s8`: depthwise convolution with int16 operands, two kernel rows per multiplication."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Conv2D, Filter, Op, Size2D
from tinyanime.codegen.kernels.channels import channel_refusal
from tinyanime.codegen.kernels.spec import Work

_LARGEST_SIDE = 255
_LARGEST_BLOCK = 1024
_CHANNELS = 4
"""Channels computed at a time."""
_TILE = 4
"""Output pixels computed at a time."""
_WORD_BYTES = 4


@dataclass(frozen=True, slots=True)
class _Shape:
    """What sizes depend on; `pairs` are the pairs of input rows that a window touches at most."""

    kernel: Size2D
    stride: Size2D
    pairs: int

    def panel_columns(self, outputs: int) -> int:
        """Input columns of so many output columns (whole tiles)."""
        return (outputs - 1) * self.stride.width + self.kernel.width

    @property
    def tap_words(self) -> int:
        """Widened taps of 4 channels, for windows from even and from odd rows, each twice."""
        return 2 * 2 * _CHANNELS * self.pairs * self.kernel.width


def _shape(op: Conv2D) -> _Shape:
    return _Shape(op.filter.kernel, op.stride, op.filter.kernel.height // 2 + 1)


def _tiles(columns: int) -> int:
    return ceil(columns / _TILE)


@dataclass(frozen=True, slots=True)
class Depthwise:
    """Satisfies `ConvolutionKernel`. A column is an output pixel."""

    function: str = "ta_depthwise_s8"
    layout: str = "[out / 4][kernel row][kernel column][4 out]"

    def refusal(self, graph: Graph, op: Op) -> str | None:
        if not isinstance(op, Conv2D):
            return "it is no convolution"
        channels = graph.tensors[op.inputs[0]].channels
        if not op.groups == channels == op.filter.out_channels:
            return "it is not depthwise with one output channel per input channel"
        if op.dilation != Size2D(1, 1):
            return "it is dilated"
        sides = (op.filter.kernel.height, op.filter.kernel.width, op.stride.height, op.stride.width)
        if max(sides) > _LARGEST_SIDE:
            return f"a side of its kernel or a stride is larger than {_LARGEST_SIDE}"
        return channel_refusal(graph, op)

    def blocks(self, graph: Graph, op: Op, rows: int) -> tuple[int, ...]:
        """Whole rows, and halves of them down to 16 pixels."""
        del rows
        width = graph.output_tensor(op).width
        block = min(_LARGEST_BLOCK, _TILE * _tiles(width))
        blocks = [block]
        while block > 4 * _TILE:
            block = _TILE * _tiles(ceil(block / 2))
            blocks.append(block)
        return tuple(reversed(blocks))

    def scratch_bytes(self, graph: Graph, op: Op, block: int) -> int:
        del graph
        shape = _shape(_checked(op))
        outputs = _TILE * _tiles(block)
        panels = _CHANNELS * shape.pairs * shape.panel_columns(outputs)
        return _WORD_BYTES * (panels + shape.tap_words + outputs)

    def pack_weights(self, weights: Filter) -> NDArray[np.int8]:
        channels = weights.out_channels
        groups = (weights.values[first : first + _CHANNELS] for first in range(0, channels, _CHANNELS))
        taps = [group.reshape(len(group), -1).transpose().reshape(-1) for group in groups]
        return np.concatenate(taps).reshape(channels, -1)

    def work(self, graph: Graph, op: Op, rows: int, block: int) -> Work:
        return Work(1, 1, 1, 1)


def _checked(op: Op) -> Conv2D:
    if not isinstance(op, Conv2D):
        raise TypeError(f"{type(op).__name__} '{op.name}' is no convolution")
    return op


DEPTHWISE = Depthwise()
