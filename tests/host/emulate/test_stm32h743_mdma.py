"""The model of the MDMA: what each register takes, when the bytes arrive, what is an error of the transfer."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import pytest
import unicorn

from tests.support.dma_probe import OK, VirtualProbe
from tinyanime.boards.loader import load_board
from tinyanime.codegen.errors import UserError
from tinyanime.host.emulate.block_counter import BlockCounter
from tinyanime.host.emulate.bus import Bus, BusError
from tinyanime.host.emulate.dma_order import DmaOrder, DmaTiming
from tinyanime.host.emulate.memories import Memories
from tinyanime.host.emulate.stm32h7.chip import parse_settings
from tinyanime.host.emulate.stm32h7.mdma import Mdma, MdmaWiring

FLASH, ITCM, DTCM, AXI, D2 = 0x0800_0000, 0x0000_0000, 0x2000_0000, 0x2400_0000, 0x3000_0000
C0 = 0x5200_0040
ISR, IFCR, ESR, CR, TCR, BNDTR, SAR, DAR, TBR = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x14, 0x18, 0x1C, 0x28
TEIF, CTCIF, CRQA, EN, SWRQ = 1, 2, 1 << 16, 1, 1 << 16
TED, ASE, BSE = 1 << 7, 1 << 10, 1 << 11
SBUS, DBUS = 1 << 16, 1 << 17
WORDS_UP = 2 | 2 << 2 | 2 << 4 | 2 << 6 | 2 << 8 | 2 << 10 | 127 << 18 | 1 << 25 | 1 << 28 | 1 << 30
CONTENT = bytes(range(256)) * 16


@dataclass
class Bench:
    """The MDMA on a bus of its own, with a board's memories."""

    order: DmaOrder = field(default_factory=lambda: DmaOrder(DmaTiming.LATE))

    def __post_init__(self) -> None:
        self.memories = Memories(load_board("stm32h743").memory)
        for memory in self.memories:
            self.memories.switch(memory.region.base, memory.region.size_bytes, True)
        self.memories.write(FLASH, CONTENT)
        self.counter = BlockCounter(unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB))
        self.mdma = Mdma(MdmaWiring(self.memories, None, self.counter, self.memories.write), self.order)
        self.bus = Bus()
        self.bus.attach(self.mdma)

    def configure(
        self, target: int, source: int, count: int, *, tcr: int = WORDS_UP, tbr: int = 0, channel: int = 0
    ) -> None:
        for register, value in ((TCR, tcr), (BNDTR, count), (SAR, source), (DAR, target), (TBR, tbr)):
            self.bus.write(C0 + 0x40 * channel + register, 4, value)

    def request(self, channel: int = 0) -> None:
        self.bus.write(C0 + 0x40 * channel + IFCR, 4, 0x1F)
        self.bus.write(C0 + 0x40 * channel + CR, 4, EN)
        self.bus.write(C0 + 0x40 * channel + CR, 4, EN | SWRQ)

    def poll(self, channel: int = 0) -> int:
        """The flags at the end; some polls find the transfer under way."""
        for _ in range(20):
            flags = self.bus.read(C0 + 0x40 * channel + ISR, 4)
            if flags & (TEIF | CTCIF):
                return flags
            assert flags & CRQA
        raise AssertionError("the transfer did not end")

    def failed(self, target: int, source: int, count: int, *, tcr: int = WORDS_UP, tbr: int = 0) -> int:
        """The error status of a transfer that fails."""
        self.configure(target, source, count, tcr=tcr, tbr=tbr)
        self.request()
        assert self.poll() & (TEIF | CTCIF) == TEIF
        assert self.bus.read(C0 + CR, 4) & EN == 0
        return self.bus.read(C0 + ESR, 4)


