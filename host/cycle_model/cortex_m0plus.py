"""Modelled cycles of each Thumb instruction on the Cortex-M0+ of an RP2040: DDI 0484C table 3-1.

The core has two pipeline stages, so that an instruction costs what the table says whatever surrounds it. Assumed are
the single-cycle multiplier (RP2040 datasheet 2.4.1.1); SRAM without wait states and without conflicts of two masters
over a bank; code and constants in flash that are always found in the XIP cache. Accesses to the single-cycle I/O port
(SIO) take one cycle instead of two: they are known by address only, so whoever sees the addresses takes one back.
Peripherals on the APB are counted as memory, which is less than they take.
"""

from __future__ import annotations

from functools import cache

from tinyanime.host.emulate.block_counter import COST_ENTRIES, SENDS_EVENT, TAKEN

_WIDE = 3
"""BL, MSR, MRS, DMB, DSB, ISB: every 32-bit instruction of ARMv6-M."""
_SEV = 0xBF40


def cycles(halfword: int) -> int:
    """Of the instruction that begins with `halfword` (DDI 0419E A5), in the form of a table of costs: see
    block_counter.py."""
    if halfword >> 11 >= 0b11101:
        return _WIDE
    if halfword >> 13 == 0b000 or halfword >> 13 == 0b001:
        return 1  # Shift, add, subtract, move, compare.
    if halfword >> 10 == 0b010000:
        return 1  # Data processing, MULS among it.
    if halfword >> 10 == 0b010001:
        return _special_data(halfword)
    if halfword >> 11 == 0b01001 or 0b0101 <= halfword >> 12 <= 0b1001:
        return 2  # Loads and stores of one register.
    if halfword >> 12 == 0b1010:
        return 1  # ADR, ADD Rd, SP.
    if halfword >> 12 == 0b1011:
        return _miscellaneous(halfword)
    if halfword >> 12 == 0b1100:
        return 1 + (halfword & 0xFF).bit_count()  # LDM, STM.
    if halfword >> 12 == 0b1101:
        return 1 | TAKEN  # B<cond>; SVC and UDF end the program.
    return 2  # B


def _special_data(halfword: int) -> int:
    """High registers (A5.2.3): ADD, CMP, MOV, BX, BLX."""
    if halfword >> 8 & 3 == 3:
        return 2
    target = (halfword >> 4 & 8) | (halfword & 7)
    writes = halfword >> 8 & 3 != 1
    return 2 if writes and target == 15 else 1


def _miscellaneous(halfword: int) -> int:
    """A5.2.5: SP arithmetic, extensions, PUSH, POP, CPS, hints."""
    registers = (halfword & 0xFF).bit_count()
    if halfword >> 9 == 0b1011010:
        return 1 + registers + (halfword >> 8 & 1)
    if halfword >> 9 == 0b1011110:
        return 3 + registers + 1 if halfword >> 8 & 1 else 1 + registers
    if halfword == _SEV:
        return 1 | SENDS_EVENT
    if halfword in (0xBF20, 0xBF30):
        return 2  # WFE, WFI, without the time that they wait.
    return 1


@cache
def cost_table() -> bytes:
    """All instructions by their first half-word, for BlockCounter."""
    return bytes(cycles(halfword) for halfword in range(COST_ENTRIES))
