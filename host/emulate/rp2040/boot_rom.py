"""What the RP2040's boot ROM does before the image runs: second stage and core 1 (datasheet 2.8.1 and 2.8.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tinyanime.codegen.errors import InputError
from tinyanime.host.emulate.rp2040.sio import Mailbox

BOOT2_BYTES = 256
BOOT2_ADDRESS = 0x2004_1F00
"""End of SRAM5; the stack of core 0 begins there too."""
FLASH = 0x1000_0000
_POLYNOMIAL = 0x04C1_1DB7
_ANSWER_CYCLES = 100
"""From a word of core 0 to the answer of core 1: not specified, what the model takes."""


def crc32_of_boot2(data: bytes) -> int:
    """CRC-32, most significant bit first, from 0xFFFFFFFF, without a final inversion: 2.8.1.3.1."""
    crc = 0xFFFF_FFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (_POLYNOMIAL if crc & 0x8000_0000 else 0)) & 0xFFFF_FFFF
    return crc


def check_boot2(stage: bytes, image: str) -> None:
    """`stage` is the flash's first 256 bytes; InputError where the boot ROM would not start them."""
    stored, right = int.from_bytes(stage[-4:], "little"), crc32_of_boot2(stage[:-4])
    if stored != right:
        raise InputError(
            f"{image} has no second-stage boot: the checksum at 0x{FLASH + BOOT2_BYTES - 4:08x} is 0x{stored:08x} "
            f"where that of the bytes before it is 0x{right:08x}.",
            hint="Build the image for a board of the family rp2040; its first 256 bytes are the second stage.",
        )


@dataclass(frozen=True, slots=True)
class Core1Start:
    """What core 0 has sent, and when core 1 starts with it."""

    vectors: int
    stack: int
    entry: int
    cycles: int


class Core1InRom:
    """Core 1 waits for 0, 0, 1, vector table, stack pointer and entry, and answers each word with the same.

    It sleeps between them (WFE): a word without an event behind it (SEV of core 0) does not wake it.
    `event_cycles` tells when core 0 last sent one.
    """

    def __init__(
        self, inbox: Mailbox, outbox: Mailbox, event_cycles: Callable[[], int], start: Callable[[Core1Start], None]
    ) -> None:
        self._inbox = inbox
        self._outbox = outbox
        self._event_cycles = event_cycles
        self._start = start
        self._words: list[int] = []
        """What came behind the last 0."""
        self._on = False
        self.words_taken = 0
        """Since the reset of the chip."""

    def enter(self, cycles: int) -> None:
        """Core 1 comes out of its reset: it empties its mailbox and says so by a 0."""
        self._on = True
        self._words = []
        self._inbox.clear()
        self._outbox.put(0, cycles + _ANSWER_CYCLES)

    def leave(self) -> None:
        """Core 1 is off, or runs the image."""
        self._on = False

    def look(self) -> None:
        """Takes what core 0 has sent, if an event has come behind it."""
        while self._on and (sent_at := self._inbox.next_at) is not None and sent_at <= self._event_cycles():
            word, cycles = self._inbox.take()
            self.words_taken += 1
            self._outbox.put(word, cycles + _ANSWER_CYCLES)
            self._take(word, cycles + _ANSWER_CYCLES)

    def _take(self, word: int, cycles: int) -> None:
        if word == 0:
            self._words = []  # Begins anew, wherever it was.
        elif self._words or word == 1:
            self._words.append(word)
        if len(self._words) == 4:
            self._on = False
            self._start(Core1Start(self._words[1], self._words[2], self._words[3], cycles))
