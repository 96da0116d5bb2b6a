"""Fixed-point multipliers, shared by reference and emitter as constants of the contract."""

from __future__ import annotations

import math
from dataclasses import dataclass

INT8_MIN = -128
INT8_MAX = 127


@dataclass(frozen=True, slots=True)
class Multiplier:
    """`real ~= mantissa * 2**(shift - 31)`; mantissa in [2**30, 2**31) or 0, shift > 0 is a left shift.

    Rescales of int8 values (`rescale.single_rounding_multiplier`) keep shift >= 0 and take a smaller mantissa instead,
    so that the value is rounded once.

    Source: TensorFlow Lite `QuantizeMultiplier` (frexp, round to nearest with halves away from zero, carry when the
    mantissa rounds to 2**31; shifts below -31 flush to zero), applied by CMSIS-NN `arm_nn_requantize`.
    """

    mantissa: int
    shift: int


def quantize_multiplier(real: float) -> Multiplier:
    """Split a positive real multiplier into a Q31 mantissa and a shift.

    Raises ValueError where `real` is not finite, negative, or too large for a left shift of 30.
    """
    if not math.isfinite(real) or real < 0.0:
        raise ValueError(f"multiplier {real!r} is not a finite non-negative number")
    if real == 0.0:
        return Multiplier(0, 0)
    fraction, shift = math.frexp(real)
    mantissa = math.floor(fraction * (1 << 31) + 0.5)
    if mantissa == 1 << 31:
        mantissa //= 2
        shift += 1
    if shift < -31:
        return Multiplier(0, 0)
    if shift > 30:
        raise ValueError(f"multiplier {real!r} is too large for a fixed-point rescale")
    return Multiplier(mantissa, shift)
