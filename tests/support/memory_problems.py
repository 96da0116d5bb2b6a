"""Random and realistic placement problems, and the optimum of tiny ones by trying everything."""

from __future__ import annotations

import random

from hypothesis import strategies as st

from tinyanime.codegen.memory.problem import Bank, Buffer, MemoryProblem, Objective

SMALL_BANKS = (
    Bank("fast", 0x2000_0000, 64, 1, dma=True),
    Bank("cached", 0x2400_0008, 88, 2, dma=True, cache_line_bytes=16),
    Bank("far", 0x3000_0000, 48, 4),
)
"""Banks that differ in everything; one does not begin at a cache line."""


@st.composite
def small_problems(draw: st.DrawFn, most_buffers: int = 5) -> MemoryProblem:
    """Up to `most_buffers` buffers that fill `SMALL_BANKS` or do not fit."""
    buffers = []
    for index in range(draw(st.integers(1, most_buffers))):
        first = draw(st.integers(0, 5))
        buffers.append(
            Buffer(
                f"b{index}",
                draw(st.integers(1, 40)),
                first,
                first + draw(st.integers(1, 4)),
                draw(st.sampled_from([4, 8, 16, 32])),
                draw(st.sampled_from([(), (), ("cached",), ("far", "fast")])),
                draw(st.integers(0, 9)),
                draw(st.booleans()),
            )
        )
    banks = SMALL_BANKS[: draw(st.integers(1, 3))]
    return MemoryProblem(tuple(buffers), banks, draw(st.sampled_from(Objective)))


def strip_problem(
    seed: int, stages: int, most_lines: int, objective: Objective, banks: tuple[Bank, ...]
) -> MemoryProblem:
    """A network run in strips: per stage line buffers, scratch, two weight tiles for a DMA and a stored map."""
    draw = random.Random(seed)
    length = 250
    end = stages * length
    buffers = [Buffer("input", 48 * 1024, 0, length, accesses_bytes=96 * 1024)]
    for stage in range(stages):
        first, last = stage * length, (stage + 1) * length
        for line in range(draw.randint(3, most_lines)):
            size = draw.randint(1, 8) * 3072 + draw.randint(0, 40)
            born = first + draw.choice([0, 0, draw.randint(0, 80)])
            died = last - draw.choice([0, 0, draw.randint(0, 80)])
            buffers.append(Buffer(f"{stage}.line{line}", size, born, died, accesses_bytes=size * draw.randint(5, 300)))
        tile = draw.randint(2, 20) * 576
        for half in "ab":
            buffers.append(Buffer(f"{stage}.tile.{half}", tile, first, last, 16, (), tile * draw.randint(10, 90), True))
        scratch = draw.randint(1, 30) * 100
        buffers.append(Buffer(f"{stage}.scratch", scratch, first, last, accesses_bytes=scratch * 900))
        stored = draw.choice([16, 32, 48, 64]) * 1024
        buffers.append(Buffer(f"{stage}.map", stored, first, min(last + length, end), accesses_bytes=stored * 4))
    return MemoryProblem(tuple(buffers), banks, objective)


def layer_problem(seed: int, layers: int, objective: Objective, banks: tuple[Bank, ...]) -> MemoryProblem:
    """A network run layer by layer: one map and one scratch per layer, short lives and some skips."""
    draw = random.Random(seed)
    buffers = []
    for layer in range(layers):
        size = draw.choice([8, 16, 32, 48, 64, 100, 128]) * 1024 + draw.choice([0, 0, 48, 5])
        last = layer + draw.choice([2, 2, 2, 3, 6, 12])
        buffers.append(Buffer(f"map{layer}", size, layer, last, accesses_bytes=size * draw.randint(2, 30)))
        scratch = draw.randint(10, 3000)
        buffers.append(Buffer(f"scratch{layer}", scratch, layer, layer + 1, accesses_bytes=scratch * 99))
    return MemoryProblem(tuple(buffers), banks, objective)


def best_score(problem: MemoryProblem) -> tuple[int, int] | None:
    """First and second objective of the best plan, or None where there is none; tries every place of every buffer."""
    search = _EveryPlace(problem)
    search.place(0, 0)
    return search.best


class _EveryPlace:
    """Depth first over buffers, banks and aligned addresses; leaves a branch only where it can no longer improve."""

    def __init__(self, problem: MemoryProblem) -> None:
        self.problem = problem
        self.placed: list[tuple[Buffer, Bank, int, int]] = []
        self.best: tuple[int, int] | None = None

    def place(self, index: int, cost: int) -> None:
        cheapest = min(bank.access_cost for bank in self.problem.banks)
        rest = sum(buffer.accesses_bytes * cheapest for buffer in self.problem.buffers[index:])
        score = self._score(cost + rest)
        if self.best is not None and score >= self.best:
            return
        if index == len(self.problem.buffers):
            self.best = score
            return
        buffer = self.problem.buffers[index]
        for bank in self.problem.banks:
            if (buffer.banks and bank.name not in buffer.banks) or (buffer.dma and not bank.dma):
                continue
            line = bank.cache_line_bytes if buffer.dma and bank.cache_line_bytes else 1
            stride = max(line, buffer.alignment_bytes)
            taken = -(-buffer.size_bytes // line) * line
            busy = [(b, e) for other, at, b, e in self.placed if self._meet(buffer, other, bank, at)]
            for begin in range(-(-bank.base // stride) * stride, bank.base + bank.size_bytes - taken + 1, stride):
                end = begin + taken
                if all(end <= b or e <= begin for b, e in busy):
                    self.placed.append((buffer, bank, begin, end))
                    self.place(index + 1, cost + buffer.accesses_bytes * bank.access_cost)
                    self.placed.pop()

    def _meet(self, a: Buffer, b: Buffer, bank_a: Bank, bank_b: Bank) -> bool:
        return bank_a == bank_b and a.first_step < b.end_step and b.first_step < a.end_step

    def _score(self, cost: int) -> tuple[int, int]:
        total = sum(
            max((end - bank.base for _, at, _, end in self.placed if at == bank), default=0)
            for bank in self.problem.banks
        )
        return (cost, total) if self.problem.objective is Objective.TIME else (total, cost)
