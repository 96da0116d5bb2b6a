"""The choices a schedule is built from: where stages are cut, how high strips are, what shares memory."""

from __future__ import annotations

from dataclasses import dataclass

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Op, Reshape
from tinyanime.codegen.kernels.rule import NO_LIMIT


@dataclass(frozen=True, slots=True)
class StageLayout:
    """Operators [first_op, end_op) run together in strips of `strip_rows` rows of the last one's output.

    Each makes at least `least_rows` rows at a time, where its map has so many: kernels that compute tiles of several
    rows want whole tiles. Their kernels work in at most `scratch_limit` bytes, where there are such kernels.
    """

    first_op: int
    end_op: int
    strip_rows: int
    scratch_limit: int = NO_LIMIT
    least_rows: int = 1

    @property
    def ops(self) -> tuple[int, ...]:
        return tuple(range(self.first_op, self.end_op))


@dataclass(frozen=True, slots=True)
class Layout:
    """`stages` cover all operators in order.

    `overlay` lets a growing output overwrite the rows of a whole input that nobody reads any more. Streamed ends have
    no whole picture in RAM; they need a network whose input is read, and whose output is made, by one stage.
    """

    stages: tuple[StageLayout, ...]
    overlay: bool = True
    stream_input: bool = False
    stream_output: bool = False


def whole_layer_layout(graph: Graph) -> Layout:
    """Each operator computes its whole output before the next begins."""
    return Layout(
        tuple(StageLayout(i, i + 1, graph.output_tensor(op).height) for i, op in enumerate(graph.ops)),
        overlay=True,
    )


def is_alias(graph: Graph, op: Op) -> bool:
    """Whether a Reshape keeps the bytes: channel-major and channel-minor order agree on both sides.

    A network that only reshapes still needs one step: the runtime runs nothing else.
    """
    if not _keeps_bytes(graph, op):
        return False
    return op.output not in graph.outputs or not all(_keeps_bytes(graph, other) for other in graph.ops)


def _keeps_bytes(graph: Graph, op: Op) -> bool:
    if not isinstance(op, Reshape):
        return False
    tensors = (*graph.input_tensors(op), graph.output_tensor(op))
    return all(t.channels == 1 or t.height * t.width == 1 for t in tensors)


def can_stream(graph: Graph) -> bool:
    """Whether input and output can be exchanged row by row: maps of several rows that kernels read and make.

    Each row is received once, so all readers of the input must find room in one stage.
    """
    source, result = graph.inputs[0], graph.outputs[0]
    readers = [index for index, op in enumerate(graph.ops) if source in op.inputs]
    makers = [index for index, op in enumerate(graph.ops) if op.output == result]
    if source == result or not readers or not makers:
        return False
    one_stage = (*range(readers[0], readers[-1] + 1), makers[0])
    return (
        graph.tensors[source].height > 1
        and graph.tensors[result].height > 1
        and not any(is_alias(graph, graph.ops[index]) for index in one_stage)
    )
