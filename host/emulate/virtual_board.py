"""What all boards in unicorn have in common: memories that survive a reset, the run loop, a server around it."""

from __future__ import annotations

import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

import unicorn

from tinyanime.boards.schema import Board, MemoryKind
from tinyanime.codegen.errors import InputError
from tinyanime.host.emulate.block_counter import build_library
from tinyanime.host.emulate.clock import CoreClock
from tinyanime.host.emulate.endpoint import Endpoint, open_endpoint
from tinyanime.host.emulate.image import FirmwareImage, load_image
from tinyanime.host.emulate.machine import FAMILY_MODULES, ServeOptions
from tinyanime.host.emulate.memories import Memories, Memory
from tinyanime.host.emulate.processor import CpuKind, Processor, Stop

Settings = tuple[tuple[str, str], ...]
"""(name, value) as the user chose them."""


class UnawaitedTransfer(Protocol):
    """A DMA transfer whose end the firmware has not seen; all in bytes."""

    @property
    def source(self) -> int: ...
    @property
    def target(self) -> int: ...
    @property
    def size(self) -> int: ...


class VirtualBoard(ABC):
    """A board with power: `run` executes from reset until `stop` or an error.

    A family's board builds, in `power_on`, `processor` and the chip's peripherals around the memories as they are, and
    sets the processor's `pc`. The run loop here is for one core; a family with two has its own.
    """

    processor: Processor
    clock: CoreClock

    def __init__(self, board: Board, image: FirmwareImage, endpoint: Endpoint) -> None:
        self.board = board
        self.image = image
        self.endpoint = endpoint
        self.memories = Memories(board.memory)
        self.title = f"virtual {board.name}"
        for segment in image.segments:
            self._load(segment.address, segment.data)
        self.stopping = False
        self.reset_requested: Enum | None = None
        self.resets: tuple[Enum, ...] = ()
        """Causes of the resets since power came on."""

    def _load(self, address: int, data: bytes) -> None:
        memory = self.memories.at(address, len(data))
        if memory is not None and memory.region.kind is MemoryKind.FLASH:
            self.memories.write(address, data)
            return
        raise InputError(
            f"{self.image.path} has {len(data)} bytes for 0x{address:08x}, where {self.board.name} has no flash.",
            hint=f"Build the image for {self.board.name}.",
        )

    @abstractmethod
    def power_on(self, cause: Enum) -> None:
        """A fresh core and fresh peripherals around the memories as they are."""

    @abstractmethod
    def send_waiting(self) -> None:
        """Hands transmitted bytes on while the firmware computes; called from another thread."""

    @property
    @abstractmethod
    def unawaited(self) -> tuple[UnawaitedTransfer, ...]:
        """DMA transfers that the firmware has started and not seen the end of."""

    @property
    def instructions(self) -> int:
        """Executed by all cores since the last reset."""
        return self.processor.counter.instructions

    def undefined_instruction(self) -> None:
        """The core met an instruction that it does not have, at the processor's `pc`: a failure, if not overridden."""
        raise self.processor.error("executed an instruction that the core does not have")

    def deadline_cause(self) -> Enum:
        """Which reset the counter's deadline stands for: that of the watchdog; a failure where a family sets none."""
        raise self.processor.error("met a deadline that no watchdog has set")

    def request_reset(self, cause: Enum) -> None:
        """A register asked for a chip reset."""
        self.reset_requested = cause
        self.processor.stop()

    def stop(self) -> None:
        """Ends `run`; from another thread, call it until `run` has returned: it may come between two instructions."""
        self.stopping = True
        self.processor.stop()

    def run(self) -> None:
        """Executes until `stop`, at first from reset, then from where it stopped.

        Raises EmulationError where the firmware leaves what the board offers.
        """
        self.stopping = False
        while True:
            stop = self.processor.execute()
            if stop is Stop.INVALID_INSTRUCTION:
                self.undefined_instruction()
            elif self.reset_requested is not None:
                self.reset(self.reset_requested)
            elif self.processor.counter.deadline_met:
                self.reset(self.deadline_cause())
            elif self.clock.locating:
                self.clock.located(self.processor.pc)
            elif self.stopping:
                return
            else:
                raise self.processor.error("made the core stop for no known reason")

    def reset(self, cause: Enum) -> None:
        """The chip starts anew; memories keep their contents."""
        self.send_waiting()
        self.resets += (cause,)
        self.reset_requested = None
        print(f"{self.board.name}: reset ({cause.name}) after {self.instructions} instructions", file=sys.stderr)
        self.power_on(cause)


def memory_permissions(memory: Memory) -> int:
    """unicorn's UC_PROT_* for a memory of this kind."""
    permissions: int = unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC
    if memory.region.kind is MemoryKind.RAM:
        permissions |= unicorn.UC_PROT_WRITE
    return permissions


class _Runner(threading.Thread):
    """Runs the board beside the main thread, which signals reach."""

    def __init__(self, board: VirtualBoard) -> None:
        super().__init__(daemon=True)
        self._board = board
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self._board.run()
        except BaseException as error:  # Handed to the main thread as it is.
            self.error = error


class BoardFamily(Protocol):
    """Module of a chip family in unicorn."""

    CPU: CpuKind

    def create(self, board: Board, image: FirmwareImage, endpoint: Endpoint, settings: Settings) -> VirtualBoard:
        """The board behind a reset; SettingError for a setting that it lacks."""


def board_family(board: Board) -> BoardFamily:
    """The module of the board's family."""
    return cast(BoardFamily, import_module(FAMILY_MODULES[board.emulator.kind, board.family]))


def create_board(board: Board, image: FirmwareImage, endpoint: Endpoint, settings: Settings = ()) -> VirtualBoard:
    """A virtual board of any family in this process."""
    return board_family(board).create(board, image, endpoint, settings)


def serve_board(
    board: Board,
    image: Path,
    options: ServeOptions,
    cpu: CpuKind,
    create: Callable[[Board, FirmwareImage, Endpoint, Settings], VirtualBoard],
) -> None:
    """Runs `image` until `options.stop`; see machine.Serve."""
    build_library()
    firmware = load_image(image, cpu.elf_machine)
    endpoint = open_endpoint(options.tcp_port)
    try:
        virtual = create(board, firmware, endpoint, options.settings)
        runner = _Runner(virtual)
        runner.start()
        options.announce(endpoint.port)
        while runner.is_alive() and not options.stop.wait(0.02):
            virtual.send_waiting()
        while runner.is_alive():
            virtual.stop()
            runner.join(0.05)
        if runner.error is not None:
            raise runner.error
    finally:
        endpoint.close()
