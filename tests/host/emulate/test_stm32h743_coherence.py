"""Rules of the data cache that the virtual board checks, each broken on purpose by firmware."""

from __future__ import annotations

import ctypes
import random

import pytest
import unicorn
from unicorn import arm_const

from tests.support.dma_probe import OK, VirtualProbe
from tinyanime.host.emulate.data_cache import Cacheability, DataCache
from tinyanime.host.emulate.machine import EmulationError
from tinyanime.host.emulate.stm32h7.core import MAINTENANCE
from tinyanime.host.emulate.stm32h7.mpu import cache_map

FLASH, DTCM, AXI, D2 = 0x0810_0000, 0x2001_0000, 0x2400_0000, 0x3000_0000
CONTENT = random.Random(2).randbytes(4096)
WRITE_BACK = Cacheability.CACHED | Cacheability.WRITE_BACK
CCR, MPU_CTRL, DCISW, DCCISW, DCCIMVAC = 0xE000_ED14, 0xE000_ED94, 0xE000_EF60, 0xE000_EF74, 0xE000_EF70


@pytest.fixture(params=["early", "late", "random:5"])
def probe(request: pytest.FixtureRequest) -> VirtualProbe:
    return VirtualProbe((("dma", request.param),), ((FLASH, CONTENT),))


def transfer(probe: VirtualProbe, target: int, source: int, count: int = 64) -> None:
    assert probe.start(0, target, source, count) == OK
    assert probe.wait(0) == OK


@pytest.mark.parametrize("target", [AXI + 0x40, D2 + 0x40], ids=["axi", "d2"])
def test_a_load_of_a_line_that_was_not_invalidated_after_the_transfer_is_reported(
    probe: VirtualProbe, target: int
) -> None:
    transfer(probe, target, FLASH)
    bank = "axi" if target < D2 else "d2"
    expected = rf"read 1 bytes at 0x{target + 40:08x} in {bank}, .*DMA has written.*not invalidated.*in core_loads\+0x"
    with pytest.raises(EmulationError, match=expected) as caught:
        probe.load(target + 40, 1)
    assert "ta_port_cache_invalidate" in caught.value.hint


def test_a_store_to_a_line_that_was_not_invalidated_loses_the_rest_of_the_line(probe: VirtualProbe) -> None:
    transfer(probe, AXI, FLASH)
    probe.store(AXI + 64, b"behind the target")
    probe.store(AXI + 32, b"x")
    assert probe.load(AXI + 32, 1) == b"x"
    with pytest.raises(EmulationError, match=r"read 1 bytes at 0x24000021 in axi, .*replaced by older.*in core_loads"):
        probe.load(AXI + 33, 1)


def test_stores_to_all_of_a_line_need_no_invalidate(probe: VirtualProbe) -> None:
    transfer(probe, AXI, FLASH)
    probe.store(AXI, CONTENT[100:164])
    assert probe.load(AXI, 64) == CONTENT[100:164]


def test_an_invalidate_during_the_transfer_does_not_count(probe: VirtualProbe) -> None:
    assert probe.start(0, AXI, FLASH, 64) == OK
    probe.invalidate(AXI, 64)
    assert probe.wait(0) == OK
    with pytest.raises(EmulationError, match="not invalidated since"):
        probe.load(AXI, 1)


def test_an_invalidate_before_the_transfer_does_not_count(probe: VirtualProbe) -> None:
    probe.invalidate(AXI, 64)
    transfer(probe, AXI, FLASH)
    with pytest.raises(EmulationError, match="not invalidated since"):
        probe.load(AXI, 1)


def test_a_load_from_the_target_before_the_wait_is_reported(probe: VirtualProbe) -> None:
    assert probe.start(0, AXI, FLASH, 64) == OK
    with pytest.raises(EmulationError, match=r"read 1 bytes .* nobody has waited for yet.*in core_loads") as caught:
        probe.load(AXI + 63, 1)
    assert "ta_port_dma_wait" in caught.value.hint


def test_a_store_to_the_target_before_the_wait_is_reported(probe: VirtualProbe) -> None:
    assert probe.start(0, AXI, FLASH, 64) == OK
    probe.store(AXI, b"x")
    with pytest.raises(EmulationError, match=r"wrote 1 bytes .* nobody has waited for yet.*in core_stores"):
        probe.finish()


def test_a_transfer_from_a_line_that_was_not_cleaned_is_reported(probe: VirtualProbe) -> None:
    probe.store(AXI, CONTENT[:64])
    probe.clean(AXI, 32)
    with pytest.raises(
        EmulationError, match=r"let a DMA read the line at 0x24000020 in axi.*in ta_port_dma_"
    ) as caught:
        transfer(probe, DTCM, AXI)
    assert "ta_port_cache_clean" in caught.value.hint


