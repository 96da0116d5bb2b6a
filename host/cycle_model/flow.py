"""Passages between executed blocks: measured ones, or inferred from how often each block ran."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tinyanime.host.cycle_model.instruction import Instruction

BlockKey = tuple[int, int]
"""(address, size in bytes)."""


@dataclass(frozen=True, slots=True)
class ExecutedBlock:
    """Code [address, address + size) ran `executions` times from its first instruction to its last."""

    address: int
    size: int
    executions: int


@dataclass(frozen=True, slots=True)
class Passage:
    """`executions` times block `to` ran right behind block `origin`; None: behind what is not known."""

    origin: BlockKey | None
    to: BlockKey
    executions: int


def infer_passages(
    blocks: Iterable[ExecutedBlock], code: Mapping[BlockKey, tuple[Instruction, ...]]
) -> tuple[Passage, ...]:
    """Passages that agree with the executions of all blocks.

    What flows into a block equals what flows out; this fixes the flows of loops and branches. What it leaves open is
    shared in proportion. Targets of indirect branches are not known.
    """
    counts = {(block.address, block.size): block.executions for block in blocks}
    at: dict[int, list[BlockKey]] = defaultdict(list)
    for key in counts:
        at[key[0]].append(key)
    edges = [
        (origin, to)
        for origin in counts
        for address in _successors(origin, code[origin][-1])
        for to in at.get(address, ())
    ]
    flows = _solve(edges, counts, {origin for origin in counts if _leaves(origin, code[origin][-1], at)})
    inflow: dict[BlockKey, int] = defaultdict(int)
    passages = []
    for (origin, to), executions in flows.items():
        if executions > 0:
            inflow[to] += executions
            passages.append(Passage(origin, to, executions))
    rest = ((to, count - inflow[to]) for to, count in counts.items())
    return (*passages, *(Passage(None, to, missing) for to, missing in rest if missing > 0))


def _successors(origin: BlockKey, last: Instruction) -> set[int]:
    found = {last.target} if last.target is not None else set()
    if last.conditional or not last.ends_block:
        found.add(origin[0] + origin[1])
    return found


def _leaves(origin: BlockKey, last: Instruction, at: Mapping[int, list[BlockKey]]) -> bool:
    """Whether executions of `origin` may go where no recorded successor is: indirect branches."""
    successors = _successors(origin, last)
    return not successors or (last.ends_block and last.target is None)


def _solve(
    edges: list[tuple[BlockKey, BlockKey]], counts: Mapping[BlockKey, int], leaving: set[BlockKey]
) -> dict[tuple[BlockKey, BlockKey], int]:
    """Settles edge after edge: where all but one edge out of a block is known, the last one follows."""
    outgoing: dict[BlockKey, list[tuple[BlockKey, BlockKey]]] = defaultdict(list)
    incoming: dict[BlockKey, list[tuple[BlockKey, BlockKey]]] = defaultdict(list)
    for edge in edges:
        outgoing[edge[0]].append(edge)
        incoming[edge[1]].append(edge)
    flows: dict[tuple[BlockKey, BlockKey], int] = {}
    pending, unsettled = list(counts), iter(edges)
    while True:
        while pending:
            key = pending.pop()
            if key not in leaving:
                pending += _settle(outgoing[key], counts[key], flows)
            if _entered_only_by(key, incoming[key], counts):
                pending += _settle(incoming[key], counts[key], flows)
        open_edge = next((edge for edge in unsettled if edge not in flows), None)
        if open_edge is None:
            return flows
        flows[open_edge] = _share(open_edge, outgoing, incoming, counts, flows)
        pending += open_edge


def _entered_only_by(key: BlockKey, edges: list[tuple[BlockKey, BlockKey]], counts: Mapping[BlockKey, int]) -> bool:
    """Whether a block can only be reached over its known edges: one of them falls or jumps in from a direct branch.

    The block behind a call, and the first one of a function, are entered by returns and calls through registers too;
    there the known edges cannot carry all executions.
    """
    return bool(edges) and sum(counts[origin] for origin, _ in edges) >= counts[key]


def _settle(
    edges: list[tuple[BlockKey, BlockKey]], total: int, flows: dict[tuple[BlockKey, BlockKey], int]
) -> list[BlockKey]:
    unknown = [edge for edge in edges if edge not in flows]
    if len(unknown) != 1:
        return []
    edge = unknown[0]
    flows[edge] = max(0, total - sum(flows[known] for known in edges if known in flows))
    return list(edge)


def _share(
    edge: tuple[BlockKey, BlockKey],
    outgoing: Mapping[BlockKey, list[tuple[BlockKey, BlockKey]]],
    incoming: Mapping[BlockKey, list[tuple[BlockKey, BlockKey]]],
    counts: Mapping[BlockKey, int],
    flows: Mapping[tuple[BlockKey, BlockKey], int],
) -> int:
    """A share of what the origin still sends, in proportion to what its open targets still take."""
    origin, target = edge
    sends = counts[origin] - sum(flows[known] for known in outgoing[origin] if known in flows)
    takes = {
        to: max(0, counts[to] - sum(flows[known] for known in incoming[to] if known in flows))
        for source, to in outgoing[origin]
        if (source, to) not in flows
    }
    return min(takes[target], max(0, sends) * takes[target] // max(1, sum(takes.values())))
