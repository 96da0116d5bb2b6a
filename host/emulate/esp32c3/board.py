"""Virtual ESP32-C3: the unmodified firmware image in unicorn, at real addresses, with modelled peripherals.

It begins where the boot ROM jumps into an image that is started without a boot loader. Whatever the model does not
cover ends the emulation with an error: an access outside memory and registers, a store into flash, a reserved bit, a
clock beyond what flash or supply allow. The cache in front of the flash and bus timing are not modelled; the core's
memory protection is, by unicorn.
"""

from __future__ import annotations

import ctypes
import sys
from enum import Enum
from pathlib import Path

import unicorn

from tinyanime.boards.schema import Board
from tinyanime.codegen.errors import InputError
from tinyanime.host.emulate.endpoint import Endpoint
from tinyanime.host.emulate.esp32c3 import rom
from tinyanime.host.emulate.esp32c3.chip import (
    FLASH_AS_CODE,
    FLASH_AS_DATA,
    SRAM_AS_CODE,
    SRAM_AS_DATA,
    ChipSettings,
    Esp32c3,
    Wiring,
    parse_settings,
)
from tinyanime.host.emulate.esp32c3.chip_clock import ChipClock, ResetCause
from tinyanime.host.emulate.image import FirmwareImage
from tinyanime.host.emulate.machine import ServeOptions
from tinyanime.host.emulate.processor import RV32, Processor
from tinyanime.host.emulate.virtual_board import Settings, UnawaitedTransfer, VirtualBoard, serve_board

CPU = RV32
_MAGIC = bytes.fromhex("1d04dbae") * 2
"""What makes the ROM start an image without a boot loader: README of espressif/esp32c3-direct-boot-example."""


class Esp32c3Board(VirtualBoard):
    """ESP32-C3 on its board."""

    clock: ChipClock

    def __init__(self, board: Board, image: FirmwareImage, endpoint: Endpoint, settings: ChipSettings) -> None:
        super().__init__(board, image, endpoint)
        self._settings = settings
        begin = self.memories.read(FLASH_AS_CODE, len(_MAGIC))
        if begin != _MAGIC:
            raise InputError(
                f"{image.path} begins with {begin.hex()}, which the boot ROM of an ESP32-C3 does not start "
                f"({_MAGIC.hex()} does it).",
                hint=f"Build the image for {board.name}.",
            )
        self._rom = ctypes.create_string_buffer(rom.SIZE_BYTES)
        self.power_on(ResetCause.POWER_ON)

    def power_on(self, cause: Enum) -> None:
        assert isinstance(cause, ResetCause)
        processor = self.processor = Processor(CPU, self.title, self.image)
        wiring = Wiring(
            self.board, self.endpoint, processor, self.memories, lambda: self.request_reset(ResetCause.SOFTWARE)
        )
        self.chip = Esp32c3(wiring, self._settings, cause)
        self.clock = self.chip.clock
        self._map_memories()
        processor.map_registers(self.chip.bus, {self.chip.uart.fifo.layout.page: self.chip.uart.fifo.handlers})
        processor.machine.hook_add(unicorn.UC_HOOK_INTR, self.chip.core.on_exception)
        processor.pc = FLASH_AS_CODE + len(_MAGIC)

    def _map_memories(self) -> None:
        """Flash and SRAM on both buses of the core; where the ROM lies, zeros, which are no instructions."""
        read, write, fetch = unicorn.UC_PROT_READ, unicorn.UC_PROT_WRITE, unicorn.UC_PROT_EXEC
        for memory, base, permissions in (
            (self.memories.at(FLASH_AS_CODE), FLASH_AS_CODE, fetch),
            (self.memories.at(FLASH_AS_CODE), FLASH_AS_DATA, read),
            (self.memories.at(SRAM_AS_DATA), SRAM_AS_DATA, read | write),
            (self.memories.at(SRAM_AS_DATA), SRAM_AS_CODE, fetch),
        ):
            assert memory is not None
            region = memory.region
            self.processor.map_memory(base, region.size_bytes, permissions, memory.pointer(region.base))
        self.processor.map_memory(rom.BASE, rom.SIZE_BYTES, fetch, ctypes.addressof(self._rom))

    def deadline_cause(self) -> ResetCause:
        return self.clock.first_watchdog

    def undefined_instruction(self) -> None:
        """What stops unicorn instead of raising an exception is EBREAK."""
        pc = self.processor.pc
        self.processor.pc = self.chip.core.enter_breakpoint(pc)
        print(f"{self.board.name}: breakpoint at 0x{pc:08x} {self.image.place(pc)}", file=sys.stderr)

    def send_waiting(self) -> None:
        self.chip.uart.line.send_waiting()

    @property
    def unawaited(self) -> tuple[UnawaitedTransfer, ...]:
        return ()


def create(board: Board, image: FirmwareImage, endpoint: Endpoint, settings: Settings) -> VirtualBoard:
    """The virtual board behind a power-on; SettingError for a setting that it lacks."""
    return Esp32c3Board(board, image, endpoint, parse_settings(settings))


def serve(board: Board, image: Path, options: ServeOptions) -> None:
    """Runs `image` until `options.stop`; see machine.Serve."""
    serve_board(board, image, options, CPU, create)
