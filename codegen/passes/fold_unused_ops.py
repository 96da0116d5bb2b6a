"""Removes operators, and tensors, that no network output depends on."""

from __future__ import annotations

from dataclasses import replace

from tinyanime.codegen.ir.graph import Graph


def fold_unused_ops(graph: Graph) -> Graph:
    """The graph without dead operators; network inputs stay even where nothing reads them."""
    needed = set(graph.outputs)
    kept = []
    for op in reversed(graph.ops):
        if op.output in needed:
            kept.append(op)
            needed.update(op.inputs)
    needed.update(graph.inputs)
    tensors = {name: tensor for name, tensor in graph.tensors.items() if name in needed}
    return replace(graph, ops=tuple(reversed(kept)), tensors=tensors)
