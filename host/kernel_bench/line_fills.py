"""Lines that the data cache of a Cortex-M7 fills and writes back, by section of a program: attaches line_fills.c."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import unicorn
from unicorn.unicorn_py3.unicorn import uclib

from tinyanime.boards.schema import Board, MemoryRegion
from tinyanime.codegen.errors import ToolError
from tinyanime.host.kernel_bench.hooks import load_hooks

_MEMORIES = 8


@dataclass(frozen=True, slots=True)
class FilledLines:
    """`lines` of 32 bytes that were filled from or written back to the memory `region`, which begins at `base`."""

    region: str
    base: int
    lines: int


class _State(ctypes.Structure):
    """Head of `line_fills` in line_fills.c."""

    _fields_ = (
        ("section", ctypes.c_void_p),
        ("lines", ctypes.c_void_p),
        ("section_count", ctypes.c_uint32),
        ("random", ctypes.c_uint32),
        ("bases", ctypes.c_uint32 * _MEMORIES),
        ("ends", ctypes.c_uint32 * _MEMORIES),
    )


class LineFills:
    """Follows the loads and stores of `machine` to the cacheable memories of `board`, from an empty cache.

    `sections` and `section_word` as in BlockRecorder.
    """

    def __init__(self, machine: unicorn.Uc, board: Board, sections: int, section_word: int) -> None:
        library = load_hooks()
        self._library = library
        self._regions = cacheable(board)
        self._sections = sections
        self._lines = (ctypes.c_uint64 * (_MEMORIES * sections))()
        self._memory = ctypes.create_string_buffer(int(library.ta_line_fills_bytes()))
        state = _State.from_buffer(self._memory)
        state.section = section_word
        state.lines = ctypes.addressof(self._lines)
        state.section_count = sections
        for index, region in enumerate(self._regions):
            state.bases[index], state.ends[index] = region.base, region.end
            self._hook(machine, region)

    def _hook(self, machine: unicorn.Uc, region: MemoryRegion) -> None:
        handle = ctypes.c_size_t()
        status = uclib.uc_hook_add(
            machine._uch,
            ctypes.byref(handle),
            ctypes.c_int(unicorn.UC_HOOK_MEM_READ | unicorn.UC_HOOK_MEM_WRITE),
            ctypes.cast(self._library.ta_touch_line, ctypes.c_void_p),
            ctypes.cast(self._memory, ctypes.c_void_p),
            ctypes.c_uint64(region.base),
            ctypes.c_uint64(region.end - 1),
        )
        if status != unicorn.UC_ERR_OK:
            raise ToolError(f"unicorn does not take the hook on {region.name} (error {status}).")

    def sections(self) -> tuple[tuple[FilledLines, ...], ...]:
        """Each section's lines, one entry per memory that had some."""
        return tuple(
            tuple(
                FilledLines(region.name, region.base, count)
                for index, region in enumerate(self._regions)
                if (count := int(self._lines[section * _MEMORIES + index]))
            )
            for section in range(self._sections)
        )


def cacheable(board: Board) -> tuple[MemoryRegion, ...]:
    """The memories of `board` that the data cache stands before."""
    regions = tuple(region for region in board.memory if region.cacheable)
    if len(regions) > _MEMORIES:
        raise ToolError(f"{board.name} has {len(regions)} cacheable memories, the bench follows {_MEMORIES}.")
    return regions
