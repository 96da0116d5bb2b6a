"""`ta_convolve_stride2_s8`: 3x3 with stride 2, 25 instead of 36 multiplications per 2x2 outputs."""

from __future__ import annotations

from tinyanime.codegen.kernels.channels import SUM_LIMIT
from tinyanime.codegen.kernels.winograd import TileCost, TiledConvolution, TileKind

_INSTRUCTIONS = TileCost(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)
_CYCLES = TileCost(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)

STRIDE2 = TiledConvolution(
    function="ta_convolve_stride2_s8",
    kind=TileKind(stride=2, out_size=2, in_size=5, inputs=25, products=25, weights=16, panels=16, has_surplus=False),
    sum_limit=SUM_LIMIT,
    instructions=_INSTRUCTIONS,
    cycles=_CYCLES,
)
