"""The comparison as tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tinyanime.host.kernel_bench.baseline import Change
from tinyanime.host.kernel_bench.engines import CMSIS_NN
from tinyanime.host.kernel_bench.figures import Figures
from tinyanime.host.kernel_bench.peers import published

HEADER = (
    "network",
    "engine",
    "M MAC",
    "instructions",
    "of cmsis-nn",
    "modelled cycles",
    "of cmsis-nn",
    "MAC/cycle",
    "RAM",
    "flash",
    "kernels",
    "output",
)

LAYER_HEADER = (
    "network",
    "layer",
    "engine",
    "kernel",
    "MAC",
    "instructions",
    "per MAC",
    "modelled cycles",
    "MAC/cycle",
)

CHANGE_HEADER = ("core", "network", "layer", "baseline", "now", "change")


def rows_of_core(figures: Sequence[Figures], core: str) -> list[tuple[str, ...]]:
    """Rows under HEADER: whole networks on `core`, with what others published behind each on the Cortex-M7."""
    whole = [f for f in figures if f.core == core and f.layer is None]
    plain = {f.network: f for f in whole if f.engine == CMSIS_NN}
    rows: list[tuple[str, ...]] = []
    for network in dict.fromkeys(f.network for f in whole):
        rows += [_row(f, plain.get(network)) for f in whole if f.network == network]
        if core == "cortex-m7":
            rows += _published_rows(network, next(f.macs for f in whole if f.network == network))
    return rows


def layer_rows(figures: Iterable[Figures], core: str) -> list[tuple[str, ...]]:
    """Rows under LAYER_HEADER: the layers of networks that have more than one."""
    layers = [f for f in figures if f.core == core and f.layer is not None]
    return [
        (
            f.network,
            f.layer or "",
            f.engine,
            f.kernel or "-",
            _count(f.macs),
            _count(f.instructions),
            _rate(f.instructions_per_mac),
            _count(f.modelled_cycles),
            _rate(f.macs_per_cycle),
        )
        for f in layers
    ]


def change_rows(changed: Iterable[Change]) -> list[tuple[str, ...]]:
    """Rows under CHANGE_HEADER."""
    return [
        (
            change.now.core,
            change.now.network,
            change.now.layer or "(all)",
            _count(change.before.instructions),
            _count(change.now.instructions),
            f"{change.percent:+.2f} %",
        )
        for change in changed
    ]


def _row(figures: Figures, plain: Figures | None) -> tuple[str, ...]:
    return (
        figures.network,
        figures.engine,
        f"{figures.macs / 1e6:,.1f}",
        _count(figures.instructions),
        _ratio(figures.instructions, plain.instructions if plain else None),
        _count(figures.modelled_cycles),
        _ratio(figures.modelled_cycles, plain.modelled_cycles if plain else None),
        _rate(figures.macs_per_cycle),
        _count(figures.ram_bytes),
        _count(figures.flash_bytes),
        _count(figures.kernel_code_bytes),
        _output(figures),
    )


def _published_rows(network: str, macs: int) -> list[tuple[str, ...]]:
    """Measured cycles of a chip stand where ours are modelled, in parentheses."""
    rows: list[tuple[str, ...]] = []
    for peer in published(network):
        name = f"({peer.system}, {peer.chip})"
        rate = f"({macs / peer.cycles:.2f})"
        rows.append((network, name, f"{macs / 1e6:,.1f}", "-", "-", f"({peer.cycles:,})", "-", rate, *("-",) * 4))
    return rows


def _output(figures: Figures) -> str:
    if figures.output_equal is None:
        return "-"
    return "equal" if figures.output_equal else "DIFFERS"


def _count(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _ratio(value: int | None, base: int | None) -> str:
    """How many times fewer than `base`."""
    return "-" if not value or not base else f"1/{base / value:.2f}"
