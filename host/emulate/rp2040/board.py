"""Virtual Raspberry Pi Pico: the unmodified flash image in unicorn, from its second-stage boot on, on both cores.

Whatever the model does not cover ends the emulation with an error. Time is that of the Cortex-M0+'s instruction timing
(host/cycle_model/cortex_m0plus.py) at the clock that the firmware has set up; bus contention, misses of the XIP cache
and the MPU's protection are not modelled.
"""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path

import unicorn

from tinyanime.boards.schema import Board, MemoryKind
from tinyanime.host.cycle_model.cortex_m0plus import cost_table
from tinyanime.host.emulate.bus import BusError
from tinyanime.host.emulate.cortex_m import enter_hard_fault
from tinyanime.host.emulate.endpoint import Endpoint
from tinyanime.host.emulate.image import FirmwareImage
from tinyanime.host.emulate.machine import ServeOptions
from tinyanime.host.emulate.processor import CORTEX_M0PLUS, Processor, Stop
from tinyanime.host.emulate.rp2040.boot_rom import BOOT2_ADDRESS, BOOT2_BYTES, FLASH, Core1Start, check_boot2
from tinyanime.host.emulate.rp2040.chip import ChipSettings, Rp2040, Wiring, parse_settings
from tinyanime.host.emulate.rp2040.dma import Transfer
from tinyanime.host.emulate.rp2040.resets import ResetCause
from tinyanime.host.emulate.virtual_board import Settings, VirtualBoard, memory_permissions, serve_board

CPU = CORTEX_M0PLUS
_XIP_ALIASES = (0, 0x0100_0000, 0x0200_0000, 0x0300_0000)
"""Flash through the cache, without allocation, past the cache, and past it without allocation: 2.6.3.1."""
_WFE, _WFI = 0xBF20, 0xBF30


