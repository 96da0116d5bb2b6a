from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from tinyanime.host.cycle_model import rules, timing
from tinyanime.host.cycle_model.instruction import Stage
from tinyanime.host.cycle_model.measured import (
    SOURCES,
    Comparison,
    accuracy,
    compare,
    have_assembler,
    measured_sequences,
)
from tinyanime.host.cycle_model.rules import PAIRING_RULES, PairingRule
from tinyanime.host.cycle_model.timing import LATENCIES, ResultLatency

pytestmark = pytest.mark.skipif(not have_assembler(), reason="arm-none-eabi-as is not installed")

_UNMEASURED = {timing.SATURATED_RESULT.name, timing.FP_DIVIDED.name}
"""From the compiler's tables alone."""
_NOT_IN_A_ROW = {"one branch a cycle", "one store a cycle"}
"""Two branches were not measured, and the store buffer takes one store a cycle too; test_pipeline.py has them."""
_EARLIEST = {timing.EX1_RESULT.name, timing.CORE_FROM_FP.name}
"""Taken in the cycle of their issue: earlier makes no difference."""


def _missed(comparisons: tuple[Comparison, ...]) -> list[Comparison]:
    return [row for row in comparisons if abs(row.error) > 0.10]


def test_the_mean_error_is_at_most_5_percent_and_the_worst_25() -> None:
    figures = accuracy(compare(measured_sequences()))
    assert figures.sequences >= 150
    assert figures.mean <= 0.05
    assert figures.worst <= 0.25


def test_every_error_above_10_percent_is_explained_and_no_other_row_is() -> None:
    for row in compare(measured_sequences()):
        assert bool(row.sequence.reason) == (abs(row.error) > 0.10), row.sequence


def test_no_sequence_is_listed_twice_and_each_names_a_known_source() -> None:
    sequences = measured_sequences()
    assert {row.source for row in sequences} == set(SOURCES)
    assert [one for one, count in Counter((row.source, row.code) for row in sequences).items() if count > 1] == []


@pytest.mark.parametrize(
    "rule", [rule for rule in PAIRING_RULES if rule.name not in _NOT_IN_A_ROW], ids=lambda rule: rule.name
)
def test_without_a_pairing_rule_a_measured_sequence_is_missed(
    rule: PairingRule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "PAIRING_RULES", tuple(one for one in PAIRING_RULES if one is not rule))
    assert _missed(compare(measured_sequences()))


@pytest.mark.parametrize(
    ("latency", "change"),
    [
        pytest.param(row, change, id=f"{change:+d} {row.name}")
        for row in LATENCIES
        for change in (-1, 1)
        if row.name not in _UNMEASURED and (change > 0 or row.name not in _EARLIEST)
    ],
)
def test_with_a_latency_one_cycle_off_a_measured_sequence_is_missed(
    latency: ResultLatency, change: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = next(name for name, value in vars(timing).items() if value is latency)
    a, b, c, d, e = latency.available
    moved = (a + change, b + change, c + change, d + change, e + change)
    monkeypatch.setattr(timing, name, replace(latency, available=moved))
    assert _missed(compare(measured_sequences()))


@pytest.mark.parametrize(
    "stage", [stage for stage in Stage if stage not in (Stage.FP_OPERAND, Stage.FP_STORE)], ids=lambda stage: stage.name
)
def test_with_an_operand_needed_a_cycle_earlier_a_measured_sequence_is_missed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "offset", stage.offset - 1)
    assert _missed(compare(measured_sequences()))
