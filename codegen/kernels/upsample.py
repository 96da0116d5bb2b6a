"""`ta_upsample_convolve_s8`: nearest-neighbour upsampling by 2 and the 3x3 convolution behind it, by tiles."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Filter, Op, UpsampleConv2D
from tinyanime.codegen.kernels.channels import channel_refusal, sum_bounds
from tinyanime.codegen.kernels.spec import Work

_SUM_LIMIT = 1 << 29
"""The kernel computes four times every sum, modulo 2**32."""

_LARGEST_BLOCK = 1024
_TILE = 4
"""Output rows and columns of a tile."""
_INPUTS = 16
"""Transformed inputs of a tile."""
_PRODUCTS = 25
_CHANNELS = 4
"""Output channels computed at a time."""
_GROUP_TILES = 8
_GROUP_SUMS = 32
"""Sums of a product for so many tiles."""
_WORD_BYTES = 4


@dataclass(frozen=True, slots=True)
class _Amounts:
    """What a call does, in the units of its cost. A word is two input channels; a group 4 output channels."""

    tiles: int
    edge_tiles: int
    """Tiles whose inputs are gathered: some lie outside of the map, or pixels are not aligned."""
    blocks: int
    pairs: int
    words: int
    channels: int

    @property
    def groups(self) -> int:
        return ceil(self.channels / _CHANNELS)


@dataclass(frozen=True, slots=True)
class _Cost:
    """Fitted to counts on an emulated Cortex-M7 (GCC 12, -O3) over 30 shapes: of each unit of `_Amounts`."""

    call: float
    edge_tile: float
    input_word: float
    """Of a tile."""
    weight_word: float
    """Of an output channel in a block."""
    group: float
    """Of 4 output channels in a block."""
    product_word: float
    """Of two tiles and 4 output channels: 25 products."""
    product_pair: float
    outputs: float
    """Of a tile and an output channel."""
    unaligned_outputs: float
    """Of a tile and 4 output channels that are stored byte by byte."""

    def of(self, amounts: _Amounts) -> int:
        a = amounts
        unaligned = self.unaligned_outputs if a.channels % _CHANNELS else 0.0
        return ceil(
            self.call
            + self.edge_tile * a.edge_tiles
            + self.input_word * a.tiles * a.words
            + self.weight_word * a.blocks * a.channels * a.words
            + self.group * a.blocks * a.groups
            + (self.product_word * a.words + self.product_pair) * a.pairs * a.groups
            + (self.outputs * a.channels + unaligned * a.groups) * a.tiles
        )


_INSTRUCTIONS = _Cost(2500, 1140, 132, 86, 910, 356.4, 770, 280, 580)
_CYCLES = _Cost(2200, 1090, 98, 60.5, 970, 210, 762, 190, 584)


@dataclass(frozen=True, slots=True)
class UpsampleConvolve:
    """Satisfies `ConvolutionKernel`. A column is a tile of 4x4 outputs."""

    function: str = "ta_upsample_convolve_s8"
    layout: str = "[out][in / 4][kernel row][kernel column][4 in]"

    def refusal(self, graph: Graph, op: Op) -> str | None:
        if not isinstance(op, UpsampleConv2D):
            return "it is no upsampling with a convolution behind it"
        for channel, bound in enumerate(sum_bounds(graph, op)):
            if bound >= _SUM_LIMIT:
                return f"the sum of channel {channel} can reach {bound}, the kernel takes less than {_SUM_LIMIT}"
        return channel_refusal(graph, op)

    def blocks(self, graph: Graph, op: Op, rows: int) -> tuple[int, ...]:
        """Powers of two, and all tiles of a call where they are few enough."""
        tiles = ceil(graph.output_tensor(op).width / _TILE) * ceil(rows / _TILE)
        most = min(_LARGEST_BLOCK, tiles + tiles % 2)
        return (*(block for exponent in range(1, 10) if (block := 1 << exponent) < most), most)

    def scratch_bytes(self, graph: Graph, op: Op, block: int, cores: int = 1) -> int:
        del cores
        words = _words(graph, op)
        sums = _PRODUCTS * _GROUP_SUMS * ceil(block / _GROUP_TILES)
        return _WORD_BYTES * (_INPUTS * block * words + _PRODUCTS * _CHANNELS * words + sums)

    def pack_weights(self, weights: Filter) -> NDArray[np.int8]:
        channels, height, width, depth = weights.values.shape
        padded = np.pad(weights.values, ((0, 0), (0, 0), (0, 0), (0, -depth % 4)))
        quads = padded.reshape(channels, height * width, -1, 4).transpose(0, 2, 1, 3)
        return np.ascontiguousarray(quads).reshape(channels, -1)

    def work(self, graph: Graph, op: Op, rows: int, block: int) -> Work:
        """Of a call that begins at an even row; from an odd one it computes one more."""
        amounts = _amounts(graph, op, rows, block)
        channel_bytes = 18 * amounts.words
        return Work(
            _INSTRUCTIONS.of(amounts),
            _CYCLES.of(amounts),
            _scratch_traffic(amounts),
            channel_bytes * amounts.channels * amounts.blocks,
            meetings=amounts.blocks * (2 + 2 * amounts.groups),
        )


def _words(graph: Graph, op: Op) -> int:
    """Pairs of input channels, of which there are a multiple of 4."""
    return 2 * ceil(graph.tensors[op.inputs[0]].channels / 4)


def _amounts(graph: Graph, op: Op, rows: int, block: int) -> _Amounts:
    source, target = graph.tensors[op.inputs[0]], graph.output_tensor(op)
    across, down = ceil(target.width / _TILE), ceil(rows / _TILE)
    tiles = across * down
    inside = max(0, across - 2) * (max(0, down - 2) if rows == target.height else down)
    whole, rest = divmod(tiles, block)
    return _Amounts(
        tiles=tiles,
        edge_tiles=tiles if source.channels % 4 else tiles - inside,
        blocks=whole + bool(rest),
        pairs=whole * (block // 2) + ceil(rest / 2),
        words=_words(graph, op),
        channels=target.channels,
    )


def _scratch_traffic(amounts: _Amounts) -> int:
    """Bytes of transformed inputs, transformed weights and sums, written and read."""
    a = amounts
    inputs = _INPUTS * a.tiles * a.words + _PRODUCTS * 2 * a.pairs * a.words * a.groups
    weights = _PRODUCTS * _CHANNELS * a.words * a.groups * (a.blocks + a.pairs)
    sums = _PRODUCTS * 2 * _CHANNELS * a.pairs * a.groups + 40 * a.tiles * a.channels
    return _WORD_BYTES * (inputs + weights + sums)


UPSAMPLE_CONVOLVE = UpsampleConvolve()
