"""The order of work as data: stages, row bands, buffers and steps.

A *stage* is a chain of operators that runs band by band: only its last tensor is stored whole, the tensors in
between live for one band in a scratch buffer. A *step* is one kernel call: one operator computing one band of rows.
Strips across many layers and DMA transfers extend this with longer chains, rolling buffers and transfer steps.
"""

from __future__ import annotations

from dataclasses import dataclass

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Op
from tinyanime.codegen.memory.problem import Buffer


@dataclass(frozen=True, slots=True)
class RowRange:
    """Rows [begin, end) of a map; half-open."""

    begin: int
    end: int

    @property
    def count(self) -> int:
        return self.end - self.begin


@dataclass(frozen=True, slots=True)
class RowView:
    """Rows `rows` of `tensor` as one step reads or writes them.

    They lie in `buffer`, `offset_bytes` behind its start, row after row.
    """

    tensor: str
    rows: RowRange
    buffer: str
    offset_bytes: int


@dataclass(frozen=True, eq=False, slots=True)
class Step:
    """One kernel call.

    `op` indexes `Schedule.graph.ops`; `band` counts the operator's bands from 0; `stage` indexes `Schedule.stages`.
    `scratch` names the buffer of the kernel's working memory, or is empty. `padding_top` and `padding_bottom` are the
    virtual rows above and below the rows that are read (at the edges of the map only).
    """

    index: int
    stage: int
    op: int
    band: int
    inputs: tuple[RowView, ...]
    output: RowView
    scratch: str
    padding_top: int = 0
    padding_bottom: int = 0


@dataclass(frozen=True, slots=True)
class Stage:
    """A fused chain: `ops` are indices into `Schedule.graph.ops` in execution order, `steps` [begin, end)."""

    ops: tuple[int, ...]
    bands: int
    band_rows: int
    """Rows of the last operator's output per band (the last band may be smaller)."""
    first_step: int
    end_step: int


@dataclass(frozen=True, eq=False, slots=True)
class Schedule:
    """Everything that runs, in order. Buffer lifetimes are in step indices, half-open.

    `tensor_buffers` maps each stored tensor to its buffer (two tensors may share one: in-place operators, reshapes).
    """

    graph: Graph
    stages: tuple[Stage, ...]
    steps: tuple[Step, ...]
    buffers: tuple[Buffer, ...]
    tensor_buffers: tuple[tuple[str, str], ...]

    def op_of(self, step: Step) -> Op:
        return self.graph.ops[step.op]
