"""`ta_convolve_winograd_2x2_s8`: F(2x2, 3x3), 16 instead of 36 multiplications per 2x2 outputs."""

from __future__ import annotations

from tinyanime.codegen.kernels.winograd import TileCost, TiledConvolution, TileKind

SUM_LIMIT = 1 << 29
"""The kernel computes four times every sum, modulo 2**32."""

_INSTRUCTIONS = TileCost(
    call=940,
    tile=18,
    word=130,
    edge_tile=1323,
    edge_word=13,
    weight_word=90.5,
    group=481,
    run=474,
    pair=0,
    product_word=14.22,
    outputs=113,
    stored_tile=172,
    cut_tile=7,
)
_CYCLES = TileCost(
    call=333,
    tile=59,
    word=98,
    edge_tile=1226,
    edge_word=7,
    weight_word=66,
    group=399,
    run=462,
    pair=111,
    product_word=8.17,
    outputs=110,
    stored_tile=0,
    cut_tile=24,
)

WINOGRAD_2X2 = TiledConvolution(
    function="ta_convolve_winograd_2x2_s8",
    kind=TileKind(stride=1, out_size=2, in_size=4, inputs=16, products=16, weights=16, panels=16, has_surplus=False),
    sum_limit=SUM_LIMIT,
    instructions=_INSTRUCTIONS,
    cycles=_CYCLES,
)
