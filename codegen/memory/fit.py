"""What every buffer takes in every bank, and which are alive together: the problem as all solvers read it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import gcd

from tinyanime.codegen.memory.lives import alive_together, fullest_sets
from tinyanime.codegen.memory.problem import Bank, Buffer, MemoryProblem


@dataclass(frozen=True, slots=True)
class Fit:
    """How a buffer lies in a bank.

    It begins at addresses that are multiples of `alignment_bytes` and takes `taken_bytes`: its size, or whole cache
    lines where a DMA and a data cache meet. `padded_bytes` are those up to the next address where any buffer may
    begin: what it takes from the buffers above it.
    """

    alignment_bytes: int
    taken_bytes: int
    padded_bytes: int


@dataclass(frozen=True, slots=True)
class Grid:
    """The addresses of a bank that a plan needs to consider: multiples of `unit_bytes`, from `lead_bytes` on.

    Addresses count from a multiple of every alignment at or below the bank's base, which lies `lead_bytes` above it.
    Any plan can be pushed down until every buffer lies at the bottom or on another one, so all addresses are sums of
    padded sizes, rounded up to alignments: multiples of the unit.
    """

    lead_bytes: int
    unit_bytes: int

    def stride_bytes(self, fit: Fit) -> int:
        """Distance of the addresses where a buffer may begin; unit and alignment divide one another or it."""
        return fit.alignment_bytes if fit.alignment_bytes % self.unit_bytes == 0 else self.unit_bytes

    def lowest(self, fit: Fit) -> int:
        """Lowest aligned offset in the bank."""
        return -self.lead_bytes % fit.alignment_bytes


@dataclass(frozen=True, slots=True)
class Fitting:
    """The problem with everything worked out that all solvers need; all indices are those of the problem's tuples.

    `fits[buffer][bank]` is None where the buffer may not lie there. `sets` are the maximal sets of buffers alive
    together, `neighbours[buffer]` the buffers that are alive together with it.
    """

    problem: MemoryProblem
    fits: tuple[tuple[Fit | None, ...], ...]
    grids: tuple[Grid, ...]
    sets: tuple[tuple[int, ...], ...]
    neighbours: tuple[tuple[int, ...], ...]

    @property
    def buffers(self) -> tuple[Buffer, ...]:
        return self.problem.buffers

    @property
    def banks(self) -> tuple[Bank, ...]:
        return self.problem.banks

    def choices(self, buffer: int) -> tuple[tuple[int, Fit], ...]:
        """The banks that `buffer` may lie in."""
        return tuple((bank, fit) for bank, fit in enumerate(self.fits[buffer]) if fit is not None)

    def fit(self, buffer: int, bank: int) -> Fit:
        """ValueError where the buffer may not lie in the bank."""
        fit = self.fits[buffer][bank]
        if fit is None:
            raise ValueError(f"buffer {self.buffers[buffer].name} may not lie in bank {self.banks[bank].name}")
        return fit

    @property
    def grain_bytes(self) -> int:
        """All peaks of plans on the grids are multiples of this."""
        grids = [value for grid in self.grids for value in (grid.lead_bytes, grid.unit_bytes)]
        sizes = [fit.taken_bytes for fits in self.fits for fit in fits if fit is not None]
        return max(gcd(*grids, *sizes), 1)

    def cost(self, buffer: int, bank: int) -> int:
        return self.buffers[buffer].accesses_bytes * self.banks[bank].access_cost


def work_out(problem: MemoryProblem) -> Fitting:
    """Reduce `problem` to the numbers that decide it."""
    buffers = problem.buffers
    columns = [_column(bank, buffers) for bank in problem.banks]
    fits = tuple(tuple(column[i] for column in columns) for i in range(len(buffers)))
    grids = tuple(_grid(bank, column) for bank, column in zip(problem.banks, columns, strict=True))
    everything = range(len(buffers))
    neighbours = tuple(
        tuple(j for j in everything if j != i and alive_together(buffers[i], buffers[j])) for i in everything
    )
    return Fitting(problem, fits, grids, fullest_sets(buffers, everything), neighbours)


def _column(bank: Bank, buffers: Sequence[Buffer]) -> list[Fit | None]:
    bare = [_bare_fit(bank, buffer) for buffer in buffers]
    least = min((fit.alignment_bytes for fit in bare if fit), default=1)
    return [fit and Fit(fit.alignment_bytes, fit.taken_bytes, _round_up(fit.taken_bytes, least)) for fit in bare]


def _bare_fit(bank: Bank, buffer: Buffer) -> Fit | None:
    if (buffer.banks and bank.name not in buffer.banks) or (buffer.dma and not bank.dma):
        return None
    alignment, taken = buffer.alignment_bytes, buffer.size_bytes
    if buffer.dma and bank.cache_line_bytes:
        alignment = max(alignment, bank.cache_line_bytes)
        taken = _round_up(taken, bank.cache_line_bytes)
    if -bank.base % alignment + taken > bank.size_bytes:
        return None
    return Fit(alignment, taken, taken)


def _grid(bank: Bank, column: Iterable[Fit | None]) -> Grid:
    fits = [fit for fit in column if fit]
    lead = bank.base % max((fit.alignment_bytes for fit in fits), default=1)
    unit = gcd(lead, *(fit.padded_bytes for fit in fits))
    for fit in fits:
        if unit % fit.alignment_bytes:
            unit = gcd(unit, fit.alignment_bytes)
    return Grid(lead, max(unit, 1))


def _round_up(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple
