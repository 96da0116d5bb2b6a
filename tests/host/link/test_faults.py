"""Hundreds of bad lines: each inference is exactly right or ends in a LinkError within bounded time."""

from __future__ import annotations

import contextlib
import random

import pytest

from tests.support.simulated_device import INPUT_BYTES, SimulatedDevice, expected_output, expected_steps
from tinyanime.codegen.errors import LinkError
from tinyanime.host.link.client import Device
from tinyanime.host.link.faults import FaultPlan, FaultyTransport

SEEDS_PER_PLAN = 40
BOUND_S = 900.0
"""Simulated seconds in which every inference has to come to an end."""

PLANS = {
    "loss": FaultPlan(loss=0.1),
    "duplication": FaultPlan(duplication=0.3),
    "reordering": FaultPlan(reordering=0.2),
    "truncation": FaultPlan(truncation=0.1),
    "corruption": FaultPlan(corruption=0.1),
    "noise": FaultPlan(noise=0.3),
    "delay": FaultPlan(delay=0.2, delay_s=1.5),
    "resets": FaultPlan(reset=0.05),
    "everything": FaultPlan(
        loss=0.03, duplication=0.05, reordering=0.05, truncation=0.03, corruption=0.03, noise=0.05, delay=0.05,
        delay_s=2.0, reset=0.01,
    ),
    "hopeless": FaultPlan(loss=0.6, corruption=0.3, reset=0.1),
}  # fmt: skip
ALWAYS_COMPLETE = {"loss", "duplication", "reordering", "truncation", "corruption", "noise", "delay"}


def bad_line(plan: FaultPlan, seed: int) -> tuple[SimulatedDevice, FaultyTransport]:
    device = SimulatedDevice()
    return device, FaultyTransport(device, plan, seed, reset=device.power_cycle)


@pytest.mark.parametrize("name", PLANS)
def test_an_inference_over_a_bad_line_is_right_or_a_link_error(name: str) -> None:
    completed, faults, hints = 0, 0, list[str]()
    for seed in range(SEEDS_PER_PLAN):
        picture = random.Random(seed).randbytes(INPUT_BYTES)
        device, line = bad_line(PLANS[name], seed)
        try:
            inference = Device(line).infer(picture)
        except LinkError as error:
            hints.append(error.hint)
        else:
            assert inference.output == expected_output(picture), f"seed {seed}"
            completed += 1
        assert device.time < BOUND_S, f"seed {seed}"
        faults += line.faults
    assert faults > SEEDS_PER_PLAN
    assert all(hints)
    if name in ALWAYS_COMPLETE:
        assert completed == SEEDS_PER_PLAN
    if name == "hopeless":
        assert completed < SEEDS_PER_PLAN
    if name in ("resets", "everything"):
        assert completed > SEEDS_PER_PLAN // 2


@pytest.mark.parametrize("seed", range(30))
def test_steps_over_a_bad_line_are_right_or_a_link_error(seed: int) -> None:
    picture = random.Random(seed).randbytes(INPUT_BYTES)
    _, line = bad_line(PLANS["everything"], seed)
    device = Device(line)
    with contextlib.suppress(LinkError):
        device.upload(picture)
        device.begin_steps()
        for expected in expected_steps(picture):
            step = device.step()
            assert step.size_bytes == len(expected)
            assert device.read_step() == expected
        assert device.download_output() == expected_output(picture)
        assert device.layer_cycles() == (2000, 1000)


@pytest.mark.parametrize("seed", range(30))
def test_a_reset_over_a_bad_line_ends_with_a_restarted_device(seed: int) -> None:
    _, line = bad_line(PLANS["loss"], seed)
    device = Device(line)
    before = device.hello()
    device.reset()
    assert device.hello().boot_id == before.boot_id + 1


def test_the_same_seed_gives_the_same_faults() -> None:
    sent = []
    for _ in range(2):
        device, line = bad_line(FaultPlan(loss=0.2, corruption=0.2, noise=0.2), 7)
        for value in range(50):
            line.write(bytes([value + 1] * 20) + b"\x00")
        sent.append(bytes(device.sent))
    assert sent[0] == sent[1]
    assert sent[0] != b"".join(bytes([value + 1] * 20) + b"\x00" for value in range(50))
