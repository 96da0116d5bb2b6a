"""`ta_depthwise_s8`: depthwise convolution with int16 operands, two kernel rows per multiplication."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Clamp, Conv2D, Filter, Op, Size2D
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
    """What sizes and costs depend on."""

    kernel: Size2D
    stride: Size2D

    @property
    def pairs(self) -> int:
        """Pairs of input rows that a window touches at most."""
        return self.kernel.height // 2 + 1

    @property
    def alignments(self) -> int:
        """Windows begin in even rows only, or in odd ones too."""
        return 1 if self.stride.height % 2 == 0 else 2

    def panel_columns(self, outputs: int) -> int:
        """Input columns of so many output columns."""
        return (outputs - 1) * self.stride.width + self.kernel.width

    @property
    def tap_words(self) -> int:
        """Widened taps of 4 channels, for windows from even and from odd rows, each twice."""
        return 2 * 2 * _CHANNELS * self.pairs * self.kernel.width


@dataclass(frozen=True, slots=True)
class _Cost:
    """Instructions, or modelled cycles, of the parts of a call, fitted to counts on the emulated Cortex-M7 (-O3)."""

    tile_3x3: float
    tile_3x3_stride_2: float
    tile_5x5: float
    tile_5x5_stride_2: float
    tile: float
    """Of any other kernel, and then for each pair of rows and each tap of it."""
    tile_pair: float
    tile_tap: float
    lane_row: float
    """One channel of one output row of a block, beside its tiles."""
    widened_column: float
    """Of a pair of input rows, 4 channels."""
    widened_column_in_bytes: float
    """Where pixels are not whole words."""
    widened_pair: float
    stored_pixel: float
    """4 channels."""
    stored_pixel_clamped: float
    stored_pixel_in_bytes: float
    stored_row: float
    widened_tap: float
    """4 channels of a tap of a pair of kernel rows."""
    alignment: float
    row: float
    """4 channels of an output row of a block."""
    panel: float
    call: float

    def tile_of(self, shape: _Shape) -> float:
        """4 output pixels of one channel."""
        known = {
            (2, 3, 1): self.tile_3x3,
            (2, 3, 2): self.tile_3x3_stride_2,
            (3, 5, 1): self.tile_5x5,
            (3, 5, 2): self.tile_5x5_stride_2,
        }
        pairs, width = shape.pairs, shape.kernel.width
        other = self.tile + pairs * (self.tile_pair + width * self.tile_tap)
        return known.get((pairs, width, shape.stride.width), other)


_INSTRUCTIONS = _Cost(
    tile_3x3=71,
    tile_3x3_stride_2=77,
    tile_5x5=137,
    tile_5x5_stride_2=157,
    tile=62,
    tile_pair=17,
    tile_tap=14,
    lane_row=36,
    widened_column=14.5,
    widened_column_in_bytes=26,
    widened_pair=50,
    stored_pixel=4,
    stored_pixel_clamped=9,
    stored_pixel_in_bytes=18,
    stored_row=26,
    widened_tap=35.5,
    alignment=72,
    row=54,
    panel=105,
    call=650,
)
_CYCLES = _Cost(
    tile_3x3=46.5,
    tile_3x3_stride_2=48.2,
    tile_5x5=102,
    tile_5x5_stride_2=120,
    tile=33,
    tile_pair=16.6,
    tile_tap=10.4,
    lane_row=30,
    widened_column=10,
    widened_column_in_bytes=21,
    widened_pair=47,
    stored_pixel=2.4,
    stored_pixel_clamped=7,
    stored_pixel_in_bytes=14,
    stored_row=26,
    widened_tap=32.3,
    alignment=66,
    row=46,
    panel=95,
    call=560,
)


@dataclass(frozen=True, slots=True)
class _Amounts:
    """What a call does, in the units of its costs."""

    channels: int
    groups: int
    """Of 4 channels."""
    rows: int
    pixels: int
    """Output pixels of a row."""
    tiles: int
    """Of a row."""
    blocks: int
    """Of a row."""
    pairs: int
    """Pairs of input rows that are widened."""
    columns: int
    """Input columns that are widened, of all blocks."""
    in_words: bool
    """Whether pixels are whole words."""
    clamped: bool

    def cost(self, shape: _Shape, each: _Cost) -> int:
        lane_rows = self.channels * self.rows
        group_rows = self.groups * self.rows
        column = each.widened_column if self.in_words else each.widened_column_in_bytes
        pixel = each.stored_pixel_clamped if self.clamped else each.stored_pixel
        taps = shape.alignments * (shape.pairs * shape.kernel.width * each.widened_tap + each.alignment)
        return ceil(
            lane_rows * (self.tiles * each.tile_of(shape) + self.blocks * each.lane_row)
            + self.groups * self.pairs * (self.columns * column + self.blocks * each.widened_pair)
            + group_rows * self.pixels * (pixel if self.in_words else each.stored_pixel_in_bytes)
            + group_rows * self.blocks * (each.stored_row + each.row)
            + self.groups * (self.blocks * shape.pairs * each.panel + taps)
            + each.call
        )


def _shape(op: Conv2D) -> _Shape:
    return _Shape(op.filter.kernel, op.stride)


def _tiles(columns: int) -> int:
    return ceil(columns / _TILE)


def _amounts(graph: Graph, op: Conv2D, rows: int, block: int) -> _Amounts:
    shape = _shape(op)
    source, target = graph.tensors[op.inputs[0]], graph.output_tensor(op)
    blocks, last = ceil(target.width / block), target.width % block
    tiles = target.width // block * _tiles(block) + _tiles(last)
    halo = max(0, shape.kernel.width - shape.stride.width)
    return _Amounts(
        channels=target.channels,
        groups=ceil(target.channels / _CHANNELS),
        rows=rows,
        pixels=target.width,
        tiles=tiles,
        blocks=blocks,
        pairs=min(rows * shape.pairs, (rows - 1) * shape.stride.height // 2 + shape.pairs),
        columns=min(source.width, shape.panel_columns(target.width)) + (blocks - 1) * halo,
        in_words=target.channels % _CHANNELS == 0,
        clamped=op.clamp != Clamp(),
    )


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

    def scratch_bytes(self, graph: Graph, op: Op, block: int, cores: int = 1) -> int:
        del graph
        shape = _shape(_checked(op))
        outputs = _TILE * _tiles(block)
        panels = _CHANNELS * shape.pairs * shape.panel_columns(outputs)
        return cores * _WORD_BYTES * (panels + shape.tap_words + outputs)

    def pack_weights(self, weights: Filter) -> NDArray[np.int8]:
        channels = weights.out_channels
        groups = (weights.values[first : first + _CHANNELS] for first in range(0, channels, _CHANNELS))
        taps = [group.reshape(len(group), -1).transpose().reshape(-1) for group in groups]
        return np.concatenate(taps).reshape(channels, -1)

    def work(self, graph: Graph, op: Op, rows: int, block: int) -> Work:
        depthwise = _checked(op)
        shape, amounts = _shape(depthwise), _amounts(graph, depthwise, rows, block)
        taps = shape.pairs * shape.kernel.width
        tile_words = taps + shape.pairs * shape.panel_columns(_TILE)
        words = (
            amounts.channels * rows * amounts.tiles * tile_words
            + _CHANNELS * amounts.groups * (amounts.pairs * amounts.columns + 2 * shape.alignments * taps)
            + 2 * amounts.groups * rows * amounts.pixels
        )
        return Work(
            instructions=amounts.cost(shape, _INSTRUCTIONS),
            cycles=amounts.cost(shape, _CYCLES),
            scratch_bytes=_WORD_BYTES * words,
            weight_bytes=shape.alignments * int(depthwise.filter.values.size),
        )


def _checked(op: Op) -> Conv2D:
    if not isinstance(op, Conv2D):
        raise TypeError(f"{type(op).__name__} '{op.name}' is no convolution")
    return op


DEPTHWISE = Depthwise()
