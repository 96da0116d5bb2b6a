"""The port's tile DMA and cache maintenance on the virtual board, whenever the bytes of a transfer arrive."""

from __future__ import annotations

import random

import pytest

from tests.support.dma_probe import ERROR_ARGUMENT, ERROR_DMA, OK, VirtualProbe

FLASH, ITCM, DTCM, AXI, D2, SRAM4 = 0x0810_0000, 0x0000_8000, 0x2001_0000, 0x2400_0000, 0x3000_0000, 0x3800_0000
AXI_END, DTCM_END = 0x2408_0000, 0x2002_0000
CONTENT = random.Random(1).randbytes(70_000)
ORDERS = ("early", "late", "random:1", "random:2", "random:3")
GUARD = 64
LINE = 32


def probe_with(order: str) -> VirtualProbe:
    return VirtualProbe((("dma", order),), ((FLASH, CONTENT),))


@pytest.fixture(params=ORDERS)
def probe(request: pytest.FixtureRequest) -> VirtualProbe:
    return probe_with(request.param)


def lines(address: int, count: int) -> tuple[int, int]:
    """Start and bytes of the cache lines that [address, address + count) touches."""
    begin, end = address // LINE * LINE, -(-(address + count) // LINE) * LINE
    return begin, end - begin


def prepare(probe: VirtualProbe, address: int, data: bytes) -> None:
    """The core puts `data` into RAM, for a DMA to see; ITCM is the core's to read only."""
    if address >= DTCM:
        probe.store(address, data)
        probe.clean(*lines(address, len(data)))
    elif address < FLASH:
        prepare(probe, DTCM + 0x8000, data)
        assert probe.start(3, address, DTCM + 0x8000, len(data)) == OK
        assert probe.wait(3) == OK


def moved(probe: VirtualProbe, target: int, source: int, count: int) -> bytes:
    """What the core finds around and in the target of a transfer."""
    assert probe.start(1, target, source, count) == OK
    probe.compute(count)
    assert probe.wait(1) == OK
    probe.invalidate(*lines(target - GUARD, count + 2 * GUARD))
    return probe.load(target - GUARD, count + 2 * GUARD)


@pytest.mark.parametrize("source", [FLASH, ITCM, DTCM, AXI, D2, SRAM4], ids=lambda base: f"from_{base:08x}")
def test_bytes_of_any_number_and_alignment_reach_every_memory_and_nothing_else_changes(
    probe: VirtualProbe, source: int
) -> None:
    chooser = random.Random(source)
    for target in (ITCM, DTCM, AXI, D2):
        for count, source_shift, target_shift in ((1, 1, 2), (24, 8, 4), (77, 3, 1), (96, 32, 64), (300, 0, 30)):
            begin, end = source + source_shift, target + 0x1000 + target_shift
            data = CONTENT[source_shift : source_shift + count] if source == FLASH else chooser.randbytes(count)
            around = chooser.randbytes(count + 2 * GUARD)
            prepare(probe, end - GUARD, around)
            prepare(probe, begin, data)
            assert moved(probe, end, begin, count) == around[:GUARD] + data + around[GUARD + count :]


def test_the_largest_block_arrives_whole(probe: VirtualProbe) -> None:
    assert moved(probe, AXI + GUARD, FLASH, 65536)[GUARD:-GUARD] == CONTENT[:65536]


def test_four_transfers_under_way_at_once_do_not_disturb_each_other(probe: VirtualProbe) -> None:
    targets = (DTCM, AXI, D2, ITCM)
    for channel, target in enumerate(targets):
        assert probe.start(channel, target, FLASH + 1000 * channel, 1000) == OK
    for channel in (2, 0, 3, 1):
        assert probe.wait(channel) == OK
        probe.invalidate(*lines(targets[channel], 1000))
        assert probe.load(targets[channel], 1000) == CONTENT[1000 * channel :][:1000]


def test_a_channel_is_free_for_the_next_transfer_after_its_wait(probe: VirtualProbe) -> None:
    for turn in range(3):
        assert probe.start(0, DTCM, FLASH + turn, 100) == OK
        assert probe.wait(0) == OK
        assert probe.load(DTCM, 100) == CONTENT[turn : turn + 100]


