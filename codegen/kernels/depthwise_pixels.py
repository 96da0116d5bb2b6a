"""`ta_depthwise_pixels_s8`: depthwise convolution pixel by pixel, for small maps."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Conv2D, Filter, Op
from tinyanime.codegen.kernels.depthwise import DEPTHWISE
from tinyanime.codegen.kernels.spec import Work

_CHANNELS = 4
_TAP_BYTES = 8
_MOST_TAPS = 1 << 16
_BLOCK = 2
"""The kernel does not use it."""


@dataclass(frozen=True, slots=True)
class _Cost:
    """Fitted to counts: per call, group of 4 channels, row of a group, pixel of a group, tap row, tap inside the map."""

    call: float
    group: float
    widened_tap: float
    row: float
    pixel: float
    tap_row: float
    tap: float


_INSTRUCTIONS = _Cost(300, 40, 12, 50, 80, 8, 12)
_CYCLES = _Cost(300, 40, 9, 50, 60, 8, 7)


@dataclass(frozen=True, slots=True)
class DepthwisePixels:
    """Satisfies `ConvolutionKernel`. Blocks make no difference."""

    function: str = "ta_depthwise_pixels_s8"
    layout: str = "[out / 4][kernel row][kernel column][4 out]"

    def refusal(self, graph: Graph, op: Op) -> str | None:
        if (reason := DEPTHWISE.refusal(graph, op)) is not None:
            return reason
        assert isinstance(op, Conv2D)
        if op.filter.out_channels % _CHANNELS:
            return f"its channels are no multiple of {_CHANNELS}"
        if op.filter.kernel.height * op.filter.kernel.width > _MOST_TAPS:
            return f"it has more than {_MOST_TAPS:,} taps"
        return None

    def blocks(self, graph: Graph, op: Op, rows: int) -> tuple[int, ...]:
        del graph, op, rows
        return (_BLOCK,)

    def scratch_bytes(self, graph: Graph, op: Op, block: int) -> int:
        del graph, block
        assert isinstance(op, Conv2D)
        return _TAP_BYTES * op.filter.kernel.height * op.filter.kernel.width

    def pack_weights(self, weights: Filter) -> NDArray[np.int8]:
        return DEPTHWISE.pack_weights(weights)

    def work(self, graph: Graph, op: Op, rows: int, block: int) -> Work:
        assert isinstance(op, Conv2D)
        groups = graph.output_tensor(op).channels // _CHANNELS
        scratch = _TAP_BYTES * _taps_inside(graph, op, rows) * groups
        weights = _CHANNELS * groups * op.filter.kernel.height * op.filter.kernel.width
        return Work(_cost(graph, op, rows, _INSTRUCTIONS), _cost(graph, op, rows, _CYCLES), scratch, weights)


def _cost(graph: Graph, op: Conv2D, rows: int, each: _Cost) -> int:
    target = graph.output_tensor(op)
    groups = target.channels // _CHANNELS
    widened = op.filter.kernel.height * op.filter.kernel.width
    tap_rows = _inside_down(graph, op, rows) * target.width
    per_group = (
        each.group
        + each.widened_tap * widened
        + each.row * rows
        + each.pixel * rows * target.width
        + each.tap_row * tap_rows
        + each.tap * _taps_inside(graph, op, rows)
    )
    return ceil(each.call + groups * per_group)


def _taps_inside(graph: Graph, op: Conv2D, rows: int) -> int:
    """Taps that meet the map, over all pixels of `rows` rows."""
    source, target = graph.tensors[op.inputs[0]], graph.output_tensor(op)
    across = _inside(source.width, target.width, op.filter.kernel.width, op.stride.width, op.padding.left)
    return round(_inside_down(graph, op, rows) * across)


def _inside_down(graph: Graph, op: Conv2D, rows: int) -> float:
    """Kernel rows that meet the map, over `rows` rows of the average."""
    source, target = graph.tensors[op.inputs[0]], graph.output_tensor(op)
    every = _inside(source.height, target.height, op.filter.kernel.height, op.stride.height, op.padding.top)
    return every * rows / target.height


def _inside(size: int, outputs: int, taps: int, stride: int, padding: int) -> int:
    """Taps in [0, size), over all outputs along one side."""
    first = np.arange(outputs) * stride - padding
    return int(np.maximum(0, np.minimum(first + taps, size) - np.maximum(first, 0)).sum())


DEPTHWISE_PIXELS = DepthwisePixels()
