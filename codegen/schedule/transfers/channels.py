"""Copies become transfers: a DMA channel each, a `Start` where it may begin, a `Wait` where it must have ended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from tinyanime.boards.schema import TileDma
from tinyanime.codegen.schedule.plan import Call, Command, Span, Start, Step, Transfer, Wait, WeightSpan
from tinyanime.codegen.schedule.transfers.accesses import Accesses, overlap


@dataclass(frozen=True, slots=True)
class Copy:
    """`source` goes to `target` from gap `gap` (see `slots.py`) on; copies of one gap begin in the order of `urgency`.

    It is waited for where a command is to write either end or to read the target, at the latest in gap `end_gap`.
    """

    source: Span | WeightSpan
    target: Span
    gap: int
    urgency: int
    end_gap: int


def bind_channels(
    steps: tuple[Step, ...], copies: Iterable[Copy], accesses: Accesses, dma: TileDma
) -> tuple[Step, ...]:
    """Insert starts and waits.

    Each wait stands right before the first command that may not run beside its transfer, right before the start that
    needs a channel when all are taken, or behind the last call of the step that reaches its `end_gap`; what is under
    way behind the last call of all is waited for there.
    """
    pending: dict[int, list[Copy]] = defaultdict(list)
    for copy in sorted(copies, key=lambda c: (c.gap, c.urgency)):
        pending[copy.gap] += _pieces(copy, dma.largest_bytes)
    binder = _Binder(accesses, dma.channels)
    bound = []
    for number, step in enumerate(steps):
        binder.commands = []
        if number == 0:
            binder.begin(pending.pop(0, []))
        last_call = step.calls[-1]
        for command in step.commands:
            binder.run(command)
            if command is last_call:
                binder.end_due()
            if isinstance(command, Call):
                binder.begin(pending.pop(binder.calls, []))
        if number == len(steps) - 1:
            binder.end()
        bound.append(replace(step, commands=tuple(binder.commands)))
    return tuple(bound)


def _pieces(copy: Copy, largest_bytes: int) -> list[Copy]:
    """The copy in parts that one transfer can take."""
    size = copy.source.size_bytes
    parts = []
    for begin in range(0, size, largest_bytes):
        part = min(largest_bytes, size - begin)
        source = replace(copy.source, offset_bytes=copy.source.offset_bytes + begin, size_bytes=part)
        target = replace(copy.target, offset_bytes=copy.target.offset_bytes + begin, size_bytes=part)
        parts.append(replace(copy, source=source, target=target))
    return parts


@dataclass(slots=True)
class _UnderWay:
    transfer: Transfer
    end_gap: int


@dataclass(slots=True)
class _Binder:
    """Walks the commands; `under_way` is in the order of starts, which is the order in which a DMA gets done."""

    accesses: Accesses
    channels: int
    commands: list[Command] = field(default_factory=list)
    under_way: list[_UnderWay] = field(default_factory=list)
    calls: int = 0
    started: int = 0

    def run(self, command: Command) -> None:
        """Append `command` behind the waits that it needs."""
        self._wait_for_conflicts(command)
        self.commands.append(command)
        self.calls += isinstance(command, Call)

    def begin(self, copies: list[Copy]) -> None:
        for copy in copies:
            self._wait_for_conflicts(Start(Transfer(self.started, 0, copy.source, copy.target)))
            if len(self.under_way) == self.channels:
                self._wait(self.under_way[0])
            taken = {u.transfer.channel for u in self.under_way}
            channel = min(set(range(self.channels)) - taken)
            transfer = Transfer(self.started, channel, copy.source, copy.target)
            self.started += 1
            self.under_way.append(_UnderWay(transfer, copy.end_gap))
            self.commands.append(Start(transfer))

    def end_due(self) -> None:
        for under_way in [u for u in self.under_way if u.end_gap <= self.calls]:
            self._wait(under_way)

    def end(self) -> None:
        while self.under_way:
            self._wait(self.under_way[0])

    def _wait_for_conflicts(self, command: Command) -> None:
        reads, writes = self.accesses.reads(command), self.accesses.writes(command)
        for under_way in list(self.under_way):
            source, target = under_way.transfer.source, under_way.transfer.target
            harmed = any(overlap(target, span) for span in (*reads, *writes))
            if isinstance(source, Span):
                harmed = harmed or any(overlap(source, span) for span in writes)
            if harmed:
                self._wait(under_way)

    def _wait(self, under_way: _UnderWay) -> None:
        self.under_way.remove(under_way)
        self.commands.append(Wait(under_way.transfer.index, under_way.transfer.channel))
