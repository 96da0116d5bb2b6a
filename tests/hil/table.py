"""The table at the end of a run: board x network x bytes compared x differing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

HEADER = ("board", "network", "place", "passed", "failed", "skipped", "bytes compared", "differing", "seconds")
FILE_NAME = "table.json"


@dataclass(slots=True)
class Row:
    """What the tests of one board and network gave; `place` is "virtual" or the port of the real board."""

    board: str
    network: str
    place: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    compared_bytes: int = 0
    differing_bytes: int = 0
    seconds: float = 0.0
    reasons: list[str] = field(default_factory=list)
    """Why tests were skipped, each once."""

    def cells(self) -> tuple[str, ...]:
        return (
            *(self.board, self.network, self.place),
            *(str(self.passed), str(self.failed), str(self.skipped)),
            *(f"{self.compared_bytes:,}", f"{self.differing_bytes:,}", f"{self.seconds:.1f}"),
        )


class Table:
    """Rows by board, network and place."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, str], Row] = {}

    @property
    def rows(self) -> tuple[Row, ...]:
        return tuple(self._rows[key] for key in sorted(self._rows))

    def add(self, report: pytest.TestReport) -> None:
        """Count a phase of a test; tests that name no board are left out."""
        properties: dict[str, Any] = dict(report.user_properties)
        if "board" not in properties:
            return
        key = (str(properties["board"]), str(properties["network"]), str(properties["place"]))
        row = self._rows.setdefault(key, Row(*key))
        row.seconds += report.duration
        row.failed += report.failed
        row.skipped += report.skipped
        if report.skipped and isinstance(report.longrepr, tuple) and report.longrepr[2] not in row.reasons:
            row.reasons.append(report.longrepr[2])
        if report.when == "call":
            row.passed += report.passed
            row.compared_bytes += int(properties.get("compared_bytes", 0))
            row.differing_bytes += int(properties.get("differing_bytes", 0))

    def lines(self) -> list[str]:
        """The table as text; why tests were skipped stands below it."""
        cells = [HEADER, *(row.cells() for row in self.rows)]
        widths = [max(len(line[column]) for line in cells) for column in range(len(HEADER))]
        lines = [_aligned(line, widths) for line in cells]
        for row in self.rows:
            lines += [f"{row.board}, {row.network}: {reason}" for reason in row.reasons]
        return lines

    def write(self, folder: Path) -> Path:
        """Write table.json into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / FILE_NAME
        path.write_text(json.dumps([asdict(row) for row in self.rows], indent=1) + "\n", encoding="utf-8")
        return path


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    """Names flush left, numbers flush right."""
    words = (
        cell.ljust(width) if column < 3 else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(line, widths, strict=True))
    )
    return "  ".join(words).rstrip()
