"""Virtual STM32H743: the unmodified firmware image in unicorn, at real addresses, with modelled peripherals.

Whatever the model does not cover ends the emulation with an error: an access outside memory and registers, a store
into flash, a reserved bit, a clock beyond the chip's limits. Bus timing and the protection by the MPU are not modelled.
Of the data cache it is modelled what a DMA behind it makes dangerous (data_cache.py).
"""

from __future__ import annotations

import sys
import threading
from enum import Enum, auto
from pathlib import Path

import unicorn
from unicorn import arm_const
from unicorn.unicorn_py3.unicorn import MMIO_READ_CFUNC, MMIO_WRITE_CFUNC, uclib

from tinyanime.boards.schema import Board, MemoryKind, MemoryUse
from tinyanime.codegen.errors import InputError, ToolError
from tinyanime.host.emulate.block_counter import BlockCounter, build_library
from tinyanime.host.emulate.bus import BusError
from tinyanime.host.emulate.data_cache import CoherenceError
from tinyanime.host.emulate.endpoint import Endpoint, open_endpoint
from tinyanime.host.emulate.image import FirmwareImage, load_image
from tinyanime.host.emulate.machine import EmulationError, ServeOptions
from tinyanime.host.emulate.memories import Memories
from tinyanime.host.emulate.stm32h7.chip import CLOCKED_MEMORY, ChipSettings, Stm32h743, Wiring, parse_settings
from tinyanime.host.emulate.stm32h7.rcc import ResetCause

_PAGE = 0x1000
_NOWHERE = 0xFFFF_FFFE
"""Execution never gets here: `emu_start` wants an end address."""
_EXCEPTION_RETURN = 0xFFFF_FFF9
"""Thread mode, main stack, no floating-point state: DDI 0403E table B1-8."""
_HARD_FAULT = 3
_ACCESS = {
    unicorn.UC_MEM_READ_UNMAPPED: "read {size} bytes from 0x{address:08x}, where nothing is mapped",
    unicorn.UC_MEM_WRITE_UNMAPPED: "wrote {size} bytes to 0x{address:08x}, where nothing is mapped",
    unicorn.UC_MEM_FETCH_UNMAPPED: "jumped to 0x{address:08x}, where nothing is mapped",
    unicorn.UC_MEM_WRITE_PROT: "wrote {size} bytes to 0x{address:08x}, which is read-only memory",
    unicorn.UC_MEM_FETCH_PROT: "jumped to 0x{address:08x}, which holds no code",
    unicorn.UC_MEM_READ_PROT: "read {size} bytes from 0x{address:08x}, which cannot be read",
}


_HINT = "It would fault or misbehave on the real board too; look at that function, or extend the model."


class _Event(Enum):
    """Why the core stopped."""

    STOP = auto()
    LOCATE = auto()
    RESET = auto()
    WATCHDOG = auto()
    UNDEFINED_INSTRUCTION = auto()


