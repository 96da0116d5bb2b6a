"""Runs a placed schedule byte by byte with the reference operators, with transfers as early or as late as can be."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tinyanime.codegen.ir.ops import Conv2D
from tinyanime.codegen.memory.problem import Bank, MemoryPlan
from tinyanime.codegen.reference.interpreter import run_op
from tinyanime.codegen.schedule.plan import (
    Call,
    Command,
    Move,
    Receive,
    RowView,
    Schedule,
    Send,
    Span,
    Start,
    Transfer,
    Wait,
)

Int8Array = NDArray[np.int8]


@dataclass
class Replay:
    """`early`: the bytes of a transfer arrive at its start, else at its wait with garbage at the target until then.

    What a kernel must not read (rows and channels that it is not given) is garbage too.
    """

    schedule: Schedule
    plan: MemoryPlan
    banks: tuple[Bank, ...]
    early: bool

    def run(self, photo: Int8Array) -> Int8Array:
        """The network's output for its input, both [1, H, W, C]; the schedule must not stream them."""
        self._random = np.random.default_rng(7)
        self._memory = {bank.name: self._garbage(bank.size_bytes) for bank in self.banks}
        self._places = {place.buffer: place for place in self.plan.placements}
        self._under_way: dict[int, Transfer] = {}
        graph = self.schedule.graph
        self._tensor(graph.inputs[0])[:] = photo.reshape(-1)
        for step in self.schedule.steps:
            for command in step.commands:
                self._run(command)
        assert not self._under_way
        return self._tensor(graph.outputs[0]).reshape(graph.tensors[graph.outputs[0]].shape).copy()

    def _garbage(self, size: int) -> Int8Array:
        return self._random.integers(-128, 128, size).astype(np.int8)

    def _bytes(self, span: Span) -> Int8Array:
        place = self._places[span.buffer]
        begin = place.offset_bytes + span.offset_bytes
        return self._memory[place.bank][begin : begin + span.size_bytes]

    def _tensor(self, name: str) -> Int8Array:
        storage = self.schedule.storage_of(name)
        return self._bytes(Span(storage.buffer, storage.offset_bytes, self.schedule.graph.tensors[name].size_bytes))

    def _rows(self, view: RowView) -> Int8Array:
        """[rows, width, channels]: the memory behind `view`."""
        tensor = self.schedule.graph.tensors[view.tensor]
        held = self._bytes(Span(view.buffer, view.offset_bytes, view.rows.count * tensor.row_bytes))
        return held.reshape(view.rows.count, tensor.width, tensor.channels)

    def _run(self, command: Command) -> None:
        match command:
            case Call():
                self._call(command)
            case Move(source=source, target=target):
                self._bytes(target)[:] = self._bytes(source).copy()
            case Start(transfer=transfer):
                self._under_way[transfer.index] = transfer
                size = transfer.target.size_bytes
                self._bytes(transfer.target)[:] = self._source(transfer) if self.early else self._garbage(size)
            case Wait(transfer=index):
                transfer = self._under_way.pop(index)
                if not self.early:
                    self._bytes(transfer.target)[:] = self._source(transfer)
            case Receive() | Send():
                raise AssertionError("no streams here")
            case _:
                pass

    def _source(self, transfer: Transfer) -> Int8Array:
        if isinstance(transfer.source, Span):
            return self._bytes(transfer.source).copy()
        op = self.schedule.graph.ops[transfer.source.op]
        assert isinstance(op, Conv2D)
        begin = transfer.source.offset_bytes
        return op.filter.values.reshape(-1)[begin : begin + transfer.source.size_bytes]

    def _call(self, call: Call) -> None:
        graph = self.schedule.graph
        op = graph.ops[call.op]
        inputs = []
        for view in call.inputs:
            tensor = graph.tensors[view.tensor]
            whole = self._garbage(tensor.size_bytes).reshape(tensor.height, tensor.width, tensor.channels)
            whole[view.rows.begin : view.rows.end] = self._rows(view)
            inputs.append(whole.reshape(tensor.shape))
        channels = slice(None)
        if call.channels is not None:
            assert isinstance(op, Conv2D)
            assert call.weights is not None
            channels = slice(call.channels.begin, call.channels.end)
            values = np.full_like(op.filter.values, 113)
            values[channels] = self._bytes(call.weights).reshape(values[channels].shape)
            op = replace(op, filter=replace(op.filter, values=values))
        for name in (call.scratch, call.tile):
            if name:
                size = next(b.size_bytes for b in self.schedule.buffers if b.name == name)
                self._bytes(Span(name, 0, size))[:] = self._garbage(size)
        made = graph.output_tensor(op)
        computed = run_op(op, graph, tuple(inputs)).reshape(made.height, made.width, made.channels)
        rows = slice(call.output.rows.begin, call.output.rows.end)
        self._rows(call.output)[..., channels] = computed[rows, :, channels]
