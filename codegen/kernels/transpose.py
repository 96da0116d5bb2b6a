"""`ta_transpose_convolve_s8`: transposed convolution, one small convolution for each remainder by the strides."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Filter, Op, TransposeConv2D
from tinyanime.codegen.kernels.channels import channel_refusal
from tinyanime.codegen.kernels.spec import Work

_ELEMENT_LIMIT = 1 << 16
_LARGEST_BLOCK = 1024
_GROUP = 4
"""Input channels (bytes of a word) that are widened at a time."""
_CHANNELS = 4
"""Output channels computed at a time."""
_WORD_BYTES = 4
_SUMS_OVERREAD_BYTES = 8


@dataclass(frozen=True, slots=True)
class _Phase:
    """The outputs with one pair of remainders: pixels, pairs of columns in the panels, blocks, taps.

    Windows of `edge_pixels` are packed pixel by pixel: they reach over a side of the map, or are not aligned.
    """

    pixels: int
    edge_pixels: int
    pairs: int
    blocks: int
    taps: int


@dataclass(frozen=True, slots=True)
class _Cost:
    """Fitted to counts on an emulated Cortex-M7 (GCC 12, -O3) over 24 shapes."""

    phase: float
    column_group: float
    """Of 4 elements of a column."""
    edge_tap: float
    """Of a tap of a column that is packed pixel by pixel."""
    weight_group: float
    """Of 4 weights of an output channel in a block."""
    single_weight_group: float
    """The same, more, of channels that are not four."""
    block: float
    """Of 4 output channels in a block."""
    product_word: float
    """Of two columns and 4 output channels."""
    product_pair: float
    """The same, for any number of words: sums and outputs."""

    def of(self, phases: tuple[_Phase, ...], pixel_groups: int, channels: int) -> int:
        groups = ceil(channels / _CHANNELS)
        weights = self.weight_group * channels + self.single_weight_group * (channels % _CHANNELS)
        total = 0.0
        for phase in phases:
            column_groups = phase.taps * pixel_groups
            total += self.phase + phase.edge_pixels * phase.taps * self.edge_tap
            total += phase.pixels * self.column_group * column_groups
            total += phase.blocks * (self.block * groups + weights * column_groups)
            total += phase.pairs * groups * (self.product_pair + 2 * self.product_word * column_groups)
        return ceil(total)


_INSTRUCTIONS = _Cost(1280, 10.3, 82, 5.8, 14.8, 200, 13.16, 121)
_CYCLES = _Cost(1070, 7.7, 67, 4.2, 9.0, 240, 7.74, 94)


@dataclass(frozen=True, slots=True)
class TransposeConvolve:
    """Satisfies `ConvolutionKernel`. A column is an output pixel."""

    function: str = "ta_transpose_convolve_s8"
    layout: str = "[out][kernel row][kernel column][in, zeros up to a multiple of 4]"

    def refusal(self, graph: Graph, op: Op) -> str | None:
        if not isinstance(op, TransposeConv2D):
            return "it is no transposed convolution"
        if op.filter.values[0].size > _ELEMENT_LIMIT:
            return f"it has more than {_ELEMENT_LIMIT} weights per output channel"
        return channel_refusal(graph, op)

    def blocks(self, graph: Graph, op: Op, rows: int) -> tuple[int, ...]:
        """Powers of two, and all pixels of the largest phase where they are few enough."""
        op = _checked(op)
        columns = ceil(graph.output_tensor(op).width / op.stride.width)
        most = min(_LARGEST_BLOCK, _even(columns) * ceil(rows / op.stride.height))
        return (*(block for exponent in range(1, 10) if (block := 1 << exponent) < most), most)

    def scratch_bytes(self, graph: Graph, op: Op, block: int, cores: int = 1) -> int:
        del cores
        op = _checked(op)
        kernel, stride = op.filter.kernel, op.stride
        taps = ceil(kernel.height / stride.height) * ceil(kernel.width / stride.width)
        words = 2 * taps * _pixel_groups(graph, op)
        return _WORD_BYTES * (block * words + _CHANNELS * (words + block)) + _SUMS_OVERREAD_BYTES

    def pack_weights(self, weights: Filter) -> NDArray[np.int8]:
        depth = weights.values.shape[3]
        padded = np.pad(weights.values, ((0, 0), (0, 0), (0, 0), (0, -depth % _GROUP)))
        return np.ascontiguousarray(padded).reshape(weights.out_channels, -1)

    def work(self, graph: Graph, op: Op, rows: int, block: int) -> Work:
        op = _checked(op)
        phases = _phases(graph, op, rows, block)
        groups, channels = _pixel_groups(graph, op), graph.output_tensor(op).channels
        weight_bytes = _GROUP * groups * channels * sum(phase.taps * phase.blocks for phase in phases)
        return Work(
            _INSTRUCTIONS.of(phases, groups, channels),
            _CYCLES.of(phases, groups, channels),
            _scratch_traffic(phases, groups, channels),
            weight_bytes,
            meetings=sum(phase.blocks for phase in phases) * 2 * ceil(channels / _CHANNELS),
        )


def _checked(op: Op) -> TransposeConv2D:
    if not isinstance(op, TransposeConv2D):
        raise TypeError(f"{type(op).__name__} '{op.name}' is no transposed convolution")
    return op


def _even(count: int) -> int:
    return count + count % 2


def _pixel_groups(graph: Graph, op: Op) -> int:
    return ceil(graph.tensors[op.inputs[0]].channels / _GROUP)


def _phases(graph: Graph, op: TransposeConv2D, rows: int, block: int) -> tuple[_Phase, ...]:
    """Those of a call whose first row and first column have remainder 0; others differ by a row or column."""
    width = graph.output_tensor(op).width
    kernel, stride = op.filter.kernel, op.stride
    unaligned = graph.tensors[op.inputs[0]].channels % _GROUP != 0
    phases = []
    for y in range(min(stride.height, rows)):
        for x in range(min(stride.width, width)):
            down, across = ceil((rows - y) / stride.height), ceil((width - x) / stride.width)
            taps_down = max(0, ceil((kernel.height - y) / stride.height))
            taps_across = max(0, ceil((kernel.width - x) / stride.width))
            pixels, columns = down * across, down * _even(across)
            edge = pixels if unaligned else min(pixels, 2 * down) if taps_across > 1 else down * (across % 2)
            phases.append(_Phase(pixels, edge, columns // 2, ceil(columns / block), taps_down * taps_across))
    return tuple(phases)


def _scratch_traffic(phases: tuple[_Phase, ...], pixel_groups: int, channels: int) -> int:
    """Bytes of columns, widened weights and sums, written and read."""
    words = 0
    groups = ceil(channels / _CHANNELS)
    for phase in phases:
        column_words = 2 * phase.taps * pixel_groups
        words += 2 * phase.pairs * column_words * (1 + groups)
        words += _CHANNELS * column_words * groups * (phase.blocks + phase.pairs)
        words += 2 * 2 * _CHANNELS * phase.pairs * groups
    return _WORD_BYTES * words


TRANSPOSE_CONVOLVE = TransposeConvolve()
