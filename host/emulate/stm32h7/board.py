"""Virtual STM32H743: the unmodified firmware image in unicorn, at real addresses, with modelled peripherals.

Whatever the model does not cover ends the emulation with an error: an access outside memory and registers, a store
into flash, a reserved bit, a clock beyond the chip's limits. Bus timing and the protection by the MPU are not modelled.
Of the data cache it is modelled what a DMA behind it makes dangerous (data_cache.py).
"""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path

from tinyanime.boards.schema import Board, MemoryKind, MemoryUse
from tinyanime.host.emulate.block_counter import BlockCounter
from tinyanime.host.emulate.cortex_m import enter_hard_fault
from tinyanime.host.emulate.data_cache import CoherenceError
from tinyanime.host.emulate.endpoint import Endpoint
from tinyanime.host.emulate.image import FirmwareImage
from tinyanime.host.emulate.machine import EmulationError, ServeOptions
from tinyanime.host.emulate.processor import CORTEX_M7, Connect, Processor
from tinyanime.host.emulate.stm32h7.chip import CLOCKED_MEMORY, ChipSettings, Stm32h743, Wiring, parse_settings
from tinyanime.host.emulate.stm32h7.mdma_settings import TransferSettings
from tinyanime.host.emulate.stm32h7.rcc import ResetCause
from tinyanime.host.emulate.virtual_board import Settings, VirtualBoard, memory_permissions, serve_board

CPU = CORTEX_M7


class Stm32h7Board(VirtualBoard):
    """STM32H743 on its board."""

    def __init__(self, board: Board, image: FirmwareImage, endpoint: Endpoint, settings: ChipSettings) -> None:
        super().__init__(board, image, endpoint)
        self._settings = settings
        self._vectors = board.regions(MemoryUse.CODE)[0].base
        self.power_on(ResetCause.POWER_ON)

    @property
    def counter(self) -> BlockCounter:
        return self.processor.counter

    def power_on(self, cause: Enum) -> None:
        assert isinstance(cause, ResetCause)
        processor = self.processor = Processor(CPU, self.title, self.image, inspect=self._violation)
        self.memories.switch_all_off()
        wiring = Wiring(
            self.board,
            self.endpoint,
            processor.counter,
            processor.stop,
            lambda: self.request_reset(ResetCause.SOFTWARE),
            self._set_memory,
            self.memories,
            self._dma_write,
        )
        self.chip = Stm32h743(wiring, self._settings, cause)
        self.clock = self.chip.clock
        processor.on_alarm(self.chip.mdma.deliver_due)
        gated = {base for base, _ in CLOCKED_MEMORY.values()}
        for memory in self.memories:
            if memory.region.base not in gated:
                self._set_memory(memory.region.base, memory.region.size_bytes, True)
        processor.map_registers(self.chip.bus, self._compiled_paths())
        self._start_at_vectors()

    def _compiled_paths(self) -> dict[int, Connect]:
        fifo, cache = self.chip.usart.fifo, self.chip.cache
        paths: dict[int, Connect] = {fifo.layout.page: fifo.handlers}
        if cache is not None:
            paths[cache.registers.page] = cache.handlers
        return paths

    def _start_at_vectors(self) -> None:
        stack, start = (self.processor.word(self._vectors + 4 * index) for index in range(2))
        if not start & 1:
            raise EmulationError(
                f"{self.image.path} has no reset vector at 0x{self._vectors:08x} (0x{start:08x}).",
                hint=f"Build the image for {self.board.name}.",
            )
        self.processor.machine.reg_write(CPU.stack, stack)
        self.processor.pc = start & ~1

    def _set_memory(self, base: int, size: int, on: bool) -> None:
        if not self.memories.switch(base, size, on):
            return
        if not on:
            self.processor.machine.mem_unmap(base, size)
            return
        memory = self.memories.at(base, size)
        assert memory is not None
        region, pointer = memory.region, memory.pointer(base)
        if self.chip.cache is not None and region.cacheable and region.kind is MemoryKind.RAM:
            self.chip.cache.map(self.processor.machine, region.name, base, size, pointer)
            return
        self.processor.map_memory(base, size, memory_permissions(memory), pointer)

    def _dma_write(self, address: int, data: bytes) -> None:
        memory = self.memories.at(address)
        if memory is not None and MemoryUse.FAST_CODE in memory.region.uses:
            self.processor.machine.mem_write(address, data)  # Drops what was translated from the old bytes.
        else:
            self.memories.write(address, data)

    def _violation(self) -> CoherenceError | None:
        return self.chip.cache.violation() if self.chip.cache is not None else None

    def deadline_cause(self) -> ResetCause:
        return ResetCause.WATCHDOG

    def undefined_instruction(self) -> None:
        """UsageFault is disabled after reset, so it escalates to HardFault: DDI 0403E B1.5.14."""
        pc = self.processor.pc
        self.chip.core.record_undefined_instruction()
        enter_hard_fault(self.processor, self.chip.core.values["VTOR"] or self._vectors)
        print(f"{self.board.name}: undefined instruction at 0x{pc:08x} {self.image.place(pc)}", file=sys.stderr)

    def send_waiting(self) -> None:
        self.chip.usart.line.send_waiting()

    @property
    def unawaited(self) -> tuple[TransferSettings, ...]:
        return self.chip.mdma.unawaited


def create(board: Board, image: FirmwareImage, endpoint: Endpoint, settings: Settings) -> VirtualBoard:
    """The virtual board behind a power-on; SettingError for a setting that it lacks."""
    return Stm32h7Board(board, image, endpoint, parse_settings(settings))


def serve(board: Board, image: Path, options: ServeOptions) -> None:
    """Runs `image` until `options.stop`; see machine.Serve."""
    serve_board(board, image, options, CPU, create)
