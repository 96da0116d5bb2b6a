"""The contents of a virtual board's memories, and which of them answer."""

from __future__ import annotations

import ctypes
import random
from collections.abc import Iterator

from tinyanime.boards.schema import MemoryKind, MemoryRegion


class Memory:
    """Contents of one region; survive a reset of the chip."""

    def __init__(self, region: MemoryRegion) -> None:
        self.region = region
        self.data = ctypes.create_string_buffer(region.size_bytes)
        if region.kind is MemoryKind.FLASH:
            ctypes.memset(self.data, 0xFF, region.size_bytes)
        else:
            # RAM holds noise at power-on, another each time: firmware that reads what it never wrote shall notice.
            noise = random.randbytes(region.size_bytes)
            ctypes.memmove(self.data, noise, region.size_bytes)

    def pointer(self, address: int) -> int:
        """Where in this process the byte at `address` of the region lies."""
        return ctypes.addressof(self.data) + address - self.region.base


class Memories:
    """All memories of a board by address. `switch` says which parts answer; at first none does."""

    def __init__(self, regions: tuple[MemoryRegion, ...]) -> None:
        self._memories = tuple(Memory(region) for region in regions)
        self._answering: dict[int, int] = {}

    def __iter__(self) -> Iterator[Memory]:
        return iter(self._memories)

    def at(self, address: int, size: int = 1) -> Memory | None:
        """The memory that holds all of [address, address + size)."""
        for memory in self._memories:
            if memory.region.base <= address and address + size <= memory.region.end:
                return memory
        return None

    def switch(self, base: int, size: int, on: bool) -> bool:
        """Makes [base, base + size) answer or not; whether that is a change."""
        changed = on != (base in self._answering)
        if on:
            self._answering[base] = size
        else:
            self._answering.pop(base, None)
        return changed

    def switch_all_off(self) -> None:
        self._answering.clear()

    def answers(self, address: int, size: int) -> bool:
        """Whether all of [address, address + size) answers; parts that answer may touch."""
        end = address + size
        while address < end:
            behind = [base + length for base, length in self._answering.items() if base <= address < base + length]
            if not behind:
                return False
            address = behind[0]
        return True

    def read(self, address: int, size: int) -> bytes:
        """The bytes at [address, address + size), which lie in one memory."""
        memory = self.at(address, size)
        assert memory is not None
        return ctypes.string_at(memory.pointer(address), size)

    def write(self, address: int, data: bytes) -> None:
        """Changes bytes of one memory; flash too."""
        memory = self.at(address, len(data))
        assert memory is not None
        ctypes.memmove(memory.pointer(address), data, len(data))
