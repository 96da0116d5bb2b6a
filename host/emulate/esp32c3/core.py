"""What unicorn's RV32 core lacks: the performance counter of the ESP32-C3 (TRM chapter 1) and entering traps."""

from __future__ import annotations

from unicorn import riscv_const

from tinyanime.host.emulate.bus import BusError
from tinyanime.host.emulate.esp32c3.chip_clock import ChipClock
from tinyanime.host.emulate.esp32c3.rom import BASE, SIZE_BYTES, BootRom
from tinyanime.host.emulate.processor import Processor

_ILLEGAL_INSTRUCTION, _BREAKPOINT = 2, 3
_MPCER, _MPCMR, _MPCCR = 0x7E0, 0x7E1, 0x7E2
_SYSTEM = 0x73
_X0 = riscv_const.UC_RISCV_REG_X0
_A0, _RA = _X0 + 10, _X0 + 1


class Core:
    """Answers the exceptions that unicorn reports.

    unicorn has no CSR of the performance counter: their use is an illegal instruction to it, at the end of its block.
    """

    def __init__(self, processor: Processor, clock: ChipClock, rom: BootRom) -> None:
        self._processor = processor
        self._machine = processor.machine
        self._clock = clock
        self._rom = rom
        self._csr = {_MPCER: 0, _MPCMR: 0, _MPCCR: 0}
        self._anchor = 0

    def on_exception(self, machine: object, number: int, _: object) -> None:
        """UC_HOOK_INTR; unicorn has gone on by four bytes already."""
        try:
            self._answer(number, self._machine.reg_read(riscv_const.UC_RISCV_REG_PC) - 4)
        except BaseException as error:  # ctypes would swallow it.
            self._processor.fail(error)

    def _answer(self, number: int, pc: int) -> None:
        if number == _ILLEGAL_INSTRUCTION and BASE <= pc < BASE + SIZE_BYTES:
            self._call_rom(pc)
            return
        instruction = self._instruction(pc) if number == _ILLEGAL_INSTRUCTION else 0
        if not (instruction & 0x7F == _SYSTEM and instruction >> 20 in self._csr and instruction >> 12 & 7):
            self.enter_trap(number, pc, instruction)
            self._machine.reg_write(riscv_const.UC_RISCV_REG_PC, self.trap_address)
            return
        self._access_counter(instruction)

    def _instruction(self, pc: int) -> int:
        low = int.from_bytes(self._machine.mem_read(pc, 2), "little")
        return low if low & 3 != 3 else low | int.from_bytes(self._machine.mem_read(pc + 2, 2), "little") << 16

    def _call_rom(self, address: int) -> None:
        arguments = [self._machine.reg_read(_A0 + index) for index in range(6)]
        self._machine.reg_write(_A0, self._rom.call(address, arguments))
        self._machine.reg_write(riscv_const.UC_RISCV_REG_PC, self._machine.reg_read(_RA))

    @property
    def trap_address(self) -> int:
        return int(self._machine.reg_read(riscv_const.UC_RISCV_REG_MTVEC)) & ~3

    def enter_trap(self, cause: int, pc: int, value: int) -> None:
        """Privileged architecture 3.1: mtval may be 0, and is for faults of loads and stores here."""
        for register, content in (
            (riscv_const.UC_RISCV_REG_MCAUSE, cause),
            (riscv_const.UC_RISCV_REG_MEPC, pc),
            (riscv_const.UC_RISCV_REG_MTVAL, value),
        ):
            self._machine.reg_write(register, content)

    def enter_breakpoint(self, pc: int) -> int:
        """EBREAK without a debugger; where execution goes on."""
        self.enter_trap(_BREAKPOINT, pc, pc)
        return self.trap_address

    def _access_counter(self, instruction: int) -> None:
        """CSRRW, CSRRS, CSRRC and their forms with an immediate: The RISC-V Instruction Set Manual, volume I, 9.1."""
        csr, source, operation = instruction >> 20, instruction >> 15 & 31, instruction >> 12 & 7
        before = self._read(csr)
        operand = source if operation & 4 else int(self._machine.reg_read(_X0 + source)) & 0xFFFF_FFFF
        if operation & 3 == 1:
            self._write(csr, operand)
        elif source:
            self._write(csr, before | operand if operation & 3 == 2 else before & ~operand)
        if target := instruction >> 7 & 31:
            self._machine.reg_write(_X0 + target, before)

    @property
    def _counting(self) -> bool:
        return bool(self._csr[_MPCMR] & 1 and self._csr[_MPCER] & 1)

    def _read(self, csr: int) -> int:
        if csr != _MPCCR or not self._counting:
            return self._csr[csr]
        return (self._clock.block_cycles - self._anchor) & 0xFFFF_FFFF

    def _write(self, csr: int, value: int) -> None:
        limit = {_MPCER: 1, _MPCMR: 1, _MPCCR: 0xFFFF_FFFF}[csr]
        if value & ~limit:
            raise BusError(f"wrote 0x{value:x} to CSR 0x{csr:x}, of which only bit 0 is modelled")
        count = self._read(_MPCCR)
        self._csr[csr] = value
        if csr != _MPCCR:
            self._csr[_MPCCR] = count
        self._anchor = self._clock.block_cycles - self._csr[_MPCCR]