def test_a_transfer_moves_its_bytes_sets_the_flags_and_leaves_the_channel_off() -> None:
    bench = Bench()
    bench.configure(AXI, FLASH, 64)
    bench.request()
    assert bench.bus.read(C0 + CR, 4) & EN
    assert bench.poll() & (TEIF | CTCIF | CRQA) == CTCIF
    assert bench.memories.read(AXI, 64) == CONTENT[:64]
    assert bench.bus.read(C0 + CR, 4) & EN == 0
    bench.bus.write(C0 + IFCR, 4, 0x1F)
    assert bench.bus.read(C0 + ISR, 4) == 0
    assert bench.mdma.unawaited == ()


def test_a_tcm_is_reached_over_its_own_port_only() -> None:
    bench = Bench()
    assert bench.failed(DTCM + 4, FLASH, 64) == TED | 4
    assert bench.failed(DTCM, FLASH, 64, tbr=SBUS | DBUS) == FLASH & 0x7F
    assert bench.failed(AXI, DTCM + 8, 64) == 8
    assert bench.failed(AXI, FLASH, 64, tbr=DBUS) == TED
    for target, tbr in ((DTCM, DBUS), (ITCM, DBUS), (D2, 0)):
        bench.configure(target, FLASH, 64, tbr=tbr)
        bench.request()
        assert bench.poll() & CTCIF
        assert bench.memories.read(target, 64) == CONTENT[:64]


def test_addresses_and_sizes_are_aligned_to_the_accesses() -> None:
    bench = Bench()
    assert bench.failed(AXI, FLASH + 2, 64) & (ASE | TED) == ASE
    assert bench.failed(AXI + 1, FLASH, 64) & (ASE | TED) == ASE | TED
    assert bench.failed(AXI, FLASH, 62) & (BSE | TED) == BSE
    bytes_to_words = WORDS_UP & ~(3 << 4 | 3 << 8)
    assert bench.failed(AXI, FLASH + 1, 62, tcr=bytes_to_words) & (BSE | TED) == BSE | TED


def test_a_tcm_takes_no_double_words() -> None:
    double_words = WORDS_UP | 3 << 4 | 3 << 6 | 3 << 8 | 3 << 10
    bench = Bench()
    assert bench.failed(DTCM, FLASH, 64, tcr=double_words, tbr=DBUS) & TED
    bench.configure(AXI, FLASH, 64, tcr=double_words)
    bench.request()
    assert bench.poll() & CTCIF


def test_memory_that_is_not_there_not_clocked_or_read_only_is_a_transfer_error() -> None:
    bench = Bench()
    bench.memories.switch(D2, 0x4_8000, False)
    for target, source in ((FLASH, AXI), (0x6000_0000, FLASH), (D2, FLASH), (AXI + 0x8_0000 - 32, FLASH)):
        assert bench.failed(target, source, 64) & TED
        bench.bus.write(C0 + IFCR, 4, 0x1F)
        assert bench.bus.read(C0 + ESR, 4) == 0
    assert bench.memories.read(FLASH, 64) == CONTENT[:64]


def test_early_is_at_once_and_late_is_poison_until_the_last_poll() -> None:
    early, late = (Bench(DmaOrder(timing)) for timing in (DmaTiming.EARLY, DmaTiming.LATE))
    for bench in (early, late):
        bench.configure(AXI, FLASH, 64)
        bench.request()
    assert early.memories.read(AXI, 64) == CONTENT[:64]
    first = late.memories.read(AXI, 64)
    assert sum(a == b for a, b in zip(first, CONTENT, strict=False)) < 16
    late.poll()
    late.configure(AXI, FLASH, 64)
    late.request()
    assert late.memories.read(AXI, 64) not in (first, CONTENT[:64])
    assert late.poll() & CTCIF
    assert late.memories.read(AXI, 64) == CONTENT[:64]


def test_late_reads_the_source_late_too() -> None:
    bench = Bench()
    bench.configure(AXI, AXI + 0x100, 64)
    bench.memories.write(AXI + 0x100, bytes(64))
    bench.request()
    bench.memories.write(AXI + 0x100, bytes([7]) * 64)
    bench.poll()
    assert bench.memories.read(AXI, 64) == bytes([7]) * 64