def test_a_store_to_the_source_after_the_clean_is_reported() -> None:
    probe = VirtualProbe((("dma", "late"),))
    probe.store(AXI, CONTENT[:64])
    probe.clean(AXI, 64)
    assert probe.start(0, DTCM, AXI, 64) == OK
    probe.store(AXI + 5, b"x")
    with pytest.raises(EmulationError, match=r"let a DMA read the line at 0x24000000 in axi.*in ta_port_dma_wait"):
        probe.wait(0)


def test_a_transfer_to_a_line_with_stores_in_the_cache_is_reported(probe: VirtualProbe) -> None:
    probe.store(AXI + 70, b"x")
    transfer(probe, AXI, FLASH)
    probe.invalidate(AXI, 64)
    with pytest.raises(EmulationError, match=r"let a DMA write the line at 0x24000040 in axi.*put over it"):
        transfer(probe, AXI, FLASH, 65)


@pytest.mark.parametrize("how", ["clean", "invalidate"])
def test_old_stores_to_the_target_may_be_cleaned_or_dropped_before_the_transfer(probe: VirtualProbe, how: str) -> None:
    probe.store(AXI, bytes(64))
    (probe.clean if how == "clean" else probe.invalidate)(AXI, 64)
    transfer(probe, AXI, FLASH)
    probe.invalidate(AXI, 64)
    assert probe.load(AXI, 64) == CONTENT[:64]


def test_a_load_of_what_an_invalidate_dropped_is_reported(probe: VirtualProbe) -> None:
    probe.store(AXI + 8, b"lost")
    probe.invalidate(AXI, 32)
    probe.load(AXI, 8)
    probe.store(AXI + 8, b"n")
    assert probe.load(AXI + 8, 1) == b"n"
    with pytest.raises(EmulationError, match=r"read 1 bytes at 0x24000009 in axi.*dropped.*in core_loads") as caught:
        probe.load(AXI + 9, 1)
    assert "ta_port_cache_clean" in caught.value.hint


def test_a_transfer_of_what_an_invalidate_dropped_is_reported(probe: VirtualProbe) -> None:
    probe.store(AXI + 8, b"lost")
    probe.invalidate(AXI, 32)
    transfer(probe, DTCM, AXI, 8)
    with pytest.raises(EmulationError, match=r"let a DMA read bytes of the line at 0x24000000 .*dropped"):
        transfer(probe, DTCM, AXI, 9)


def test_two_transfers_into_one_line_both_have_to_be_waited_for(probe: VirtualProbe) -> None:
    assert probe.start(0, AXI, FLASH, 16) == OK
    assert probe.start(1, AXI + 16, FLASH, 16) == OK
    assert probe.wait(0) == OK
    probe.invalidate(AXI, 32)
    with pytest.raises(EmulationError, match="nobody has waited for yet"):
        probe.load(AXI, 1)


def test_clean_and_invalidate_in_one_loses_nothing(probe: VirtualProbe) -> None:
    probe.store(AXI, CONTENT[:32])
    probe.set_word(DCCIMVAC, AXI)
    assert probe.load(AXI, 32) == CONTENT[:32]
    transfer(probe, DTCM, AXI, 32)
    assert probe.load(DTCM, 32) == CONTENT[:32]


def test_a_tcm_needs_no_maintenance(probe: VirtualProbe) -> None:
    probe.store(DTCM, CONTENT[:64])
    transfer(probe, DTCM + 64, DTCM)
    assert probe.load(DTCM + 64, 64) == CONTENT[:64]


def test_without_the_check_nothing_is_reported_and_the_bytes_are_the_newest() -> None:
    probe = VirtualProbe((("coherence", "off"),), ((FLASH, CONTENT),))
    probe.store(AXI, bytes(64))
    transfer(probe, AXI, FLASH)
    assert probe.load(AXI, 64) == CONTENT[:64]


@pytest.mark.parametrize(
    ("register", "value", "message"),
    [
        (CCR, 0x0002_0200, "switched the data cache off"),
        (MPU_CTRL, 5, "changed the MPU while the data cache is on"),
        (DCISW, 0, "invalidated a set and way of the data cache while it is on"),
        (DCCISW, 0, "cleaned the data cache by set and way"),
    ],
)
def test_maintenance_that_is_not_modelled_is_an_error(register: int, value: int, message: str) -> None:
    probe = VirtualProbe()
    probe.set_word(register, value)
    with pytest.raises(EmulationError, match=rf"{message}.*in core_sets_word"):
        probe.finish()


