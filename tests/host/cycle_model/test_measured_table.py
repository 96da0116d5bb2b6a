from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tinyanime.host.cycle_model.measured import have_assembler, measured_sequences


@pytest.mark.skipif(not have_assembler(), reason="arm-none-eabi-as is not installed")
def test_the_printed_table_has_every_sequence_and_the_errors() -> None:
    command = [sys.executable, "-m", "tinyanime.host.cycle_model"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "strb.w r0, [r1], #1" in done.stdout
    rows = re.findall(r"[+-]\d+%", done.stdout)
    assert len(rows) == len(measured_sequences())
    assert re.search(r"^all: \d+ sequences, mean error \d+\.\d%, worst \d+\.\d%$", done.stdout, re.MULTILINE)


def test_without_an_assembler_the_table_says_what_to_install() -> None:
    command = [sys.executable, "-m", "tinyanime.host.cycle_model"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": "/nowhere"})
    assert done.returncode == 1
    assert "arm-none-eabi-as" in done.stdout
    assert "hint: " in done.stdout
    assert "Traceback" not in done.stderr
