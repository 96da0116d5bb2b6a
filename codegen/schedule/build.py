"""Chains to steps and buffers: who computes which rows when, and which bytes live how long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Add, Op, Requantize, Reshape
from tinyanime.codegen.memory.problem import Buffer
from tinyanime.codegen.schedule.plan import RowRange, RowView, Schedule, Stage, Step
from tinyanime.codegen.schedule.rows import read_rows
from tinyanime.codegen.schedule.stages import Chain, FusionPolicy, build_chains, chain_rows, inner_rows

ScratchBytes = Callable[[Graph, Op, int], int]
"""Kernel working memory in bytes for an operator computing at most the given number of output rows."""


@dataclass(slots=True)
class _Draft:
    """A buffer under construction; lifetimes grow as steps are added."""

    size_bytes: int
    first_step: int
    end_step: int
    accesses_bytes: int = 0

    def touch(self, step: int, accessed_bytes: int) -> None:
        self.end_step = max(self.end_step, step + 1)
        self.accesses_bytes += accessed_bytes


@dataclass(slots=True)
class _Builder:
    graph: Graph
    scratch_bytes: ScratchBytes
    drafts: dict[str, _Draft] = field(default_factory=dict)
    home: dict[str, str] = field(default_factory=dict)
    """Stored tensor to buffer."""
    steps: list[Step] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)

    def store(self, tensor: str) -> None:
        """Give `tensor` a buffer of its own, alive from the next step on."""
        size = self.graph.tensors[tensor].size_bytes
        self.drafts[tensor] = _Draft(size, len(self.steps), len(self.steps) + 1)
        self.home[tensor] = tensor

    def allocate(self, name: str, size_bytes: int, stage_steps: int) -> str:
        """A buffer that lives through the stage that starts now; returns its name, which is no tensor's."""
        while name in self.graph.tensors or name in self.drafts:
            name += "_"
        self.drafts[name] = _Draft(size_bytes, len(self.steps), len(self.steps) + stage_steps)
        return name


def build_schedule(graph: Graph, policy: FusionPolicy, scratch_bytes: ScratchBytes) -> Schedule:
    """Lay out all steps of `graph` under `policy`.

    The network input is alive from step 0; the output until the end.
    """
    builder = _Builder(graph, scratch_bytes)
    for name in graph.inputs:
        builder.store(name)
    chains = build_chains(graph, policy)
    for number, chain in enumerate(chains):
        later = chains[number + 1 :]
        first = graph.ops[chain.ops[0]]
        # A network that only reshapes its input still needs one step: the runtime runs nothing else.
        only_step = not builder.steps and first.output in graph.outputs
        if _is_alias(graph, first) and not only_step:
            builder.home[first.output] = builder.home[first.inputs[0]]
            continue
        _add_stage(builder, chain, later)
    for name in graph.outputs:
        builder.drafts[builder.home[name]].end_step = max(len(builder.steps), 1)
    buffers = tuple(
        Buffer(name, d.size_bytes, d.first_step, d.end_step, accesses_bytes=d.accesses_bytes)
        for name, d in builder.drafts.items()
    )
    return Schedule(graph, tuple(builder.stages), tuple(builder.steps), buffers, tuple(sorted(builder.home.items())))


def _is_alias(graph: Graph, op: Op) -> bool:
    """Whether a Reshape keeps the bytes: channel-major and channel-minor order agree on both sides."""
    if not isinstance(op, Reshape):
        return False
    tensors = (*graph.input_tensors(op), graph.output_tensor(op))
    return all(t.channels == 1 or t.height * t.width == 1 for t in tensors)


