"""Picture of the memory map: bytes alive in all banks, and each used bank with its buffers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.collections import PolyCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MultipleLocator

from tinyanime.host.report.blocks import BankUse, Block, BlockKind, Level, bank_uses, blocks_of, levels
from tinyanime.host.report.course import course_of
from tinyanime.host.report.palette import light_colors
from tinyanime.host.report.pictures import TimeScale, new_figure, plain_axes, title_text
from tinyanime.host.report.study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH = 11.0
_LEAST_LABEL_SHARE = 0.045
"""Part of the picture's height that a buffer needs for its name."""


def draw_memory(study: Study) -> Figure:
    """Time from left to right, addresses from bottom to top."""
    uses = tuple(use for use in bank_uses(study.planned) if use.peak_bytes)
    blocks = blocks_of(study.planned)
    scale = TimeScale(course_of(study.planned, has_dma=False).step_begin, study.board.clock_hz)
    figure = new_figure(_WIDTH, 2.6 + 2.9 * len(uses))
    rows = figure.subplots(1 + len(uses), 1, sharex=True, height_ratios=[0.5, *[1.0] * len(uses)], squeeze=False)
    _draw_alive(rows[0][0], study, scale)
    for (axes,), use in zip(rows[1:], uses, strict=True):
        _draw_bank(axes, use, tuple(block for block in blocks if block.bank == use.bank.name), scale)
    rows[-1][0].set_xlabel("modelled time, ms", fontsize=9)
    rows[-1][0].set_xlim(0, scale.end)
    figure.suptitle(f"{title_text(study)}: memory over time", fontsize=12, x=0.01, ha="left", weight="bold")
    figure.legend(handles=_key(blocks), loc="outside lower center", ncols=5, fontsize=8, frameon=False)
    return figure


def _draw_alive(axes: Axes, study: Study, scale: TimeScale) -> None:
    colors, certificate = light_colors(), study.planned.plan.certificate
    _frame(axes, "all banks", 1.3 * certificate.total_peak_bytes)
    x, y = _line(levels(study.planned.schedule.buffers), scale)
    axes.fill_between(x, y, step="post", color=colors["free"])
    axes.step(x, y, where="post", color=colors["bound"], linewidth=1.2)
    axes.axhline(certificate.total_peak_bytes, color=colors["bound"], linewidth=1, linestyle=(0, (6, 4)))
    text = f"peak of the plan {certificate.total_peak_bytes:,}"
    if certificate.gap_bytes:
        axes.axhline(certificate.peak_bound_bytes, color=colors["stall"], linewidth=1)
    text += f", lower bound {certificate.peak_bound_bytes:,} bytes"
    _text_above(axes, certificate.total_peak_bytes, text)


def _draw_bank(axes: Axes, use: BankUse, blocks: tuple[Block, ...], scale: TimeScale) -> None:
    colors = light_colors()
    base = use.reserved_bytes
    used, limit = base + use.peak_bytes, base + use.bank.size_bytes
    top = min(1.14 * used, 1.1 * limit)
    _frame(axes, f"{use.bank.name}: {use.peak_bytes:,} of {use.bank.size_bytes:,} bytes", top)
    offset = 0
    for item in use.bank.reserved:
        axes.axhspan(offset, offset + item.size_bytes, color=colors["reserved"], alpha=0.45, linewidth=0)
        if item.size_bytes > _LEAST_LABEL_SHARE * top:
            _label(axes, 0, offset + item.size_bytes / 2, f"reserved: {item.name}, {item.size_bytes:,}", "")
        offset += item.size_bytes
    for block in blocks:
        left, right = scale.of_step(block.first_step), scale.of_step(block.end_step)
        bottom = base + block.offset_bytes
        upper = bottom + block.size_bytes
        corners = [(left, bottom), (right, bottom), (right, upper), (left, upper)]
        fill = colors[block.kind.name.lower()]
        axes.add_collection(PolyCollection([corners], facecolors=[fill], edgecolors=["white"], linewidths=[0.7]))
    x, y = _line(use.levels, scale)
    axes.step(x, [base + value for value in y], where="post", color=colors["bound"], linewidth=1.2)
    for block in blocks:
        left, right = scale.of_step(block.first_step), scale.of_step(block.end_step)
        text = f"{block.name}  {block.size_bytes:,}"
        wide = (right - left) / scale.end * _WIDTH * 13 > len(text)
        if wide and block.size_bytes > _LEAST_LABEL_SHARE * top:
            _label(axes, left, base + block.offset_bytes + block.size_bytes / 2, text, colors[block.kind.name.lower()])
    axes.axhline(used, color=colors["bound"], linewidth=1, linestyle=(0, (6, 4)))
    # Not across the line that marks the bank's end.
    above = limit if used > 0.93 * limit else used
    _text_above(axes, above, f"high-water mark {use.peak_bytes:,}")
    if limit <= top:
        axes.axhline(limit, color=colors["stall"], linewidth=1.2)


def _frame(axes: Axes, title: str, top: float) -> None:
    plain_axes(axes)
    axes.set_ylim(0, top)
    axes.set_title(title, fontsize=9, loc="left", color=light_colors()["text"])
    unit = 1024 * 2 ** max(0, (int(top / 1024 / 5)).bit_length())
    axes.yaxis.set_major_locator(MultipleLocator(unit))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1024:.0f} KiB"))


def _label(axes: Axes, x: float, y: float, text: str, halo: str) -> None:
    around = [withStroke(linewidth=2.5, foreground=halo)] if halo else []
    axes.annotate(
        text, (x, y), xytext=(4, 0), textcoords="offset points", va="center", fontsize=7.5, path_effects=around
    )


def _text_above(axes: Axes, y: int, text: str) -> None:
    """At the right end, above the line at `y` bytes."""
    # x is a part of the axes' width.
    axes.text(0.995, y, text, transform=axes.get_yaxis_transform(), ha="right", va="bottom", fontsize=7.5)


def _line(items: tuple[Level, ...], scale: TimeScale) -> tuple[list[float], list[int]]:
    x = [scale.of_step(level.step) for level in items]
    return [*x, scale.end], [*(level.size_bytes for level in items), items[-1].size_bytes]


def _key(blocks: tuple[Block, ...]) -> list[Patch | Line2D]:
    colors = light_colors()
    used = {block.kind for block in blocks}
    kinds = [Patch(facecolor=colors[kind.name.lower()], label=kind.value) for kind in BlockKind if kind in used]
    return [
        *kinds,
        Patch(facecolor=colors["reserved"], alpha=0.45, label="reserved"),
        Line2D([], [], color=colors["bound"], linewidth=1.2, label="bytes alive: least need"),
        Line2D([], [], color=colors["bound"], linewidth=1, linestyle=(0, (6, 4)), label="high-water mark"),
        Line2D([], [], color=colors["stall"], linewidth=1.2, label="end of the bank"),
    ]
