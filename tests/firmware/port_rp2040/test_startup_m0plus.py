"""From reset to main on a Cortex-M0+, its stacks and their guards, and what a fault leaves behind."""

from __future__ import annotations

import pytest

from tests.support.bare_pico import NOISE, BarePico
from tests.support.pico_probe import pico_image

PAINT = 0xA5A5_A5A5
NOISE_WORD = NOISE * 0x0101_0101
GUARD_BYTES = 128
CPUID, VTOR = 0xD000_0000, 0xE000_ED08
MPU_TYPE, MPU_CTRL, MPU_RBAR, MPU_RASR = 0xE000_ED90, 0xE000_ED94, 0xE000_ED9C, 0xE000_EDA0


@pytest.fixture
def pico() -> BarePico:
    return BarePico(pico_image())


@pytest.fixture
def started(pico: BarePico) -> BarePico:
    pico.run("Reset_Handler", "main", sp=0x2000_0F00)
    return pico


def test_start_up_takes_the_stack_of_the_chip_wherever_the_debugger_left_it(started: BarePico) -> None:
    limit, top = started.symbols["__stack_limit"], started.symbols["__stack_top"]
    assert top - 64 <= started.sp <= top
    painted = started.words(limit, (top - limit) // 4 - 64)
    assert set(painted) == {PAINT}
    assert started.registers[VTOR] == started.symbols["__vectors"] == 0x1000_0100


def test_data_is_copied_and_cleared_and_what_outlives_a_reset_is_left_alone(started: BarePico) -> None:
    assert started.words(started.symbols["initialised"], 3) == [1, 2, 3]
    assert started.words(started.symbols["zeroed"], 5) == [0] * 5
    assert started.words(started.symbols["kept"], 1) == [NOISE_WORD]
    assert started.words(started.symbols["__bss_end"] - 4, 1) == [0]


def test_fast_code_works_where_it_was_copied_to(started: BarePico) -> None:
    assert started.call("twice", 21) == 42
    assert started.symbols["__fast_code_start"] <= started.symbols["twice"] & ~1 < started.symbols["__fast_code_end"]


@pytest.mark.parametrize("stack", ["stack", "core1_stack"])
def test_the_guard_is_the_lowest_bytes_of_the_stack_and_allows_nothing(pico: BarePico, stack: str) -> None:
    limit = pico.symbols[f"__{stack}_limit"]
    pico.registers[MPU_TYPE] = 8 << 8
    pico.call("ta_stack_guard", limit)
    attributes = pico.registers[MPU_RASR]
    size = 2 << (attributes >> 1 & 0x1F)
    off = attributes >> 8 & 0xFF
    on = [part for part in range(8) if not off >> part & 1]
    assert on == list(range(len(on)))
    assert (pico.registers[MPU_RBAR], len(on) * size // 8) == (limit, GUARD_BYTES)
    assert pico.registers[MPU_RBAR] % size == 0
    assert (attributes & 1, attributes >> 24 & 7, attributes >> 28 & 1) == (1, 0, 1)
    assert pico.registers[MPU_CTRL] == 5  # Enabled, off in HardFault, the default map elsewhere.


def test_a_core_without_mpu_has_no_guard(pico: BarePico) -> None:
    pico.call("ta_stack_guard", pico.symbols["__stack_limit"])
    assert MPU_RASR not in pico.registers


def test_free_stack_ends_at_the_guard(started: BarePico) -> None:
    limit, top = started.symbols["__core1_stack_limit"], started.symbols["__core1_stack_top"]
    started.call("ta_stack_paint", limit, top)
    assert started.call("ta_stack_free_bytes", limit, top) == top - limit - GUARD_BYTES
    started.store(limit + GUARD_BYTES + 400, 1)
    assert started.call("ta_stack_free_bytes", limit, top) == 400


@pytest.mark.parametrize(
    ("core", "stack", "above", "known"),
    [
        (0, "__stack_limit", 1000, True),
        (1, "__core1_stack_limit", 1000, True),
        (1, "__core1_stack_limit", 64, False),
        (0, "__stack_top", -16, False),
    ],
)
def test_a_fault_of_either_core_is_recorded_and_resets_the_chip(
    started: BarePico, core: int, stack: str, above: int, known: bool
) -> None:
    frame = started.symbols[stack] + above
    if known:
        started.store(frame, 0, 1, 2, 3, 12, 0x1000_0AAA, 0x1000_0BBB, 0x6100_0000)
    started.registers[CPUID] = core
    started.run("ta_fault_handler", "ta_port_reset", sp=frame)
    started.run("Reset_Handler", "main", sp=0x2000_0F00)
    record = started.words(started.call("ta_fault_last"), 7)
    pc, lr, psr = (0x1000_0BBB, 0x1000_0AAA, 0x6100_0000) if known else (0, 0, 0)
    assert record[2:] == [core, pc, lr, psr, frame]


def test_the_record_of_a_fault_is_told_once(started: BarePico) -> None:
    started.run("ta_fault_handler", "ta_port_reset", sp=started.symbols["__stack_limit"] + 1000)
    started.run("Reset_Handler", "main", sp=0x2000_0F00)
    assert started.call("ta_fault_last") != 0
    started.run("Reset_Handler", "main", sp=0x2000_0F00)
    assert started.call("ta_fault_last") == 0


def test_noise_in_ram_is_no_fault(started: BarePico) -> None:
    assert started.call("ta_fault_last") == 0
