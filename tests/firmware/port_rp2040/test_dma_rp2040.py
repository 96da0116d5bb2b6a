"""The port's tile DMA on the virtual rp2040, whenever the bytes of a transfer arrive."""

from __future__ import annotations

import random

import pytest

from tests.support.dma_probe import ERROR_ARGUMENT, ERROR_DMA, OK, VirtualProbe
from tinyanime.host.emulate.rp2040.board import Rp2040Board

FLASH, SRAM, SRAM4, SRAM_END = 0x1010_0000, 0x2001_0000, 0x2004_0000, 0x2004_2000
CONTENT = random.Random(1).randbytes(70_000)
GUARD = 16


def probe_with(order: str) -> VirtualProbe:
    return VirtualProbe((("dma", order),), ((FLASH, CONTENT),), "rp2040")


@pytest.fixture(params=["early", "late", "random:1"])
def probe(request: pytest.FixtureRequest) -> VirtualProbe:
    return probe_with(request.param)


def moved(probe: VirtualProbe, target: int, source: int, count: int) -> bytes:
    """What the core finds around and in the target of a transfer."""
    assert probe.start(1, target, source, count) == OK
    probe.compute(count)
    assert probe.wait(1) == OK
    return probe.load(target - GUARD, count + 2 * GUARD)


@pytest.mark.parametrize("target", [SRAM, SRAM4], ids=["sram", "sram4"])
def test_bytes_of_any_number_and_alignment_arrive_and_nothing_else_changes(probe: VirtualProbe, target: int) -> None:
    chooser = random.Random(target)
    for count, source_shift, target_shift in ((1, 1, 2), (24, 8, 4), (77, 3, 1), (96, 2, 64), (300, 0, 30), (30, 4, 8)):
        around = chooser.randbytes(count + 2 * GUARD)
        end = target + 0x100 + target_shift
        probe.store(end - GUARD, around)
        data = CONTENT[source_shift : source_shift + count]
        assert moved(probe, end, FLASH + source_shift, count) == around[:GUARD] + data + around[GUARD + count :]


def test_the_core_s_own_bytes_reach_the_other_end(probe: VirtualProbe) -> None:
    data = random.Random(3).randbytes(256)
    probe.store(SRAM4, data)
    assert moved(probe, SRAM, SRAM4, 256)[GUARD:-GUARD] == data


def test_the_largest_block_arrives_whole() -> None:
    assert moved(probe_with("late"), SRAM, FLASH, 65536)[GUARD:-GUARD] == CONTENT[:65536]


def test_four_transfers_under_way_at_once_do_not_disturb_each_other(probe: VirtualProbe) -> None:
    for channel in range(4):
        assert probe.start(channel, SRAM + 2000 * channel, FLASH + 1000 * channel, 1000) == OK
    for channel in (2, 0, 3, 1):
        assert probe.wait(channel) == OK
        assert probe.load(SRAM + 2000 * channel, 1000) == CONTENT[1000 * channel :][:1000]


@pytest.mark.parametrize(("shift", "count", "size"), [(0, 64, 2), (2, 64, 1), (0, 62, 1), (1, 64, 0), (0, 63, 0)])
def test_accesses_are_as_wide_as_addresses_and_count_allow(shift: int, count: int, size: int) -> None:
    probe = probe_with("late")
    assert isinstance(probe.board, Rp2040Board)
    for target, source in ((SRAM + shift, FLASH), (SRAM, FLASH + shift)):
        assert probe.start(0, target, source, count) == OK
        registers = probe.board.chip.dma.values
        assert (registers["CH0_CTRL_TRIG"] >> 2 & 3, registers["CH0_TRANS_COUNT"]) == (size, count >> size)
        assert probe.wait(0) == OK


def test_what_is_out_of_range_is_refused_and_moves_nothing(probe: VirtualProbe) -> None:
    probe.store(SRAM, bytes(8))
    assert probe.start(4, SRAM, FLASH, 8) == ERROR_ARGUMENT
    assert probe.start(0, SRAM, FLASH, 0) == ERROR_ARGUMENT
    assert probe.start(0, SRAM, FLASH, 65537) == ERROR_ARGUMENT
    assert probe.wait(0) == ERROR_ARGUMENT
    assert probe.wait(4) == ERROR_ARGUMENT
    assert probe.load(SRAM, 8) == bytes(8)


def test_a_busy_channel_is_refused_and_goes_on(probe: VirtualProbe) -> None:
    assert probe.start(2, SRAM, FLASH, 64) == OK
    assert probe.start(2, SRAM + 64, FLASH, 64) == ERROR_ARGUMENT
    assert probe.wait(2) == OK
    assert probe.wait(2) == ERROR_ARGUMENT
    assert probe.load(SRAM, 64) == CONTENT[:64]


@pytest.mark.parametrize(
    ("target", "source"),
    [(SRAM, 0x2100_0000 + 0x4_0000), (0x2500_0000, FLASH), (FLASH, SRAM), (SRAM_END - 8, FLASH)],
    ids=lambda address: f"{address:08x}",
)
def test_a_memory_out_of_reach_is_a_dma_error_after_which_the_channel_works(
    probe: VirtualProbe, target: int, source: int
) -> None:
    assert probe.start(1, target, source, 64) == OK
    assert probe.wait(1) == ERROR_DMA
    assert moved(probe, SRAM, FLASH, 64)[GUARD:-GUARD] == CONTENT[:64]