class VirtualBoard:
    """A board with power: `run` executes from reset until `stop` or an error."""

    def __init__(self, board: Board, image: FirmwareImage, endpoint: Endpoint, settings: ChipSettings) -> None:
        self._board = board
        self._image = image
        self._endpoint = endpoint
        self._settings = settings
        self._memories = Memories(board.memory)
        self._vectors = board.regions(MemoryUse.CODE)[0].base
        for segment in image.segments:
            self._load(segment.address, segment.data)
        self._stopping = False
        self._reset_requested = False
        self._failure = ""
        self._hint = _HINT
        self._broken: BaseException | None = None
        self.resets: tuple[ResetCause, ...] = ()
        self._power_on(ResetCause.POWER_ON)

    def _load(self, address: int, data: bytes) -> None:
        memory = self._memories.at(address, len(data))
        if memory is not None and memory.region.kind is MemoryKind.FLASH:
            self._memories.write(address, data)
            return
        raise InputError(
            f"{self._image.path} has {len(data)} bytes for 0x{address:08x}, where {self._board.name} has no flash.",
            hint=f"Build the image for {self._board.name}.",
        )

    def _power_on(self, cause: ResetCause) -> None:
        """A fresh core and fresh peripherals around the memories as they are."""
        machine = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
        machine.ctl_set_cpu_model(arm_const.UC_CPU_ARM_CORTEX_M7)
        self._machine = machine
        self._callbacks: list[object] = []
        self._reset_requested = False
        self.counter = BlockCounter(machine)
        self._memories.switch_all_off()
        wiring = Wiring(
            self._board,
            self._endpoint,
            self.counter,
            machine.emu_stop,
            self._request_reset,
            self._set_memory,
            self._memories,
            self._dma_write,
        )
        self.chip = Stm32h743(wiring, self._settings, cause)
        self.counter.on_alarm(self._on_alarm)
        gated = {base for base, _ in CLOCKED_MEMORY.values()}
        for memory in self._memories:
            if memory.region.base not in gated:
                self._set_memory(memory.region.base, memory.region.size_bytes, True)
        for page in self.chip.bus.pages():
            self._map_registers(page)
        machine.hook_add(unicorn.UC_HOOK_MEM_INVALID, self._on_invalid)
        stack, start = (int.from_bytes(machine.mem_read(self._vectors + 4 * i, 4), "little") for i in range(2))
        machine.reg_write(arm_const.UC_ARM_REG_SP, stack)
        self._pc = start
        if not start & 1:
            raise EmulationError(
                f"{self._image.path} has no reset vector at 0x{self._vectors:08x} (0x{start:08x}).",
                hint=f"Build the image for {self._board.name}.",
            )

    def _set_memory(self, base: int, size: int, on: bool) -> None:
        if not self._memories.switch(base, size, on):
            return
        if not on:
            self._machine.mem_unmap(base, size)
            return
        memory = self._memories.at(base, size)
        assert memory is not None
        region, pointer = memory.region, memory.pointer(base)
        if self.chip.cache is not None and region.cacheable and region.kind is MemoryKind.RAM:
            self.chip.cache.map(self._machine, region.name, base, size, pointer)
            return
        permissions = unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC
        if region.kind is MemoryKind.RAM:
            permissions |= unicorn.UC_PROT_WRITE
        self._machine.mem_map_ptr(base, size, permissions, pointer)

    def _dma_write(self, address: int, data: bytes) -> None:
        memory = self._memories.at(address)
        if memory is not None and MemoryUse.FAST_CODE in memory.region.uses:
            self._machine.mem_write(address, data)  # Drops what was translated from the old bytes.
        else:
            self._memories.write(address, data)

    def _on_alarm(self) -> None:
        try:
            self.chip.mdma.deliver_due()
        except BaseException as error:  # ctypes would swallow it.
            self._fail(error)

    def _map_registers(self, page: int) -> None:
        """Leads accesses to a page of registers to the bus.

        Straight through ctypes: the callbacks of unicorn's Python layer cost as much again.
        """
        read, write = self.chip.bus.read, self.chip.bus.write

        def on_read(_: object, offset: int, size: int, __: object) -> int:
            try:
                return read(page + offset, size)
            except BaseException as error:  # ctypes would swallow it.
                self._fail(error)
                return 0

        def on_write(_: object, offset: int, size: int, value: int, __: object) -> None:
            try:
                write(page + offset, size, value)
            except BaseException as error:  # ctypes would swallow it.
                self._fail(error)

        callbacks = (MMIO_READ_CFUNC(on_read), MMIO_WRITE_CFUNC(on_write))
        self._callbacks.append(callbacks)
        fifo, cache = self.chip.usart.fifo, self.chip.cache
        handlers: tuple[object, object, object, object] = (callbacks[0], 0, callbacks[1], 0)
        if page == fifo.layout.page:
            reader, writer, user = fifo.connect(*callbacks)
            handlers = (reader, user, writer, user)
        elif cache is not None and page == cache.registers.page:
            handlers = (callbacks[0], 0, *cache.connect(callbacks[1]))
        status = uclib.uc_mmio_map(self._machine._uch, page, _PAGE, *handlers)
        if status != unicorn.UC_ERR_OK:
            raise ToolError(f"unicorn does not map registers at 0x{page:08x} (error {status}).")

    def _on_invalid(self, machine: unicorn.Uc, access: int, address: int, size: int, value: int, _: object) -> bool:
        self._failure = _ACCESS[access].format(size=size, address=address)
        return False

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, CoherenceError):
            self._hint = error.hint
        if isinstance(error, BusError):
            self._failure = str(error)
        else:
            self._broken = error
        self._machine.emu_stop()

    def _request_reset(self) -> None:
        self._reset_requested = True
        self._machine.emu_stop()

    def stop(self) -> None:
        """Ends `run`; from another thread, call it until `run` has returned: it may come between two instructions."""
        self._stopping = True
        self._machine.emu_stop()

    def run(self) -> None:
        """Executes until `stop`, at first from reset, then from where it stopped.

        Raises EmulationError where the firmware leaves what the board offers.
        """
        self._stopping = False
        while True:
            event = self._run_until_event()
            if event is _Event.STOP:
                return
            if event is _Event.LOCATE:
                self.chip.clock.located(self._pc & ~1)
            elif event is _Event.UNDEFINED_INSTRUCTION:
                self._enter_hard_fault()
            else:
                self._reset(ResetCause.SOFTWARE if event is _Event.RESET else ResetCause.WATCHDOG)

    def _run_until_event(self) -> _Event:
        machine = self._machine
        try:
            machine.emu_start(self._pc | 1, _NOWHERE)
        except unicorn.UcError as error:
            self._pc = machine.reg_read(arm_const.UC_ARM_REG_PC)
            if not self._failure and error.errno == unicorn.UC_ERR_INSN_INVALID:
                return _Event.UNDEFINED_INSTRUCTION
            self._failure = self._failure or f"made the core fault ({error})"
        else:
            self._pc = machine.reg_read(arm_const.UC_ARM_REG_PC)
        if self._broken is not None:
            raise self._broken
        if self.chip.cache is not None and (violation := self.chip.cache.violation()) is not None:
            self._fail(violation)
        if self._failure:
            raise self._error(self._failure)
        if self._reset_requested:
            return _Event.RESET
        if self.counter.deadline_met:
            return _Event.WATCHDOG
        if self.chip.clock.locating:
            return _Event.LOCATE
        if self._stopping:
            return _Event.STOP
        raise self._error("made the core stop for no known reason")

    def _error(self, what: str) -> EmulationError:
        pc = self._pc & ~1
        caller = self._machine.reg_read(arm_const.UC_ARM_REG_LR) & ~1
        where = f"pc 0x{pc:08x}"
        if place := self._image.place(pc):
            where += f", in {place}"
        elif place := self._image.place(caller):
            where += f", called from {place}"
        return EmulationError(
            f"The firmware on the virtual {self._board.name} {what} ({where}).",
            hint=self._hint,
        )

    def _reset(self, cause: ResetCause) -> None:
        self.send_waiting()
        self.resets += (cause,)
        print(
            f"{self._board.name}: reset ({cause.name}) after {self.counter.instructions} instructions", file=sys.stderr
        )
        self._power_on(cause)

    def _enter_hard_fault(self) -> None:
        """Exception entry: DDI 0403E B1.5.6. UsageFault is disabled after reset, so it escalates to HardFault."""
        machine = self._machine
        self.chip.core.record_undefined_instruction()
        frame = [machine.reg_read(arm_const.UC_ARM_REG_R0 + index) for index in range(4)]
        frame += [machine.reg_read(register) for register in (arm_const.UC_ARM_REG_R12, arm_const.UC_ARM_REG_LR)]
        frame += [self._pc & ~1, machine.reg_read(arm_const.UC_ARM_REG_XPSR) | 1 << 24]
        stack = machine.reg_read(arm_const.UC_ARM_REG_SP) - 4 * len(frame)
        machine.mem_write(stack, b"".join(word.to_bytes(4, "little") for word in frame))
        machine.reg_write(arm_const.UC_ARM_REG_SP, stack)
        machine.reg_write(arm_const.UC_ARM_REG_LR, _EXCEPTION_RETURN)
        machine.reg_write(arm_const.UC_ARM_REG_IPSR, _HARD_FAULT)
        vectors = self.chip.core.values["VTOR"] or self._vectors
        self._pc = int.from_bytes(machine.mem_read(vectors + 4 * _HARD_FAULT, 4), "little")
        place = self._image.place(frame[6])
        print(f"{self._board.name}: undefined instruction at 0x{frame[6]:08x} {place}", file=sys.stderr)

    def send_waiting(self) -> None:
        """Hands transmitted bytes on while the firmware computes; called from another thread."""
        self.chip.usart.send_waiting()


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


def serve(board: Board, image: Path, options: ServeOptions) -> None:
    """Runs `image` until `options.stop`; see machine.Serve."""
    if board.family != "stm32h7":
        raise ToolError(f"There is no virtual board for the chip family {board.family} ({board.name}).")
    build_library()
    settings = parse_settings(options.settings)
    firmware = load_image(image)
    endpoint = open_endpoint(options.tcp_port)
    try:
        virtual = VirtualBoard(board, firmware, endpoint, settings)
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
