"""Requantization of the kernels of `tinyanime/convolve.h`: the fields of `ta_channel`, and when they are exact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.overflow import largest_distance
from tinyanime.codegen.ir.rescale import FilterOp, conv_multipliers

LEAST_SHIFT = 1
MOST_SHIFT = 22
SUM_LIMIT = 1 << 30
"""Sums are doubled before they are multiplied: they must stay below half of int32."""


@dataclass(frozen=True, slots=True)
class ChannelScale:
    """One `ta_channel`: fields and ranges as there."""

    bias: int
    multiplier: int
    rounding: int
    shift: int


def channel_scales(graph: Graph, op: FilterOp) -> tuple[ChannelScale, ...]:
    """One entry per output channel. Only where `channel_refusal` is None."""
    zero_point = graph.output_tensor(op).quantization.zero_point
    scales = []
    for bias, factor in zip(op.filter.bias.tolist(), conv_multipliers(op, graph), strict=True):
        shift = -factor.shift
        rounding = (1 << (shift - 1)) + zero_point * (1 << shift)
        scales.append(ChannelScale(bias, factor.mantissa, rounding, shift))
    return tuple(scales)


def channel_refusal(graph: Graph, op: FilterOp) -> str | None:
    """Why a `ta_channel` cannot say how `op` requantizes, or None where it is exact for every input."""
    for channel, (factor, bound) in enumerate(zip(conv_multipliers(op, graph), sum_bounds(graph, op), strict=True)):
        if not LEAST_SHIFT <= -factor.shift <= MOST_SHIFT:
            powers = f"2**-{MOST_SHIFT} to 2**-{LEAST_SHIFT}"
            return f"channel {channel} is rescaled by 2**{factor.shift}, outside of {powers}"
        if bound >= SUM_LIMIT:
            return f"the sum of channel {channel} can reach {bound}, the kernel takes less than {SUM_LIMIT}"
        if factor.mantissa < 0:
            return f"channel {channel} is rescaled by a negative factor"
    return None


def sum_bounds(graph: Graph, op: FilterOp) -> tuple[int, ...]:
    """For each output channel the largest |sum + bias| (and |sum|) over all inputs, from the actual weights."""
    distance = largest_distance(graph.tensors[op.inputs[0]].quantization)
    weights = np.abs(op.filter.values.astype(np.int64)).sum(axis=(1, 2, 3))
    bias = np.abs(op.filter.bias.astype(np.int64))
    return tuple(int(value) for value in weights * distance + bias)
