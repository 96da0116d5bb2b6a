"""Single peripherals of the virtual RP2040: what each refuses, and what the chip is left with."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from tests.support.rp2040_program import board_with
from tinyanime.codegen.errors import UserError
from tinyanime.host.emulate.bus import BusError
from tinyanime.host.emulate.rp2040.apb import CoreBus
from tinyanime.host.emulate.rp2040.chip import parse_settings

pytestmark = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs the ARM GCC")

RESETS, CLOCKS, XOSC, PLL = 0x4000_C000, 0x4000_8000, 0x4002_4000, 0x4002_8000
IO, PADS, UART, WATCHDOG, TIMER = 0x4001_4000, 0x4001_C000, 0x4003_4000, 0x4005_8000, 0x4005_4000
DMA, SCS, SSI, PSM = 0x5000_0000, 0xE000_E000, 0x1800_0000, 0x4001_0000
XOR, SET, CLEAR = 0x1000, 0x2000, 0x3000
SRAM = 0x2000_0000
BUSY, AHB_ERROR = 1 << 24, 1 << 31


class Chip:
    """Core 0's view of a chip behind a power-on, and its time."""

    def __init__(self, *settings: tuple[str, str]) -> None:
        self.board = board_with("void start(void) { done(); }", *settings)
        self.bus: CoreBus = self.board.chip.buses[0]

    def read(self, address: int) -> int:
        return self.bus.read(address, 4)

    def write(self, address: int, value: int) -> None:
        self.bus.write(address, 4, value)

    def release(self, *bits: int) -> None:
        self.write(RESETS + CLEAR, sum(1 << bit for bit in bits))

    def wait(self, cycles: int) -> None:
        self.board.processor.counter.pass_cycles(cycles)

    def start_xosc(self) -> None:
        self.write(XOSC + 0x0C, 47)
        self.write(XOSC, 0xFAB << 12 | 0xAA0)
        self.wait(10_000)

    def start_pll(self, feedback: int = 133, dividers: int = 6 << 16 | 2 << 12) -> None:
        self.start_xosc()
        self.release(12)
        self.write(PLL + 0x8, feedback)
        self.write(PLL + CLEAR + 0x4, 1 << 5 | 1)
        self.wait(1_000)
        self.write(PLL + 0xC, dividers)
        self.write(PLL + CLEAR + 0x4, 1 << 3)

    def run_on_pll(self) -> None:
        self.start_pll()
        self.write(CLOCKS + 0x30, 2)
        self.write(CLOCKS + 0x3C, 1)

    def start_uart(self, divider: int = 8 << 6 | 59, function: int = 2) -> None:
        self.run_on_pll()
        self.write(CLOCKS + 0x48, 1 << 11)
        self.release(5, 8, 22)
        self.write(UART + 0x24, divider >> 6)
        self.write(UART + 0x28, divider & 63)
        self.write(UART + 0x2C, 0x70)
        self.write(UART + 0x30, 0x301)
        for pin in (0, 1):
            self.write(IO + 8 * pin + 4, function)


def test_a_peripheral_in_reset_answers_nothing_and_starts_anew_behind_it() -> None:
    chip = Chip()
    with pytest.raises(BusError, match=r"IO_BANK0\+0x04 \(0x40014004\), which is held in reset \(RESETS\)"):
        chip.write(IO + 4, 2)
    chip.release(5)
    assert chip.read(RESETS + 8) >> 5 & 1
    chip.write(IO + 4, 2)
    chip.write(RESETS + SET, 1 << 5)
    chip.release(5)
    assert chip.read(IO + 4) == 0x1F


def test_the_serial_port_does_not_leave_its_reset_without_its_clock() -> None:
    chip = Chip()
    chip.release(22)
    assert not chip.read(RESETS + 8) >> 22 & 1
    chip.write(CLOCKS + 0x48, 1 << 11)
    assert chip.read(RESETS + 8) >> 22 & 1


def test_aliases_set_clear_and_flip_bits() -> None:
    chip = Chip()
    scratch = WATCHDOG + 0x10
    chip.write(scratch, 0xF0)
    chip.write(scratch + SET, 0x0F)
    chip.write(scratch + CLEAR, 0x81)
    chip.write(scratch + XOR, 0x03)
    assert chip.read(scratch) == chip.read(scratch + SET) == 0x7D


def test_registers_that_are_not_modelled_and_reserved_bits_are_refused() -> None:
    chip = Chip()
    with pytest.raises(BusError, match=r"CLOCKS\+0x00 \(0x40008000\), a register that is not modelled"):
        chip.write(CLOCKS, 1)
    with pytest.raises(BusError, match="changed bits 0x00008000 of XOSC_STARTUP"):
        chip.write(XOSC + 0x0C, 1 << 15)
    with pytest.raises(BusError, match="takes only 4-byte accesses"):
        chip.bus.read(CLOCKS + 0x30, 1)


