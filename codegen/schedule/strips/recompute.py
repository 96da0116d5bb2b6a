"""Long skips without storage: the cheap producer of a skipped tensor runs a second time, beside its late reader."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.macs import op_macs
from tinyanime.codegen.ir.ops import Op
from tinyanime.codegen.schedule.plan import Recomputed

MOST_LAYERS = 256
"""Most operators of a network: TA_MAX_LAYERS of firmware/include/tinyanime/executor.h."""

_NEAR_OPERATORS = 3
"""A reader this close to the producer keeps few rows alive anyway."""

_LARGEST_MAC_SHARE = 0.1
_LONGEST_CHAIN = 2


@dataclass(frozen=True, eq=False, slots=True)
class RecomputeVariant:
    """`graph` computes some tensors twice; `recomputed` names the operators that do so, by index in `graph.ops`.

    While the operators `spared` of the network run (indices in the network's own `ops`), the skipped tensor need not
    be kept.
    """

    graph: Graph
    recomputed: tuple[Recomputed, ...]
    spared: range = range(0)


def recompute_variants(graph: Graph, most_operators: int = MOST_LAYERS) -> Iterator[RecomputeVariant]:
    """One variant per long skip and length of the chain that is computed again, of at most `most_operators`."""
    total = sum(op_macs(graph, op) for op in graph.ops)
    producer = {op.output: index for index, op in enumerate(graph.ops)}
    for reader, op in enumerate(graph.ops):
        for name in dict.fromkeys(op.inputs):
            first = producer.get(name)
            if first is None or reader - first <= _NEAR_OPERATORS or len(graph.consumers(name)) < 2:
                continue
            chain: list[int] = []
            at: int | None = first
            while at is not None and len(chain) < min(_LONGEST_CHAIN, most_operators - len(graph.ops)):
                chain.insert(0, at)
                if sum(op_macs(graph, graph.ops[i]) for i in chain) > _LARGEST_MAC_SHARE * total:
                    break
                yield _variant(graph, reader, name, tuple(chain))
                at = producer.get(graph.ops[chain[0]].inputs[0]) if len(graph.ops[chain[0]].inputs) == 1 else None


def _variant(graph: Graph, reader: int, skipped: str, chain: tuple[int, ...]) -> RecomputeVariant:
    """Clones of `chain` stand right before `reader`, which reads the last clone instead of `skipped`."""
    tensors = dict(graph.tensors)
    renamed: dict[str, str] = {}
    clones: list[Op] = []
    recomputed: list[Recomputed] = []
    for index in chain:
        op = graph.ops[index]
        name = f"{op.output}.again"
        while name in tensors:
            name += "_"
        tensors[name] = replace(tensors[op.output], name=name)
        inputs = tuple(renamed.get(source, source) for source in op.inputs)
        clones.append(replace(op, name=f"{op.name}.again", inputs=inputs, output=name))
        renamed[op.output] = name
        recomputed.append(Recomputed(reader + len(recomputed), op.output))
    late = graph.ops[reader]
    changed = replace(late, inputs=tuple(renamed[skipped] if n == skipped else n for n in late.inputs))
    ops = (*graph.ops[:reader], *clones, changed, *graph.ops[reader + 1 :])
    spared = range(chain[-1], reader + 1)
    return RecomputeVariant(replace(graph, tensors=tensors, ops=ops), tuple(recomputed), spared)
