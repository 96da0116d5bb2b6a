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
from tinyanime.host.cycle_model.rules import pairing_conflict

_EX1_COLUMN = Stage.EX1.column
_LONG_AGO: Availability = (-1000, -1000, -1000, -1000, -1000)
_ADDITIONS = ("vadd", "vsub", "vldm", "vstm", "vpush", "vpop")
_AFTER_MULTIPLY_ADD = 3


class Pipeline:
    """Issues instructions one after another; `position` is the cycle reached.

    `banks_unknown_conflict`: what is assumed of two loads through unrelated base registers; True keeps them apart.
    """

    def __init__(self, *, banks_unknown_conflict: bool = True) -> None:
        self._cycle = 0
        self._older: Instruction | None = None
        self._older_early = False
        self._ready: list[Availability] = [_LONG_AGO] * REGISTERS
        self._values: dict[int, tuple[int, int]] = {register: (register, 0) for register in range(16)}
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
            self._close(self._cycle + 1)

    def issue(self, instruction: Instruction) -> None:
        cycle = max(self._cycle, self._operands_ready(instruction), self._structurally_ready(instruction))
        younger = False
        if self._older is not None:
            younger = cycle == self._cycle and self._pairs_with(self._older, instruction)
            if not younger:
                self._close(self._cycle + 1)
                cycle = max(cycle, self._cycle)
        cycle = self._store_room(instruction, cycle)
        if younger and cycle != self._cycle:
            younger = False
            self._close(cycle)
        early = self._goes_early(instruction, cycle, younger)
        self._retire(instruction, cycle, early=early)
        self.issued_at = cycle
        if younger:
            assert self._older is not None
            locked = self._older.cycles if self._older.kind is Kind.FP_DIVIDE else instruction.cycles
            self._close(cycle + locked)
        elif instruction.single:
            self._close(cycle + instruction.cycles)
        else:
            self._cycle, self._older, self._older_early = cycle, instruction, early

    def _close(self, cycle: int) -> None:
        locked = self._older.cycles if self._older is not None and self._older.kind is Kind.FP_DIVIDE else 1
        self._cycle, self._older = max(cycle, self._cycle + locked if self._older is not None else cycle), None

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
        if pairing_conflict(older, younger) is not None:
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
        base, constant = self._values.get(memory.base, (0, 0))
        index = -1
        if memory.index is not None:
            origin, offset = self._values.get(memory.index, (0, 0))
            index = origin << 2 | memory.shift
            constant += offset << memory.shift
        return base, index, constant + memory.offset

    def _goes_early(self, instruction: Instruction, cycle: int, younger: bool) -> bool:
        """Whether EX1 makes the result: an adder only as the older, a shift where the shifter of EX1 is free."""
        if not instruction.early_writes:
            return False
        if younger and instruction.kind is Kind.ADDER:
            return False
        if younger and self._older is not None:
            taken = self._older.takes_shifter or (self._older.kind is Kind.SHIFT and self._older_early)
            if taken:
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
        moved: dict[int, tuple[int, int]] = {}
        if instruction.moves is not None:
            destination, source, constant = instruction.moves
            if source in self._values:
                origin, offset = self._values[source]
                moved[destination] = (origin, offset + constant)
        memory = instruction.memory
        if memory is not None and memory.step and memory.base in self._values:
            origin, offset = self._values[memory.base]
            moved[memory.base] = (origin, offset + memory.step)
        for write in instruction.writes:
            if write.register < FLAGS:
                self._fresh += 1
                self._values[write.register] = (self._fresh, 0)
        self._values.update(moved)


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


def loop_cycles(instructions: tuple[Instruction, ...]) -> float:
    """Cycles of one pass through a loop whose last instruction is its predicted, taken branch."""
    pipeline = Pipeline()
    begin = 0.0
    for turn in range(16):
        if turn == 8:
            begin = pipeline.position
        pipeline.run(instructions)
        pipeline.leave()
    return (pipeline.position - begin) / 8
