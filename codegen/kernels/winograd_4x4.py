"""`ta_convolve_winograd_4x4_s8`: F(4x4, 3x3), 36 instead of 144 multiplications per 4x4 outputs."""

from __future__ import annotations

from tinyanime.codegen.kernels.winograd import TileCost, TiledConvolution, TileKind

SUM_LIMIT = 1 << 25
"""The kernel computes 576 times every sum, takes off the factor 9 modulo 2**32, and 64 by a shift."""

_INSTRUCTIONS = TileCost(
    call=310,
    tile=1320,
    word=505,
    edge_tile=2770,
    edge_word=24,
    weight_word=156,
    group=1650,
    run=335,
    pair=0,
    product_word=14.13,
    outputs=468,
    stored_tile=325,
    cut_tile=40,
)
_CYCLES = TileCost(
    call=0,
    tile=1255,
    word=399,
    edge_tile=2490,
    edge_word=1,
    weight_word=92,
    group=1254,
    run=517,
    pair=0,
    product_word=8.11,
    outputs=363,
    stored_tile=59,
    cut_tile=193,
)

WINOGRAD_4X4 = TiledConvolution(
    function="ta_convolve_winograd_4x4_s8",
    kind=TileKind(stride=1, out_size=4, in_size=6, inputs=36, products=36, weights=36, panels=12, has_surplus=True),
    sum_limit=SUM_LIMIT,
    instructions=_INSTRUCTIONS,
    cycles=_CYCLES,
)
