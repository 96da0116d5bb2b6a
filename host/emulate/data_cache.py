"""The data cache as the virtual board checks it: builds on data_cache.c, which sees every access to cacheable RAM.

Per line of 32 bytes it is known whether the core has stored to it and not written it back, whether a DMA has written it
since it was last dropped, whether a transfer that nobody has waited for writes it, and which stored bytes an invalidate
threw away. What a real cache could answer wrongly ends the emulation.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from enum import IntEnum, IntFlag

import unicorn
from unicorn.unicorn_py3.unicorn import MMIO_WRITE_CFUNC, uclib

from tinyanime.codegen.errors import ToolError
from tinyanime.host.emulate.block_counter import load_library
from tinyanime.host.emulate.bus import HintedBusError

LINE_BYTES = 32
_NOISE_SEED = 0x9E37_79B9


class Cacheability(IntFlag):
    """Attributes of a line in data_cache.c. Without WRITE_BACK stores go through to memory."""

    NONE = 0
    CACHED = 1
    WRITE_BACK = 2


class Violation(IntEnum):
    """What data_cache.c reports."""

    NOTHING = 0
    READ_STALE = 1
    WRITE_STALE = 2
    READ_IN_FLIGHT = 3
    WRITE_IN_FLIGHT = 4
    READ_LOST = 5
    DMA_READS_DIRTY = 6
    DMA_READS_LOST = 7
    DMA_WRITES_DIRTY = 8


_NOT_INVALIDATED = "in a line that a DMA has written and that was not invalidated since"
_INVALIDATE = (
    "Invalidate the transfer's target after the wait and before the first access (ta_port_cache_invalidate): the core "
    "may have fetched the line before or during the transfer."
)
_UNFINISHED = "in a line that a DMA transfer writes which nobody has waited for yet"
_WAIT = "Wait for the transfer (ta_port_dma_wait) and invalidate its target before the first access."
_DROPPED = (
    "an invalidate has dropped from the data cache before they were written back, or a store to a line that a DMA had "
    "written has replaced by older ones"
)
_CLEAN_FIRST = (
    "Clean the lines first (ta_port_cache_clean), keep other data out of the lines that are invalidated, and "
    "invalidate a transfer's target before a store to a part of its lines."
)

_WORDS = {
    Violation.READ_STALE: (f"read {{size}} bytes at {{place}}, {_NOT_INVALIDATED}", _INVALIDATE),
    Violation.WRITE_STALE: (f"wrote {{size}} bytes at {{place}}, {_NOT_INVALIDATED}", _INVALIDATE),
    Violation.READ_IN_FLIGHT: (f"read {{size}} bytes at {{place}}, {_UNFINISHED}", _WAIT),
    Violation.WRITE_IN_FLIGHT: (f"wrote {{size}} bytes at {{place}}, {_UNFINISHED}", _WAIT),
    Violation.READ_LOST: (f"read {{size}} bytes at {{place}}, which {_DROPPED}", _CLEAN_FIRST),
    Violation.DMA_READS_DIRTY: (
        "let a DMA read the line at {place}, whose newest bytes are still in the data cache",
        "Clean the transfer's source before its start (ta_port_cache_clean), and do not write it before the wait.",
    ),
    Violation.DMA_READS_LOST: (f"let a DMA read bytes of the line at {{place}}, which {_DROPPED}", _CLEAN_FIRST),
    Violation.DMA_WRITES_DIRTY: (
        "let a DMA write the line at {place}, of which the data cache holds stores that it would later put over it",
        "Clean the transfer's target before its start (ta_port_cache_clean), or invalidate it where its old bytes are "
        "of no use (ta_port_cache_invalidate).",
    ),
}


class CoherenceError(HintedBusError):
    """What would go wrong with a real cache; `hint` says what to do."""


class _State(ctypes.Structure):
    """Head of `data_cache` in data_cache.c."""

    _fields_ = (
        ("violation", ctypes.c_uint32),
        ("address", ctypes.c_uint32),
        ("size", ctypes.c_uint32),
        ("noise", ctypes.c_uint32),
        ("bank_count", ctypes.c_uint32),
        ("clean_offset", ctypes.c_uint32),
        ("invalidate_offset", ctypes.c_uint32),
        ("both_offset", ctypes.c_uint32),
        ("stop", ctypes.c_void_p),
        ("write", MMIO_WRITE_CFUNC),
    )


@dataclass(frozen=True, slots=True)
class MaintenanceRegisters:
    """Addresses of the registers that clean, invalidate, and do both to the line of an address; on one page."""

    page: int
    clean: int
    invalidate: int
    both: int


class DataCache:
    """The data cache in front of the memories that are mapped with `map`."""

    def __init__(self, registers: MaintenanceRegisters) -> None:
        self.registers = registers
        self._library = load_library()
        self._library.ta_data_cache_bytes.restype = ctypes.c_uint64
        self._library.ta_data_cache_add.restype = ctypes.c_void_p
        self._memory = ctypes.create_string_buffer(self._library.ta_data_cache_bytes())
        self._state = _State.from_buffer(self._memory)
        self._state.noise = _NOISE_SEED
        self._state.clean_offset = registers.clean - registers.page
        self._state.invalidate_offset = registers.invalidate - registers.page
        self._state.both_offset = registers.both - registers.page
        self._state.stop = ctypes.cast(uclib.uc_emu_stop, ctypes.c_void_p).value
        self._banks: dict[int, int] = {}
        self._lines: list[object] = []
        self._names: list[tuple[int, int, str]] = []

    def map(self, machine: unicorn.Uc, name: str, base: int, size: int, pointer: int) -> None:
        """Maps the bytes at `pointer` of this process as memory [base, base + size); multiples of 4096."""
        if base not in self._banks:
            self._banks[base] = self._add(base, size, pointer)
            self._names.append((base, base + size, name))
        user = ctypes.c_void_p(self._banks[base])
        read, write = (
            ctypes.cast(function, ctypes.c_void_p)
            for function in (self._library.ta_cached_read, self._library.ta_cached_write)
        )
        status = uclib.uc_mmio_map(machine._uch, ctypes.c_uint64(base), ctypes.c_size_t(size), read, user, write, user)
        if status != unicorn.UC_ERR_OK:
            raise ToolError(f"unicorn does not map the memory at 0x{base:08x} (error {status}).")

    def _add(self, base: int, size: int, pointer: int) -> int:
        lines = size // LINE_BYTES
        flags, dirty, lost = (ctypes.c_uint8 * lines)(), (ctypes.c_uint32 * lines)(), (ctypes.c_uint32 * lines)()
        self._lines += [flags, dirty, lost]
        bank = self._library.ta_data_cache_add(
            self._memory, ctypes.c_uint32(base), ctypes.c_uint32(size), ctypes.c_void_p(pointer), flags, dirty, lost
        )
        if not bank:
            raise AssertionError("data_cache.c has no room for another bank")
        return int(bank)

    def handlers(self, read: object, write: object) -> tuple[object, object, object, object]:
        """Callbacks and user data for the page of the maintenance registers; the rest goes to `read` and `write`."""
        self._state.write = write
        return (
            read,
            0,
            ctypes.cast(self._library.ta_maintenance_write, ctypes.c_void_p),
            ctypes.cast(self._memory, ctypes.c_void_p),
        )

    def set_attributes(self, begin: int, end: int, attributes: Cacheability) -> None:
        """Of the lines in [begin, end); what is known of them is forgotten."""
        self._library.ta_data_cache_attributes(
            self._memory, ctypes.c_uint64(begin), ctypes.c_uint64(end), ctypes.c_uint8(attributes)
        )

    def make_dirty(self) -> None:
        """As if the core had stored to all write-back lines before: what ran earlier may have left them so."""
        self._library.ta_data_cache_make_dirty(self._memory)

    def dma_reads(self, address: int, size: int) -> None:
        """A DMA reads [address, address + size) now; CoherenceError where memory is not up to date."""
        self._check(self._library.ta_dma_reads(self._memory, *_range(address, size)))

    def dma_writes(self, address: int, size: int) -> None:
        """A DMA writes [address, address + size) from now on; CoherenceError where the cache would undo it."""
        self._check(self._library.ta_dma_writes(self._memory, *_range(address, size)))

    def dma_ended(self, address: int, size: int) -> None:
        """The core has seen the end of the transfer to [address, address + size)."""
        self._library.ta_dma_ended(self._memory, *_range(address, size))

    def _check(self, violation: int) -> None:
        error = self.violation()
        if violation and error is not None:
            raise error

    def violation(self) -> CoherenceError | None:
        """The first violation of any kind."""
        if self._state.violation == Violation.NOTHING:
            return None
        what, hint = _WORDS[Violation(self._state.violation)]
        address = int(self._state.address)
        name = next(name for begin, end, name in self._names if begin <= address < end)
        return CoherenceError(what.format(size=self._state.size, place=f"0x{address:08x} in {name}"), hint)


def _range(address: int, size: int) -> tuple[ctypes.c_uint64, ctypes.c_uint64]:
    return ctypes.c_uint64(address), ctypes.c_uint64(address + size)
