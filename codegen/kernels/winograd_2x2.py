"""`ta_convolve_winograd_2x2_s8`: F(2x2, 3x3), 16 instead of 36 multiplications per 2x2 outputs."""

from __future__ import annotations

from tinyanime.codegen.kernels.winograd import TileCost, TiledConvolution, TileKind

SUM_LIMIT = 1 << 29
"""The kernel computes four times every sum, modulo 2**32."""

_INSTRUCTIONS = TileCost(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)
_CYCLES = TileCost(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)

WINOGRAD_2X2 = TiledConvolution(
    function="ta_convolve_winograd_2x2_s8",
    kind=TileKind(stride=1, out_size=2, in_size=4, inputs=16, products=16, weights=16, panels=16, has_surplus=False),
    sum_limit=SUM_LIMIT,
    instructions=_INSTRUCTIONS,
    cycles=_CYCLES,
)
