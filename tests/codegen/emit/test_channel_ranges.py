"""Generated C whose int16 kernels find their weights in RAM, some channels at a time, on the PC under sanitizers.

The calls for the later channels take the inputs that the first one packed. The PC's DMA copies when it is waited for.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.assembled import assembled
from tests.support.channel_ranges import RANGE_KERNELS, RangeCase, range_case
from tests.support.generated_network import assert_equals_reference, available_compilers, build_network
from tinyanime.boards.loader import load_board
from tinyanime.codegen.bundle import Bundle
from tinyanime.codegen.kernels.catalogue import computes_channel_ranges
from tinyanime.codegen.schedule.check.check import check_schedule
from tinyanime.codegen.schedule.plan import Call, Schedule

COMPILERS = available_compilers()
pytestmark = pytest.mark.skipif(not COMPILERS, reason="neither gcc nor clang is installed")


def project(case: RangeCase, schedule: Schedule, directory: Path) -> Bundle:
    return assembled(schedule, case.forced.plan, load_board("stm32h743"), directory)


@pytest.mark.parametrize(("stage_ops", "strip_rows"), [(3, 4), (2, 3)])
@pytest.mark.parametrize("function", RANGE_KERNELS)
def test_weights_in_several_ranges_of_channels_equal_the_reference(
    tmp_path: Path, function: str, stage_ops: int, strip_rows: int
) -> None:
    case = range_case(function, tmp_path, stage_ops=stage_ops, strip_rows=strip_rows)
    packed = [call for call in case.calls if call.packed]
    assert packed
    assert all(call.kernel and call.kernel.function == function and not call.tile for call in packed)
    check_schedule(case.schedule, case.forced.plan, case.forced.banks)
    bundle = project(case, case.schedule, tmp_path / "p")
    program = build_network(bundle, COMPILERS[-1])
    for seed in range(2):
        assert_equals_reference(bundle, case.graph, program, seed)


@pytest.mark.parametrize("function", RANGE_KERNELS)
def test_a_first_call_that_claims_packed_inputs_gives_other_bytes(tmp_path: Path, function: str) -> None:
    case = range_case(function, tmp_path)
    bundle = project(case, with_claims(case.schedule, function), tmp_path / "p")
    program = build_network(bundle, COMPILERS[-1])
    with pytest.raises(AssertionError, match=r"bytes differ|status"):
        assert_equals_reference(bundle, case.graph, program, seed=1)


@pytest.mark.parametrize("function", RANGE_KERNELS)
def test_two_cores_share_calls_for_ranges_of_channels_and_packed_inputs(tmp_path: Path, function: str) -> None:
    case = range_case(function, tmp_path)
    schedule = with_two_cores(case.schedule)
    check_schedule(schedule, case.forced.plan, case.forced.banks)
    assert any(call.packed and call.cores == 2 for step in schedule.steps for call in step.calls)
    bundle = project(case, schedule, tmp_path / "p")
    program = build_network(bundle, "gcc", extra=("-fsanitize=thread",), cores=2)
    assert_equals_reference(bundle, case.graph, program, seed=1)


def with_two_cores(schedule: Schedule) -> Schedule:
    """Every call of a kernel that knows teams, and needs no more working memory for that, is on two cores."""

    def changed(call: Call) -> Call:
        shared = call.kernel is not None and computes_channel_ranges(call.kernel)
        return replace(call, cores=2 if shared else 1)

    steps = tuple(
        replace(step, commands=tuple(changed(c) if isinstance(c, Call) else c for c in step.commands))
        for step in schedule.steps
    )
    return replace(schedule, steps=steps)


def with_claims(schedule: Schedule, function: str) -> Schedule:
    """Every call that computes a range of channels by the kernel takes what is in its working memory for its inputs."""

    def changed(call: Call) -> Call:
        ranged = call.weights is not None and call.kernel is not None and call.kernel.function == function
        return replace(call, packed=call.packed or ranged)

    steps = tuple(
        replace(step, commands=tuple(changed(c) if isinstance(c, Call) else c for c in step.commands))
        for step in schedule.steps
    )
    return replace(schedule, steps=steps)


def test_the_table_of_ranges_says_which_calls_find_packed_inputs(tmp_path: Path) -> None:
    case = range_case("ta_convolve_direct_s8", tmp_path)
    text = (project(case, case.schedule, tmp_path / "p").directory / "network/network.c").read_text()
    tables = re.findall(r"\} tiles\[\] = \{\n(.*?)\n    \};", text, flags=re.DOTALL)
    flags = [re.findall(r", (\d+), (\d+)\}, ([01])\}", table) for table in tables]
    ranged = [rows for rows in flags if any(packed == "1" for _, _, packed in rows)]
    assert len(ranged) == len({call.op for call in case.calls if call.packed}) > 0
    for rows in ranged:
        assert {first == "0" for first, _, packed in rows if packed == "0"} == {True}
        assert {first == "0" for first, _, packed in rows if packed == "1"} == {False}
    assert "int8_t *output; /* Where these channels alone go first" not in text