def snapshots(seed: int) -> list[bytes]:
    """The target of a transfer while the firmware computes, and after the wait."""
    probe = VirtualProbe((("dma", f"random:{seed}"),), ((0x0810_0000, CONTENT),))
    probe.store(DTCM + 0x10000, bytes(4096))
    assert probe.start(0, DTCM + 0x10000, 0x0810_0000, 4096) == OK
    seen = []
    for _ in range(20):
        probe.compute(500)
        seen.append(probe.load(DTCM + 0x10000, 4096))
    assert probe.wait(0) == OK
    return [*seen, probe.load(DTCM + 0x10000, 4096)]


def test_random_shows_parts_of_the_target_written_in_between_and_the_same_with_the_same_seed() -> None:
    runs = {seed: snapshots(seed) for seed in (1, 2, 3)}
    for seen in runs.values():
        assert seen[-1] == CONTENT
    arrived = [[sum(map(int.__eq__, shot, CONTENT)) for shot in seen] for seen in runs.values()]
    assert any(100 < count < 4000 for counts in arrived for count in counts)
    assert any(later > before + 50 for counts in arrived for before, later in itertools.pairwise(counts[:-1]))
    assert snapshots(1) == runs[1]
    assert runs[2][:-1] != runs[1][:-1]


def test_a_busy_channel_takes_no_configuration_and_no_second_request() -> None:
    bench = Bench()
    bench.configure(AXI, FLASH, 64)
    bench.request()
    with pytest.raises(BusError, match="wrote MDMA_C0SAR while the channel is enabled"):
        bench.bus.write(C0 + SAR, 4, FLASH)
    with pytest.raises(
        BusError, match=r"started MDMA channel 0 again without a wait for its transfer of 64 bytes from"
    ):
        bench.request()


@pytest.mark.parametrize("timing", [DmaTiming.EARLY, DmaTiming.LATE])
def test_a_transfer_that_nobody_waited_for_is_an_error_at_the_next_start_and_known_before(timing: DmaTiming) -> None:
    bench = Bench(DmaOrder(timing))
    bench.configure(AXI, FLASH, 64, channel=2)
    bench.request(2)
    (left,) = bench.mdma.unawaited
    assert (left.source, left.target, left.size) == (FLASH, AXI, 64)
    with pytest.raises(BusError, match="started MDMA channel 2 again without a wait"):
        bench.request(2)


def test_flags_of_the_last_transfer_would_end_the_next_wait_at_once() -> None:
    bench = Bench()
    bench.configure(AXI, FLASH, 64)
    bench.request()
    bench.poll()
    bench.bus.write(C0 + CR, 4, EN)
    with pytest.raises(BusError, match="before the flags of its last were cleared"):
        bench.bus.write(C0 + CR, 4, EN | SWRQ)


def test_a_channel_switched_off_in_the_middle_moves_no_more() -> None:
    bench = Bench()
    bench.memories.write(AXI, bytes(64))
    bench.configure(AXI, FLASH, 64)
    bench.request()
    bench.bus.write(C0 + CR, 4, 0)
    assert bench.poll() & CTCIF
    assert bench.memories.read(AXI, 64) != CONTENT[:64]


def test_a_channel_switched_off_in_the_middle_stops_later_and_takes_no_transfer_before() -> None:
    bench = Bench()
    bench.configure(AXI, FLASH, 64)
    bench.request()
    bench.bus.write(C0 + CR, 4, 0)
    bench.bus.write(C0 + IFCR, 4, 0x1F)  # Clears nothing: the flag comes with the end of the buffer.
    with pytest.raises(BusError, match="started MDMA channel 0 again without a wait"):
        bench.bus.write(C0 + CR, 4, EN)
    assert bench.bus.read(C0 + ISR, 4) & (CTCIF | CRQA) == CRQA
    assert bench.poll() & (CTCIF | CRQA) == CTCIF
    bench.request()
    assert bench.poll() & CTCIF