def test_the_crystal_is_stable_after_its_time_and_never_where_it_is_broken() -> None:
    chip, broken = Chip(), Chip(("xosc", "off"))
    for candidate in (chip, broken):
        candidate.write(XOSC + 0x0C, 47)
        candidate.write(XOSC, 0xFAB << 12 | 0xAA0)
        assert not candidate.read(XOSC + 4) >> 31
        candidate.wait(6_600)  # 1.0027 ms of a crystal of 12 MHz, on the ring oscillator of 6.5 MHz.
    assert chip.read(XOSC + 4) >> 31
    assert not broken.read(XOSC + 4) >> 31


@pytest.mark.parametrize(
    ("feedback", "message"),
    [(62, "VCO at 744000000 Hz"), (134, "VCO at 1608000000 Hz"), (15, "feedback divider of 15")],
)
def test_a_vco_outside_its_range_is_refused(feedback: int, message: str) -> None:
    with pytest.raises(BusError, match=message):
        Chip().start_pll(feedback)


def test_the_pll_needs_a_stable_crystal_and_its_time_to_lock() -> None:
    chip = Chip()
    chip.release(12)
    chip.write(PLL + 8, 133)
    with pytest.raises(BusError, match="while the crystal oscillator is not stable"):
        chip.write(PLL + CLEAR + 4, 1 << 5 | 1)
    ready = Chip()
    ready.start_pll()
    assert ready.read(PLL) >> 31
    never = Chip(("pll", "off"))
    never.start_pll()
    assert not never.read(PLL) >> 31


def test_clocks_that_stop_or_run_too_fast_are_refused() -> None:
    with pytest.raises(BusError, match="made clk_ref stop"):
        Chip().write(CLOCKS + 0x30, 2)
    fast = Chip()
    fast.start_pll(dividers=5 << 16 | 2 << 12)
    with pytest.raises(BusError, match="runs clk_sys at 159600000 Hz, where 133000000 Hz are allowed"):
        fast.write(CLOCKS + 0x3C, 1)
    running = Chip()
    running.run_on_pll()
    assert running.board.chip.time.hz == 133_000_000
    with pytest.raises(BusError, match="made clk_sys stop"):
        running.write(RESETS + SET, 1 << 12)


def test_the_frequency_counter_tells_the_clock() -> None:
    chip = Chip()
    chip.run_on_pll()
    chip.write(CLOCKS + 0x80, 12_000)
    chip.write(CLOCKS + 0x94, 9)
    assert chip.read(CLOCKS + 0x9C) >> 5 == 133_000


def test_the_serial_port_needs_its_pins_and_the_right_speed() -> None:
    chip = Chip()
    chip.start_uart()
    assert chip.read(UART + 0x18) == 0x90
    unwired = Chip()
    unwired.start_uart(function=0x1F)
    with pytest.raises(BusError, match="uses UART0 while GP0 is not in function 2"):
        unwired.read(UART + 0x18)
    slow = Chip()
    slow.start_uart(divider=9 << 6 | 59)
    with pytest.raises(BusError, match="runs UART0 at 837795 baud, where the board's link has 921600"):
        slow.read(UART + 0x18)
    with pytest.raises(BusError, match="wrote UART0_IBRD while the port is enabled"):
        slow.write(UART + 0x24, 9)


def test_the_serial_port_tells_of_bytes_and_serves_core_0_alone() -> None:
    chip = Chip()
    chip.start_uart()
    wires = chip.board.endpoint
    wires.to_board += b"\x41"  # type: ignore[attr-defined]
    assert not chip.read(UART + 0x18) & 1 << 4
    chip.board.chip.time.active = 1
    with pytest.raises(BusError, match="polled UART0 on core 1"):
        chip.board.chip.buses[1].read(UART + 0x18, 4)


def test_the_timer_counts_ticks_of_the_watchdog() -> None:
    chip = Chip()
    chip.run_on_pll()
    chip.write(WATCHDOG + 0x2C, 1 << 9 | 12)
    begin = chip.read(TIMER + 0x28)
    chip.wait(133_000)
    assert chip.read(TIMER + 0x0C) - begin == 1000
    assert chip.read(TIMER + 0x08) == 0
    chip.write(WATCHDOG + 0x2C, 1 << 9 | 48)
    begin = chip.read(TIMER + 0x28)
    chip.wait(133_000)
    assert chip.read(TIMER + 0x28) - begin == 250


def test_the_watchdog_counts_two_per_tick_and_needs_a_tick() -> None:
    chip = Chip()
    chip.run_on_pll()
    with pytest.raises(BusError, match="without its tick"):
        chip.write(WATCHDOG, 1 << 30)
    chip = Chip()
    chip.run_on_pll()
    chip.write(WATCHDOG + 0x2C, 1 << 9 | 12)
    chip.write(WATCHDOG + 4, 10_000)
    chip.write(WATCHDOG, 1 << 30)
    chip.wait(133_000)
    assert chip.read(WATCHDOG) & 0xFF_FFFF == 8_000
    chip.write(PSM + 8, 0x1_0000)
    with pytest.raises(BusError, match="while PSM_WDSEL spares parts of it"):
        chip.write(WATCHDOG, 1 << 31)


