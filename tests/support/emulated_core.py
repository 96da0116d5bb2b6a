"""Kernels on an emulated core (unicorn), one call at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import unicorn
from elftools.elf.elffile import ELFFile

from tests.support.kernel_case import KernelCase, KernelResult, result_of
from tinyanime.host.kernel_bench.cores import core
from tinyanime.host.kernel_bench.instruction_sets import instruction_set

_PAGE = 4096
_STACK_TOP = 0x2000_8000
_STACK_BYTES = 0x8000
_SCALARS = 0x2001_0000
_POINTERS = 0x2001_1000
_SLOT_BASE = 0x2400_0000
_SLOT_STRIDE = 0x0100_0000
_SLOT_BYTES = 0x0004_0000
_SLOTS = 8
_RETURN = 0x1000_0000
"""Calls return to here: a mapped page on which emulation stops."""
_GUARD = bytes([0xA5]) * 64


class EmulatedCore:
    """Runs the function `entry` of an ELF file on the core of the kernel bench of that name.

    Every buffer ends where its memory ends, so that an access behind it is a fault; the 64 bytes in front of it are
    compared after the call. The stack has 32 KB and unmapped memory below.
    """

    def __init__(
        self,
        name: str,
        elf: Path,
        *,
        core_name: str = "cortex-m7",
        has_dsp: bool = True,
        entry: str = "run_kernel",
    ) -> None:
        self.name = name
        self.has_dsp = has_dsp
        self._faults: list[str] = []
        bench_core = core(core_name)
        self._isa = instruction_set(bench_core)
        self._uc: Any = self._isa.machine(bench_core.model)
        self._entry = self._load(elf, entry)
        self._uc.mem_map(_STACK_TOP - _STACK_BYTES, _STACK_BYTES)
        self._uc.mem_map(_SCALARS, 2 * _PAGE)
        self._uc.mem_map(_RETURN, _PAGE)
        for slot in range(_SLOTS):
            self._uc.mem_map(_SLOT_BASE + slot * _SLOT_STRIDE, _SLOT_BYTES)
        self._uc.hook_add(unicorn.UC_HOOK_MEM_INVALID, self._note_fault)

    @property
    def machine(self) -> Any:
        """The unicorn machine, to attach counters to."""
        return self._uc

    def run(self, case: KernelCase) -> KernelResult:
        before = case.buffers()
        addresses = [self._place(slot, content) for slot, content in enumerate(before)]
        self._write_words(_SCALARS, case.scalars)
        self._write_words(_POINTERS, tuple(addresses))
        status = self._call(int(case.kernel), _SCALARS, _POINTERS)
        after = tuple(
            bytes(self._uc.mem_read(address, len(content))) if content else b""
            for address, content in zip(addresses, before, strict=True)
        )
        for index, (address, content) in enumerate(zip(addresses, before, strict=True)):
            if content:
                in_front = bytes(self._uc.mem_read(address - len(_GUARD), len(_GUARD)))
                assert in_front == _GUARD, f"{case.kernel.name} wrote in front of buffer {index}"
        return result_of(case, status, before, after)

    def _load(self, elf: Path, entry: str) -> int:
        with elf.open("rb") as stream:
            image = ELFFile(stream)
            for segment in image.iter_segments("PT_LOAD"):
                start = segment["p_vaddr"] // _PAGE * _PAGE
                end = -(-(segment["p_vaddr"] + segment["p_memsz"]) // _PAGE) * _PAGE
                self._uc.mem_map(start, end - start)
                self._uc.mem_write(segment["p_vaddr"], segment.data())
            symbol = image.get_section_by_name(".symtab").get_symbol_by_name(entry)[0]
        return int(symbol["st_value"]) | self._isa.thumb

    def _place(self, slot: int, content: bytes) -> int:
        """Write one buffer to the end of its slot; the null pointer for an empty one."""
        if not content:
            return 0
        assert len(content) + len(_GUARD) <= _SLOT_BYTES, "the case is too large for the bench"
        address = _SLOT_BASE + slot * _SLOT_STRIDE + _SLOT_BYTES - len(content)
        self._uc.mem_write(address - len(_GUARD), _GUARD + content)
        return address

    def _write_words(self, address: int, words: tuple[int, ...]) -> None:
        self._uc.mem_write(address, b"".join((word & 0xFFFF_FFFF).to_bytes(4, "little") for word in words))

    def _call(self, *arguments: int) -> int:
        for register, value in zip(self._isa.arguments, arguments, strict=False):
            self._uc.reg_write(register, value)
        self._uc.reg_write(self._isa.stack, _STACK_TOP)
        self._uc.reg_write(self._isa.link, _RETURN | self._isa.thumb)
        self._faults.clear()
        try:
            self._uc.emu_start(self._entry, _RETURN)
        except unicorn.UcError as error:
            where = self._faults[-1] if self._faults else str(error)
            raise AssertionError(f"kernel {arguments[0]} on {self.name}: {where}") from error
        status = int(self._uc.reg_read(self._isa.arguments[0]))
        return status - (1 << 32) if status >> 31 else status

    def _note_fault(self, _uc: Any, access: int, address: int, size: int, _value: int, _data: Any) -> bool:
        slot, offset = divmod(address - _SLOT_BASE, _SLOT_STRIDE)
        place = f", {offset - _SLOT_BYTES} bytes behind buffer {slot}" if 0 <= slot < _SLOTS else ""
        kind = "writes" if access == unicorn.UC_MEM_WRITE_UNMAPPED else "reads"
        self._faults.append(f"{kind} {size} bytes at 0x{address:08X}{place}")
        return False
