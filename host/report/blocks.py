"""The memory map as rectangles: what each planned buffer holds, and how many bytes are alive when."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from tinyanime.codegen.memory.problem import Bank, Buffer
from tinyanime.codegen.schedule.choose import PlannedSchedule
from tinyanime.codegen.schedule.plan import Call, Schedule, Span, Start


class BlockKind(Enum):
    """What a buffer is for; the value is its name for people."""

    MAP = "whole map"
    LINES = "line buffer"
    SLOT = "weight slot"
    TILE = "activation tile"
    PART = "channel tile"
    SCRATCH = "kernel scratch"
    WINDOW = "link window"


@dataclass(frozen=True, slots=True)
class Block:
    """One buffer in its bank, alive during the steps [first_step, end_step); `holds` says what lies in it.

    `offset_bytes` counts from the base of the planned part of the bank, behind what is reserved.
    """

    name: str
    kind: BlockKind
    bank: str
    offset_bytes: int
    size_bytes: int
    first_step: int
    end_step: int
    holds: str
    dma: bool


@dataclass(frozen=True, slots=True)
class Level:
    """From step `step` on, `size_bytes` bytes are alive."""

    step: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class BankUse:
    """A bank's plan: `levels` are the bytes alive in it; no plan with these buffers in it has a lower peak.

    `reserved_bytes` lie below `bank.base` and are not part of `bank.size_bytes`.
    """

    bank: Bank
    peak_bytes: int
    levels: tuple[Level, ...]

    @property
    def reserved_bytes(self) -> int:
        return sum(item.size_bytes for item in self.bank.reserved)

    @property
    def region_bytes(self) -> int:
        """The memory as the chip has it, but for a rest that is no whole cache line."""
        return self.bank.size_bytes + self.reserved_bytes


def blocks_of(planned: PlannedSchedule) -> tuple[Block, ...]:
    """Every buffer of the plan, in the order of the schedule."""
    places = {placement.buffer: placement for placement in planned.plan.placements}
    kinds = _kinds(planned.schedule)
    return tuple(
        Block(
            buffer.name,
            kinds.get(buffer.name, BlockKind.SCRATCH),
            places[buffer.name].bank,
            places[buffer.name].offset_bytes,
            buffer.size_bytes,
            buffer.first_step,
            buffer.end_step,
            _holds(planned.schedule, buffer),
            buffer.dma,
        )
        for buffer in planned.schedule.buffers
    )


def bank_uses(planned: PlannedSchedule) -> tuple[BankUse, ...]:
    """All banks of the board that the planner may fill, in the order of the problem."""
    bank_of = {placement.buffer: placement.bank for placement in planned.plan.placements}
    peaks = dict(planned.plan.peak_bytes)
    return tuple(
        BankUse(
            bank,
            peaks.get(bank.name, 0),
            levels(tuple(b for b in planned.schedule.buffers if bank_of[b.name] == bank.name)),
        )
        for bank in planned.problem.banks
    )


def levels(buffers: tuple[Buffer, ...]) -> tuple[Level, ...]:
    """Bytes alive over the steps, one entry per change, the first at step 0."""
    change: dict[int, int] = {0: 0}
    for buffer in buffers:
        change[buffer.first_step] = change.get(buffer.first_step, 0) + buffer.size_bytes
        change[buffer.end_step] = change.get(buffer.end_step, 0) - buffer.size_bytes
    alive = 0
    found: list[Level] = []
    for step, difference in sorted(change.items()):
        alive += difference
        if not found or difference:
            found.append(Level(step, alive))
    return tuple(found)


def _kinds(schedule: Schedule) -> dict[str, BlockKind]:
    kinds: dict[str, BlockKind] = {}
    for step in schedule.steps:
        for command in step.commands:
            if isinstance(command, Call):
                kinds |= dict.fromkeys(filter(None, (command.scratch,)), BlockKind.SCRATCH)
                kinds |= dict.fromkeys(filter(None, (command.tile,)), BlockKind.PART)
                if command.weights:
                    kinds[command.weights.buffer] = BlockKind.SLOT
            elif isinstance(command, Start):
                for end in (command.transfer.source, command.transfer.target):
                    if isinstance(end, Span) and end.buffer not in kinds:
                        kinds[end.buffer] = BlockKind.TILE
    for storage in schedule.storage:
        lines = storage.rows < schedule.graph.tensors[storage.tensor].height
        kinds[storage.buffer] = BlockKind.LINES if lines else BlockKind.MAP
    for name in filter(None, (schedule.streamed_input, schedule.streamed_output)):
        kinds[name] = BlockKind.WINDOW
    return kinds


def _holds(schedule: Schedule, buffer: Buffer) -> str:
    """The tensors that are stored in a buffer, with their rows."""
    texts = []
    for storage in schedule.storage:
        if storage.buffer != buffer.name:
            continue
        tensor = schedule.graph.tensors[storage.tensor]
        rows = "all" if storage.rows == tensor.height else f"{storage.rows} of"
        texts.append(f"{storage.tensor}: {rows} {tensor.height} rows of {tensor.row_bytes:,} bytes")
    return "; ".join(texts)