def test_the_system_timer_counts_down_with_the_core() -> None:
    chip = Chip()
    chip.write(SCS + 0x14, 999)
    chip.write(SCS + 0x18, 0)
    chip.write(SCS + 0x10, 5)
    chip.wait(1)
    assert chip.read(SCS + 0x18) == 999
    chip.wait(998)
    assert chip.read(SCS + 0x18) == 1
    assert not chip.read(SCS + 0x10) >> 16
    chip.wait(2)
    assert chip.read(SCS + 0x18) == 999
    assert chip.read(SCS + 0x10) >> 16 & 1
    assert not chip.read(SCS + 0x10) >> 16 & 1


def test_a_reset_by_the_core_and_interrupts_are_refused() -> None:
    chip = Chip()
    with pytest.raises(BusError, match="asked for a reset by AIRCR"):
        chip.write(SCS + 0xD0C, 0x05FA_0004)
    with pytest.raises(BusError, match="enabled the interrupt of SysTick"):
        chip.write(SCS + 0x10, 3)
    with pytest.raises(BusError, match="VTOR to 0x20000080, which is not aligned to 256"):
        chip.write(SCS + 0xD08, SRAM + 0x80)


def dma_request(chip: Chip, source: int, target: int, count: int, control: int = 0x3F_8039) -> None:
    chip.write(DMA + 0, source)
    chip.write(DMA + 4, target)
    chip.write(DMA + 8, count)
    chip.write(DMA + 0xC, control)


def dma_chip(*settings: tuple[str, str]) -> Chip:
    chip = Chip(*settings)
    chip.release(2)
    return chip


@pytest.mark.parametrize("order", ["early", "late", "random:1", "random:2"])
def test_a_transfer_has_arrived_when_its_channel_is_idle(order: str) -> None:
    chip = dma_chip(("dma", order))
    data = bytes(range(64))
    chip.board.memories.write(SRAM, data)
    dma_request(chip, SRAM, SRAM + 0x100, 16)
    assert chip.board.unawaited or order == "early"
    while chip.read(DMA + 0x10) & BUSY:
        pass
    assert chip.board.memories.read(SRAM + 0x100, 64) == data
    assert not chip.board.unawaited
    assert chip.read(DMA + 4) == SRAM + 0x140


def test_what_is_on_its_way_is_poison() -> None:
    chip = dma_chip(("dma", "late"))
    chip.board.memories.write(SRAM, bytes(128))
    dma_request(chip, SRAM, SRAM + 64, 16)
    assert chip.board.memories.read(SRAM + 64, 64) != bytes(64)


def test_a_transfer_to_nowhere_halts_with_its_flags_until_it_is_given_up() -> None:
    chip = dma_chip()
    dma_request(chip, 0x2100_0000, SRAM, 4)
    assert chip.read(DMA + 0x10) & (AHB_ERROR | BUSY | 1 << 30) == AHB_ERROR | BUSY | 1 << 30
    chip.write(DMA + 0x444, 1)
    while chip.read(DMA + 0x444):
        pass
    assert not chip.read(DMA + 0x10) & BUSY
    dma_request(chip, SRAM, 0x1000_0000, 4, 0x3F_8039)
    assert chip.read(DMA + 0x10) & 1 << 30  # Flash is not mapped yet, nor can it be written.


@pytest.mark.parametrize(
    ("request_it", "message"),
    [
        (lambda chip: dma_request(chip, SRAM + 2, SRAM + 64, 4), "address that is no multiple of 4"),
        (lambda chip: dma_request(chip, SRAM, SRAM + 64, 0), "with a count of 0"),
        (lambda chip: dma_request(chip, SRAM, SRAM + 64, 4, 0x3F_8019), "an address that stands still"),
        (lambda chip: dma_request(chip, SRAM, SRAM + 64, 4, 0x3F_8839), "chains to another channel"),
        (lambda chip: dma_request(chip, SRAM, SRAM + 64, 4, 0x00_0039), "paced by a peripheral"),
        (lambda chip: dma_request(chip, 0x4000_0000, SRAM, 4), "access to peripherals is not modelled"),
    ],
)
def test_transfers_that_are_not_modelled_are_refused(request_it: Callable[[Chip], None], message: str) -> None:
    with pytest.raises(BusError, match=message):
        request_it(dma_chip())


def test_a_channel_that_nobody_waited_for_does_not_start_again() -> None:
    chip = dma_chip(("dma", "early"))
    dma_request(chip, SRAM, SRAM + 64, 4)
    with pytest.raises(BusError, match="started DMA channel 0 again without a wait for its transfer of 16 bytes"):
        dma_request(chip, SRAM, SRAM + 64, 4)


@pytest.mark.parametrize("setting", [("cores", "3"), ("interleave", "x"), ("dma", "soon"), ("revision", "Y")])
def test_a_setting_that_it_lacks_is_refused(setting: tuple[str, str]) -> None:
    with pytest.raises(UserError, match="The virtual rp2040 has no setting"):
        parse_settings((setting,))
