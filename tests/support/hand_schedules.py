"""Small schedules written by hand, with their placement: one for each thing a schedule can do."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Add, Conv2D, Filter, Op, Padding, Requantize
from tinyanime.codegen.ir.tensor import Quantization, Tensor
from tinyanime.codegen.memory.problem import Bank, Buffer, Certificate, MemoryPlan, Placement
from tinyanime.codegen.schedule.plan import (
    Call,
    ChannelRange,
    Clean,
    Command,
    Invalidate,
    Move,
    Receive,
    RowRange,
    RowView,
    Schedule,
    Send,
    Span,
    Stage,
    Start,
    Step,
    Storage,
    Transfer,
    Wait,
    WeightSpan,
)

TCM = Bank("tcm", 0x2000_5000, 4096, 1, dma=True)
AXI = Bank("axi", 0x2400_0000, 4096, 2, dma=True, cache_line_bytes=32)
FAR = Bank("far", 0x3800_0000, 4096, 4, cache_line_bytes=32)
BANKS = (TCM, AXI, FAR)


@dataclass(frozen=True, eq=False)
class HandMade:
    """A schedule with the bank and offset of each buffer by name."""

    schedule: Schedule
    spots: tuple[tuple[str, str, int], ...]
    banks: tuple[Bank, ...] = BANKS

    @property
    def plan(self) -> MemoryPlan:
        return placed(*self.spots)

    def with_command(self, step: int, position: int, *commands: Command) -> HandMade:
        """`commands` in place of one command of one step."""
        steps = list(self.schedule.steps)
        old = steps[step].commands
        steps[step] = replace(steps[step], commands=(*old[:position], *commands, *old[position + 1 :]))
        return replace(self, schedule=replace(self.schedule, steps=tuple(steps)))

    def with_buffer(self, changed: Buffer) -> HandMade:
        buffers = tuple(changed if buffer.name == changed.name else buffer for buffer in self.schedule.buffers)
        return replace(self, schedule=replace(self.schedule, buffers=buffers))

    def with_spot(self, buffer: str, bank: str, offset_bytes: int) -> HandMade:
        spots = tuple((buffer, bank, offset_bytes) if spot[0] == buffer else spot for spot in self.spots)
        return replace(self, spots=spots)

    def command(self, step: int, position: int) -> Command:
        return self.schedule.steps[step].commands[position]

    def call(self, step: int, position: int) -> Call:
        command = self.command(step, position)
        assert isinstance(command, Call)
        return command

    def buffer(self, name: str) -> Buffer:
        return next(buffer for buffer in self.schedule.buffers if buffer.name == name)


def placed(*spots: tuple[str, str, int]) -> MemoryPlan:
    """A plan with buffers at (name, bank, offset); its certificate and peaks claim nothing."""
    return MemoryPlan(tuple(Placement(*spot) for spot in spots), (), Certificate(0, 0, 0, 0, 0, False))


def _map(name: str, height: int, width: int, channels: int) -> Tensor:
    return Tensor(name, (1, height, width, channels), Quantization(0.1, 0))


def _conv(name: str, source: str, target: str, out_channels: int, in_channels: int) -> Conv2D:
    values = np.ones((out_channels, 3, 3, in_channels), np.int8)
    weights = Filter(values, np.ones(out_channels), np.zeros(out_channels, np.int32))
    return Conv2D(name=name, inputs=(source,), output=target, filter=weights, padding=Padding(1, 1, 1, 1))


def _graph(tensors: tuple[Tensor, ...], ops: tuple[Op, ...]) -> Graph:
    return Graph("hand", ("x",), ("y",), {tensor.name: tensor for tensor in tensors}, ops)


def _view(tensor: str, begin: int, end: int, buffer: str, offset: int = 0) -> RowView:
    return RowView(tensor, RowRange(begin, end), buffer, offset)


def whole_layers() -> HandMade:
    """x -> conv -> c, y = c + x over c's bytes: whole maps of 6 rows of 8 bytes in the TCM."""
    graph = _graph(
        (_map("x", 6, 4, 2), _map("c", 6, 4, 2), _map("y", 6, 4, 2)),
        (_conv("conv", "x", "c", 2, 2), Add(name="add", inputs=("c", "x"), output="y")),
    )
    x, c, y = _view("x", 0, 6, "x"), _view("c", 0, 6, "c"), _view("y", 0, 6, "c")
    steps = (
        Step(0, 0, 0, 0, c, (Call(0, (x,), c, "columns", 1, 1),)),
        Step(1, 1, 1, 0, y, (Call(1, (c, x), y),)),
    )
    schedule = Schedule(
        graph,
        (Stage((0,), 1, 6, 0, 1), Stage((1,), 1, 6, 1, 2)),
        steps,
        (Buffer("x", 48, 0, 2), Buffer("c", 48, 0, 2), Buffer("columns", 36, 0, 1)),
        (Storage("x", "x", 0, 6), Storage("c", "c", 0, 6), Storage("y", "c", 0, 6)),
    )
    return HandMade(schedule, (("x", "tcm", 0), ("c", "tcm", 48), ("columns", "tcm", 96)))


