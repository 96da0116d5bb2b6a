"""Integer parameters of operators, derived from scales: the constants that reference and emitter share.

Real multipliers are computed in float64 from the model's scales in the order TensorFlow Lite uses
(`input * weight / output`), then split by `quantize_multiplier`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Add, Clamp, Conv2D, FullyConnected, TransposeConv2D, UpsampleConv2D
from tinyanime.codegen.ir.quantization import Multiplier, quantize_multiplier
from tinyanime.codegen.ir.tensor import Quantization

ADD_LEFT_SHIFT = 20
"""Left shift of both inputs of Add (TensorFlow Lite and CMSIS-NN for int8)."""

SMALLEST_SHIFT = -30
"""`arm_nn_divide_by_power_of_two` computes `1 << exponent` in int32: an exponent of 31 is undefined in C."""

FilterOp = Conv2D | TransposeConv2D | UpsampleConv2D | FullyConnected


@dataclass(frozen=True, slots=True)
class RescaleParameters:
    """`q_out = clamp(arm_nn_requantize(q_in - in_zero_point, multiplier) + out_zero_point)`."""

    in_zero_point: int
    multiplier: Multiplier
    out_zero_point: int
    clamp: Clamp

    @property
    def is_copy(self) -> bool:
        """Whether every value stays as it is (equal quantization, no clamp)."""
        unit = Multiplier(1 << 30, 1)
        return self.multiplier == unit and self.in_zero_point == self.out_zero_point and self.clamp == Clamp()


@dataclass(frozen=True, slots=True)
class AddParameters:
    """Parameters of `arm_elementwise_add_s8`; offsets are negated input zero points and the output zero point."""

    a_offset: int
    a_multiplier: Multiplier
    b_offset: int
    b_multiplier: Multiplier
    left_shift: int
    out_offset: int
    out_multiplier: Multiplier
    clamp: Clamp


def device_multiplier(real: float) -> Multiplier:
    """`quantize_multiplier`, with multipliers below 2**-31 flushed to zero (see SMALLEST_SHIFT).

    Raises ValueError where `real` is not finite, negative or too large.
    """
    multiplier = quantize_multiplier(real)
    return multiplier if multiplier.shift >= SMALLEST_SHIFT else Multiplier(0, 0)


def single_rounding_multiplier(real: float) -> Multiplier:
    """A multiplier for int8 values (at most 9 bits) under which `arm_nn_requantize` rounds only once.

    With a normalized mantissa and a right shift, the product of a small value is rounded to an integer and then
    divided with a second rounding: a quarter of all results would be one off, away from zero. So the mantissa stays
    below 2**30 here and the shift at 0 or above: `real = mantissa * 2**(shift - 31)`, and what the mantissa loses
    (at most 2**-32 times 255) does not show. Raises ValueError as `quantize_multiplier` does.
    """
    normalized = quantize_multiplier(real)
    if normalized.shift >= 0:
        return normalized
    return Multiplier(math.floor(real * (1 << 31) + 0.5), 0)


def conv_multipliers(op: FilterOp, graph: Graph) -> tuple[Multiplier, ...]:
    """One multiplier per output channel: `s_in * s_w[c] / s_out`.

    Raises ValueError where one is not representable.
    """
    in_scale = graph.tensors[op.inputs[0]].quantization.scale
    out_scale = graph.tensors[op.output].quantization.scale
    return tuple(device_multiplier(in_scale * float(scale) / out_scale) for scale in op.filter.scales)


def add_parameters(op: Add, graph: Graph) -> AddParameters:
    """Multipliers `s_a / (2 max)`, `s_b / (2 max)` and `2 max / (2**20 s_out)` with max of s_a and s_b.

    Source: TensorFlow Lite `tflite::ops::micro::add`, int8. Raises ValueError where one is not representable.
    """
    a, b = (graph.tensors[name].quantization for name in op.inputs)
    out = graph.tensors[op.output].quantization
    twice_max = 2.0 * max(a.scale, b.scale)
    return AddParameters(
        a_offset=-a.zero_point,
        a_multiplier=device_multiplier(a.scale / twice_max),
        b_offset=-b.zero_point,
        b_multiplier=device_multiplier(b.scale / twice_max),
        left_shift=ADD_LEFT_SHIFT,
        out_offset=out.zero_point,
        out_multiplier=device_multiplier(twice_max / ((1 << ADD_LEFT_SHIFT) * out.scale)),
        clamp=op.clamp,
    )


def rescale_parameters(source: Quantization, target: Quantization, clamp: Clamp | None = None) -> RescaleParameters:
    """Parameters that change `source` into `target` quantization (Requantize, and each input of Concat).

    Raises ValueError where `source.scale / target.scale` is not representable.
    """
    multiplier = single_rounding_multiplier(source.scale / target.scale)
    return RescaleParameters(source.zero_point, multiplier, target.zero_point, clamp or Clamp())