@pytest.mark.parametrize(
    ("access", "word"), [("0868", "read 4 bytes"), ("0860", "wrote 4 bytes")], ids=["ldr r0, [r1]", "str r0, [r1]"]
)
def test_the_machine_stops_at_the_very_instruction(access: str, word: str) -> None:
    machine = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
    machine.mem_map(0, 0x1000)
    machine.mem_write(0, bytes.fromhex(f"00bf 00bf {access} 00bf fce7"))
    cache, memory = DataCache(MAINTENANCE), ctypes.create_string_buffer(0x1000)
    cache.map(machine, "axi", AXI, 0x1000, ctypes.addressof(memory))
    cache.set_attributes(AXI, AXI + 0x1000, WRITE_BACK)
    machine.reg_write(arm_const.UC_ARM_REG_R1, AXI + 8)
    machine.emu_start(1, 0xFFE, count=100)
    assert cache.violation() is None
    cache.set_attributes(AXI, AXI + 0x1000, WRITE_BACK)
    cache.dma_writes(AXI + 31, 1)
    machine.emu_start(1, 0xFFE)
    assert machine.reg_read(arm_const.UC_ARM_REG_PC) == 4
    assert word in str(cache.violation())


def rasr(size_log2: int, tex: int, shared: int, cached: int, buffered: int, off: int = 0) -> int:
    return tex << 19 | shared << 18 | cached << 17 | buffered << 16 | off << 8 | (size_log2 - 1) << 1 | 1


def attributes_at(address: int, control: int, *regions: tuple[int, int]) -> Cacheability:
    found = Cacheability.NONE
    for begin, end, attributes in cache_map(control, dict(enumerate(regions))):
        if begin <= address < end:
            found = attributes
    return found


def test_without_an_mpu_the_default_map_says_what_is_cached() -> None:
    assert attributes_at(AXI, 0) == WRITE_BACK
    assert attributes_at(FLASH, 0) == Cacheability.CACHED
    assert attributes_at(0x4000_0000, 0) == Cacheability.NONE
    assert attributes_at(AXI, 1) == Cacheability.NONE
    assert attributes_at(AXI, 5) == WRITE_BACK


@pytest.mark.parametrize(
    ("tex", "shared", "cached", "buffered", "expected"),
    [
        (0, 0, 0, 0, Cacheability.NONE),
        (0, 0, 0, 1, Cacheability.NONE),
        (0, 0, 1, 0, Cacheability.CACHED),
        (0, 0, 1, 1, WRITE_BACK),
        (1, 0, 0, 0, Cacheability.NONE),
        (1, 0, 1, 1, WRITE_BACK),
        (1, 1, 1, 1, Cacheability.NONE),
        (4, 0, 0, 0, Cacheability.NONE),
        (5, 0, 0, 1, WRITE_BACK),
        (6, 0, 1, 0, Cacheability.CACHED),
    ],
)
def test_a_region_says_how_it_is_cached(
    tex: int, shared: int, cached: int, buffered: int, expected: Cacheability
) -> None:
    assert attributes_at(AXI, 5, (AXI, rasr(19, tex, shared, cached, buffered))) == expected


def test_of_overlapping_regions_the_last_one_counts_but_in_its_switched_off_eighths() -> None:
    whole, part = (AXI, rasr(19, 1, 0, 1, 1)), (AXI, rasr(12, 1, 0, 0, 0, off=0b0000_0010))
    assert attributes_at(AXI + 0x1FF, 5, whole, part) == Cacheability.NONE
    assert attributes_at(AXI + 0x200, 5, whole, part) == WRITE_BACK
    assert attributes_at(AXI + 0x400, 5, whole, part) == Cacheability.NONE
    assert attributes_at(AXI + 0x1000, 5, whole, part) == WRITE_BACK
    assert attributes_at(AXI, 5, part, whole) == WRITE_BACK


def test_a_cache_that_earlier_work_left_dirty_spoils_a_transfer_from_or_to_it(probe: VirtualProbe) -> None:
    probe.finish()
    assert probe.stm32h7.chip.cache is not None
    probe.stm32h7.chip.cache.make_dirty()
    transfer(probe, DTCM, FLASH)
    probe.invalidate(AXI, 32)
    transfer(probe, AXI, FLASH, 32)
    with pytest.raises(EmulationError, match="let a DMA write the line at 0x24000020"):
        transfer(probe, AXI, FLASH, 33)
