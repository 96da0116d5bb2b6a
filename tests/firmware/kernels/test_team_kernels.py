"""Kernels whose work two cores divide: the bytes of the reference, no races, nothing outside of the working memory."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.convolve_cases import Part
from tests.support.kernel_case import assert_exact
from tests.support.team_bench import CORES, SANITIZERS, careless_team, team_bench
from tests.support.team_cases import TEAM_KERNELS, TeamKernel, random_case, random_team_case, team_case
from tinyanime.codegen.kernels.catalogue import CATALOGUE

CASES = 40
MEETING_KERNELS = TEAM_KERNELS[:6]
"""The others compute every channel on one core from the beginning to the end."""
MEETINGS = range(5)
"""Behind the inputs, behind the weights and the products of a round, behind the next weights; of whatever kind."""

each_kernel = pytest.mark.parametrize("team", TEAM_KERNELS, ids=lambda team: team.entry.function)
each_sanitizer = pytest.mark.parametrize("sanitizer", SANITIZERS)


@each_sanitizer
@each_kernel
def test_two_cores_leave_the_bytes_of_the_reference(team: TeamKernel, sanitizer: str) -> None:
    random = np.random.default_rng(int(team.kernel))
    for _ in range(CASES):
        case = random_team_case(team, random)
        assert_exact(team_bench(sanitizer), case.call, case.expected)


@each_kernel
def test_working_memory_that_is_smaller_by_a_byte_is_refused_by_both_cores(team: TeamKernel) -> None:
    case = random_team_case(team, np.random.default_rng(1))
    scalars = list(case.call.scalars)
    scalars[24] -= 1
    result = team_bench("bounds").run(
        type(case.call)(case.call.kernel, tuple(scalars), case.call.inputs, case.call.scratch_bytes, 4)
    )
    assert result.status == 2


@pytest.mark.parametrize("skipped", MEETINGS)
@pytest.mark.parametrize("team", MEETING_KERNELS, ids=lambda team: team.entry.function)
def test_cores_that_leave_out_a_meeting_are_caught(team: TeamKernel, skipped: int) -> None:
    """Small blocks of maps that have many: in all of them both cores write what the other one reads."""
    random = np.random.default_rng(5)
    careless = careless_team(skipped)
    for _ in range(40):
        case = random_case(team, random)
        call = team_case(team, Part((0, case.output.height)), case, 4)
        try:
            assert_exact(careless, call.call, call.expected)
        except AssertionError:
            return
    pytest.fail("nobody noticed")


def test_every_kernel_of_the_catalogue_is_run_by_a_team_here() -> None:
    assert {team.entry.function for team in TEAM_KERNELS} == {kernel.function for kernel in CATALOGUE}
    assert CORES == 2
