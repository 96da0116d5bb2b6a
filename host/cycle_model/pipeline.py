"""In-order dual issue of the Cortex-M7: when each instruction of a row issues.

At most two instructions issue a cycle, in program order; the second only where no pairing rule (rules.py) and no bank
conflict keeps it out. An instruction waits until each operand can be taken at the stage that needs it (timing.py).
Modelled are hits in TCM or cache, aligned accesses, and code that is fetched in time; see docs/cycle_model.md.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from tinyanime.host.cycle_model import timing
from tinyanime.host.cycle_model.instruction import (
    FLAGS,
    REGISTERS,
    Availability,
    Instruction,
    Kind,
    MemoryOperand,
    Stage,
    Width,
)
from tinyanime.host.cycle_model.rules import PairingTable

_EX1_COLUMN = Stage.EX1.column
_LONG_AGO: Availability = (-1000, -1000, -1000, -1000, -1000)
_ADDITIONS = ("vadd", "vsub", "vldm", "vstm", "vpush", "vpop")
_AFTER_MULTIPLY_ADD = 3
_TURNS = 16


class Pipeline:
    """Issues instructions one after another; `position` is the cycle reached.

    Pipelines may share a `pairing` table. `banks_unknown_conflict`: what is assumed of two loads through unrelated base
    registers; True keeps them apart.
    """

    def __init__(self, *, pairing: PairingTable | None = None, banks_unknown_conflict: bool = True) -> None:
        self._pairing = pairing or PairingTable()
        self._cycle = 0
        self._free_at = 0
        """The older slot is free from here: behind divisions and multiple transfers later than the next cycle."""
        self._older: Instruction | None = None
        self._older_early = False
        self._older_address = (0, 0, 0)
        self._ready: list[Availability] = [_LONG_AGO] * REGISTERS
        self._values: list[tuple[int, int]] = [(register, 0) for register in range(FLAGS)]
        """Of each core register, what is known for addresses: (an unknown value's number, constant added to it)."""
        self._fresh = 16
        self._draining: deque[float] = deque()
        self._last_part: tuple[int, int, int] | None = None
        self._multiply_add = -1000
        self._flags_made = -1000
        self._branch_at = 0
        self.issued_at = 0
        """Cycle of the instruction issued last."""
        self._banks_unknown_conflict = banks_unknown_conflict

    @property
    def position(self) -> float:
        """Cycles passed; half a cycle where the younger slot of the current one is free."""
        return self._cycle + (0.0 if self._older is None else 0.5)

    @property
    def flags_distance(self) -> int:
        """Cycles between the last setting of the flags and the last branch."""
        return self._branch_at - self._flags_made

    def run(self, instructions: Iterable[Instruction]) -> None:
        for instruction in instructions:
            self.issue(instruction)

    def leave(self) -> None:
        """A taken branch: nothing from behind it issues in this cycle."""
        if self._older is not None:
            self._close()

    def issue(self, instruction: Instruction) -> None:
        ready = max(self._operands_ready(instruction), self._structurally_ready(instruction))
        if self._older is not None and (ready > self._cycle or not self._pairs_with(self._older, instruction)):
            self._close()
        ready = self._store_room(instruction, max(ready, self._cycle))
        if self._older is not None and ready > self._cycle:
            self._close()
        younger = self._older is not None
        self._cycle = self.issued_at = max(self._cycle, ready)
        early = self._goes_early(instruction, self._cycle)
        self._retire(instruction, self._cycle, early=early)
        self._free_at = max(self._free_at, self._cycle + instruction.cycles)
        self._older, self._older_early = instruction, early
        if younger or instruction.single:
            self._close()

    def _close(self) -> None:
        """The next instruction is the older of a later cycle."""
        self._cycle, self._older = max(self._free_at, self._cycle + 1), None

    def _operands_ready(self, instruction: Instruction) -> int:
        earliest = 0
        for read in instruction.reads:
            stage = read.stage
            at = self._ready[read.register][stage.column] - stage.offset - read.later
            if at > earliest:
                earliest = at
        return earliest

    def _structurally_ready(self, instruction: Instruction) -> int:
        if instruction.name.startswith(_ADDITIONS):
            return self._multiply_add + _AFTER_MULTIPLY_ADD + 1
        return 0

    def _pairs_with(self, older: Instruction, younger: Instruction) -> bool:
        if self._pairing.forbids(older, younger):
            return False
        if older.kind is Kind.LOAD and younger.kind is Kind.LOAD:
            return not self._same_bank(older, younger)
        return True

    def _same_bank(self, older: Instruction, younger: Instruction) -> bool:
        """Even and odd words are two banks, of DTCM and of the data cache: [J] loads."""
        assert older.memory is not None
        assert younger.memory is not None
        first, second = self._older_address, self._address(younger.memory)
        if first[:2] != second[:2]:
            return self._banks_unknown_conflict
        return (first[2] ^ second[2]) & 4 == 0

    def _address(self, memory: MemoryOperand) -> tuple[int, int, int]:
        """(what the base held at first, what is added of an index, known constant)."""
        base, constant = self._values[memory.base]
        index = -1
        if memory.index is not None:
            origin, offset = self._values[memory.index]
            index = origin << 2 | memory.shift
            constant += offset << memory.shift
        return base, index, constant + memory.offset

    def _goes_early(self, instruction: Instruction, cycle: int) -> bool:
        """Whether EX1 makes the result: an adder only as the older, a shift where the shifter of EX1 is free."""
        if not instruction.early_writes:
            return False
        older = self._older
        if older is not None and instruction.kind is Kind.ADDER:
            return False
        if older is not None and (older.takes_shifter or (older.kind is Kind.SHIFT and self._older_early)):
            return False
        return all(self._ready[read.register][_EX1_COLUMN] <= cycle for read in instruction.reads)

    def _store_room(self, instruction: Instruction, cycle: int) -> int:
        """Delays a store until the store buffer has an entry, and fills it."""
        if instruction.kind is not Kind.STORE or instruction.memory is None:
            return cycle
        draining = self._draining
        while draining and draining[0] <= cycle:
            draining.popleft()
        if len(draining) >= timing.STORE_BUFFER_ENTRIES:
            cycle = max(cycle, -int(-draining.popleft() // 1))
        begin = max(float(cycle), draining[-1]) if draining else float(cycle)
        draining.append(begin + self._drain_cycles(instruction.memory))
        return cycle

    def _drain_cycles(self, memory: MemoryOperand) -> float:
        if memory.width is Width.WORD:
            self._last_part = None
            return timing.STORE_DRAIN_WORD
        address, last = self._address(memory), self._last_part
        self._last_part = address
        if last == address:
            return timing.STORE_DRAIN_SAME_WORD
        if last is not None and last[:2] == address[:2] and (last[2] ^ address[2]) & 4:
            return timing.STORE_DRAIN_OTHER_BANK
        return timing.STORE_DRAIN_HALF if memory.width is Width.HALF else timing.STORE_DRAIN_BYTE

    def _retire(self, instruction: Instruction, cycle: int, *, early: bool) -> None:
        if instruction.kind is Kind.LOAD and instruction.memory is not None:
            self._older_address = self._address(instruction.memory)
        locked = instruction.cycles - 1 if instruction.kind in (Kind.DIVIDE, Kind.FP_DIVIDE, Kind.SYSTEM) else 0
        at = cycle + locked
        for write in instruction.early_writes if early else instruction.writes:
            a, b, c, d, e = write.available
            self._ready[write.register] = (a + at, b + at, c + at, d + at, e + at)
            if write.register == FLAGS:
                self._flags_made = cycle
        self._note_values(instruction)
        if instruction.kind is Kind.FP_MULTIPLY_ADD:
            self._multiply_add = cycle
        if instruction.ends_block:
            self._branch_at = cycle

    def _note_values(self, instruction: Instruction) -> None:
        """What is known of addresses: a register that moves by a constant keeps its origin."""
        moves, memory = instruction.moves, instruction.memory
        if moves is None and memory is not None and memory.step:
            moves = (memory.base, memory.base, memory.step)
        origin, constant = (0, 0) if moves is None else self._values[moves[1]]
        for write in instruction.writes:
            if write.register < FLAGS:
                self._fresh += 1
                self._values[write.register] = (self._fresh, 0)
        if moves is not None:
            self._values[moves[0]] = (origin, constant + moves[2])


def issue_cycles(instructions: Iterable[Instruction]) -> tuple[int, ...]:
    """The cycle in which each instruction of a row issues, from 0."""
    pipeline = Pipeline()
    cycles = []
    for instruction in instructions:
        pipeline.issue(instruction)
        cycles.append(pipeline.issued_at)
    return tuple(cycles)


def repeated_cycles(instructions: tuple[Instruction, ...], *, few: int = 4, many: int = 14) -> float:
    """Cycles of one of many copies in a row: those of `many` less those of `few`, as [Q] measures."""
    reached: list[float] = []
    for copies in (few, many):
        pipeline = Pipeline()
        for _ in range(copies):
            pipeline.run(instructions)
        reached.append(pipeline.position)
    return (reached[1] - reached[0]) / (many - few)


def loop_cycles(instructions: tuple[Instruction, ...], pairing: PairingTable | None = None) -> float:
    """Cycles of one pass through a loop whose last instruction is its predicted, taken branch.

    Those of the first turn that takes as long as the one before; with bytes or halves stored, which fill the store
    buffer slowly, the mean of the last 8 of 16 turns.
    """
    pipeline = Pipeline(pairing=pairing)
    fills = any(one.kind is Kind.STORE and one.memory and one.memory.width < Width.WORD for one in instructions)
    reached = [0.0]
    for _ in range(_TURNS):
        pipeline.run(instructions)
        pipeline.leave()
        reached.append(pipeline.position)
        if not fills and len(reached) > 3 and reached[-1] - reached[-2] == reached[-2] - reached[-3]:
            return reached[-1] - reached[-2]
    return (reached[_TURNS] - reached[_TURNS // 2]) / (_TURNS - _TURNS // 2)
