"""The report's charts as pictures for documents: the memory map, the strips, the core and the DMA."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tinyanime.codegen.errors import OutputError, ToolError
from tinyanime.host.report.palette import light_colors
from tinyanime.host.report.study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PNG_DOTS_PER_INCH = 130


@dataclass(frozen=True, slots=True)
class TimeScale:
    """Steps and cycles to milliseconds."""

    step_begin: tuple[int, ...]
    clock_hz: int

    def of_cycle(self, cycle: int) -> float:
        return 1000 * cycle / self.clock_hz

    def of_step(self, step: int) -> float:
        return self.of_cycle(self.step_begin[min(step, len(self.step_begin) - 1)])

    @property
    def end(self) -> float:
        return self.of_cycle(self.step_begin[-1])


def write_pictures(study: Study, folder: Path, suffix: str) -> tuple[Path, ...]:
    """Write `memory`, `strips` and `course` as files of type `suffix` ("svg" or "png"); their paths.

    ToolError without matplotlib (extra "report"), OutputError where the folder cannot be written.
    """
    with _matplotlib():
        from tinyanime.host.report.picture_course import draw_course
        from tinyanime.host.report.picture_memory import draw_memory
        from tinyanime.host.report.picture_rows import draw_rows
    drawings: tuple[tuple[str, Callable[[Study], Figure]], ...] = (
        ("memory", draw_memory),
        ("strips", draw_rows),
        ("course", draw_course),
    )
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, draw in drawings:
            path = folder / f"{name}.{suffix}"
            _save(draw(study), path, suffix)
            written.append(path)
    except OSError as error:
        raise OutputError(
            f"Pictures cannot be written to {folder}: {error.strerror}.", hint="Choose another folder."
        ) from error
    return tuple(written)


@contextmanager
def _matplotlib() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "matplotlib":
            raise
        raise ToolError(
            "Pictures are drawn with matplotlib, which is not installed.",
            hint='Install it (pip install "tinyanime[report]"), or leave --svg and --png away: the page needs nothing.',
        ) from error


def _save(figure: Figure, path: Path, suffix: str) -> None:
    from matplotlib import rc_context

    # The same plan gives the same file: no date, and names within the SVG that do not change.
    metadata = {"Date": None} if suffix == "svg" else {"Software": None}
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "tinyanime"}):
        figure.savefig(path, format=suffix, dpi=_PNG_DOTS_PER_INCH, metadata=metadata)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of that size in inches, drawn without a screen."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), facecolor="white", layout="constrained")


def plain_axes(axes: Axes) -> None:
    """No frame but the lines that are read, soft marks."""
    colors = light_colors()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(colors["line"])
    axes.tick_params(colors=colors["soft"], labelsize=8)


def title_text(study: Study) -> str:
    return f"{study.planned.schedule.graph.name} on {study.board.name}"
