"""One core in unicorn: its memories, its registers on the bus, how it runs and how it fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

import unicorn
from unicorn import arm_const, riscv_const
from unicorn.unicorn_py3.unicorn import MMIO_READ_CFUNC, MMIO_WRITE_CFUNC, uclib

from tinyanime.codegen.errors import ToolError
from tinyanime.host.emulate.block_counter import BlockCounter, InstructionSet
from tinyanime.host.emulate.bus import Bus, BusError, HintedBusError
from tinyanime.host.emulate.image import FirmwareImage
from tinyanime.host.emulate.machine import EmulationError

PAGE_BYTES = 0x1000
_NOWHERE = 0xFFFF_FFFE
"""Execution never gets here: `emu_start` wants an end address."""
_ACCESS = {
    unicorn.UC_MEM_READ_UNMAPPED: "read {size} bytes from 0x{address:08x}, where nothing is mapped",
    unicorn.UC_MEM_WRITE_UNMAPPED: "wrote {size} bytes to 0x{address:08x}, where nothing is mapped",
    unicorn.UC_MEM_FETCH_UNMAPPED: "jumped to 0x{address:08x}, where nothing is mapped",
    unicorn.UC_MEM_WRITE_PROT: "wrote {size} bytes to 0x{address:08x}, which is read-only memory",
    unicorn.UC_MEM_FETCH_PROT: "jumped to 0x{address:08x}, which holds no code",
    unicorn.UC_MEM_READ_PROT: "read {size} bytes from 0x{address:08x}, which cannot be read",
}
_HINT = "It would fault or misbehave on the real board too; look at that function, or extend the model."


@dataclass(frozen=True, slots=True)
class CpuKind:
    """How unicorn runs a kind of core: architecture, mode, model and register numbers.

    `elf_machine` is e_machine of its programs, `code_bit` what is set in addresses of code without being part of them.
    """

    architecture: int
    mode: int
    model: int
    instruction_set: InstructionSet
    elf_machine: str
    pc: int
    stack: int
    link: int
    code_bit: int = 0


def _cortex_m(model: int) -> CpuKind:
    # Not with UC_MODE_MCLASS: with it unicorn ignores the model, and a Cortex-M0 takes SMLAD.
    return CpuKind(
        unicorn.UC_ARCH_ARM,
        unicorn.UC_MODE_THUMB,
        model,
        InstructionSet.THUMB,
        "EM_ARM",
        arm_const.UC_ARM_REG_PC,
        arm_const.UC_ARM_REG_SP,
        arm_const.UC_ARM_REG_LR,
        code_bit=1,
    )


CORTEX_M7 = _cortex_m(arm_const.UC_CPU_ARM_CORTEX_M7)
CORTEX_M0PLUS = _cortex_m(arm_const.UC_CPU_ARM_CORTEX_M0)
"""unicorn has the Cortex-M0; the M0+ executes the same instructions."""
RV32 = CpuKind(
    unicorn.UC_ARCH_RISCV,
    unicorn.UC_MODE_RISCV32,
    riscv_const.UC_CPU_RISCV32_ANY,
    InstructionSet.RISCV,
    "EM_RISCV",
    riscv_const.UC_RISCV_REG_PC,
    riscv_const.UC_RISCV_REG_SP,
    riscv_const.UC_RISCV_REG_RA,
)

PageHandlers = tuple[object, object, object, object]
"""For `uc_mmio_map`: read callback, its user data, write callback, its user data."""
Connect = Callable[[object, object], PageHandlers]
"""Puts a compiled data path in front of the callbacks (read, write) that lead to the bus."""


class Stop(Enum):
    """Why `Processor.execute` returned."""

    ASKED = auto()
    """By `stop`, or by the counter's deadline."""
    INVALID_INSTRUCTION = auto()
    """unicorn does not execute the instruction at `pc`, or (WFE of a Cortex-M) before it."""