def line_buffer() -> HandMade:
    """x -> first -> a -> second -> y in strips of two rows; of a (8 bytes a row) four rows are kept in `lines`."""
    graph = _graph(
        (_map("x", 6, 4, 2), _map("a", 6, 4, 2), _map("y", 6, 4, 2)),
        (_conv("first", "x", "a", 2, 2), _conv("second", "a", "y", 2, 2)),
    )

    def first(step: int, band: int, rows: tuple[int, int], read: tuple[int, int], offset: int, *moves: Move) -> Step:
        out = _view("a", *rows, "lines", offset)
        top, bottom = max(0, 1 - rows[0]), max(0, rows[1] - 5)
        call = Call(0, (_view("x", *read, "x", read[0] * 8),), out, "columns", top, bottom)
        return Step(step, 0, 0, band, out, (*moves, call))

    def second(step: int, band: int, rows: tuple[int, int], read: tuple[int, int]) -> Step:
        out = _view("y", *rows, "y", rows[0] * 8)
        top, bottom = max(0, 1 - rows[0]), max(0, rows[1] - 5)
        return Step(step, 0, 1, band, out, (Call(1, (_view("a", *read, "lines"),), out, "columns", top, bottom),))

    steps = (
        first(0, 0, (0, 3), (0, 4), 0),
        second(1, 0, (0, 2), (0, 3)),
        first(2, 1, (3, 5), (2, 6), 16, Move(Span("lines", 8, 16), Span("lines", 0, 16))),
        second(3, 1, (2, 4), (1, 5)),
        first(4, 2, (5, 6), (4, 6), 16, Move(Span("lines", 16, 16), Span("lines", 0, 16))),
        second(5, 2, (4, 6), (3, 6)),
    )
    schedule = Schedule(
        graph,
        (Stage((0, 1), 3, 2, 0, 6),),
        steps,
        (Buffer("x", 48, 0, 5), Buffer("lines", 32, 0, 6), Buffer("columns", 36, 0, 6), Buffer("y", 48, 1, 6)),
        (Storage("x", "x", 0, 6), Storage("a", "lines", 0, 4), Storage("y", "y", 0, 6)),
    )
    return HandMade(schedule, (("x", "tcm", 0), ("lines", "tcm", 48), ("columns", "tcm", 80), ("y", "tcm", 128)))