@pytest.mark.parametrize(
    ("target", "source", "count", "expected"),
    [
        (AXI, FLASH, 4096, ((8, 4), (8, 4))),
        (DTCM, FLASH + 16, 4096, ((8, 2), (4, 8))),
        (DTCM + 4, ITCM, 4096, ((4, 8), (4, 1))),
        (D2 + 8, DTCM, 24, ((4, 2), (8, 1))),
        (AXI, FLASH + 1, 64, ((1, 1), (8, 4))),
        (AXI, FLASH, 63, ((1, 1), (1, 1))),
    ],
)
def test_accesses_and_bursts_are_as_wide_as_address_and_count_allow(
    target: int, source: int, count: int, expected: tuple[tuple[int, int], tuple[int, int]]
) -> None:
    probe = probe_with("late")
    assert probe.start(0, target, source, count) == OK
    chosen = probe.stm32h7.chip.mdma.values["C0TCR"]
    source_side = (1 << (chosen >> 4 & 3), 1 << (chosen >> 12 & 7))
    target_side = (1 << (chosen >> 6 & 3), 1 << (chosen >> 15 & 7))
    assert (source_side, target_side) == expected


def test_what_is_out_of_range_is_refused_and_moves_nothing(probe: VirtualProbe) -> None:
    prepare(probe, DTCM, bytes(8))
    assert probe.start(4, DTCM, FLASH, 8) == ERROR_ARGUMENT
    assert probe.start(0, DTCM, FLASH, 0) == ERROR_ARGUMENT
    assert probe.start(0, DTCM, FLASH, 65537) == ERROR_ARGUMENT
    assert probe.wait(0) == ERROR_ARGUMENT
    assert probe.wait(4) == ERROR_ARGUMENT
    assert probe.load(DTCM, 8) == bytes(8)


def test_a_busy_channel_is_refused_and_goes_on(probe: VirtualProbe) -> None:
    assert probe.start(2, DTCM, FLASH, 64) == OK
    assert probe.start(2, DTCM + 64, FLASH, 64) == ERROR_ARGUMENT
    assert probe.wait(2) == OK
    assert probe.wait(2) == ERROR_ARGUMENT
    assert probe.load(DTCM, 64) == CONTENT[:64]


@pytest.mark.parametrize(
    ("target", "source"),
    [
        (DTCM, 0x6000_0000),
        (0x6000_0000, FLASH),
        (FLASH, DTCM),
        (AXI_END - 8, FLASH),
        (DTCM, DTCM_END - 8),
        (DTCM, 0xFFFF_FFF8),
    ],
    ids=lambda address: f"{address:08x}",
)
def test_a_memory_out_of_reach_is_a_dma_error_after_which_the_channel_works(
    probe: VirtualProbe, target: int, source: int
) -> None:
    assert probe.start(0, target, source, 64) == OK
    assert probe.wait(0) == ERROR_DMA
    assert moved(probe, DTCM + GUARD, FLASH, 64)[GUARD:-GUARD] == CONTENT[:64]
    assert probe.start(0, DTCM, FLASH, 64) == OK
    assert probe.wait(0) == OK


def test_a_transfer_that_never_ends_is_a_dma_error_in_bounded_time() -> None:
    probe = probe_with("never")
    assert probe.start(0, DTCM, FLASH, 64) == OK
    assert probe.wait(0) == ERROR_DMA
    assert probe.wait(0) == ERROR_ARGUMENT
    # Some instructions a poll: a million polls, and far from the watchdog's limit.
    assert 2_000_000 < probe.stm32h7.counter.instructions < 40_000_000
    # The channel has stopped: the chip, and the model, would not take another transfer before.
    assert probe.start(0, DTCM, FLASH, 64) == OK


def test_without_its_wait_a_transfer_has_not_arrived_late() -> None:
    probe = probe_with("late")
    assert probe.start(0, DTCM, FLASH, 64) == OK
    probe.compute(100_000)
    assert probe.load(DTCM, 64) != CONTENT[:64]
    assert probe.wait(0) == OK
    assert probe.load(DTCM, 64) == CONTENT[:64]


def test_maintenance_of_a_tcm_is_harmless() -> None:
    probe = probe_with("late")
    probe.store(DTCM, b"as it was")
    probe.clean(DTCM, 64)
    probe.invalidate(DTCM, 64)
    assert probe.load(DTCM, 9) == b"as it was"
