"""`ta_convolve_stride2_s8`: 3x3 with stride 2, 25 instead of 36 multiplications per 2x2 outputs."""

from __future__ import annotations

from tinyanime.codegen.kernels.channels import SUM_LIMIT
from tinyanime.codegen.kernels.winograd import TileCost, TiledConvolution, TileKind

_INSTRUCTIONS = TileCost(
    call=550,
    tile=77,
    word=144,
    edge_tile=1990,
    edge_word=24,
    weight_word=61.4,
    group=442,
    run=943,
    pair=488,
    product_word=14.11,
    outputs=124,
    stored_tile=0,
    cut_tile=0,
)
_CYCLES = TileCost(
    call=207,
    tile=105,
    word=118,
    edge_tile=1786,
    edge_word=19,
    weight_word=43,
    group=393,
    run=924,
    pair=230,
    product_word=8.17,
    outputs=113,
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