def transfers() -> HandMade:
    """x -> conv -> c -> requantize -> y with x, c and y behind the cache.

    The convolution runs in two strips of two rows and two tiles of four channels, from tiles in the TCM: rows of x (32
    bytes each) and weights come by DMA, rows of c (64 bytes each) go by DMA.
    """
    graph = _graph(
        (_map("x", 4, 8, 4), _map("c", 4, 8, 8), _map("y", 4, 8, 8)),
        (_conv("conv", "x", "c", 8, 4), Requantize(name="scale", inputs=("c",), output="y")),
    )

    def tile_call(rows: tuple[int, int], read: tuple[int, int], tile: int, channels: int) -> Call:
        source, out = _view("x", *read, f"x{tile}"), _view("c", *rows, f"c{tile}")
        chosen = ChannelRange(channels, channels + 4)
        weights = Span(f"w{channels // 4}", 0, 144)
        return Call(0, (source,), out, "columns", 1 - tile, tile, chosen, weights, "part")

    c, y = _view("c", 0, 4, "c"), _view("y", 0, 4, "y")
    steps = (
        Step(
            0,
            0,
            0,
            0,
            _view("c", 0, 2, "c0"),
            (
                Clean(Span("x", 0, 96)),
                Start(Transfer(0, 0, Span("x", 0, 96), Span("x0", 0, 96))),
                Start(Transfer(1, 1, WeightSpan(0, 0, 144), Span("w0", 0, 144))),
                Start(Transfer(2, 2, WeightSpan(0, 144, 144), Span("w1", 0, 144))),
                Wait(0, 0),
                Wait(1, 1),
                tile_call((0, 2), (0, 3), 0, 0),
                Clean(Span("x", 96, 32)),
                Start(Transfer(3, 0, Span("x", 32, 96), Span("x1", 0, 96))),
                Wait(2, 2),
                tile_call((0, 2), (0, 3), 0, 4),
                Invalidate(Span("c", 0, 128)),
                Start(Transfer(4, 1, Span("c0", 0, 128), Span("c", 0, 128))),
            ),
        ),
        Step(
            1,
            0,
            0,
            1,
            _view("c", 2, 4, "c1"),
            (
                Wait(3, 0),
                tile_call((2, 4), (1, 4), 1, 0),
                tile_call((2, 4), (1, 4), 1, 4),
                Invalidate(Span("c", 128, 128)),
                Start(Transfer(5, 0, Span("c1", 0, 128), Span("c", 128, 128))),
            ),
        ),
        Step(2, 1, 1, 0, y, (Wait(4, 1), Wait(5, 0), Invalidate(Span("c", 0, 256)), Call(1, (c,), y))),
    )
    lives = (
        ("x", 128, 0, 2, True),
        ("x0", 96, 0, 1, True),
        ("x1", 96, 0, 2, True),
        ("w0", 144, 0, 2, True),
        ("w1", 144, 0, 2, True),
        ("c0", 128, 0, 3, True),
        ("c1", 128, 1, 3, True),
        ("part", 64, 0, 2, False),
        ("columns", 72, 0, 2, False),
        ("c", 256, 0, 3, True),
        ("y", 256, 2, 3, False),
    )
    buffers = tuple(Buffer(name, size, first, end, dma=dma) for name, size, first, end, dma in lives)
    schedule = Schedule(
        graph,
        (Stage((0,), 2, 2, 0, 2), Stage((1,), 1, 4, 2, 3)),
        steps,
        buffers,
        (Storage("x", "x", 0, 4), Storage("c", "c", 0, 4), Storage("y", "y", 0, 4)),
    )
    spots = [("x", "axi", 0), ("c", "axi", 128), ("y", "axi", 384)]
    offset = 0
    for name in ("x0", "x1", "w0", "w1", "c0", "c1", "part", "columns"):
        spots.append((name, "tcm", offset))
        offset += 160
    return HandMade(schedule, tuple(spots))


def streamed() -> HandMade:
    """x -> requantize -> y, rows of 8 bytes, two at a time between the link's windows; y is computed over x."""
    graph = _graph(
        (_map("x", 4, 4, 2), _map("y", 4, 4, 2)),
        (Requantize(name="scale", inputs=("x",), output="y"),),
    )

    def pair(band: int) -> Step:
        rows = (2 * band, 2 * band + 2)
        source, out = _view("x", *rows, "rows"), _view("y", *rows, "rows")
        span = Span("rows", 0, 16)
        commands = (Receive(RowRange(*rows), span), Call(0, (source,), out), Send(RowRange(*rows), span))
        return Step(band, 0, 0, band, out, commands)

    schedule = Schedule(
        graph,
        (Stage((0,), 2, 2, 0, 2),),
        (pair(0), pair(1)),
        (Buffer("rows", 16, 0, 2), Buffer("in", 32, 0, 2), Buffer("out", 32, 0, 2)),
        (Storage("x", "rows", 0, 2), Storage("y", "rows", 0, 2)),
        streamed_input="in",
        streamed_output="out",
    )
    return HandMade(schedule, (("rows", "tcm", 0), ("in", "axi", 0), ("out", "axi", 32)))
