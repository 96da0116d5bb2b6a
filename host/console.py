"""Output of the commands: results on stdout, progress and notes on stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import click

ProgressReport = Callable[[str, int, int], None]
"""Called with (what is being done, units done, units in all); 0 in all means unknown."""

PLAIN_INTERVAL_S = 5.0
"""Time between progress lines where stderr is not a terminal."""


@dataclass(frozen=True, slots=True)
class Console:
    """How a command speaks: `as_json` puts one JSON value on stdout and nothing else there."""

    as_json: bool = False
    quiet: bool = False

    def say(self, text: str = "") -> None:
        """A line of the result for people; left out with --json."""
        if not self.as_json:
            click.echo(text)

    def note(self, text: str) -> None:
        """A remark beside the result, on stderr; left out with --quiet."""
        if not self.quiet:
            click.echo(text, err=True)

    def result(self, value: object) -> None:
        """The command's JSON value; printed with --json only."""
        if self.as_json:
            click.echo(json.dumps(value, indent=2))

    def table(self, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Aligned columns, numbers flush right; left out with --json."""
        if self.as_json:
            return
        cells = [[str(cell) for cell in row] for row in (header, *rows)]
        columns = list(zip(*cells, strict=True))
        widths = [max(map(len, column)) for column in columns]
        numeric = [len(column) > 1 and all(cell[:1].isdigit() for cell in column[1:]) for column in columns]
        for row in cells:
            aligned = (
                cell.rjust(width) if right else cell.ljust(width)
                for cell, width, right in zip(row, widths, numeric, strict=True)
            )
            click.echo("  ".join(aligned).rstrip())

    @contextmanager
    def progress(self) -> Iterator[ProgressReport]:
        """A progress report: bars on a terminal, now and then a line elsewhere, nothing with --quiet.

        Stages may follow each other or go on at the same time, each with calls of its own.
        Print nothing before the context is left.
        """
        if self.quiet:
            yield lambda stage, done, total: None
        elif sys.stderr.isatty():
            with _bar() as report:
                yield report
        else:
            yield _PlainProgress()


@contextmanager
def _bar() -> Iterator[ProgressReport]:
    """A bar for each stage that goes on; all vanish at the end."""
    # Imported here: rich takes longer to load than most commands take to run.
    from rich.console import Console as RichConsole
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    # Redirected streams would send lines for stdout to stderr.
    with Progress(
        *columns,
        TimeElapsedColumn(),
        console=RichConsole(stderr=True),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as bars:
        tasks: dict[str, TaskID] = {}
        ended: set[str] = set()

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                # What has ended makes room; stages that go on at the same time stay side by side.
                for name in ended:
                    bars.remove_task(tasks.pop(name))
                ended.clear()
                tasks[stage] = bars.add_task(stage, total=total or None)
            bars.update(tasks[stage], completed=done)
            (ended.add if done >= total else ended.discard)(stage)

        yield report


class _PlainProgress:
    """Progress as lines: each stage once, then at most one line of it in PLAIN_INTERVAL_S."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if stage not in self._last:
            self._last[stage] = now
            click.echo(f"{stage} ...", err=True)
        elif now - self._last[stage] >= PLAIN_INTERVAL_S and total:
            self._last[stage] = now
            click.echo(f"{stage} ... {100 * done // total} %", err=True)


def thousands(number: int) -> str:
    """An integer with separators between the thousands."""
    return f"{number:,}"
