"""`ta_depthwise_3x3_s8`: depthwise 3x3 convolution with int16 operands, many output rows in one loop."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Clamp, Conv2D, Filter, Op, Size2D
from tinyanime.codegen.kernels.depthwise import DEPTHWISE
from tinyanime.codegen.kernels.spec import Work

_SIDE = 3
_MOST_STRIDE = 2
_LARGEST_BLOCK = 1024
_CHANNELS = 4
"""Channels computed at a time."""
_TILE = 4
"""Positions computed at a time."""
_WORD_BYTES = 4
_CONSTANT_WORDS = 4 * (2 * _SIDE + 4)
"""Taps and requantization of 4 channels."""
_TILE_WORDS = 26
"""Loaded for 4 positions of a channel, inputs and constants."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """A layer as the kernel sees it, and a block of it. A position is an output pixel, or one between two rows."""

    stride: Size2D
    width: int
    """Output pixels of a row."""
    positions: int
    """Of a row."""
    rows: int
    """Output rows at a time."""

    @property
    def pitch(self) -> int:
        """Columns of a panel row."""
        return self.stride.width * self.positions

    @property
    def lower(self) -> int:
        """Panel rows between the two that a window reads."""
        return 2 if self.stride.height == 1 else 1

    def tiles(self, rows: int) -> int:
        return ceil(rows * self.positions / _TILE)

    @property
    def scratch_words(self) -> int:
        positions = _TILE * self.tiles(self.rows)
        columns = self.lower * self.pitch + self.stride.width * (positions - 1) + _SIDE
        return _CHANNELS * columns + positions + _CONSTANT_WORDS


@dataclass(frozen=True, slots=True)
class _Amounts:
    """What a call does, in the units of its cost. All but the first three are of all groups of 4 channels."""

    calls: int
    call_rows: int
    cleared: int
    """Columns of zeros."""
    groups: int
    parts: int
    """Runs of output rows that are computed at a time."""
    tiles: int
    """Of 4 positions of one channel, stride 1."""
    tiles_stride_2: int
    panel_rows: int
    columns: int
    """Widened, of all panel rows."""
    rows: int
    pixels: int
    clamped_rows: int
    clamped_pixels: int


@dataclass(frozen=True, slots=True)
class _Cost:
    """Of each unit of `_Amounts`: fitted to counts on an emulated Cortex-M7 (GCC 12, -O3) over 268 calls."""

    calls: float
    call_rows: float
    cleared: float
    groups: float
    parts: float
    tiles: float
    tiles_stride_2: float
    panel_rows: float
    columns: float
    rows: float
    pixels: float
    clamped_rows: float
    clamped_pixels: float

    def of(self, amounts: _Amounts) -> int:
        total: float = sum(cost * unit for cost, unit in zip(astuple(self), astuple(amounts), strict=True))
        return ceil(total)


_INSTRUCTIONS = _Cost(
    calls=377,
    call_rows=70.2,
    cleared=24.2,
    groups=172,
    parts=159,
    tiles=67.8,
    tiles_stride_2=74.5,
    panel_rows=48.7,
    columns=14.3,
    rows=0,
    pixels=4.27,
    clamped_rows=10.9,
    clamped_pixels=8.01,
)
_CYCLES = _Cost(
    calls=307,
    call_rows=30.2,
    cleared=32.5,
    groups=109,
    parts=130,
    tiles=39.1,
    tiles_stride_2=42.2,
    panel_rows=47.7,
    columns=9.36,
    rows=23.3,
    pixels=0,
    clamped_rows=16.5,
    clamped_pixels=5.93,
)


@dataclass(frozen=True, slots=True)
class Depthwise3x3:
    """Satisfies `ConvolutionKernel`. A column is an output pixel; whole rows of them are computed at a time."""

    function: str = "ta_depthwise_3x3_s8"
    layout: str = DEPTHWISE.layout

    def refusal(self, graph: Graph, op: Op) -> str | None:
        if (reason := DEPTHWISE.refusal(graph, op)) is not None:
            return reason
        assert isinstance(op, Conv2D)
        if op.filter.kernel != Size2D(_SIDE, _SIDE):
            return "its kernel is not 3x3"
        if max(op.stride.height, op.stride.width) > _MOST_STRIDE:
            return f"its stride is larger than {_MOST_STRIDE}"
        if op.filter.out_channels % _CHANNELS:
            return f"its channels are no multiple of {_CHANNELS}"
        return None

    def blocks(self, graph: Graph, op: Op, rows: int) -> tuple[int, ...]:
        """All rows of a call, and halves of them down to one."""
        width = graph.output_tensor(op).width
        most = max(1, min(rows, _LARGEST_BLOCK // width))
        counts = {most}
        while most > 1:
            most = ceil(most / 2)
            counts.add(most)
        return tuple(sorted({min(_LARGEST_BLOCK, width * count + width * count % 2) for count in counts}))

    def scratch_bytes(self, graph: Graph, op: Op, block: int, cores: int = 1) -> int:
        return cores * _WORD_BYTES * _shape(graph, op, block).scratch_words

    def pack_weights(self, weights: Filter) -> NDArray[np.int8]:
        return DEPTHWISE.pack_weights(weights)

    def work(self, graph: Graph, op: Op, rows: int, block: int) -> Work:
        amounts = _amounts(graph, op, rows, block)
        words = (
            _TILE_WORDS * (amounts.tiles + amounts.tiles_stride_2)
            + _CHANNELS * (amounts.columns + amounts.cleared)
            + 2 * amounts.pixels
            + _CONSTANT_WORDS * amounts.groups
        )
        weights = _CHANNELS * _SIDE * _SIDE * amounts.groups
        return Work(_INSTRUCTIONS.of(amounts), _CYCLES.of(amounts), _WORD_BYTES * words, weights)


def _shape(graph: Graph, op: Op, block: int) -> _Shape:
    if not isinstance(op, Conv2D):
        raise TypeError(f"{type(op).__name__} '{op.name}' is no convolution")
    source, target = graph.tensors[op.inputs[0]], graph.output_tensor(op)
    gap = 2 if op.stride.width == 1 else 1
    if op.stride.width == 1 and op.padding.left and target.width >= source.width + op.padding.left - 1:
        gap = 1
    rows = min(max(1, block // target.width), target.height)
    return _Shape(op.stride, target.width, target.width + gap, rows)


def _amounts(graph: Graph, op: Op, rows: int, block: int) -> _Amounts:
    assert isinstance(op, Conv2D)
    shape, source = _shape(graph, op, block), graph.tensors[op.inputs[0]]
    groups = graph.output_tensor(op).channels // _CHANNELS
    whole, rest = divmod(rows, shape.rows)
    parts = whole + bool(rest)
    tiles = _CHANNELS * groups * (whole * shape.tiles(shape.rows) + shape.tiles(rest))
    panel_rows = rows + parts * shape.lower
    read = min((shape.width - 1) * shape.stride.width + _SIDE, shape.pitch)
    columns = min(source.width, read - min(op.padding.left, read))
    clamped = op.clamp != Clamp()
    return _Amounts(
        calls=1,
        call_rows=rows,
        cleared=(shape.rows + shape.lower) * (shape.pitch - columns),
        groups=groups,
        parts=groups * parts,
        tiles=tiles if shape.stride.width == 1 else 0,
        tiles_stride_2=tiles if shape.stride.width == 2 else 0,
        panel_rows=groups * panel_rows,
        columns=groups * panel_rows * columns,
        rows=groups * rows,
        pixels=groups * rows * shape.width,
        clamped_rows=groups * rows if clamped else 0,
        clamped_pixels=groups * rows * shape.width if clamped else 0,
    )


DEPTHWISE_3X3 = Depthwise3x3()
