"""Passages between blocks of code in a unicorn machine, by section of the program: attaches block_recorder.c."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import unicorn
from unicorn.unicorn_py3.unicorn import uclib

from tinyanime.codegen.errors import ToolError
from tinyanime.host.kernel_bench.hooks import load_hooks


@dataclass(frozen=True, slots=True)
class RecordedPassage:
    """Code [address, address + size) ran `executions` times right behind [from_address, from_address + from_size);
    nothing branched within either. `from_size` is 0 where nothing ran before."""

    from_address: int
    from_size: int
    address: int
    size: int
    executions: int


class _Passage(ctypes.Structure):
    _fields_ = (
        ("from_address", ctypes.c_uint32),
        ("from_size", ctypes.c_uint32),
        ("address", ctypes.c_uint32),
        ("size", ctypes.c_uint32),
        ("executions", ctypes.c_uint64),
    )


class _State(ctypes.Structure):
    """`block_recorder` in block_recorder.c."""

    _fields_ = (
        ("section", ctypes.c_void_p),
        ("passages", ctypes.c_void_p),
        ("marks", ctypes.c_void_p),
        ("section_count", ctypes.c_uint32),
        ("mark_count", ctypes.c_uint32),
        ("marks_begin", ctypes.c_uint32),
        ("marks_end", ctypes.c_uint32),
        ("failed", ctypes.c_uint32),
        ("last_address", ctypes.c_uint32),
        ("last_size", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
    )


class BlockRecorder:
    """Records what `machine` executes from now on, in sections 0 to `sections` - 1.

    `section_word` is the address in this process of the word that holds the current section's number. Entering the
    code at `marks[i]` begins section i.
    """

    def __init__(self, machine: unicorn.Uc, sections: int, section_word: int, marks: Sequence[int] = ()) -> None:
        library = load_hooks()
        self._library = library
        self._slots = int(library.ta_recorder_slots())
        self._sections = sections
        self._passages = (_Passage * (self._slots * sections))()
        self._marks = (ctypes.c_uint32 * len(marks))(*marks)
        self._state = _State(
            section=section_word,
            passages=ctypes.addressof(self._passages),
            marks=ctypes.addressof(self._marks),
            section_count=sections,
            mark_count=len(marks),
            marks_begin=min(marks, default=0),
            marks_end=max(marks, default=-1) + 1,
        )
        handle = ctypes.c_size_t()
        status = uclib.uc_hook_add(
            machine._uch,
            ctypes.byref(handle),
            ctypes.c_int(unicorn.UC_HOOK_BLOCK),
            ctypes.cast(library.ta_record_block, ctypes.c_void_p),
            ctypes.cast(ctypes.byref(self._state), ctypes.c_void_p),
            ctypes.c_uint64(1),
            ctypes.c_uint64(0),
        )
        if status != unicorn.UC_ERR_OK:
            raise ToolError(f"unicorn does not take the recording hook (error {status}).")

    def sections(self) -> tuple[tuple[RecordedPassage, ...], ...]:
        """The passages of each section, by address. ToolError where there were more than can be recorded."""
        if self._state.failed:
            raise ToolError(
                f"A section of the program has more than {self._slots:,} passages between blocks, or no valid number.",
                hint="Raise SLOTS in host/kernel_bench/block_recorder.c.",
            )
        return tuple(self._section(index) for index in range(self._sections))

    def _section(self, index: int) -> tuple[RecordedPassage, ...]:
        passages = self._passages[index * self._slots : (index + 1) * self._slots]
        used = (
            RecordedPassage(p.from_address, p.from_size, p.address, p.size, p.executions) for p in passages if p.size
        )
        return tuple(sorted(used, key=lambda p: (p.address, p.size, p.from_address)))
