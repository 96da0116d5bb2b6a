"""When the bytes of a DMA transfer arrive: any moment between request and wait is right, so the virtual board chooses.

Firmware that is right gives the same results in every order; firmware that lacks a wait does not.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from enum import Enum

_LATE_POLLS = 2
"""Status reads that find the transfer still under way, before the one that brings it about."""
_MAX_CUTS = 5
_DELAY_DECADES = (1.0, 6.0)
"""Instructions between request and arrival are 10 to a power from this range."""
_SEED = 1


class DmaTiming(Enum):
    EARLY = "early"
    """All bytes at the request."""
    LATE = "late"
    """Poison at the request, the bytes when the firmware polls for the end."""
    RANDOM = "random"
    """Poison in some pieces, then the pieces in any order, each after some instructions or polls."""
    NEVER = "never"
    """The transfer does not end: for the firmware's time limit."""


@dataclass(frozen=True, slots=True)
class DmaOrder:
    """`seed` is for RANDOM."""

    timing: DmaTiming
    seed: int = _SEED


DEFAULT_ORDER = DmaOrder(DmaTiming.LATE)


def parse_dma_order(text: str) -> DmaOrder | None:
    """From `early`, `late`, `never` or `random:SEED`; None where it is none of them."""
    name, separator, seed = text.partition(":")
    if name == DmaTiming.RANDOM.value and seed.isdecimal():
        return DmaOrder(DmaTiming.RANDOM, int(seed))
    if separator or name == DmaTiming.RANDOM.value or name not in {timing.value for timing in DmaTiming}:
        return None
    return DmaOrder(DmaTiming(name))


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes [begin, end) of a transfer; they arrive `delay` instructions after the request, if not before."""

    begin: int
    end: int
    delay: int


class DmaOrdering:
    """Chooses for one transfer after the other; the same order of questions gives the same answers."""

    def __init__(self, order: DmaOrder) -> None:
        self.timing = order.timing
        # Not the plain number: a test that makes its data with the same one would find it in the poison.
        self._random = random.Random(f"DMA {order.seed}")

    def poison(self, size: int) -> bytes:
        """Bytes that nobody shall read, others each time."""
        return self._random.randbytes(size)

    def pieces(self, size: int) -> tuple[Piece, ...]:
        """How a transfer of `size` bytes arrives by itself: in RANDOM; else in one piece, without a moment."""
        if self.timing is not DmaTiming.RANDOM:
            return (Piece(0, size, 0),)
        cuts = {0, size} | {self._random.randint(0, size) for _ in range(self._random.randint(0, _MAX_CUTS))}
        edges = sorted(cuts)
        return tuple(Piece(begin, end, self._delay()) for begin, end in itertools.pairwise(edges))

    def _delay(self) -> int:
        return int(10 ** self._random.uniform(*_DELAY_DECADES))

    def poisoned(self, pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
        """Those of a transfer's pieces that are overwritten at the request."""
        if self.timing is DmaTiming.RANDOM:
            return tuple(piece for piece in pieces if self._random.random() < 0.5)
        return pieces if self.timing in (DmaTiming.LATE, DmaTiming.NEVER) else ()

    def polls(self) -> int:
        """Status reads that find the transfer under way; then all that has not arrived does."""
        if self.timing is DmaTiming.RANDOM:
            return self._random.randint(0, 2 * _LATE_POLLS)
        return _LATE_POLLS
