"""What the memory protection unit says about caching: DDI 0403E B3.1 (default map) and B3.5 (regions)."""

from __future__ import annotations

from collections.abc import Mapping

from tinyanime.host.emulate.data_cache import Cacheability

ENABLE = 1 << 0
PRIVDEFENA = 1 << 2
_REGION_ENABLE = 1 << 0
_SUBREGIONS = 8
_SMALLEST_WITH_SUBREGIONS = 256

_WRITE_BACK = Cacheability.CACHED | Cacheability.WRITE_BACK
_DEFAULT_MAP = (
    (0x0000_0000, 0x2000_0000, Cacheability.CACHED),
    (0x2000_0000, 0x4000_0000, _WRITE_BACK),
    (0x6000_0000, 0x8000_0000, _WRITE_BACK),
    (0x8000_0000, 0xA000_0000, Cacheability.CACHED),
)

CacheMap = tuple[tuple[int, int, Cacheability], ...]
"""(begin, end, attributes); of overlapping entries the last one counts, what none covers is not cached."""


def cache_map(control: int, regions: Mapping[int, tuple[int, int]]) -> CacheMap:
    """What MPU_CTRL and the regions (number to RBAR and RASR) make of the address space."""
    if not control & ENABLE:
        return _DEFAULT_MAP
    entries = list(_DEFAULT_MAP) if control & PRIVDEFENA else []
    for number in sorted(regions):
        base, attributes = regions[number]
        if attributes & _REGION_ENABLE:
            entries += _region_entries(base & ~0x1F, attributes)
    return tuple(entries)


def _region_entries(base: int, attributes: int) -> CacheMap:
    size = 1 << ((attributes >> 1 & 0x1F) + 1)
    kind = _cacheability(attributes)
    switched_off = attributes >> 8 & 0xFF
    if size < _SMALLEST_WITH_SUBREGIONS or not switched_off:
        return ((base, base + size, kind),)
    part = size // _SUBREGIONS
    return tuple(
        (base + index * part, base + (index + 1) * part, kind)
        for index in range(_SUBREGIONS)
        if not switched_off >> index & 1
    )


def _cacheability(attributes: int) -> Cacheability:
    """TEX, C and B of table B3-14 for the level 1 cache. Shared memory is not cached: DUI 0646 table 4-44."""
    tex, shared = attributes >> 19 & 7, attributes >> 18 & 1
    inner = attributes >> 16 & 3
    if shared:
        return Cacheability.NONE
    if tex >= 4:  # Inner policy in C and B: 0 not cached, 1 and 3 write-back, 2 write-through.
        return (Cacheability.NONE, _WRITE_BACK, Cacheability.CACHED, _WRITE_BACK)[inner]
    if tex == 0:
        return (Cacheability.NONE, Cacheability.NONE, Cacheability.CACHED, _WRITE_BACK)[inner]
    return _WRITE_BACK if tex == 1 and inner == 3 else Cacheability.NONE
