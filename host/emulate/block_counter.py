"""Exact instruction counts of a unicorn machine, and cycles by a table of costs, at no measurable cost: builds and
attaches block_counter.c."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import platformdirs
import unicorn
from unicorn.unicorn_py3.unicorn import uclib

from tinyanime.codegen.errors import ToolError

_SOURCES = tuple(Path(__file__).with_name(name) for name in ("block_counter.c", "uart_fifo.c", "data_cache.c"))
_NEVER = (1 << 64) - 1
_RING = ctypes.CFUNCTYPE(None)

COST_ENTRIES = 65536
TAKEN = 0x80
"""In a table of costs: the instruction takes a cycle more where it branches."""
SENDS_EVENT = 0x40
"""In a table of costs: the instruction sends an event to the other core (SEV)."""


class InstructionSet(IntEnum):
    """Whose lengths of instructions block_counter.c decodes."""

    THUMB = 0
    RISCV = 1


class _State(ctypes.Structure):
    """Head of `block_counter` in block_counter.c."""

    _fields_ = (
        ("instructions", ctypes.c_uint64),
        ("cycles", ctypes.c_uint64),
        ("deadline", ctypes.c_uint64),
        ("alarm", ctypes.c_uint64),
        ("block_begin", ctypes.c_uint64),
        ("block_end", ctypes.c_uint64),
        ("deadline_met", ctypes.c_uint32),
        ("instruction_set", ctypes.c_uint32),
        ("taken_cycles", ctypes.c_uint64),
        ("event_cycles", ctypes.c_uint64),
        ("read", ctypes.c_void_p),
        ("stop", ctypes.c_void_p),
        ("ring", _RING),
        ("profile", ctypes.c_void_p),
        ("costs", ctypes.c_void_p),
    )


class _Passage(ctypes.Structure):
    """`block_passage` in block_counter.c; a profile is a count of lost ones, then the table."""

    _fields_ = (
        ("from_address", ctypes.c_uint32),
        ("from_size", ctypes.c_uint32),
        ("address", ctypes.c_uint32),
        ("size", ctypes.c_uint32),
        ("executions", ctypes.c_uint64),
    )


@dataclass(frozen=True, slots=True)
class BlockPassage:
    """How often the block at `address` (`size` bytes) was executed right behind the one at `from_address`.

    A `from_size` of 0: nothing was counted before it.
    """

    from_address: int
    from_size: int
    address: int
    size: int
    executions: int


def build_library() -> Path:
    """The compiled hooks, built once per version of their sources; ToolError without a C compiler."""
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in _SOURCES)).hexdigest()[:16]
    target = platformdirs.user_cache_path("tinyanime") / "emulate" / f"hooks-{digest}.so"
    if target.exists():
        return target
    compiler = next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)
    if compiler is None:
        raise ToolError(
            "The virtual board needs a C compiler for this PC to count instructions, and there is none.",
            hint="Install one: sudo apt-get install gcc libc6-dev",
        )
    try:
        _compile_library(compiler, target)
    except OSError as error:
        raise ToolError(
            f"The emulator's hooks cannot be stored in {target.parent}: {error.strerror or error}.",
            hint="Make that folder writable and free some space, or set XDG_CACHE_HOME to a folder of yours.",
        ) from error
    return target


def _compile_library(compiler: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        output = Path(scratch) / target.name
        command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(output), *map(str, _SOURCES)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            raise ToolError(
                f"{compiler} cannot build the emulator's hooks: {(result.stderr.strip() or 'no reason given')[-300:]}",
                hint="Install a working C compiler: sudo apt-get install gcc libc6-dev",
            )
        os.replace(output, target)  # noqa: PTH105 (atomic where another process builds it too)


def load_library() -> ctypes.CDLL:
    """The compiled hooks, with the result types of their functions; ToolError without a C compiler."""
    library = ctypes.CDLL(str(build_library()))
    library.ta_block_counter_bytes.restype = ctypes.c_uint64
    library.ta_block_profile_bytes.restype = ctypes.c_uint64
    library.ta_uart_fifo_bytes.restype = ctypes.c_uint64
    library.ta_count_between.restype = ctypes.c_uint32
    library.ta_cycles_between.restype = ctypes.c_uint32
    return library


class BlockCounter:
    """Counts the instructions that `machine` executes, from 0, and their cycles.

    `costs` has an entry per first half-word of an instruction: its cycles (below 64), with TAKEN or SENDS_EVENT where
    they apply. Without it one instruction is one cycle.
    """

    def __init__(
        self,
        machine: unicorn.Uc,
        instruction_set: InstructionSet = InstructionSet.THUMB,
        costs: bytes | None = None,
    ) -> None:
        library = load_library()
        self._library = library
        self._memory = ctypes.create_string_buffer(library.ta_block_counter_bytes())
        self._state = _State.from_buffer(self._memory)
        self._state.deadline = _NEVER
        self._state.alarm = _NEVER
        self._state.instruction_set = instruction_set
        if costs is not None:
            if len(costs) != COST_ENTRIES:
                raise AssertionError(f"a table of costs has {COST_ENTRIES} entries, not {len(costs)}")
            self._costs = ctypes.create_string_buffer(costs, COST_ENTRIES)
            self._state.costs = ctypes.addressof(self._costs)
        self._state.read = ctypes.cast(uclib.uc_mem_read, ctypes.c_void_p).value
        self._state.stop = ctypes.cast(uclib.uc_emu_stop, ctypes.c_void_p).value
        self._machine = machine
        handle = ctypes.c_size_t()
        status = uclib.uc_hook_add(
            machine._uch,
            ctypes.byref(handle),
            ctypes.c_int(unicorn.UC_HOOK_BLOCK),
            ctypes.cast(library.ta_count_block, ctypes.c_void_p),
            ctypes.cast(self._memory, ctypes.c_void_p),
            ctypes.c_uint64(1),
            ctypes.c_uint64(0),
        )
        if status != unicorn.UC_ERR_OK:
            raise ToolError(f"unicorn does not take the counting hook (error {status}).")
        self._handle = handle

    def detach(self) -> None:
        """Counts no more; needed where the machine outlives its counter."""
        uclib.uc_hook_del(self._machine._uch, self._handle)

    @property
    def instructions(self) -> int:
        """Executed so far, the whole current block included."""
        return int(self._state.instructions)

    @property
    def cycles(self) -> int:
        """Of the instructions executed so far, the whole current block included."""
        return int(self._state.cycles)

    @property
    def event_cycles(self) -> int:
        """`cycles` in the last block that sent an event to the other core."""
        return int(self._state.event_cycles)

    @property
    def block(self) -> tuple[int, int]:
        """Addresses [begin, end) of the current block."""
        return int(self._state.block_begin), int(self._state.block_end)

    def start_profile(self) -> None:
        """Counts the passages from block to block from now on, in a new and empty profile."""
        self._profile = ctypes.create_string_buffer(self._library.ta_block_profile_bytes())
        self._state.block_begin = self._state.block_end = 0
        self._state.profile = ctypes.addressof(self._profile)

    def passages(self) -> tuple[BlockPassage, ...]:
        """What was counted since `start_profile`; a block that was left before its end counts whole.

        ToolError where code has more passages than the table holds.
        """
        lost = ctypes.c_uint64.from_buffer(self._profile).value
        if lost:
            raise ToolError(f"The profile of executed blocks is full; {lost} executions were not counted.")
        entries = (ctypes.sizeof(self._profile) - ctypes.sizeof(ctypes.c_uint64)) // ctypes.sizeof(_Passage)
        table = (_Passage * entries).from_buffer(self._profile, ctypes.sizeof(ctypes.c_uint64))
        return tuple(
            BlockPassage(entry.from_address, entry.from_size, entry.address, entry.size, entry.executions)
            for entry in table
            if entry.size
        )

    @property
    def deadline_met(self) -> bool:
        """Whether the emulation stopped because of `set_deadline`."""
        return bool(self._state.deadline_met)

    def take_back(self, instructions: int) -> None:
        """Corrects for a block that was left before its end; without a table of costs."""
        self._state.instructions -= instructions
        self._state.cycles -= instructions

    def leave_block(self, pc: int) -> None:
        """The machine was stopped at `pc`, before the end of the current block: what is behind was not executed."""
        begin, end = self.block
        if begin <= pc < end:
            self._state.instructions -= self.count_between(pc, end)
            self._state.cycles -= self.cycles_between(pc, end)
            self._state.block_end = pc
        self._state.taken_cycles = 0

    def pass_cycles(self, cycles: int) -> None:
        """Time passes (or, negative, did not pass) without instructions."""
        self._state.cycles += cycles

    def set_deadline(self, cycles: int | None) -> None:
        """Stops the emulation once so many cycles have passed; None: never."""
        self._state.deadline = _NEVER if cycles is None else cycles
        self._state.deadline_met = 0

    def shorten_deadline(self, cycles: int) -> None:
        """Stops the emulation at `cycles`, if not before."""
        self._state.deadline = min(self._state.deadline, cycles)

    def end_turn(self) -> None:
        """Stops the emulation at the next block: for writes of registers, where a stop at once would repeat them."""
        self._state.deadline = 0

    def bring_deadline_forward(self, cycles: int) -> None:
        if self._state.deadline != _NEVER:
            self._state.deadline = max(0, self._state.deadline - cycles)

    def on_alarm(self, ring: Callable[[], None]) -> None:
        """What `set_alarm` calls, on the thread that runs the machine; it must not raise."""
        self._ring = _RING(ring)
        self._state.ring = self._ring

    def set_alarm(self, cycles: int | None) -> None:
        """Calls `on_alarm`'s function once so many cycles have passed; None: never."""
        self._state.alarm = _NEVER if cycles is None else cycles

    def count_between(self, begin: int, end: int) -> int:
        """Instructions in the code [begin, end)."""
        return int(
            self._library.ta_count_between(
                self._memory, self._machine._uch, ctypes.c_uint64(begin), ctypes.c_uint64(end)
            )
        )

    def cycles_between(self, begin: int, end: int) -> int:
        """Cycles of the code [begin, end), without those of a taken branch at its end."""
        return int(
            self._library.ta_cycles_between(
                self._memory, self._machine._uch, ctypes.c_uint64(begin), ctypes.c_uint64(end)
            )
        )

    def forget_code(self) -> None:
        """Code in memory has changed."""
        self._library.ta_forget_code(self._memory)
