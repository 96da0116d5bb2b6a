"""`ta_convolve_winograd_4x4_s8`: F(4x4, 3x3), 36 instead of 144 multiplications per 4x4 outputs."""

from __future__ import annotations

from tinyanime.codegen.kernels.winograd import TileCost, TiledConvolution, TileKind

SUM_LIMIT = 1 << 25
"""The kernel computes 576 times every sum, takes off the factor 9 modulo 2**32, and 64 by a shift."""

_INSTRUCTIONS = TileCost(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)
_CYCLES = TileCost(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)

WINOGRAD_4X4 = TiledConvolution(
    function="ta_convolve_winograd_4x4_s8",
    kind=TileKind(stride=1, out_size=4, in_size=6, inputs=36, products=36, weights=36, panels=12, has_surplus=True),
    sum_limit=SUM_LIMIT,
    instructions=_INSTRUCTIONS,
    cycles=_CYCLES,
)
