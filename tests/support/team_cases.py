"""One-operator networks for the kernels that know teams: every kind, and the sizes that are hard to share out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.support.convolve_cases import Part, convolve_call
from tests.support.kernel_case import Array, Kernel, KernelCase
from tests.support.one_op import OneOp, one_op, out_size
from tests.support.team_bench import CORES
from tinyanime.codegen.ir.ops import Clamp, Conv2D, Filter, Padding, Size2D, TransposeConv2D, UpsampleConv2D
from tinyanime.codegen.ir.rescale import FilterOp
from tinyanime.codegen.ir.tensor import Quantization, Tensor
from tinyanime.codegen.kernels.depthwise import DEPTHWISE
from tinyanime.codegen.kernels.depthwise_3x3 import DEPTHWISE_3X3
from tinyanime.codegen.kernels.direct import DIRECT
from tinyanime.codegen.kernels.spec import ConvolutionKernel
from tinyanime.codegen.kernels.stride2 import STRIDE2
from tinyanime.codegen.kernels.transpose import TRANSPOSE_CONVOLVE
from tinyanime.codegen.kernels.upsample import UPSAMPLE_CONVOLVE
from tinyanime.codegen.kernels.winograd_2x2 import WINOGRAD_2X2
from tinyanime.codegen.kernels.winograd_4x4 import WINOGRAD_4X4

_SQUARE = Size2D(3, 3)


@dataclass(frozen=True, slots=True)
class TeamKernel:
    """A kernel, and what it takes: `depthwise`, `upwards` (output larger than input), one stride or one window only."""

    kernel: Kernel
    entry: ConvolutionKernel
    strides: tuple[int, ...] = (1, 2)
    kernels: tuple[Size2D, ...] = (_SQUARE,)
    depthwise: bool = False
    channels: tuple[int, ...] = (1, 3, 4, 5, 8, 11, 12)
    """Of the output."""


TEAM_KERNELS = (
    TeamKernel(Kernel.CONVOLVE_DIRECT, DIRECT, kernels=(Size2D(1, 1), Size2D(3, 3), Size2D(4, 2))),
    TeamKernel(Kernel.CONVOLVE_WINOGRAD_4X4, WINOGRAD_4X4, (1,)),
    TeamKernel(Kernel.CONVOLVE_WINOGRAD_2X2, WINOGRAD_2X2, (1,)),
    TeamKernel(Kernel.CONVOLVE_STRIDE2, STRIDE2, (2,)),
    TeamKernel(Kernel.UPSAMPLE_CONVOLVE, UPSAMPLE_CONVOLVE, (1,)),
    TeamKernel(Kernel.TRANSPOSE_CONVOLVE, TRANSPOSE_CONVOLVE, (1, 2, 3), (_SQUARE, Size2D(4, 4), Size2D(1, 2))),
    TeamKernel(Kernel.DEPTHWISE_CONVOLVE, DEPTHWISE, kernels=(_SQUARE, Size2D(5, 5), Size2D(2, 1)), depthwise=True),
    TeamKernel(Kernel.DEPTHWISE_3X3, DEPTHWISE_3X3, depthwise=True, channels=(4, 8, 12)),
)
_IN_CHANNELS = (1, 3, 4, 8, 9)
_BLOCKS = (2, 4, 6, 10, 16, 64)


@dataclass(frozen=True, eq=False, slots=True)
class TeamCase:
    """A call and what it must leave."""

    call: KernelCase
    expected: Array


def team_case(team: TeamKernel, part: Part, case: OneOp, block: int) -> TeamCase:
    """With working memory for two cores. `expected` has the channels that the call does not compute as they were."""
    rows = case.rows_out(*part.rows).reshape(-1, case.output.channels)
    begin, end = part.channels or (0, case.output.channels)
    expected = np.full_like(rows, 0x55)
    expected[:, begin:end] = rows[:, begin:end]
    return TeamCase(convolve_call(team.kernel, team.entry, case, part, block, CORES), expected)


def random_team_case(team: TeamKernel, random: np.random.Generator) -> TeamCase:
    """Any size from one pixel and one channel on, any band of rows, any range of channels, any block."""
    case = random_case(team, random)
    height, channels = case.output.height, case.output.channels
    begin = int(random.integers(0, height)) if random.random() < 0.5 else 0
    end = int(random.integers(begin + 1, height + 1)) if random.random() < 0.5 else height
    ranges: tuple[int, int] | None = None
    if random.random() < 0.3:
        first = 4 * int(random.integers(0, (channels - 1) // 4 + 1))
        ranges = (first, channels)
    return team_case(team, Part((begin, end), ranges), case, int(random.choice(_BLOCKS)))


def random_case(team: TeamKernel, random: np.random.Generator) -> OneOp:
    """A map of 1 to 14 rows and columns with weights and inputs over the whole range."""
    out_channels = int(random.choice(team.channels))
    in_channels = out_channels if team.depthwise else int(random.choice(_IN_CHANNELS))
    kernel = team.kernels[int(random.integers(len(team.kernels)))]
    stride = Size2D(*(2 * (int(random.choice(team.strides)),)))
    least = 1 if team.kernel in (Kernel.TRANSPOSE_CONVOLVE, Kernel.UPSAMPLE_CONVOLVE) else 4
    size = Size2D(*(int(random.integers(least, 15)) for _ in range(2)))
    depth = 1 if team.depthwise else in_channels
    weights = random.integers(-127, 128, (out_channels, kernel.height, kernel.width, depth), np.int8)
    scales = np.full(out_channels, 0.2 / np.sqrt(60.0 * weights[0].size) / 8)
    taps = Filter(weights, scales, random.integers(-3000, 3000, out_channels, np.int32))
    op, out = _operator(team, taps, stride, size)
    x = random.integers(-128, 128, (1, size.height, size.width, in_channels), np.int8)
    target = Tensor("y", (1, out.height, out.width, out_channels), Quantization(1.0, int(random.integers(-128, 128))))
    return one_op(op, (x,), (Quantization(1.0, int(random.integers(-128, 128))),), target)


def _operator(team: TeamKernel, taps: Filter, stride: Size2D, size: Size2D) -> tuple[FilterOp, Size2D]:
    """The operator and the size of its output; outputs are clamped, which kernels do in different places."""
    kernel, clamp = taps.kernel, Clamp(-120, 127)
    if team.kernel is Kernel.UPSAMPLE_CONVOLVE:
        out = Size2D(2 * size.height, 2 * size.width)
        return UpsampleConv2D(name="up", inputs=("x",), output="y", filter=taps, clamp=clamp), out
    if team.kernel is Kernel.TRANSPOSE_CONVOLVE:
        out = Size2D((size.height - 1) * stride.height + kernel.height, (size.width - 1) * stride.width + kernel.width)
        return (
            TransposeConv2D(
                name="conv", inputs=("x",), output="y", filter=taps, stride=stride, padding=Padding(), clamp=clamp
            ),
            out,
        )
    padding = Padding(*((kernel.height - 1) // 2, (kernel.width - 1) // 2) * 2)
    op = Conv2D(
        name="conv",
        inputs=("x",),
        output="y",
        filter=taps,
        stride=stride,
        padding=padding,
        groups=size_of_groups(team, taps),
        clamp=clamp,
    )
    return op, Size2D(
        out_size(size.height, padding.top + padding.bottom, kernel.height, stride.height),
        out_size(size.width, padding.left + padding.right, kernel.width, stride.width),
    )


def size_of_groups(team: TeamKernel, taps: Filter) -> int:
    """All channels are groups of their own, or there is one."""
    return taps.out_channels if team.depthwise else 1
