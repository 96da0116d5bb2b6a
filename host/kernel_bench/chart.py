"""The comparison as a picture: multiply-accumulates per modelled cycle, network by network, engine by engine."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from tinyanime.codegen.errors import OutputError, ToolError
from tinyanime.host.kernel_bench.engines import ENGINES
from tinyanime.host.kernel_bench.figures import Figures
from tinyanime.host.kernel_bench.peers import published

DIRECT_LIMIT = 2.0
"""Multiply-accumulates per cycle of any direct convolution on a core with SMLAD: one instruction, two products."""

_COLORS = {"ours": "#2166ac", "cmsis-nn": "#92a9bd", "bakenn": "#c9b18b", "published": "#3d3d3d"}
_BAR = 0.26
_SUFFIXES = (".png", ".svg", ".pdf")
_WIDTH_INCHES, _INCHES_PER_NETWORK = 9.0, 0.62


def check_chart(path: Path) -> None:
    """Refuse, before anything is measured, a chart that cannot be drawn: ToolError, OutputError."""
    if path.suffix.lower() not in _SUFFIXES:
        raise OutputError(f"The chart {path} cannot be written: not PNG, SVG or PDF.", hint="Name a file that ends so.")
    if importlib.util.find_spec("matplotlib") is None:
        raise ToolError(
            "Charts are drawn with matplotlib, which is not installed.",
            hint="Install it: pip install 'tinyanime[report]'",
        )


def draw_chart(figures: Sequence[Figures], core: str, path: Path) -> None:
    """Write a chart of the whole networks on `core` (PNG, SVG or PDF by the file's name).

    ToolError without matplotlib (extra "report") or where nothing is to be drawn, OutputError where the file cannot be
    written.
    """
    whole = [f for f in figures if f.core == core and f.layer is None and f.macs_per_cycle is not None]
    if not whole:
        raise ToolError(
            f"There are no modelled cycles on {core} to draw.", hint="Run without --check, and with --core cortex-m7."
        )
    check_chart(path)
    from matplotlib.figure import Figure

    networks = list(dict.fromkeys(f.network for f in whole))
    figure = Figure(figsize=(_WIDTH_INCHES, 1.2 + _INCHES_PER_NETWORK * len(networks)), layout="constrained")
    axes = figure.subplots()
    for place, engine in enumerate(ENGINES):
        rates = {f.network: f.macs_per_cycle or 0.0 for f in whole if f.engine == engine}
        at = [index + (place - 1) * _BAR for index, name in enumerate(networks) if name in rates]
        bars = axes.barh(at, [rates[name] for name in networks if name in rates], _BAR, color=_COLORS[engine])
        bars.set_label(engine)
        axes.bar_label(bars, fmt="%.2f", padding=3, fontsize=8)
    best = [(index, published(name)) for index, name in enumerate(networks)]
    marks = [(next(f.macs for f in whole if f.network == networks[i]) / p[0].cycles, i) for i, p in best if p]
    if marks:
        x, y = zip(*marks, strict=True)
        axes.plot(x, y, "D", color=_COLORS["published"], markersize=5, label="best published, measured on a chip")
    axes.axvline(DIRECT_LIMIT, color="#b2182b", linewidth=1, linestyle="--", label="limit of direct convolution")
    axes.set_yticks(range(len(networks)), networks)
    axes.invert_yaxis()
    axes.set_xlabel(f"multiply-accumulates of the network per modelled cycle, {core}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, loc="lower right", frameon=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=130)
    except (OSError, ValueError) as error:
        raise OutputError(
            f"The chart {path} cannot be written: {error}.", hint="Name a file that ends in .png or .svg."
        ) from error
