"""One line of the comparison, and how it is printed and written."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from tinyanime.codegen.memory.problem import MemoryPlan
from tinyanime.codegen.schedule.choose import PlannedSchedule, recomputed_rows

OURS = "tinyanime"
OURS_WITHOUT_DMA = "tinyanime, no DMA"
LAYERS = "layer by layer"

HEADER = (
    "board",
    "network",
    "for",
    "engine",
    "peak bytes",
    "per bank",
    "lower bound",
    "gap",
    "proven",
    "rows again",
    "instructions",
    "whole layers",
    "more",
    "modelled cycles",
    "stall",
    "bit-exact",
)


@dataclass(frozen=True, slots=True)
class Figures:
    """What one engine needs for one network on one board; None where it was not measured or does not apply.

    `placed` is False where the peak is the sum of what is alive at the fullest step, but no plan fits the board.
    `instructions` are counted on an emulated core, `instructions_whole_layer` on the same core with enough memory for
    whole layers. `modelled_cycles` and `stall_fraction` (0 to 1) are the cost model's.
    """

    board: str
    network: str
    optimize: str | None
    engine: str
    peak_bytes: int | None = None
    peak_bytes_by_bank: tuple[tuple[str, int], ...] = ()
    placed: bool = False
    lower_bound_bytes: int | None = None
    gap_bytes: int | None = None
    proven: bool | None = None
    recomputed_rows: int | None = None
    instructions: int | None = None
    instructions_whole_layer: int | None = None
    modelled_cycles: int | None = None
    stall_fraction: float | None = None
    bit_exact: bool | None = None
    note: str = ""

    @property
    def overhead_percent(self) -> float | None:
        """Instructions beyond those of whole-layer execution, in percent of them."""
        if self.instructions is None or not self.instructions_whole_layer:
            return None
        return 100 * (self.instructions / self.instructions_whole_layer - 1)


def figures_of_plan(board: str, network: str, engine: str, planned: PlannedSchedule) -> Figures:
    """What is known of a plan before it runs."""
    plan: MemoryPlan = planned.plan
    return Figures(
        board,
        network,
        planned.options.optimize.value,
        engine,
        peak_bytes=plan.certificate.total_peak_bytes,
        peak_bytes_by_bank=plan.peak_bytes,
        placed=True,
        lower_bound_bytes=plan.lower_bound_bytes,
        gap_bytes=plan.certificate.gap_bytes,
        proven=plan.certificate.proven,
        recomputed_rows=recomputed_rows(planned.schedule),
        modelled_cycles=planned.timeline.total_cycles,
        stall_fraction=planned.timeline.stall_fraction,
        note="picture streamed" if planned.schedule.streamed_input else "",
    )


def as_json(figures: Figures) -> dict[str, object]:
    """A JSON object; banks by name."""
    overhead = figures.overhead_percent
    return {
        **asdict(figures),
        "peak_bytes_by_bank": dict(figures.peak_bytes_by_bank) if figures.peak_bytes_by_bank else None,
        "overhead_percent": None if overhead is None else round(overhead, 4),
    }


def row(figures: Figures) -> tuple[str, ...]:
    """The cells under HEADER."""
    banks = " ".join(f"{name} {size:,}" for name, size in figures.peak_bytes_by_bank if size)
    peak = _number(figures.peak_bytes)
    return (
        figures.board,
        figures.network,
        figures.optimize or "-",
        figures.engine,
        peak if figures.placed or figures.peak_bytes is None else f"{peak} *",
        banks or "-",
        _number(figures.lower_bound_bytes),
        _number(figures.gap_bytes),
        _truth(figures.proven),
        _number(figures.recomputed_rows),
        _number(figures.instructions),
        _number(figures.instructions_whole_layer),
        "-" if figures.overhead_percent is None else f"{figures.overhead_percent:.2f} %",
        _number(figures.modelled_cycles),
        "-" if figures.stall_fraction is None else f"{100 * figures.stall_fraction:.2f} %",
        _truth(figures.bit_exact),
    )


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _truth(value: bool | None) -> str:
    return "-" if value is None else "yes" if value else "NO"
