"""3x3 convolutions by tiles (`firmware/kernels/ta_tiles.h`): what the kernels of this kind have in common."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Conv2D, Filter, Op, Padding, Size2D
from tinyanime.codegen.kernels.channels import channel_refusal, sum_bounds
from tinyanime.codegen.kernels.spec import Work

_KERNEL = Size2D(3, 3)
_ONE = Size2D(1, 1)
_LARGEST_BLOCK = 1024
_QUAD = 4
"""Input channels whose bytes are read together, as two words."""
_QUAD_WORDS = 2
_TAPS = 9
_CHANNELS = 4
"""Output channels computed at a time."""
_GROUP_TILES = 8
"""Tiles whose sums lie together; one product of them is one matrix product."""
_WORD_BYTES = 4
_BLOCK_COUNTS = (*range(1, 8), *(count << power for power in range(2, 15) for count in (2, 3)))
"""Into how many blocks the tiles of a call may be divided."""


@dataclass(frozen=True, slots=True)
class TileKind:
    """One algorithm, as `ta_tile_kind` has it."""

    stride: int
    out_size: int
    """Output rows and columns of a tile."""
    in_size: int
    inputs: int
    """Transformed inputs of a tile."""
    products: int
    weights: int
    """Transformed weights of an output channel."""
    panels: int
    """The largest number of transformed weights that are kept at a time."""
    has_surplus: bool
    """Whether constants in the weights are taken off the outputs again."""

    @property
    def rounds(self) -> int:
        """In which the products of an output channel are computed."""
        return ceil(self.weights / self.panels)

    @property
    def in_step(self) -> int:
        """Input rows and columns from one tile to the next."""
        return self.stride * self.out_size


@dataclass(frozen=True, slots=True)
class _Amounts:
    """What a call does, in the units of its cost. A word is two input channels; a group 4 output channels."""

    tiles: int
    edge_tiles: int
    """Tiles whose inputs are gathered: some lie outside of the map, or pixels are not aligned."""
    cut_tiles: int
    """Tiles of which some outputs are dropped."""
    blocks: int
    runs: int
    """Matrix products per transformed input and group: up to 8 tiles of a block."""
    pairs: int
    words: int
    channels: int

    @property
    def groups(self) -> int:
        return ceil(self.channels / _CHANNELS)


@dataclass(frozen=True, slots=True)
class TileCost:
    """Fitted to an emulated Cortex-M7 (GCC 12, -O3): instructions or modelled cycles of each unit."""

    call: float
    tile: float
    word: float
    """Of a tile: its transformed inputs."""
    edge_tile: float
    edge_word: float
    """Of a tile at the edge, on top."""
    weight_word: float
    """Of an output channel in a block: its transformed weights."""
    group: float
    """Of 4 output channels in a block."""
    run: float
    """Of all products of up to 8 tiles and 4 output channels."""
    pair: float
    """Of all products of two tiles and 4 output channels."""
    product_word: float
    """Of one product of two tiles and 4 output channels: 8 SMLAD."""
    outputs: float
    """Of a tile and an output channel."""
    stored_tile: float
    """Of a tile and 4 output channels."""
    cut_tile: float
    """Of a tile at the edge and 4 output channels, on top."""

    def of(self, kind: TileKind, amounts: _Amounts) -> int:
        a = amounts
        return ceil(
            self.call
            + (self.tile + self.word * a.words) * a.tiles
            + (self.edge_tile + self.edge_word * a.words) * a.edge_tiles
            + self.weight_word * a.blocks * a.channels * a.words
            + (self.group * a.blocks + self.run * a.runs) * a.groups
            + (self.pair + self.product_word * kind.products * a.words) * a.pairs * a.groups
            + self.outputs * a.tiles * a.channels
            + (self.stored_tile * a.tiles + self.cut_tile * a.cut_tiles) * a.groups
        )


@dataclass(frozen=True, slots=True)
class TiledConvolution:
    """Satisfies `ConvolutionKernel`. A column is a tile; a block may cover parts of several rows of tiles."""

    function: str
    kind: TileKind
    sum_limit: int
    """|sum + bias| must stay below."""
    instructions: TileCost
    cycles: TileCost
    layout: str = "[out][in / 4][kernel row][kernel column][4 in]"

    def refusal(self, graph: Graph, op: Op) -> str | None:
        if not isinstance(op, Conv2D):
            return "it is no convolution"
        if op.groups != 1:
            return f"it has {op.groups} groups"
        if op.filter.kernel != _KERNEL:
            return f"the kernel is {op.filter.kernel.height}x{op.filter.kernel.width}"
        if op.stride != Size2D(self.kind.stride, self.kind.stride):
            return f"the stride is not {self.kind.stride}"
        if op.dilation != _ONE:
            return "it is dilated"
        for channel, bound in enumerate(sum_bounds(graph, op)):
            if bound >= self.sum_limit:
                return f"the sum of channel {channel} can reach {bound}, the kernel takes less than {self.sum_limit}"
        return channel_refusal(graph, op)

    def blocks(self, graph: Graph, op: Op, rows: int) -> tuple[int, ...]:
        """Those that divide the tiles of a call evenly."""
        width = graph.output_tensor(op).width
        tiles = ceil(width / self.kind.out_size) * ceil(rows / self.kind.out_size)
        most = min(_LARGEST_BLOCK, tiles + tiles % 2)
        found = {_even(ceil(tiles / count)) for count in _BLOCK_COUNTS}
        return tuple(sorted(block for block in found if block <= most))

    def scratch_bytes(self, graph: Graph, op: Op, block: int, cores: int = 1) -> int:
        del cores
        kind, words = self.kind, _words(graph, op)
        inputs = kind.inputs * block * words
        weights = kind.panels * _CHANNELS * words
        sums = ceil(block / _GROUP_TILES) * kind.products * _GROUP_TILES * _CHANNELS
        surplus = block * kind.out_size**2 if kind.has_surplus else 0
        return _WORD_BYTES * (inputs + weights + sums + surplus)

    def pack_weights(self, weights: Filter) -> NDArray[np.int8]:
        return pack_taps(weights)

    def work(self, graph: Graph, op: Op, rows: int, block: int) -> Work:
        assert isinstance(op, Conv2D)
        amounts = _amounts(self.kind, graph, op, rows, block)
        channel_bytes = _TAPS * _QUAD // _QUAD_WORDS * amounts.words
        return Work(
            self.instructions.of(self.kind, amounts),
            self.cycles.of(self.kind, amounts),
            _scratch_traffic(self.kind, amounts),
            channel_bytes * amounts.channels * amounts.blocks,
            meetings=amounts.blocks * (2 + 2 * amounts.groups * self.kind.rounds),
        )


def pack_taps(weights: Filter) -> NDArray[np.int8]:
    """int8 [out_channels, bytes]: [in / 4, rounded up][taps][4 in], zeros behind the last input channel."""
    channels, height, width, depth = weights.values.shape
    padded = np.pad(weights.values, ((0, 0), (0, 0), (0, 0), (0, -depth % _QUAD)))
    quads = padded.reshape(channels, height * width, -1, _QUAD).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(quads).reshape(channels, -1)


def _even(count: int) -> int:
    return count + count % 2


def _words(graph: Graph, op: Op) -> int:
    """Pairs of input channels, of which there are a multiple of 4."""
    return _QUAD_WORDS * ceil(graph.tensors[op.inputs[0]].channels / _QUAD)


def _amounts(kind: TileKind, graph: Graph, op: Conv2D, rows: int, block: int) -> _Amounts:
    source, target = graph.tensors[op.inputs[0]], graph.output_tensor(op)
    across, down = ceil(target.width / kind.out_size), ceil(rows / kind.out_size)
    tiles = across * down
    whole, rest = divmod(tiles, block)
    inner_across = _inner_tiles(kind, across, op.padding.left, source.width)
    inner_down = _inner_rows(kind, down, rows, op.padding, source.height, target.height)
    whole_outputs = (target.width // kind.out_size) * (rows // kind.out_size)
    pairs = whole * (block // 2) + ceil(rest / 2)
    return _Amounts(
        tiles=tiles,
        edge_tiles=tiles if source.channels % _QUAD else tiles - inner_across * inner_down,
        cut_tiles=tiles - whole_outputs,
        blocks=whole + bool(rest),
        runs=whole * ceil(block / _GROUP_TILES) + ceil(rest / _GROUP_TILES),
        pairs=pairs,
        words=_words(graph, op),
        channels=target.channels,
    )


def _inner_tiles(kind: TileKind, count: int, pad: int, size: int) -> int:
    """Of `count` tiles along one side, those whose inputs are all in [0, size)."""
    first = ceil(pad / kind.in_step)
    behind = (size - kind.in_size + pad) // kind.in_step + 1
    return max(0, min(behind, count) - first)


def _inner_rows(kind: TileKind, down: int, rows: int, padding: Padding, in_height: int, out_height: int) -> int:
    """Rows of tiles whose inputs are all there, in an average call: one in the middle of the map, or the whole map."""
    if rows == out_height:
        return _inner_tiles(kind, down, padding.top, in_height)
    return rows // kind.out_size


def _scratch_traffic(kind: TileKind, amounts: _Amounts) -> int:
    """Bytes of transformed inputs, transformed weights and sums, written and read."""
    a = amounts
    inputs = kind.inputs * a.tiles * a.words + 2 * kind.products * a.pairs * a.words * a.groups
    weights = kind.weights * a.blocks * a.channels * a.words + _CHANNELS * kind.products * a.words * a.groups * a.pairs
    sums = 2 * _CHANNELS * kind.products * a.pairs * a.groups + kind.products * a.tiles * a.channels
    return _WORD_BYTES * (inputs + weights + sums)