class Rp2040Board(VirtualBoard):
    """RP2040 on its board."""

    chip: Rp2040

    def __init__(self, board: Board, image: FirmwareImage, endpoint: Endpoint, settings: ChipSettings) -> None:
        super().__init__(board, image, endpoint)
        self._settings = settings
        check_boot2(self.memories.read(FLASH, BOOT2_BYTES), str(image.path))
        self.power_on(ResetCause.POWER_ON)

    def power_on(self, cause: Enum) -> None:
        assert isinstance(cause, ResetCause)
        before = None if cause is ResetCause.POWER_ON else self.chip.watchdog
        self.memories.switch_all_off()
        self._flash_is_mapped = False
        cores = (self._new_core(0), self._new_core(1))
        self.processor = cores[0]
        wiring = Wiring(
            self.board,
            self.endpoint,
            self.memories,
            cores,
            self.request_reset,
            self._map_flash,
            self._renew_core1,
            self._start_core1,
        )
        self._cores = list(cores)
        self.chip = Rp2040(wiring, self._settings, cause)
        if before is not None:
            self.chip.watchdog.keep_scratch(before)
        for memory in self.memories:
            if memory.region.kind is MemoryKind.RAM:
                self.memories.switch(memory.region.base, memory.region.size_bytes, True)
        for index, core in enumerate(self._cores):
            self._connect(index, core)
        self._start_boot2()

    def _new_core(self, index: int) -> Processor:
        core = Processor(CPU, f"{self.title} (core {index})", self.image, costs=cost_table())
        for memory in self.memories:
            if memory.region.kind is MemoryKind.RAM:
                base = memory.region.base
                core.map_memory(base, memory.region.size_bytes, memory_permissions(memory), memory.pointer(base))
        return core

    def _connect(self, index: int, core: Processor) -> None:
        """The compiled path of the UART is core 0's."""
        fifo = self.chip.uart.fifo
        core.map_registers(self.chip.buses[index], {fifo.layout.page: fifo.handlers} if index == 0 else None)
        core.on_alarm(self.chip.dma.deliver_due)

    def _renew_core1(self) -> Processor:
        core = self._cores[1] = self._new_core(1)
        self._connect(1, core)
        if self._flash_is_mapped:
            self._map_flash_of(core, True)
        return core

    def _start_core1(self, start: Core1Start) -> None:
        self._cores[1].machine.reg_write(CPU.stack, start.stack)
        self._cores[1].pc = start.entry & ~1

    def _start_boot2(self) -> None:
        """2.8.1.3: from the top of SRAM5, with the stack below and nothing to return to."""
        self.memories.write(BOOT2_ADDRESS, self.memories.read(FLASH, BOOT2_BYTES))
        self.processor.machine.reg_write(CPU.stack, BOOT2_ADDRESS)
        self.processor.machine.reg_write(CPU.link, 0)
        self.processor.pc = BOOT2_ADDRESS

    def _map_flash(self, on: bool) -> None:
        if on == self._flash_is_mapped:
            return
        self._flash_is_mapped = on
        for core in self._cores:
            self._map_flash_of(core, on)
        for memory in self.memories:
            if memory.region.kind is MemoryKind.FLASH:
                for alias in _XIP_ALIASES:
                    self.memories.switch(memory.region.base + alias, memory.region.size_bytes, on)

    def _map_flash_of(self, core: Processor, on: bool) -> None:
        for memory in self.memories:
            if memory.region.kind is MemoryKind.FLASH:
                base, size = memory.region.base, memory.region.size_bytes
                for alias in _XIP_ALIASES:
                    if on:
                        core.map_memory(base + alias, size, memory_permissions(memory), memory.pointer(base))
                    else:
                        core.machine.mem_unmap(base + alias, size)

    @property
    def instructions(self) -> int:
        return sum(core.counter.instructions for core in self._cores)

    def stop(self) -> None:
        self.stopping = True
        for core in self._cores:
            core.stop()

    def run(self) -> None:
        self.stopping = False
        while not self.stopping:
            self._turn()

    def _turn(self) -> None:
        """One core runs until its turn ends."""
        chip = self.chip
        chip.core1_in_rom.look()
        try:
            index, end = chip.schedule.next_turn()
        except BusError as error:
            raise self.processor.error(str(error)) from None
        core = self._cores[index]
        chip.time.active = index
        watchdog_at = chip.watchdog.deadline_ns
        ends = [end, None if watchdog_at is None else chip.time.cycles_at(watchdog_at)]
        core.counter.set_deadline(min((moment for moment in ends if moment is not None), default=None))
        stop = core.execute()
        if stop is Stop.INVALID_INSTRUCTION:
            self._after_invalid(index)
        elif self.reset_requested is not None:
            self.reset(self.reset_requested)
        elif core.counter.deadline_met:
            self._end_of_turn(core)
        elif chip.schedule.stopped(index):
            core.counter.leave_block(core.pc)
            core.counter.pass_cycles(1)  # The look at the mailbox is made again: it took less than other loads.
        elif self.stopping:
            core.counter.leave_block(core.pc)
        elif core.pc >= 2 and self._halfword(core, core.pc - 2) == _WFI:
            raise core.error("executed WFI, and no interrupt is enabled: it would sleep for good")
        else:
            raise core.error("made the core stop for no known reason")

    def _end_of_turn(self, core: Processor) -> None:
        deadline = self.chip.watchdog.deadline_ns
        if deadline is not None and self.chip.time.ns_at(core.counter.cycles) >= deadline:
            try:
                self.chip.psm.check_watchdog_resets_all()
            except BusError as error:
                raise core.error(str(error)) from None
            self.reset(ResetCause.WATCHDOG)

    def _after_invalid(self, index: int) -> None:
        """An instruction that the core does not have, or WFE, which unicorn hands back behind it."""
        core = self._cores[index]
        if self._halfword(core, core.pc - 2) == _WFE:
            self.chip.schedule.sleep(index)
            return
        vectors = self.chip.ppbs[index].values["VTOR"]
        pc = core.pc
        enter_hard_fault(core, vectors)
        print(f"{self.board.name}: undefined instruction at 0x{pc:08x} {self.image.place(pc)}", file=sys.stderr)

    def _halfword(self, core: Processor, address: int) -> int:
        try:
            return int.from_bytes(core.machine.mem_read(address, 2), "little")
        except unicorn.UcError:
            return 0

    def send_waiting(self) -> None:
        self.chip.uart.line.send_waiting()

    @property
    def unawaited(self) -> tuple[Transfer, ...]:
        return self.chip.dma.unawaited


def create(board: Board, image: FirmwareImage, endpoint: Endpoint, settings: Settings) -> VirtualBoard:
    """The virtual board behind a power-on; SettingError for a setting that it lacks."""
    return Rp2040Board(board, image, endpoint, parse_settings(settings))


def serve(board: Board, image: Path, options: ServeOptions) -> None:
    """Runs `image` until `options.stop`; see machine.Serve."""
    serve_board(board, image, options, CPU, create)
