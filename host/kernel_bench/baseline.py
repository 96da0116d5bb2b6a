"""Instruction counts of our engine that are committed, and whether new ones are worse.

Counts on an emulated core are exact and repeatable for one version of its compiler, so a limit of 2 % is no noise.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyanime.boards.schema import Board
from tinyanime.codegen.errors import InputError, ToolError, UserError
from tinyanime.host.image.output import write_whole
from tinyanime.host.kernel_bench.cores import core
from tinyanime.host.kernel_bench.engines import OURS
from tinyanime.host.kernel_bench.figures import Figures
from tinyanime.host.toolchains import compiler_of

BASELINE = Path(__file__).with_name("baseline.json")
LIMIT_PERCENT = 2
SMALLEST_INSTRUCTIONS = 1000
"""A layer may grow by this much: what only calls a kernel has no counts worth a percentage."""


class RegressionError(UserError):
    """Kernels execute more instructions than the committed baseline allows."""

    exit_code = 10


@dataclass(frozen=True, slots=True)
class Count:
    """Instructions of a network (`layer` None) or of one of its layers."""

    core: str
    network: str
    layer: str | None
    instructions: int


@dataclass(frozen=True, slots=True)
class Compiler:
    """`version` is the first line that the compiler with that prefix says of itself."""

    prefix: str
    version: str


@dataclass(frozen=True, slots=True)
class Baseline:
    """`compilers` are those of the counts."""

    compilers: tuple[Compiler, ...]
    counts: tuple[Count, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """The same layer before and now."""

    before: Count
    now: Count

    @property
    def percent(self) -> float:
        """Growth; negative where fewer instructions run."""
        return 100 * (self.now.instructions / max(1, self.before.instructions) - 1)

    @property
    def is_regression(self) -> bool:
        more = self.now.instructions - self.before.instructions
        return more > SMALLEST_INSTRUCTIONS and 100 * more > LIMIT_PERCENT * self.before.instructions


def counts_of(figures: Iterable[Figures]) -> tuple[Count, ...]:
    """The counts of our engine among `figures`."""
    return tuple(
        Count(f.core, f.network, f.layer, f.instructions)
        for f in figures
        if f.engine == OURS and f.instructions is not None
    )


def changes(before: Sequence[Count], now: Sequence[Count]) -> tuple[Change, ...]:
    """What is in both, in the order of `now`. Layers that are new or gone show in their network's sum."""
    known = {(count.core, count.network, count.layer): count for count in before}
    return tuple(
        Change(known[key], count) for count in now if (key := (count.core, count.network, count.layer)) in known
    )


def unknown_networks(before: Sequence[Count], now: Sequence[Count]) -> tuple[str, ...]:
    """Networks (as "network on core") without a count in the baseline."""
    known = {(count.core, count.network) for count in before}
    measured = ((count.core, count.network) for count in now if count.layer is None)
    return tuple(f"{network} on {core}" for core, network in measured if (core, network) not in known)


def compilers_of(cores: Iterable[str]) -> tuple[Compiler, ...]:
    """What compiles for these bench cores; ToolError where one is not installed."""
    boards = [core(name).board() for name in dict.fromkeys(cores)]
    return tuple(_compiler(board) for board in {board.toolchain.prefix: board for board in boards}.values())


def other_compilers(baseline: Baseline, now: Sequence[Compiler]) -> tuple[tuple[str, Compiler], ...]:
    """Those of `now` that are not what the baseline was counted with, behind what it was counted with."""
    known = {compiler.prefix: compiler.version for compiler in baseline.compilers}
    return tuple((known[c.prefix], c) for c in now if known.get(c.prefix, c.version) != c.version)


def merged_compilers(old: Sequence[Compiler], new: Sequence[Compiler]) -> tuple[Compiler, ...]:
    """`new`, and what `old` has of other prefixes."""
    return (*(c for c in old if c.prefix not in {n.prefix for n in new}), *new)


def _compiler(board: Board) -> Compiler:
    program = compiler_of(board)
    try:
        done = subprocess.run([program.name, "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ToolError(f"{program.name} cannot be run: {error}.", hint=f"Install it: {program.remedy}") from error
    return Compiler(board.toolchain.prefix, done.stdout.splitlines()[0])


def load_baseline(path: Path = BASELINE) -> Baseline:
    """Read a baseline; InputError where it is missing or damaged."""
    hint = "Write it anew: tinyanime bench-kernels --update-baseline"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        compilers = tuple(Compiler(**compiler) for compiler in data["compilers"])
        return Baseline(compilers, tuple(Count(**count) for count in data["counts"]))
    except FileNotFoundError as error:
        raise InputError(f"There is no baseline {path}.", hint=hint) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no baseline: {error}.", hint=hint) from error


def merged(old: Sequence[Count], new: Sequence[Count]) -> tuple[Count, ...]:
    """`new`, and what `old` has of networks and cores that `new` does not mention."""
    replaced = {(count.core, count.network) for count in new}
    kept = (count for count in old if (count.core, count.network) not in replaced)
    return (*kept, *new)


def save_baseline(baseline: Baseline, path: Path = BASELINE) -> None:
    """Write a baseline, one count a line, sorted, so that a change reads well."""
    counts = sorted(baseline.counts, key=lambda c: (c.core, c.network, c.layer is not None))
    lines = ",\n".join(
        "  " + json.dumps({"core": c.core, "network": c.network, "layer": c.layer, "instructions": c.instructions})
        for c in counts
    )
    compilers = ",\n".join(
        "  " + json.dumps({"prefix": c.prefix, "version": c.version})
        for c in sorted(baseline.compilers, key=lambda c: c.prefix)
    )
    text = f'{{\n "compilers": [\n{compilers}\n ],\n "counts": [\n{lines}\n ]\n}}\n'
    write_whole(path, text.encode())
