"""A layout to steps and buffers: who computes which rows when, and which bytes live how long."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Op
from tinyanime.codegen.kernels.kernel import Kernel
from tinyanime.codegen.kernels.rule import Candidate, KernelRule
from tinyanime.codegen.schedule.plan import (
    Call,
    Command,
    Move,
    Receive,
    RowRange,
    RowView,
    Schedule,
    Send,
    Span,
    Stage,
    Step,
)
from tinyanime.codegen.schedule.strips.layout import Layout, StageLayout, is_alias
from tinyanime.codegen.schedule.strips.needs import GraphNeeds
from tinyanime.codegen.schedule.strips.rows import ReadRows, read_rows
from tinyanime.codegen.schedule.strips.run import RECEIVED, RowEvent, StageRun, run_stage
from tinyanime.codegen.schedule.strips.storage import StorageBuilder, dying_tensors, overlay_lead_bytes

LEAST_WINDOW_BYTES = 2048
"""The link's frames carry 1,024 bytes: two of them fit into a streamed picture's window."""


def build_schedule(graph: Graph, layout: Layout, rule: KernelRule) -> Schedule:
    """Lay out all steps of `graph` as `layout` says: moves and calls by the kernels of `rule`, no transfers yet.

    The network input is alive from step 0; the output until the end.
    """
    return _Builder(graph, GraphNeeds.of(graph), layout, rule, StorageBuilder(graph)).build()


def whole_tensors(needs: GraphNeeds, stage: StageLayout, layout: Layout) -> frozenset[str]:
    """Tensors made by `stage` that later stages read or the network returns whole."""
    graph = needs.graph
    outputs = set() if layout.stream_output else set(graph.outputs)
    whole = set()
    for i in stage.ops:
        name = graph.ops[i].output
        read_outside = any(not stage.first_op <= reader < stage.end_op for reader, _ in needs.consumers[name])
        if name in outputs or read_outside:
            whole.add(name)
    return frozenset(whole)


def streamed_input_of(needs: GraphNeeds, stage: StageLayout, layout: Layout) -> str:
    """The network's input where this stage takes it from the link, else empty."""
    name = needs.graph.inputs[0]
    reads = any(stage.first_op <= reader < stage.end_op for reader, _ in needs.consumers[name])
    return name if layout.stream_input and reads else ""


def window_bytes(row_bytes: int) -> int:
    """Size of the window through which rows of a streamed picture pass."""
    return max(2 * row_bytes, LEAST_WINDOW_BYTES)


