"""The student after batch normalization is folded away: plain arrays, no torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class FoldedConvolution:
    """A 3x3 convolution with zero padding 1: weight [out, in, 3, 3], bias [out], stride 1 or 2."""

    name: str
    weight: Floats
    bias: Floats
    stride: int = 1


@dataclass(frozen=True)
class FoldedBlock:
    """The two convolutions of a residual block."""

    first: FoldedConvolution
    second: FoldedConvolution


@dataclass(frozen=True)
class FoldedStudent:
    """All convolutions of the student in execution order."""

    stem: FoldedConvolution
    down: FoldedConvolution
    body: tuple[FoldedBlock, ...]
    up: FoldedConvolution
    refine: tuple[FoldedConvolution, ...]
    head: FoldedConvolution
