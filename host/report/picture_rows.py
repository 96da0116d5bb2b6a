"""Picture of the strips: for each operator the rows it makes over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.collections import PolyCollection
from matplotlib.patches import Patch

from tinyanime.codegen.schedule.plan import RowRange, Schedule
from tinyanime.host.report.course import course_of
from tinyanime.host.report.palette import light_colors
from tinyanime.host.report.pictures import TimeScale, new_figure, plain_axes, title_text
from tinyanime.host.report.rows import LINK, Lane, lanes_of
from tinyanime.host.report.study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GAP = 0.16
"""Between lanes, as a part of a lane."""

_LEAST_ROWS = 0.05
"""Height of a mark at least, as a part of a lane, so that single rows can be seen."""

_LEAST_WIDTH = 0.004
"""Width of a mark at least, as a part of the picture."""

_PART_STRIPS = 10
"""Strips in the larger part."""


def draw_rows(study: Study) -> Figure:
    """A lane per operator, rows from top to bottom; the whole inference and, larger, a few strips of it."""
    schedule = study.planned.schedule
    lanes = lanes_of(schedule)
    scale = TimeScale(course_of(study.planned, has_dma=False).step_begin, study.board.clock_hz)
    part = _part(schedule)
    figure = new_figure(13.0 if part else 9.0, 1.4 + 0.4 * len(lanes))
    panels = figure.subplots(1, 2 if part else 1, squeeze=False)[0]
    everything = RowRange(0, len(schedule.steps))
    _draw_panel(panels[0], schedule, lanes, everything, scale)
    if part:
        _draw_panel(panels[1], schedule, lanes, part, scale)
    text = f"{title_text(study)}: which rows are computed when"
    figure.suptitle(text, fontsize=12, x=0.01, ha="left", weight="bold")
    figure.legend(handles=_key(lanes), loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    return figure


def _part(schedule: Schedule) -> RowRange | None:
    """Steps of a few strips in the middle; None where the whole has hardly more."""
    middle = len(schedule.steps) // 2
    stage = schedule.stages[schedule.steps[middle].stage]
    count = max(_PART_STRIPS * (stage.end_step - stage.first_step) // stage.strips, 8)
    if 3 * count > len(schedule.steps):
        return None
    return RowRange(middle, middle + count)


def _draw_panel(axes: Axes, schedule: Schedule, lanes: tuple[Lane, ...], steps: RowRange, scale: TimeScale) -> None:
    """The steps `steps` (half-open); in a part of the inference each lane shows the rows at work in it."""
    plain_axes(axes)
    whole = steps.count == len(schedule.steps)
    begin, end = scale.of_step(steps.begin), scale.of_step(steps.end)
    names = []
    for number, lane in enumerate(lanes):
        rows = RowRange(0, lane.height) if whole else lane.rows_at_work(steps.begin, steps.end)
        _draw_lane(axes, lane, rows, number, scale, end - begin)
        names.append(lane.label if whole else f"{rows.begin} to {rows.end - 1}")
    _draw_stages(axes, schedule, scale)
    axes.set_yticks([number + 0.5 for number in range(len(lanes))], names)
    axes.tick_params(axis="y", length=0, labelcolor=light_colors()["text"])
    axes.set_ylim(len(lanes), -0.6)
    axes.set_xlim(begin, end)
    axes.set_xlabel("modelled time, ms", fontsize=9)
    title = "whole inference" if whole else f"steps {steps.begin} to {steps.end - 1}, and their rows"
    axes.set_title(title, fontsize=9, loc="left", color=light_colors()["text"])


def _draw_lane(axes: Axes, lane: Lane, rows: RowRange, number: int, scale: TimeScale, shown: float) -> None:
    """`shown` milliseconds make the width of the picture."""
    colors = light_colors()
    top, height = number + _GAP / 2, 1 - _GAP
    made, kept = [], []
    for band in lane.bands:
        first, last = max(band.row_begin, rows.begin), min(band.row_end, rows.end)
        if first >= last:
            continue
        y = top + height * (first - rows.begin) / rows.count
        begin, end = scale.of_step(band.step), scale.of_step(band.step + 1)
        high = height * (last - first) / rows.count
        kept.append(_box(end, scale.of_step(band.kept_step), y, high))
        made.append(_box(begin, max(end, begin + _LEAST_WIDTH * shown), y, max(high, _LEAST_ROWS)))
    axes.axhspan(top, top + height, facecolor="none", edgecolor=colors["line"], linewidth=0.6)
    axes.add_collection(PolyCollection(kept, facecolors=colors["kept"], linewidths=0, snap=False))
    color = "link" if lane.op == LINK else "again" if lane.again else "made"
    axes.add_collection(PolyCollection(made, facecolors=colors[color], linewidths=0, snap=False))


def _box(left: float, right: float, top: float, height: float) -> list[tuple[float, float]]:
    return [(left, top), (right, top), (right, top + height), (left, top + height)]


def _draw_stages(axes: Axes, schedule: Schedule, scale: TimeScale) -> None:
    colors = light_colors()
    free_from = 0.0
    for number, stage in enumerate(schedule.stages):
        begin, end = scale.of_step(stage.first_step), scale.of_step(stage.end_step)
        if number:
            axes.axvline(begin, color=colors["stage"], linewidth=0.9, linestyle=(0, (3, 3)))
        rows = "1 row" if stage.strip_rows == 1 else f"{stage.strip_rows} rows"
        text = f"stage {number}: " + ("whole" if stage.strips == 1 else f"{stage.strips} strips of {rows}")
        # Names that would run into one another are left out.
        if begin >= free_from and (end - begin) / scale.end > 0.009 * len(text):
            axes.annotate(
                text,
                (begin, -0.25),
                xytext=(3, 0),
                textcoords="offset points",
                fontsize=7.5,
                va="center",
                annotation_clip=True,
            )
            free_from = begin + 0.009 * len(text) * scale.end


def _key(lanes: tuple[Lane, ...]) -> list[Patch]:
    colors = light_colors()
    patches = [
        Patch(facecolor=colors["made"], label="rows being computed"),
        Patch(facecolor=colors["kept"], label="kept until their last reader"),
    ]
    if any(lane.again for lane in lanes):
        patches.append(Patch(facecolor=colors["again"], label="computed a second time"))
    if any(lane.op == LINK for lane in lanes):
        patches.append(Patch(facecolor=colors["link"], label="exchanged with the link"))
    return patches
