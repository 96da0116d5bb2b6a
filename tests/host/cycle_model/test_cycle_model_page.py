"""docs/cycle_model.md names what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.m7_program import decoded
from tinyanime.host.cycle_model.measured import accuracy, compare, have_assembler, measured_sequences
from tinyanime.host.cycle_model.pipeline import loop_cycles
from tinyanime.host.cycle_model.rules import PAIRING_RULES
from tinyanime.host.cycle_model.timing import LATENCIES

_PAGE = (Path(__file__).resolve().parents[3] / "docs" / "cycle_model.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*(rule.name for rule in PAIRING_RULES), *(latency.name for latency in LATENCIES)])
def test_each_rule_and_latency_is_on_the_page(name: str) -> None:
    assert f"| {name} |" in _PAGE


@pytest.mark.skipif(not have_assembler(), reason="arm-none-eabi-as is not installed")
def test_the_page_states_the_errors_of_the_sequences() -> None:
    figures = accuracy(compare(measured_sequences()))
    said = f"{figures.sequences} short sequences, written anew from the findings of [J], [Q] and [C]: mean error"
    assert said in _PAGE
    assert f"{figures.mean:.1%}, worst {figures.worst:.1%}".replace("%", " %") in _PAGE


def test_the_loop_on_the_page_takes_eight_cycles() -> None:
    loop = _PAGE.split("```asm\n")[1].split("```")[0]
    assert loop_cycles(decoded(*loop.splitlines())) == 8