@pytest.mark.parametrize(
    ("tcr", "count", "tbr", "message"),
    [
        (WORDS_UP, 0, 0, "requested 0 bytes"),
        (WORDS_UP, 65537, 0, "requested 65537 bytes"),
        (WORDS_UP & ~(1 << 30), 64, 0, "without SWRM"),
        (WORDS_UP & ~(3 << 28), 64, 0, "with trigger mode 0"),
        (WORDS_UP & ~3, 64, 0, "address that does not go up"),
        (WORDS_UP & ~(1 << 25 | 3 << 4 | 3 << 8), 64, 0, "with padding"),
        (WORDS_UP & ~(3 << 8), 64, 0, "source of MDMA channel 0 to a step of 1 bytes and accesses of 4"),
        (WORDS_UP & ~(127 << 18) | 5 << 18, 64, 0, "a buffer of 6 bytes and accesses of 4"),
        (WORDS_UP | 6 << 15, 256, 0, "bursts of 256 bytes for the target of MDMA channel 0, of which a buffer has 128"),
        (WORDS_UP | 3 << 12, 144, 0, "bursts of 32 bytes for the source of MDMA channel 0, of which a buffer has 16"),
    ],
)
def test_what_is_unpredictable_on_the_chip_or_not_modelled_is_refused(
    tcr: int, count: int, tbr: int, message: str
) -> None:
    bench = Bench()
    bench.configure(AXI, FLASH, count, tcr=tcr, tbr=tbr)
    with pytest.raises(BusError, match=message):
        bench.request()


def test_unknown_registers_and_bits_and_read_only_ones_are_refused() -> None:
    bench = Bench()
    for address in (0x5200_0000, C0 + 0x24, C0 + 0x40 * 4):
        with pytest.raises(BusError, match="not modelled"):
            bench.bus.read(address, 4)
    for register, value in ((CR, 1 << 12), (BNDTR, 1 << 20), (TBR, 1 << 8)):
        with pytest.raises(BusError, match="reserved or not modelled"):
            bench.bus.write(C0 + register, 4, value)
    for register in (ISR, ESR):
        with pytest.raises(BusError, match="read-only"):
            bench.bus.write(C0 + register, 4, 0)
    with pytest.raises(BusError, match="write-only"):
        bench.bus.read(C0 + IFCR, 4)
    with pytest.raises(BusError, match="while it is off, which has no effect"):
        bench.bus.write(C0 + CR, 4, SWRQ)
    bench.configure(0x4000_4828, FLASH, 4)
    with pytest.raises(BusError, match="its access to peripherals is not modelled"):
        bench.request()


def test_an_alarm_rings_once_at_its_instruction() -> None:
    machine = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
    machine.mem_map(0, 0x1000)
    machine.mem_write(0, bytes.fromhex("00bf fde7"))  # nop and back to it
    counter = BlockCounter(machine)
    rung: list[int] = []
    counter.on_alarm(lambda: rung.append(counter.instructions))
    counter.set_alarm(1001)
    counter.set_deadline(5000)
    machine.emu_start(1, 0xFFE)
    assert rung == [1002]


def test_the_settings_say_when_bytes_arrive_and_whether_coherence_is_checked() -> None:
    assert parse_settings(()).dma == DmaOrder(DmaTiming.LATE)
    assert parse_settings(()).coherence
    assert parse_settings((("dma", "random:42"), ("coherence", "off"))).dma == DmaOrder(DmaTiming.RANDOM, 42)
    assert not parse_settings((("coherence", "off"),)).coherence
    for name, value in (
        ("dma", "random"),
        ("dma", "random:x"),
        ("dma", "early:1"),
        ("dma", "soon"),
        ("coherence", "1"),
    ):
        with pytest.raises(UserError, match=f"no setting {name}={value}") as caught:
            parse_settings(((name, value),))
        assert "dma=early|late|random:SEED" in caught.value.hint
