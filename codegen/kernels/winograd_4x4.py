"""`ta_convolve_winograd_4x4_s8`: F(4x4, 3x3), 36 instead of 144 multiplications per 4x4 outputs."""

from __future__ import annotations

from tinyanime.codegen.kernels.winograd import TileCost, TiledConvolution, TileKind

SUM_LIMIT = 1 << 25
"""The kernel computes 576 times every sum, takes off the factor 9 modulo 2**32, and 64 by a shift."""

_INSTRUCTIONS = TileCost(
    call=943,
    tile=531,
    word=512,
    edge_tile=2930,
    edge_word=9,
    weight_word=156,
    group=1864,
    run=0,
    pair=0,
    product_word=14.13,
    outputs=421,
    stored_tile=367,
    cut_tile=45,
)
_CYCLES = TileCost(
    call=0,
    tile=417,
    word=395,
    edge_tile=2780,
    edge_word=0,
    weight_word=91.6,
    group=1781,
    run=0,
    pair=0,
    product_word=8.13,
    outputs=357,
    stored_tile=15,
    cut_tile=111,
)

WINOGRAD_4X4 = TiledConvolution(
    function="ta_convolve_winograd_4x4_s8",
    kind=TileKind(stride=1, out_size=4, in_size=6, inputs=36, products=36, weights=36, panels=12, has_surplus=True),
    sum_limit=SUM_LIMIT,
    instructions=_INSTRUCTIONS,
    cycles=_CYCLES,
)