class Processor:
    """A core that was just reset. `title` names the board or core in messages: "virtual stm32h743".

    `inspect` may find a reason to fail whenever the core stops; it counts more than any other.
    """

    def __init__(
        self,
        kind: CpuKind,
        title: str,
        image: FirmwareImage,
        *,
        costs: bytes | None = None,
        inspect: Callable[[], BusError | None] = lambda: None,
    ) -> None:
        self.kind = kind
        self._title = title
        self._image = image
        self._inspect = inspect
        self.machine = unicorn.Uc(kind.architecture, kind.mode)
        self.machine.ctl_set_cpu_model(kind.model)
        self.machine.hook_add(unicorn.UC_HOOK_MEM_INVALID, self._on_invalid)
        self.counter = BlockCounter(self.machine, kind.instruction_set, costs)
        self.pc = 0
        self._callbacks: list[object] = []
        self._failure = ""
        self._hint = _HINT
        self._broken: BaseException | None = None

    def map_memory(self, base: int, size: int, permissions: int, pointer: int) -> None:
        """Maps the bytes at `pointer` of this process as memory; `permissions` are unicorn's UC_PROT_*."""
        self.machine.mem_map_ptr(base, size, permissions, pointer)

    def map_registers(self, bus: Bus, connect: dict[int, Connect] | None = None) -> None:
        """Leads accesses to all pages of registers to `bus`; a page in `connect` through a compiled data path."""
        for page in bus.pages():
            self._map_page(page, bus, (connect or {}).get(page))

    def _map_page(self, page: int, bus: Bus, connect: Connect | None) -> None:
        """Straight through ctypes: the callbacks of unicorn's Python layer cost as much again."""
        read, write = bus.read, bus.write

        def on_read(_: object, offset: int, size: int, __: object) -> int:
            try:
                return read(page + offset, size)
            except BaseException as error:  # ctypes would swallow it.
                self.fail(error)
                return 0

        def on_write(_: object, offset: int, size: int, value: int, __: object) -> None:
            try:
                write(page + offset, size, value)
            except BaseException as error:  # ctypes would swallow it.
                self.fail(error)

        callbacks = (MMIO_READ_CFUNC(on_read), MMIO_WRITE_CFUNC(on_write))
        self._callbacks.append(callbacks)
        handlers = (callbacks[0], 0, callbacks[1], 0) if connect is None else connect(*callbacks)
        status = uclib.uc_mmio_map(self.machine._uch, page, PAGE_BYTES, *handlers)
        if status != unicorn.UC_ERR_OK:
            raise ToolError(f"unicorn does not map registers at 0x{page:08x} (error {status}).")

    def _on_invalid(self, machine: unicorn.Uc, access: int, address: int, size: int, value: int, _: object) -> bool:
        self._failure = _ACCESS[access].format(size=size, address=address)
        return False

    def fail(self, error: BaseException) -> None:
        """Stops the core; `execute` raises EmulationError (for a BusError) or `error` itself then."""
        if isinstance(error, HintedBusError):
            self._hint = error.hint
        if isinstance(error, BusError):
            self._failure = str(error)
        else:
            self._broken = error
        self.stop()

    def on_alarm(self, ring: Callable[[], None]) -> None:
        """What the counter's alarm calls; an error of it ends the emulation."""

        def guarded() -> None:
            try:
                ring()
            except BaseException as error:  # ctypes would swallow it.
                self.fail(error)

        self.counter.on_alarm(guarded)

    def stop(self) -> None:
        """Ends `execute`. From another thread, call it until that returned; from a register's reader, the load is
        made again when execution goes on."""
        self.machine.emu_stop()

    def execute(self) -> Stop:
        """Runs from `pc` until something stops the core; leaves where it is in `pc`.

        Raises EmulationError where the firmware leaves what the board offers.
        """
        stop = Stop.ASKED
        try:
            self.machine.emu_start(self.pc | self.kind.code_bit, _NOWHERE)
        except unicorn.UcError as error:
            if not self._failure and error.errno == unicorn.UC_ERR_INSN_INVALID:
                stop = Stop.INVALID_INSTRUCTION
            else:
                self._failure = self._failure or f"made the core fault ({error})"
        self.pc = self.machine.reg_read(self.kind.pc) & ~self.kind.code_bit
        if self._broken is not None:
            raise self._broken
        if (violation := self._inspect()) is not None:
            self.fail(violation)
        if self._failure:
            raise self.error(self._failure)
        return stop

    def error(self, what: str) -> EmulationError:
        """`what` completes "The firmware ..."; names the function at `pc`."""
        caller = self.machine.reg_read(self.kind.link) & ~1
        where = f"pc 0x{self.pc:08x}"
        if place := self._image.place(self.pc):
            where += f", in {place}"
        elif place := self._image.place(caller):
            where += f", called from {place}"
        return EmulationError(f"The firmware on the {self._title} {what} ({where}).", hint=self._hint)

    def word(self, address: int) -> int:
        """The 32-bit word that the core sees at `address`."""
        return int.from_bytes(self.machine.mem_read(address, 4), "little")
