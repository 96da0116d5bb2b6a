"""`ta_convolve_direct_s8`: convolution of any kernel, stride and dilation with widened weights; fully connected layers.

A fully connected layer is a 1x1 convolution of a map of one pixel.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Conv2D, Filter, FullyConnected, Op, Padding, Size2D
from tinyanime.codegen.kernels.channels import channel_refusal
from tinyanime.codegen.kernels.spec import Work

_LARGEST_BLOCK = 1024
_LEAST_BLOCK = 4
_ELEMENT_LIMIT = 1 << 16
_GROUP = 4
"""Elements of a window that are widened together, to two words."""
_WORDS_PER_GROUP = 2
_CHANNELS = 4
"""Output channels computed at a time."""
_COLUMNS = 2
"""Output pixels computed at a time."""
_WORD_BYTES = 4
_OVERREAD_WORDS = 2
_RGB_RUN = 9
"""Bytes of a row of a 3x3 kernel on a picture, whose copies are unrolled."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """A layer as the kernel sees it."""

    kernel: Size2D
    stride: Size2D
    dilation: Size2D
    padding: Padding
    in_width: int
    in_channels: int
    out_width: int
    out_channels: int

    @property
    def groups(self) -> int:
        return ceil(self.kernel.height * self.kernel.width * self.in_channels / _GROUP)

    @property
    def words(self) -> int:
        return _WORDS_PER_GROUP * self.groups

    @property
    def has_lines(self) -> bool:
        """Whether bytes are gathered before they are widened."""
        return self.in_channels % _GROUP != 0

    @property
    def panels(self) -> int:
        return ceil(self.out_channels / _CHANNELS)

    @property
    def edge_columns(self) -> int:
        """Output columns whose windows reach over the left or right side of the map."""
        reach = (self.kernel.width - 1) * self.dilation.width
        first = -(-self.padding.left // self.stride.width)
        behind = (self.in_width - 1 - reach + self.padding.left) // self.stride.width + 1
        return self.out_width - max(0, min(behind, self.out_width) - first)


@dataclass(frozen=True, slots=True)
class _Amounts:
    """What a call does, in the units of its cost."""

    calls: int
    segments: int
    """Runs of input bytes that neighbouring pixels of a block have alike, shifted."""
    edge_taps: int
    """Taps of kernel rows that are packed one by one."""
    column_groups: int
    widened_runs: int
    """Rows of groups of one column."""
    copied_runs: int
    """Rows of bytes of one column that are copied to its line."""
    copied_words: int
    panels: int
    """Of all blocks."""
    weight_groups: int
    """Of all panels and their channels."""
    products: int
    """Of a word of a pair of columns and four channels: 8 SMLAD."""
    pairs: int
    """Of all panels."""
    stored_bytes: int
    """Outputs stored one by one: channels behind the last multiple of 4."""


@dataclass(frozen=True, slots=True)
class _Cost:
    """Of each unit of `_Amounts`: fitted to counts on an emulated Cortex-M7 (GCC 12, -O3) over 178 calls."""

    calls: float
    segments: float
    edge_taps: float
    column_groups: float
    widened_runs: float
    copied_runs: float
    copied_words: float
    panels: float
    weight_groups: float
    products: float
    pairs: float
    stored_bytes: float

    def of(self, amounts: _Amounts) -> int:
        total: float = sum(cost * unit for cost, unit in zip(astuple(self), astuple(amounts), strict=True))
        return ceil(total)


_INSTRUCTIONS = _Cost(
    calls=322,
    segments=153,
    edge_taps=36.6,
    column_groups=7.95,
    widened_runs=14.3,
    copied_runs=10,
    copied_words=6.4,
    panels=234,
    weight_groups=5.92,
    products=14.2,
    pairs=77,
    stored_bytes=16.5,
)
_CYCLES = _Cost(
    calls=279,
    segments=138,
    edge_taps=46.9,
    column_groups=4.59,
    widened_runs=10.5,
    copied_runs=4.35,
    copied_words=3.9,
    panels=188,
    weight_groups=3.13,
    products=8.24,
    pairs=44,
    stored_bytes=28.1,
)


@dataclass(frozen=True, slots=True)
class Direct:
    """Satisfies `ConvolutionKernel`. A column is an output pixel; a block may cover parts of several rows."""

    function: str = "ta_convolve_direct_s8"
    layout: str = "[out][kernel row, kernel column, in, zeros up to a multiple of 4]"

    def refusal(self, graph: Graph, op: Op) -> str | None:
        if not isinstance(op, Conv2D | FullyConnected):
            return "it is no convolution"
        if isinstance(op, Conv2D) and op.groups != 1:
            return f"it has {op.groups} groups"
        if (elements := int(op.filter.values[0].size)) > _ELEMENT_LIMIT:
            return f"a window has {elements} elements, the kernel takes {_ELEMENT_LIMIT}"
        return channel_refusal(graph, op)

    def blocks(self, graph: Graph, op: Op, rows: int) -> tuple[int, ...]:
        """Powers of two, and all pixels of a call where they are few enough."""
        pixels = rows * _shape(graph, op).out_width
        most = min(_LARGEST_BLOCK, pixels + pixels % _COLUMNS)
        powers = (_LEAST_BLOCK << exponent for exponent in range(10))
        return (*(block for block in powers if block < most), most)

    def scratch_bytes(self, graph: Graph, op: Op, block: int, cores: int = 1) -> int:
        del cores
        shape = _shape(graph, op)
        lines = block * shape.groups if shape.has_lines else 0
        products = _CHANNELS * (shape.words + block) + _OVERREAD_WORDS
        return _WORD_BYTES * (block * shape.words + max(lines, products))

    def pack_weights(self, weights: Filter) -> NDArray[np.int8]:
        flat = weights.values.reshape(weights.out_channels, -1)
        return np.pad(flat, ((0, 0), (0, -flat.shape[1] % _GROUP)))

    def work(self, graph: Graph, op: Op, rows: int, block: int) -> Work:
        shape = _shape(graph, op)
        amounts = _amounts(shape, rows, block)
        return Work(
            _INSTRUCTIONS.of(amounts),
            _CYCLES.of(amounts),
            _scratch_traffic(shape, amounts),
            _GROUP * amounts.weight_groups,
            meetings=ceil(rows * shape.out_width / block) * (shape.has_lines + 2 * shape.panels),
        )


def _shape(graph: Graph, op: Op) -> _Shape:
    source, target = graph.tensors[op.inputs[0]], graph.output_tensor(op)
    one = Size2D(1, 1)
    match op:
        case Conv2D():
            kernel, stride, dilation, padding = op.filter.kernel, op.stride, op.dilation, op.padding
        case FullyConnected():
            kernel, stride, dilation, padding = one, one, one, Padding()
        case _:
            raise TypeError(f"{type(op).__name__} '{op.name}' is no convolution")
    return _Shape(
        kernel, stride, dilation, padding, source.width, source.channels, target.width, op.filter.out_channels
    )


def _amounts(shape: _Shape, rows: int, block: int) -> _Amounts:
    pixels = rows * shape.out_width
    whole, rest = divmod(pixels, block)
    blocks = whole + bool(rest)
    pairs = whole * (block // _COLUMNS) + ceil(rest / _COLUMNS)
    run_taps = 1 if shape.dilation.width == 1 else shape.kernel.width
    runs = pixels * shape.kernel.height * run_taps
    run_bytes = shape.kernel.width // run_taps * shape.in_channels
    last_channels = shape.out_channels % _CHANNELS
    return _Amounts(
        calls=1,
        segments=(rows + blocks - 1) * shape.kernel.height * run_taps,
        edge_taps=rows * shape.edge_columns * shape.kernel.height * shape.kernel.width,
        column_groups=pixels * shape.groups,
        widened_runs=pixels if shape.has_lines else runs,
        copied_runs=runs if shape.has_lines else 0,
        copied_words=runs * _looped_words(run_bytes) if shape.has_lines else 0,
        panels=blocks * shape.panels,
        weight_groups=blocks * shape.groups * shape.out_channels,
        products=pairs * shape.panels * shape.words,
        pairs=pairs * shape.panels,
        stored_bytes=pixels * last_channels,
    )


def _looped_words(run_bytes: int) -> int:
    """Words of a run that are copied in a loop."""
    return 0 if run_bytes == _RGB_RUN else ceil(run_bytes / _WORD_BYTES)


def _scratch_traffic(shape: _Shape, amounts: _Amounts) -> int:
    """Bytes of columns, widened weights, sums and lines, written and read."""
    a = amounts
    columns = a.column_groups * _WORDS_PER_GROUP + a.products * _COLUMNS
    weights = a.weight_groups * _WORDS_PER_GROUP + a.products * _CHANNELS
    sums = 2 * a.stored_bytes  # Those of a last panel of less than four channels; the others stay in registers.
    lines = 2 * a.column_groups if shape.has_lines else 0
    return _WORD_BYTES * (columns + weights + sums + lines)


DIRECT = Direct()
