"""Teams of two cores: `firmware/runtime/team.c` on two threads, and where the second core never answers."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.link_programs import EXECUTOR, FIRMWARE, SANITIZERS, compile_program

CHECKS = Path(__file__).with_name("check_team.c")
TEAM = FIRMWARE / "runtime" / "team.c"
THREADS = FIRMWARE / "port" / "posix" / "cores_posix.c"


def run_checks(program: Path) -> None:
    done = subprocess.run([program], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("flags", [SANITIZERS, ("-fsanitize=thread",)], ids=["bounds", "races"])
def test_two_cores_run_every_call_meet_and_end_together_whoever_fails(tmp_path: Path, flags: tuple[str, ...]) -> None:
    sources = (EXECUTOR, TEAM, THREADS, CHECKS)
    run_checks(compile_program(tmp_path / "check", sources, "-DTA_CORES=2", "-pthread", *flags))


def test_a_second_core_that_never_answers_leaves_a_team_of_one(tmp_path: Path) -> None:
    sources = (EXECUTOR, TEAM, CHECKS)
    run_checks(compile_program(tmp_path / "check", sources, "-DTA_CORES=2", "-DLONELY", *SANITIZERS))


def test_more_than_two_cores_are_refused_at_compile_time(tmp_path: Path) -> None:
    command = ["gcc", "-fsyntax-only", "-DTA_CORES=3", f"-I{FIRMWARE / 'include'}", str(TEAM)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "teams have one or two cores" in done.stderr
