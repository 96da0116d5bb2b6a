"""A bad line on purpose: a transport that loses, repeats, reorders, cuts, damages and delays frames, from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from tinyanime.host.link.transport import Transport


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """Probabilities per frame and direction, 0 to 1; times in seconds."""

    loss: float = 0.0
    duplication: float = 0.0
    reordering: float = 0.0
    truncation: float = 0.0
    corruption: float = 0.0
    noise: float = 0.0
    """Random bytes, zeros among them, between two frames."""
    delay: float = 0.0
    delay_s: float = 0.05
    reset: float = 0.0
    """The device is reset instead of receiving the frame."""


class _Line:
    """One direction: takes bytes, gives back pieces that end at a delimiter, spoiled."""

    def __init__(self, plan: FaultPlan, seed: random.Random, now: Callable[[], float]) -> None:
        self._plan = plan
        self._random = seed
        self._now = now
        self._pending = bytearray()
        self._held: bytes | None = None
        self._delayed: list[tuple[float, bytes]] = []
        self.faults = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Pieces that arrive now."""
        self._pending += data
        *pieces, rest = bytes(self._pending).split(b"\x00")
        self._pending = bytearray(rest)
        arriving: list[bytes] = []
        for piece in pieces:
            for spoiled in self._spoil(piece + b"\x00"):
                arriving += self._reorder(spoiled)
        return self._release() + arriving

    def next_release(self) -> float | None:
        """Time at which the next delayed piece arrives."""
        return min((time for time, _ in self._delayed), default=None)

    def _release(self) -> list[bytes]:
        now = self._now()
        due = [piece for time, piece in self._delayed if time <= now]
        self._delayed = [entry for entry in self._delayed if entry[0] > now]
        return due

    def _happens(self, probability: float) -> bool:
        happens = self._random.random() < probability
        self.faults += happens
        return happens

    def _spoil(self, piece: bytes) -> list[bytes]:
        plan = self._plan
        if len(piece) == 1:
            noise = self._random.randbytes(self._random.randint(1, 40)) if self._happens(plan.noise) else b""
            return [noise + piece]
        if self._happens(plan.loss):
            return []
        if self._happens(plan.truncation):
            piece = piece[: self._random.randrange(len(piece))]
        if piece and self._happens(plan.corruption):
            damaged = bytearray(piece)
            for _ in range(self._random.randint(1, 4)):
                damaged[self._random.randrange(len(damaged))] ^= self._random.randint(1, 255)
            piece = bytes(damaged)
        if self._happens(plan.delay):
            self._delayed.append((self._now() + self._random.random() * plan.delay_s, piece))
            return []
        return [piece, piece] if self._happens(plan.duplication) else [piece]

    def _reorder(self, piece: bytes) -> list[bytes]:
        """Hold a piece back until the next one has passed."""
        if self._held is not None:
            held, self._held = self._held, None
            return [piece, held]
        if len(piece) > 1 and self._happens(self._plan.reordering):
            self._held = piece
            return []
        return [piece]


class FaultyTransport(Transport):
    """Wraps `inner`. `reset` is called where the plan resets the device (None: it never does)."""

    def __init__(self, inner: Transport, plan: FaultPlan, seed: int, reset: Callable[[], None] | None = None) -> None:
        self.name = inner.name
        self.baud = inner.baud
        self._inner = inner
        self._plan = plan
        self._random = random.Random(seed)
        self._reset = reset
        self._outgoing = _Line(plan, self._random, inner.now)
        self._incoming = _Line(plan, self._random, inner.now)
        self.resets = 0

    @property
    def faults(self) -> int:
        """How many faults have happened."""
        return self._outgoing.faults + self._incoming.faults + self.resets

    def now(self) -> float:
        return self._inner.now()

    def pause(self, seconds: float) -> None:
        self._inner.pause(seconds)

    def read(self, timeout_s: float) -> bytes:
        self._write_pieces(self._outgoing.feed(b""))
        waits = [timeout_s]
        for line in (self._incoming, self._outgoing):
            release = line.next_release()
            if release is not None:
                waits.append(max(release - self.now(), 0.0))
        arrived = self._inner.read(min(waits))
        return b"".join(self._incoming.feed(arrived))

    def write(self, data: bytes) -> None:
        self._write_pieces(self._outgoing.feed(data))

    def _write_pieces(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            if self._reset is not None and len(piece) > 1 and self._random.random() < self._plan.reset:
                self.resets += 1
                self._reset()
            else:
                self._inner.write(piece)

    def close(self) -> None:
        self._inner.close()

    def reopen(self) -> None:
        self._inner.reopen()
