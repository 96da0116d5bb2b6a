"""The kernels of convolve.h, built for two cores, on two threads of the PC."""

from __future__ import annotations

import os
import shutil
from functools import cache
from pathlib import Path

import pytest

from tests.support.host_program import HostProgram
from tests.support.kernel_benches import BuildRecipe, compiled

_ROOT = Path(__file__).resolve().parents[2]
_SUPPORT = Path(__file__).resolve().parent
_FIRMWARE = _ROOT / "firmware"
CORES = 2
SANITIZERS = {
    "races": ("-fsanitize=thread",),
    "bounds": ("-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
}
"""ThreadSanitizer excludes the others."""

TEAM_SOURCES = (_FIRMWARE / "runtime" / "team.c", _FIRMWARE / "port" / "posix" / "cores_posix.c")
"""What two cores need beside what one needs."""


@cache
def team_program(sanitizer: str) -> Path:
    """Answers the cases of `kernel_driver.c` by two threads. Skips the test without gcc."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    drivers = [_SUPPORT / name for name in ("kernel_driver.c", "convolve_shim.c", "team_driver.c")]
    sources = [*sorted((_FIRMWARE / "kernels").glob("*.c")), *drivers, *TEAM_SOURCES]
    flags = ("-O1", "-g", "-pthread", "-Wl,--wrap=ta_team_meet", *SANITIZERS[sanitizer])
    recipe = BuildRecipe(f"two threads, {sanitizer}", "gcc", flags, emulated=False)
    return compiled(recipe, sources, (_FIRMWARE / "include", _FIRMWARE / "kernels"), (f"TA_CORES={CORES}",))


@cache
def team_bench(sanitizer: str) -> HostProgram:
    """Two threads under a sanitizer, which ends the program with a report."""
    return _TeamProgram(f"two threads ({sanitizer})", team_program(sanitizer))


def careless_team(skipped_meeting: int) -> HostProgram:
    """Two threads that leave out one meeting of each call, by its number."""
    return _TeamProgram(f"two threads without meeting {skipped_meeting}", team_program("races"), skipped_meeting)


class _TeamProgram(HostProgram):
    def __init__(self, name: str, program: Path, skipped_meeting: int | None = None) -> None:
        super().__init__(name, program)
        skips = {} if skipped_meeting is None else {"TEAM_SKIPS": str(skipped_meeting)}
        self.environment = {**os.environ, "TSAN_OPTIONS": "halt_on_error=1", **skips}
