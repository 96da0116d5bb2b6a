"""Measure the planner on published allocation problems: one CSV file per problem, one bank.

    python -m tinyanime.codegen.memory.csv_bench FILE... [--capacity BYTES] [--effort SECONDS]

Columns: `id,lower,upper,size` and optionally `alignment` (bytes; 1 where missing); a buffer is alive in [lower, upper).
The capacity is taken from the file's name where this has the form NAME.CAPACITY.csv. Prints one line per file: the
buffers, the capacity, the peak, the proven bound, the time. "solved" fits the capacity, "optimal" is proven lowest.
Exit status: 0 where all are solved, 1 where one is not, 3 where a file cannot be read.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyanime.codegen.errors import InputError
from tinyanime.codegen.memory.problem import Bank, Buffer, MemoryProblem, Objective
from tinyanime.codegen.memory.shortage import Shortage
from tinyanime.codegen.memory.solve import SolveOptions, solve
from tinyanime.codegen.memory.validate import validate_plan


@dataclass(frozen=True, slots=True)
class Measured:
    """One problem: `peak_bytes` is 0 where it was not solved."""

    name: str
    buffers: int
    capacity_bytes: int
    peak_bytes: int
    bound_bytes: int
    optimal: bool
    seconds: float

    @property
    def verdict(self) -> str:
        if not self.peak_bytes:
            return "unsolved"
        return "optimal" if self.optimal else "solved"


def read_problem(path: Path, capacity_bytes: int | None) -> MemoryProblem:
    """The problem in `path`; InputError names what is wrong with the file."""
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}", hint="Give the path of a CSV file.") from error
    if capacity_bytes is None:
        capacity_bytes = _capacity_in(path)
    buffers = tuple(_read_buffer(path, number, row) for number, row in enumerate(rows, start=2))
    return MemoryProblem(buffers, (Bank("memory", 0, capacity_bytes, 1),), Objective.RAM)


def _capacity_in(path: Path) -> int:
    number = Path(path.stem).suffix[1:]
    if not number.isdigit():
        raise InputError(f"{path}: its name gives no capacity", hint="Give it with --capacity BYTES.")
    return int(number)


def _read_buffer(path: Path, line: int, row: dict[str, str]) -> Buffer:
    try:
        first, end, size = int(row["lower"]), int(row["upper"]), int(row["size"])
        alignment = int(row.get("alignment") or 1)
        name = row["id"]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}, line {line}: {error}", hint="Each line has id,lower,upper,size in whole numbers."
        ) from error
    if first >= end or size < 0 or alignment < 1 or alignment & (alignment - 1):
        raise InputError(
            f"{path}, line {line}: buffer {name} has no life, a negative size or an alignment that is no power of two",
            hint="lower is below upper, size at least 0, alignment 1, 2, 4, ...",
        )
    return Buffer(name, size, first, end, alignment)


def measure(path: Path, capacity_bytes: int | None, options: SolveOptions) -> Measured:
    """Solve the problem in `path` and check the plan."""
    problem = read_problem(path, capacity_bytes)
    capacity = problem.banks[0].size_bytes
    begin = time.perf_counter()
    result = solve(problem, options)
    seconds = time.perf_counter() - begin
    if isinstance(result, Shortage):
        return Measured(path.name, len(problem.buffers), capacity, 0, result.alive_bytes, False, seconds)
    validate_plan(problem, result)
    stated = result.certificate
    return Measured(
        path.name,
        len(problem.buffers),
        capacity,
        stated.total_peak_bytes,
        stated.peak_bound_bytes,
        stated.proven,
        seconds,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="csv_bench", description="Measure the planner on allocation problems in CSV.")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--capacity", type=int, help="bytes; else taken from NAME.CAPACITY.csv")
    parser.add_argument("--effort", type=float, default=SolveOptions().effort_seconds, help="seconds of search")
    given = parser.parse_args(arguments)
    print(f"{'file':<24}{'buffers':>8}{'capacity':>10}{'peak':>10}{'bound':>10}{'time':>9}  result")
    unsolved = 0
    for path in given.files:
        try:
            found = measure(path, given.capacity, SolveOptions(effort_seconds=given.effort))
        except InputError as error:
            print(f"error: {error.message}\n  {error.hint}", file=sys.stderr)
            return error.exit_code
        unsolved += not found.peak_bytes
        print(
            f"{found.name:<24}{found.buffers:>8}{found.capacity_bytes:>10}{found.peak_bytes or '-':>10}"
            f"{found.bound_bytes:>10}{found.seconds:>8.1f}s  {found.verdict}",
            flush=True,
        )
    return 1 if unsolved else 0


if __name__ == "__main__":
    sys.exit(main())