def _add_stage(builder: _Builder, chain: Chain, later: tuple[Chain, ...]) -> None:
    graph = builder.graph
    last = graph.ops[chain.ops[-1]]
    height = graph.output_tensor(last).height
    band_count = -(-height // chain.band_rows)
    step_count = band_count * len(chain.ops)
    stage_index = len(builder.stages)
    first_step = len(builder.steps)
    inner = {
        i: builder.allocate(
            f"{graph.ops[i].output}.rows", rows * graph.output_tensor(graph.ops[i]).row_bytes, step_count
        )
        for i, rows in inner_rows(graph, chain.ops, chain.band_rows)
    }
    rows_per_op = {**dict(inner_rows(graph, chain.ops, chain.band_rows)), chain.ops[-1]: chain.band_rows}
    scratch = {}
    for i in chain.ops:
        size = builder.scratch_bytes(graph, graph.ops[i], rows_per_op[i])
        scratch[i] = builder.allocate(f"{graph.ops[i].output}.scratch", size, step_count) if size else ""
    _place_output(builder, chain, later)
    for band in range(band_count):
        out = RowRange(band * chain.band_rows, min((band + 1) * chain.band_rows, height))
        _add_band(builder, stage_index, chain, band, out, inner, scratch)
    builder.stages.append(Stage(chain.ops, band_count, chain.band_rows, first_step, len(builder.steps)))


def _place_output(builder: _Builder, chain: Chain, later: tuple[Chain, ...]) -> None:
    """Store the last output, in place of an input that dies here where the operator reads what it overwrites."""
    graph = builder.graph
    last = graph.ops[chain.ops[-1]]
    candidate = _in_place_input(builder, chain, later) if isinstance(last, Add | Requantize) else ""
    if candidate:
        builder.home[last.output] = builder.home[candidate]
    else:
        builder.store(last.output)


def _in_place_input(builder: _Builder, chain: Chain, later: tuple[Chain, ...]) -> str:
    graph = builder.graph
    last = graph.ops[chain.ops[-1]]
    reads = [name for i in chain.ops for name in graph.ops[i].inputs if name in builder.home]
    read_later = {name for c in later for i in c.ops for name in graph.ops[i].inputs}
    for name in last.inputs:
        if name not in builder.home:
            continue
        buffer = builder.home[name]
        sharers = {tensor for tensor, home in builder.home.items() if home == buffer}
        if any(t in read_later or t in graph.outputs for t in sharers):
            continue
        if sum(reads.count(t) for t in sharers) == 1:
            return name
    return ""


def _add_band(
    builder: _Builder,
    stage: int,
    chain: Chain,
    band: int,
    out: RowRange,
    inner: dict[int, str],
    scratch: dict[int, str],
) -> None:
    graph = builder.graph
    rows_of = dict(chain_rows(graph, chain.ops, out))
    produced = {graph.ops[i].output: i for i in chain.ops[:-1]}
    for i in chain.ops:
        op = graph.ops[i]
        index = len(builder.steps)
        views = []
        padding = (0, 0)
        for position, name in enumerate(op.inputs):
            read = read_rows(graph, op, position, rows_of[i])
            if position == 0:
                padding = (read.padding_top, read.padding_bottom)
            first_row = rows_of[produced[name]].begin if name in produced else 0
            buffer = inner[produced[name]] if name in produced else builder.home[name]
            views.append(_view(builder, index, name, read.rows, buffer, first_row))
        target = inner[i] if i in inner else builder.home[op.output]
        first_row = rows_of[i].begin if i in inner else 0
        output = _view(builder, index, op.output, rows_of[i], target, first_row)
        if scratch[i]:
            draft = builder.drafts[scratch[i]]
            # An im2col kernel refills its columns for every output position.
            draft.touch(index, rows_of[i].count * graph.output_tensor(op).width * draft.size_bytes)
        builder.steps.append(Step(index, stage, i, band, tuple(views), output, scratch[i], *padding))


def _view(builder: _Builder, step: int, tensor: str, rows: RowRange, buffer: str, first_row: int) -> RowView:
    row_bytes = builder.graph.tensors[tensor].row_bytes
    builder.drafts[buffer].touch(step, rows.count * row_bytes)
    return RowView(tensor, rows, buffer, (rows.begin - first_row) * row_bytes)
