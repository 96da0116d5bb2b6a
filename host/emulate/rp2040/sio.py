"""SIO of one core: RP2040 datasheet 2.3.1. Mailboxes, spinlocks, who the core is; no pins, divider or interpolators.

A word in a mailbox cannot be received before the moment at which it was sent, whichever core the emulator ran first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from tinyanime.host.emulate.bus import BusError, Peripheral, Register
from tinyanime.host.emulate.rp2040.apb import read_only, write_only
from tinyanime.host.emulate.rp2040.chip_time import ChipTime

FIFO_ENTRIES = 8
_VLD, _RDY = 1 << 0, 1 << 1
_LOOP_CYCLES = 256
"""Looks at an empty mailbox that are closer together than this are a loop that waits."""


class Mailbox:
    """The FIFO towards one core: words and the cycles at which they are there."""

    def __init__(self) -> None:
        self._words: deque[tuple[int, int]] = deque()

    def put(self, word: int, cycles: int) -> None:
        self._words.append((word, cycles))

    @property
    def full(self) -> bool:
        return len(self._words) >= FIFO_ENTRIES

    @property
    def next_at(self) -> int | None:
        """When the first word is there; None: there is none."""
        return self._words[0][1] if self._words else None

    def ready(self, cycles: int) -> bool:
        return bool(self._words) and self._words[0][1] <= cycles

    def take(self) -> tuple[int, int]:
        """The first word, and when it was there."""
        return self._words.popleft()

    def clear(self) -> None:
        self._words.clear()


class Spinlocks:
    """32 locks that both cores share: 2.3.1.3."""

    def __init__(self) -> None:
        self._claimed = 0

    def claim(self, index: int) -> int:
        """What a read answers: the lock's bit where it was free, else 0."""
        bit = 1 << index
        if self._claimed & bit:
            return 0
        self._claimed |= bit
        return bit

    def release(self, index: int) -> None:
        self._claimed &= ~(1 << index)

    @property
    def state(self) -> int:
        return self._claimed


class Sio(Peripheral):
    """What core `core` sees. `inbox` and `outbox` are its mailboxes; `sent` is called behind each word that it sends.

    `look_later` is asked at each look at the mailbox, `wait` where the core looks at an empty one again and again: True
    where the core stops for now, and makes the look again later.
    """

    name = "SIO"
    base = 0xD000_0000
    size_bytes = 0x1000
    registers = (
        Register("CPUID", 0x000),
        Register("FIFO_ST", 0x050),
        Register("FIFO_WR", 0x054),
        Register("FIFO_RD", 0x058),
        Register("SPINLOCK_ST", 0x05C),
        *(Register(f"SPINLOCK{index}", 0x100 + 4 * index) for index in range(32)),
    )

    def __init__(
        self,
        core: int,
        time: ChipTime,
        inbox: Mailbox,
        outbox: Mailbox,
        locks: Spinlocks,
        sent: Callable[[], None],
        look_later: Callable[[], bool],
        wait: Callable[[], bool],
    ) -> None:
        super().__init__()
        self._time = time
        self._inbox = inbox
        self._outbox = outbox
        self._locks = locks
        self._sent = sent
        self._look_later = look_later
        self._wait = wait
        self._empty_at = -_LOOP_CYCLES
        self.values["CPUID"] = core

    def readers(self) -> dict[int, Callable[[], int]]:
        claims = {self.base + 0x100 + 4 * index: self._claimer(index) for index in range(32)}
        return super().readers() | claims

    def writers(self) -> dict[int, Callable[[int], None]]:
        releases = {self.base + 0x100 + 4 * index: self._releaser(index) for index in range(32)}
        return super().writers() | releases

    def _claimer(self, index: int) -> Callable[[], int]:
        return lambda: self._locks.claim(index)

    def _releaser(self, index: int) -> Callable[[int], None]:
        return lambda _: self._locks.release(index)

    def read_fifo_st(self) -> int:
        if self._look_later():
            return 0
        now = self._time.cycles
        if self._inbox.ready(now):
            valid = True
        else:
            in_loop = now - self._empty_at < _LOOP_CYCLES
            self._empty_at = now
            if in_loop and self._wait():
                return 0
            valid = self._inbox.ready(self._time.cycles)
        return (_VLD if valid else 0) | (0 if self._outbox.full else _RDY)

    def write_fifo_st(self, value: int) -> None:
        """ROE and WOF are never set here: clearing them changes nothing."""

    def write_fifo_wr(self, value: int) -> None:
        if self._outbox.full:
            raise BusError("sent a word to the other core while the FIFO was full (SIO_FIFO_WR): it would be lost")
        self._outbox.put(value, self._time.cycles)
        self._empty_at = -_LOOP_CYCLES
        self._sent()

    def read_fifo_wr(self) -> int:
        raise write_only("SIO_FIFO_WR")

    def read_fifo_rd(self) -> int:
        if not self._inbox.ready(self._time.cycles):
            raise BusError("read SIO_FIFO_RD while no word was there")
        self._empty_at = -_LOOP_CYCLES
        return self._inbox.take()[0]

    def write_fifo_rd(self, value: int) -> None:
        raise read_only("SIO_FIFO_RD")

    def read_spinlock_st(self) -> int:
        return self._locks.state

    def write_cpuid(self, value: int) -> None:
        raise read_only("SIO_CPUID")
