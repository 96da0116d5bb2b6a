"""Prints the model's cycles beside those that others measured: python -m tinyanime.host.cycle_model."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tinyanime.codegen.errors import UserError
from tinyanime.host.cycle_model.measured import SOURCES, Accuracy, Comparison, accuracy, compare, measured_sequences


def measured_table(comparisons: tuple[Comparison, ...]) -> Table:
    """A row per sequence; the last column says why where the model is more than 10 % off."""
    table = Table(title="Cortex-M7: measured and modelled cycles", title_justify="left")
    for column in ("group", "what was measured", "code", "source"):
        table.add_column(column, overflow="fold")
    for column in ("measured", "modelled", "error"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("reason", overflow="fold")
    for row in comparisons:
        sequence = row.sequence
        table.add_row(
            sequence.group,
            sequence.says,
            Text(shown_code(sequence.code)),
            sequence.source,
            f"{sequence.cycles:.2f}",
            f"{row.modelled:.2f}",
            f"{row.error:+.0%}",
            sequence.reason,
        )
    return table


def shown_code(code: tuple[str, ...]) -> str:
    if len(code) <= 4:
        return "; ".join(code)
    return f"{len(code)} lines: {code[0]}; ... {code[-1]}"


def summary(name: str, figures: Accuracy) -> str:
    return f"{name}: {figures.sequences} sequences, mean error {figures.mean:.1%}, worst {figures.worst:.1%}"


def main() -> int:
    console = Console(width=None if sys.stdout.isatty() else 200)
    try:
        comparisons = compare(measured_sequences())
    except UserError as error:
        console.print(f"[red]error:[/red] {error}", highlight=False)
        if error.hint:
            console.print(f"hint: {error.hint}", highlight=False)
        return 1
    console.print(measured_table(comparisons))
    for source in sorted({row.sequence.source for row in comparisons}):
        figures = accuracy(row for row in comparisons if row.sequence.source == source)
        console.print(summary(SOURCES[source], figures), highlight=False, markup=False)
    console.print(summary("all", accuracy(comparisons)), highlight=False, markup=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
