"""`ta_convolve_stride2_s8`: 3x3 with stride 2, 25 instead of 36 multiplications per 2x2 outputs."""

from __future__ import annotations

from tinyanime.codegen.kernels.channels import SUM_LIMIT
from tinyanime.codegen.kernels.winograd import TileCost, TiledConvolution, TileKind

_INSTRUCTIONS = TileCost(
    call=568,
    tile=80,
    word=144,
    edge_tile=1986,
    edge_word=24,
    weight_word=59.4,
    group=447,
    run=941,
    pair=488,
    product_word=14.11,
    outputs=124,
    stored_tile=0,
    cut_tile=0,
)
_CYCLES = TileCost(
    call=207,
    tile=104,
    word=119,
    edge_tile=1776,
    edge_word=18,
    weight_word=39.5,
    group=392,
    run=927,
    pair=230,
    product_word=8.18,
    outputs=112,
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
