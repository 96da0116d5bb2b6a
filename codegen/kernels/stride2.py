"""`ta_convolve_stride2_s8`: 3x3 with stride 2, 25 instead of 36 multiplications per 2x2 outputs."""

from __future__ import annotations

from tinyanime.codegen.kernels.channels import SUM_LIMIT
from tinyanime.codegen.kernels.winograd import TileCost, TiledConvolution, TileKind

_INSTRUCTIONS = TileCost(
    call=580,
    tile=47,
    word=123,
    edge_tile=1986,
    edge_word=24,
    weight_word=59.4,
    group=451,
    run=938,
    pair=480,
    product_word=14.11,
    outputs=113,
    stored_tile=0,
    cut_tile=0,
)
_CYCLES = TileCost(
    call=297,
    tile=99,
    word=75,
    edge_tile=1772,
    edge_word=22,
    weight_word=38.8,
    group=392,
    run=942,
    pair=218,
    product_word=8.24,
    outputs=93.5,
    stored_tile=0,
    cut_tile=0,
)

STRIDE2 = TiledConvolution(
    function="ta_convolve_stride2_s8",
    kind=TileKind(stride=2, out_size=2, in_size=5, inputs=25, products=25, weights=16, panels=16, has_surplus=False),
    sum_limit=SUM_LIMIT,
    instructions=_INSTRUCTIONS,
    cycles=_CYCLES,
)
