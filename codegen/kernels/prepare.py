"""Joins operators that one of our kernels computes together."""

from __future__ import annotations

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.kernels.family import KernelFamily
from tinyanime.codegen.kernels.rule import KernelRule


def graph_for_kernels(graph: Graph, rule: KernelRule) -> Graph:
    """The graph that is scheduled: no network output's integers change, and no tensor's that stays."""
    if rule.family is not KernelFamily.AUTO:
        return graph
    return graph