@dataclass(slots=True)
class _Builder:
    graph: Graph
    needs: GraphNeeds
    layout: Layout
    rule: KernelRule
    storage: StorageBuilder
    steps: list[Step] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)
    bands: dict[int, int] = field(default_factory=dict)
    base_row: dict[str, int] = field(default_factory=dict)
    """First row that a line buffer holds."""
    made: dict[str, int] = field(default_factory=dict)
    """Rows of each tensor that exist."""

    def build(self) -> Schedule:
        layout, graph = self.layout, self.graph
        windows = self._place_ends()
        for stage in layout.stages:
            if stage.end_op - stage.first_op == 1 and is_alias(graph, graph.ops[stage.first_op]):
                op = graph.ops[stage.first_op]
                self.storage.alias(op.output, op.inputs[0])
                self.made[op.output] = graph.output_tensor(op).height
            else:
                self._add_stage(stage)
        for window in windows:
            if window:
                self.storage.touch(window, 0, 0)
                self.storage.touch(window, len(self.steps) - 1, 0)
        steps = tuple(self.steps)
        buffers, storages, shifts = self.storage.finish(steps)
        return Schedule(
            graph,
            tuple(self.stages),
            tuple(_shifted(step, shifts) for step in steps) if any(shifts.values()) else steps,
            buffers,
            storages,
            streamed_input=windows[0],
            streamed_output=windows[1],
        )

    def _place_ends(self) -> tuple[str, str]:
        """Stores the network's input; names of the windows of streamed ends."""
        graph, names = self.graph, ["", ""]
        for name in graph.inputs:
            if not self.layout.stream_input:
                self.storage.store_whole(name)
                self.made[name] = graph.tensors[name].height
                self.storage.touch(name, 0, 0)
        for end, streamed in enumerate((self.layout.stream_input, self.layout.stream_output)):
            if streamed:
                tensor = (graph.inputs, graph.outputs)[end][0]
                size = window_bytes(graph.tensors[tensor].row_bytes)
                names[end] = self.storage.allocate(f"{tensor}.window", size)
        return names[0], names[1]

    def _add_stage(self, stage: StageLayout) -> None:
        graph = self.graph
        whole = whole_tensors(self.needs, stage, self.layout)
        streamed = streamed_input_of(self.needs, stage, self.layout)
        run = run_stage(self.needs, stage.ops, stage.strip_rows, whole, streamed, stage.least_rows)
        self._store(stage, whole, run)
        kernels = self._kernels(stage, run)
        scratch = self._scratch(kernels)
        first_step = len(self.steps)
        index = len(self.stages)
        pending: list[Command] = []
        for event in run.events:
            moves = self._make_room(event, stage)
            if event.op == RECEIVED:
                span = self._output_span(event)
                self.storage.touch(span.buffer, len(self.steps), span.size_bytes)
                pending += [*moves, *(Receive(rows, part) for rows, part in self._exchanges(event, span))]
                self.made[event.tensor] = event.end
                continue
            self._add_step(index, event, (*pending, *moves), scratch, kernels[event.op])
            pending = []
        if pending:
            last = self.steps[-1]
            self.steps[-1] = replace(last, commands=(*last.commands, *pending))
        height = graph.output_tensor(graph.ops[stage.ops[-1]]).height
        rows = max(stage.strip_rows, min(stage.least_rows, height))
        self.stages.append(Stage(stage.ops, -(-height // rows), rows, first_step, len(self.steps)))

    def _store(self, stage: StageLayout, whole: frozenset[str], run: StageRun) -> None:
        graph = self.graph
        later = range(stage.end_op, len(graph.ops))
        dying = list(dying_tensors(graph, self.storage.homes, stage.ops, later)) if self.layout.overlay else []
        for i in stage.ops:
            name = graph.ops[i].output
            if name not in whole:
                continue
            leads = [(lead, d) for d in dying if (lead := overlay_lead_bytes(graph, run.events, name, d)) is not None]
            if leads:
                lead, over = min(leads)
                self.storage.store_over(name, over, lead)
                dying.remove(over)
            else:
                self.storage.store_whole(name)
        for name, rows in run.line_rows:
            self.storage.store_lines(name, rows)

    def _kernels(self, stage: StageLayout, run: StageRun) -> dict[int, Candidate]:
        """The kernel of each operator, for the highest strips that it computes."""
        rows: dict[int, int] = {}
        for event in run.events:
            if event.op != RECEIVED:
                rows[event.op] = max(rows.get(event.op, 0), event.end - event.begin)
        graph = self.graph
        return {op: self.rule.choose(graph, graph.ops[op], most, stage.scratch_limit) for op, most in rows.items()}

    def _scratch(self, kernels: dict[int, Candidate]) -> str:
        """One buffer serves all kernels of the stage, one after the other."""
        size = max((kernel.scratch_bytes for kernel in kernels.values()), default=0)
        return self.storage.allocate(f"stage{len(self.stages)}.scratch", size) if size else ""

    def _make_room(self, event: RowEvent, stage: StageLayout) -> list[Command]:
        """Moves the live rows of a full line buffer to its front."""
        home = self.storage.homes[event.tensor]
        base = self.base_row.setdefault(event.tensor, 0)
        if home.rows == self.graph.tensors[event.tensor].height or event.end - base <= home.rows:
            return []
        live = self._live(event.tensor, stage)
        row_bytes = self.graph.tensors[event.tensor].row_bytes
        count = event.begin - live
        self.base_row[event.tensor] = live
        assert event.end - live <= home.rows, "a line buffer is too small for its rows"
        if count == 0:
            return []
        size = count * row_bytes
        offset = home.offset_bytes
        self.storage.touch(home.buffer, len(self.steps), 2 * size)
        return [Move(Span(home.buffer, offset + (live - base) * row_bytes, size), Span(home.buffer, offset, size))]

    def _live(self, tensor: str, stage: StageLayout) -> int:
        made = self.made.get(tensor, 0)
        rows = [
            self.needs.inputs[reader][position].live[self.made.get(self.graph.ops[reader].output, 0)]
            for reader, position in self.needs.consumers[tensor]
            if stage.first_op <= reader < stage.end_op
        ]
        return min([made, *rows])

    def _output_span(self, event: RowEvent) -> Span:
        row_bytes = self.graph.tensors[event.tensor].row_bytes
        offset = self.storage.row_offset(event.tensor, event.begin - self.base_row.get(event.tensor, 0))
        return Span(self.storage.homes[event.tensor].buffer, offset, (event.end - event.begin) * row_bytes)

    def _exchanges(self, event: RowEvent, span: Span) -> list[tuple[RowRange, Span]]:
        """The event's rows in pieces of half a window, so that the link fills one half while the other is used."""
        row_bytes = self.graph.tensors[event.tensor].row_bytes
        most = max(1, window_bytes(row_bytes) // (2 * row_bytes))
        pieces = []
        for begin in range(event.begin, event.end, most):
            end = min(begin + most, event.end)
            offset = span.offset_bytes + (begin - event.begin) * row_bytes
            pieces.append((RowRange(begin, end), Span(span.buffer, offset, (end - begin) * row_bytes)))
        return pieces

    def _add_step(
        self, stage: int, event: RowEvent, before: tuple[Command, ...], scratch: str, chosen: Candidate
    ) -> None:
        graph, index = self.graph, len(self.steps)
        op = graph.ops[event.op]
        out = RowRange(event.begin, event.end)
        reads = [read_rows(graph, op, position, out) for position in range(len(op.inputs))]
        views = tuple(self._input_view(index, name, read) for name, read in zip(op.inputs, reads, strict=True))
        span = self._output_span(event)
        self.storage.touch(span.buffer, index, span.size_bytes)
        output = RowView(event.tensor, out, span.buffer, span.offset_bytes)
        size = chosen.scratch_bytes
        if size:
            self.storage.touch(scratch, index, chosen.work.scratch_bytes)
        call = Call(
            event.op,
            views,
            output,
            scratch if size else "",
            reads[0].padding_top,
            reads[0].padding_bottom,
            kernel=chosen.kernel,
            cores=self._cores(op, views, output, chosen.kernel),
        )
        commands: tuple[Command, ...] = (*before, call)
        if self.layout.stream_output and event.tensor in graph.outputs:
            commands += tuple(Send(rows, part) for rows, part in self._exchanges(event, span))
        band = self.bands.get(event.op, 0)
        self.bands[event.op] = band + 1
        self.steps.append(Step(index, stage, event.op, band, output, commands))
        self.made[event.tensor] = event.end

    def _cores(self, op: Op, inputs: tuple[RowView, ...], output: RowView, kernel: Kernel) -> int:
        """How many cores compute a call. What one of them writes, none of the others may read."""
        if any(view.buffer == output.buffer and not self._keeps_apart(view, output) for view in inputs):
            return 1
        return self.rule.call_cores(self.graph, op, output.rows.count, kernel)

    def _keeps_apart(self, source: RowView, target: RowView) -> bool:
        """Whether an output has no byte in common with an input, or all of them, each in its place."""
        tensors = self.graph.tensors
        begin, end = source.offset_bytes, target.offset_bytes
        source_bytes = source.rows.count * tensors[source.tensor].row_bytes
        target_bytes = target.rows.count * tensors[target.tensor].row_bytes
        apart = begin + source_bytes <= end or end + target_bytes <= begin
        return apart or (begin, source_bytes) == (end, target_bytes)

    def _input_view(self, step: int, tensor: str, read: ReadRows) -> RowView:
        row_bytes = self.graph.tensors[tensor].row_bytes
        base = self.base_row.get(tensor, 0)
        # A window wholly in the padding reads no row; its pointer stays within the buffer.
        begin = min(max(read.rows.begin, base), self.made[tensor] - 1)
        rows = read.rows if read.rows.count else RowRange(begin, begin)
        assert base <= rows.begin, f"rows of {tensor} are read after they were dropped"
        assert rows.end <= self.made[tensor], f"rows of {tensor} are read before they are made"
        home = self.storage.homes[tensor]
        self.storage.touch(home.buffer, step, rows.count * row_bytes)
        return RowView(tensor, rows, home.buffer, self.storage.row_offset(tensor, rows.begin - base))


def _shifted(step: Step, shifts: dict[str, int]) -> Step:
    def view(item: RowView) -> RowView:
        return replace(item, offset_bytes=item.offset_bytes + shifts.get(item.buffer, 0))

    def span(item: Span) -> Span:
        return replace(item, offset_bytes=item.offset_bytes + shifts.get(item.buffer, 0))

    def command(item: Command) -> Command:
        match item:
            case Call():
                return replace(item, inputs=tuple(view(v) for v in item.inputs), output=view(item.output))
            case Move():
                return Move(span(item.source), span(item.target))
            case Receive():
                return replace(item, target=span(item.target))
            case Send():
                return replace(item, source=span(item.source))
            case _:
                return item

    return replace(step, output=view(step.output), commands=tuple(command(c) for c in step.commands))
