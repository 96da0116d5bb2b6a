"""Modelled cycles on cores that issue one instruction a cycle, in order, from memory without wait states."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from tinyanime.host.cycle_model.cortex_m0plus import cycles
from tinyanime.host.cycle_model.flow import BlockKey, Passage
from tinyanime.host.cycle_model.report import CodeReader
from tinyanime.host.cycle_model.rv32imc import Rv32imc
from tinyanime.host.emulate.block_counter import TAKEN

_CYCLES = 0x3F
"""Of an entry of a table of costs."""


class InOrderCore(Protocol):
    """What blocks of code cost on a core. A block is a run of whole instructions that only its end leaves."""

    def block_cycles(self, code: bytes) -> int:
        """Of a block whose last instruction does not branch where that is conditional."""

    def taken_cycles(self, code: bytes) -> int:
        """What is added where it does."""


@dataclass(frozen=True, slots=True)
class CortexM0Plus:
    """Satisfies `InOrderCore` by the table of cortex_m0plus.py."""

    def block_cycles(self, code: bytes) -> int:
        return sum(cycles(halfword) & _CYCLES for halfword in _first_halves(code))

    def taken_cycles(self, code: bytes) -> int:
        return 1 if cycles(_first_halves(code)[-1]) & TAKEN else 0


CORES: dict[str, InOrderCore] = {"cortex-m0plus": CortexM0Plus(), "rv32imc": Rv32imc()}


@dataclass(slots=True)
class InOrderModel:
    """The model for one image; it remembers blocks."""

    core: InOrderCore
    code: CodeReader
    _blocks: dict[BlockKey, tuple[int, int]] = field(default_factory=dict)

    def cycles(self, passages: Iterable[Passage]) -> int:
        """Of what ran: a branch was taken where the block behind does not follow in memory."""
        total = 0
        for passage in passages:
            total += self._costs(passage.to)[0] * passage.executions
            origin = passage.origin
            if origin is not None and origin[0] + origin[1] != passage.to[0]:
                total += self._costs(origin)[1] * passage.executions
        return total

    def _costs(self, block: BlockKey) -> tuple[int, int]:
        if block not in self._blocks:
            code = self.code.read(*block)
            self._blocks[block] = (self.core.block_cycles(code), self.core.taken_cycles(code))
        return self._blocks[block]


def _first_halves(code: bytes) -> tuple[int, ...]:
    """The first half-word of each Thumb instruction: one of 0b11101, 0b11110 or 0b11111 begins one of 32 bits (DDI
    0419E A5.1)."""
    found = []
    offset = 0
    while offset < len(code):
        half = int.from_bytes(code[offset : offset + 2], "little")
        found.append(half)
        offset += 4 if half >> 11 >= 0x1D else 2
    return tuple(found)
