"""Modelled cycles of executed code: blocks times their cycles, mispredictions and stated memory costs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from tinyanime.host.cycle_model import timing
from tinyanime.host.cycle_model.decode import Decoder
from tinyanime.host.cycle_model.flow import BlockKey, ExecutedBlock, Passage, infer_passages
from tinyanime.host.cycle_model.instruction import Instruction
from tinyanime.host.cycle_model.memory import LINE_BYTES, LinesTouched, MemoryCosts, fill_cycles
from tinyanime.host.cycle_model.pipeline import Pipeline, loop_cycles
from tinyanime.host.cycle_model.rules import PairingTable
from tinyanime.host.cycle_model.symbols import FunctionTable


class CodeReader(Protocol):
    """The code that ran."""

    def read(self, address: int, size: int) -> bytes:
        """`size` bytes at `address`."""


@dataclass(frozen=True, slots=True)
class FunctionCycles:
    """What ran of one function, what it calls left out."""

    name: str
    instructions: int
    cycles: float
    """Pipeline and mispredictions."""


@dataclass(frozen=True, slots=True)
class CycleReport:
    """Modelled cycles, by where they come from."""

    instructions: int
    pipeline_cycles: float
    misprediction_cycles: float
    code_fill_cycles: int
    """Each line of code once; 0 from TCM."""
    data_fill_cycles: int
    code_lines: int
    code_fits_cache: bool
    """Else lines are filled more than once, which is not counted."""
    functions: tuple[FunctionCycles, ...]
    """Most cycles first."""

    @property
    def cycles(self) -> float:
        return self.pipeline_cycles + self.misprediction_cycles + self.code_fill_cycles + self.data_fill_cycles


@dataclass(slots=True)
class _Tally:
    instructions: int = 0
    pipeline: float = 0.0
    mispredicted: float = 0.0


class CycleModel:
    """The model for one image; it remembers blocks, so that layers that share code are quick."""

    def __init__(self, code: CodeReader, functions: FunctionTable | None = None) -> None:
        self._code = code
        self._functions = functions or FunctionTable(())
        self._decoder = Decoder()
        self._pairing = PairingTable()
        self._decoded: dict[BlockKey, tuple[Instruction, ...]] = {}
        self._cycles: dict[tuple[BlockKey | None, BlockKey], float] = {}

    def instructions(self, key: BlockKey) -> tuple[Instruction, ...]:
        """The decoded block."""
        if key not in self._decoded:
            self._decoded[key] = self._decoder.decode(self._code.read(*key), key[0])
        return self._decoded[key]

    def block_cycles(self, origin: BlockKey | None, key: BlockKey) -> float:
        """Cycles of block `key` right behind block `origin`: what the two take less what `origin` takes.

        A block behind itself is a loop in its steady state. Half cycles: the younger slot is left to what follows.
        """
        found = self._cycles.get((origin, key))
        if found is None:
            found = self._cycles[origin, key] = self._schedule(origin, key)
        return found

    def _schedule(self, origin: BlockKey | None, key: BlockKey) -> float:
        if origin == key:
            return loop_cycles(self.instructions(key), self._pairing)
        pipeline = Pipeline(pairing=self._pairing)
        if origin is not None:
            pipeline.run(self.instructions(origin))
        before = pipeline.position
        if origin is not None and origin[0] + origin[1] != key[0]:
            pipeline.leave()
        pipeline.run(self.instructions(key))
        return pipeline.position - before

    def report(
        self,
        blocks: Iterable[ExecutedBlock],
        costs: MemoryCosts,
        *,
        passages: Iterable[Passage] | None = None,
        data: Iterable[LinesTouched] = (),
    ) -> CycleReport:
        """See `modelled_cycles`."""
        executed = tuple(blocks)
        code = {(block.address, block.size): self.instructions((block.address, block.size)) for block in executed}
        flow = tuple(passages) if passages is not None else infer_passages(executed, code)
        tallies: dict[str, _Tally] = defaultdict(_Tally)
        for block in executed:
            key = (block.address, block.size)
            tallies[self._functions.name_at(block.address)].instructions += len(code[key]) * block.executions
        for passage in flow:
            cycles = self.block_cycles(passage.origin, passage.to) * passage.executions
            tallies[self._functions.name_at(passage.to[0])].pipeline += cycles
        for key, cycles in self._mispredictions(executed, flow).items():
            tallies[self._functions.name_at(key[0])].mispredicted += cycles
        lines = {
            line for address, size in code for line in range(address // LINE_BYTES, -(-(address + size) // LINE_BYTES))
        }
        return CycleReport(
            instructions=sum(tally.instructions for tally in tallies.values()),
            pipeline_cycles=sum(tally.pipeline for tally in tallies.values()),
            misprediction_cycles=sum(tally.mispredicted for tally in tallies.values()),
            code_fill_cycles=sum(costs.line_cycles(line * LINE_BYTES) for line in lines),
            data_fill_cycles=fill_cycles(data, costs),
            code_lines=len(lines),
            code_fits_cache=sum(costs.line_cycles(line * LINE_BYTES) > 0 for line in lines) <= costs.icache_lines,
            functions=_by_cycles(tallies),
        )

    def _mispredictions(self, blocks: tuple[ExecutedBlock, ...], flow: tuple[Passage, ...]) -> dict[BlockKey, float]:
        """A branch is predicted to go where it mostly goes; every other time it is mispredicted."""
        usual: dict[BlockKey, int] = defaultdict(int)
        for passage in flow:
            if passage.origin is not None:
                usual[passage.origin] = max(usual[passage.origin], passage.executions)
        found: dict[BlockKey, float] = {}
        for block in blocks:
            key = (block.address, block.size)
            last = self.instructions(key)[-1]
            if not last.ends_block:
                continue
            if usual[key] == 0 and last.target is not None:
                continue  # The program ended here.
            found[key] = max(0, block.executions - usual[key]) * self._penalty(key)
        return found

    def _penalty(self, key: BlockKey) -> int:
        pipeline = Pipeline(pairing=self._pairing)
        pipeline.run(self.instructions(key))
        early = pipeline.flags_distance >= timing.EARLY_FLAGS_CYCLES
        return timing.MISPREDICTED_EARLY_FLAGS_CYCLES if early else timing.MISPREDICTED_CYCLES


def _by_cycles(tallies: dict[str, _Tally]) -> tuple[FunctionCycles, ...]:
    rows = (
        FunctionCycles(name, tally.instructions, tally.pipeline + tally.mispredicted) for name, tally in tallies.items()
    )
    return tuple(sorted(rows, key=lambda row: (-row.cycles, row.name)))


def modelled_cycles(
    blocks: Iterable[ExecutedBlock],
    code: CodeReader,
    costs: MemoryCosts,
    *,
    functions: FunctionTable | None = None,
    passages: Iterable[Passage] | None = None,
    data: Iterable[LinesTouched] = (),
) -> CycleReport:
    """Modelled cycles of a Cortex-M7 that executed `blocks`.

    A block costs what it takes right behind the block that ran before it. `passages` says how often that was which;
    without them they are inferred from the executions. `functions` names the rows of the report, `data` adds the
    lines that went through the data cache. Raises CodeError where a block is no code.
    """
    return CycleModel(code, functions).report(blocks, costs, passages=passages, data=data)
