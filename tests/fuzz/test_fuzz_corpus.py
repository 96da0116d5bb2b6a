"""The fuzzers' regression corpus under GCC's sanitizers (run_fuzz.py runs it under clang's)."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.fuzz.run_fuzz import SOURCES, TARGETS
from tests.support.link_programs import SANITIZERS, compile_program

FUZZ = Path(__file__).parent


@pytest.mark.parametrize("target", TARGETS)
def test_every_input_of_the_corpus_runs_clean(tmp_path: Path, target: str) -> None:
    sources = (*SOURCES[target], FUZZ / f"fuzz_{target}.c", FUZZ / "replay.c")
    program = compile_program(tmp_path / target, sources, "-O1", f"-I{FUZZ}", *SANITIZERS)
    inputs = sorted((FUZZ / "corpus" / target).iterdir())
    done = subprocess.run([program, *inputs], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == len(inputs) >= 6
