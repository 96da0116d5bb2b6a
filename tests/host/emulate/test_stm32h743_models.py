"""Single peripherals of the virtual STM32H743: what each refuses, and what the chip is left with."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
import unicorn

from tests.support.hello_firmware import build_hello
from tinyanime.boards.loader import load_board
from tinyanime.codegen.errors import UserError
from tinyanime.host.emulate.block_counter import BlockCounter
from tinyanime.host.emulate.bus import Bus, BusError, Peripheral, Register
from tinyanime.host.emulate.clock import CoreClock
from tinyanime.host.emulate.endpoint import open_endpoint
from tinyanime.host.emulate.image import load_image
from tinyanime.host.emulate.stm32h7.board import Stm32h7Board
from tinyanime.host.emulate.stm32h7.chip import ChipSettings, parse_settings
from tinyanime.host.emulate.stm32h7.gpio import GpioD
from tinyanime.host.emulate.stm32h7.power import FlashInterface, Pwr, Revision, Syscfg
from tinyanime.host.emulate.stm32h7.rcc import Rcc, ResetCause
from tinyanime.host.emulate.stm32h7.usart import Usart3

RCC = 0x5802_4400
PWR = 0x5802_4800
FLASH = 0x5200_2000
SYSCFG = 0x5800_0400


def clock_tree(revision: Revision = Revision.V) -> Bus:
    bus = Bus()
    syscfg = Syscfg(revision)
    power, flash = Pwr(syscfg), FlashInterface()
    for peripheral in (Rcc(revision, power, flash, ResetCause.POWER_ON, lambda name, on: None), power, flash, syscfg):
        bus.attach(peripheral)
    return bus


def poll(bus: Bus, address: int) -> None:
    for _ in range(10):
        bus.read(address, 4)


def start_pll(bus: Bus, multiplier: int) -> None:
    """HSI / 8 * multiplier / 2."""
    bus.write(RCC + 0x28, 4, 0x0202_0000 | 8 << 4)
    bus.write(RCC + 0x2C, 4, 0x01FF_000C)
    bus.write(RCC + 0x30, 4, 0x0101_0000 | 1 << 9 | (multiplier - 1))
    bus.write(RCC, 4, 0x25 | 1 << 24)
    poll(bus, RCC)


def test_a_core_clock_beyond_the_voltage_is_refused() -> None:
    bus = clock_tree()
    start_pll(bus, 100)
    bus.write(RCC + 0x18, 4, 0x48)
    with pytest.raises(BusError, match="runs the core at 400000000 Hz at VOS3, where 200000000 Hz are allowed"):
        bus.write(RCC + 0x10, 4, 3)


def test_too_few_flash_wait_states_are_refused() -> None:
    bus = clock_tree()
    bus.write(PWR + 0x0C, 4, 6)
    bus.write(PWR + 0x18, 4, 3 << 14)
    poll(bus, PWR + 0x18)
    start_pll(bus, 100)
    for register, value in ((0x18, 0x48), (0x1C, 0x440), (0x20, 0x40)):
        bus.write(RCC + register, 4, value)
    bus.write(FLASH, 4, 0x21)
    with pytest.raises(BusError, match="runs the flash at 200 MHz with 1 wait states at VOS1"):
        bus.write(RCC + 0x10, 4, 3)
    bus.write(FLASH, 4, 0x22)
    bus.write(RCC + 0x10, 4, 3)


def test_a_vco_of_960_mhz_is_refused_on_revision_y() -> None:
    start_pll(clock_tree(Revision.V), 120)
    with pytest.raises(BusError, match="VCO at 960000000 Hz, outside 192000000 to 836000000 Hz"):
        start_pll(clock_tree(Revision.Y), 120)


def test_revision_y_has_no_overdrive() -> None:
    clock_tree(Revision.V).write(SYSCFG + 0x2C, 4, 1)
    with pytest.raises(BusError, match="which revision Y lacks"):
        clock_tree(Revision.Y).write(SYSCFG + 0x2C, 4, 1)


def test_switching_to_a_pll_that_is_not_ready_is_refused() -> None:
    with pytest.raises(BusError, match="clock source 3, which is not ready"):
        clock_tree().write(RCC + 0x10, 4, 3)


def usart(pins: GpioD) -> Usart3:
    endpoint = open_endpoint()
    endpoint.close()
    syscfg = Syscfg(Revision.V)
    rcc = Rcc(Revision.V, Pwr(syscfg), FlashInterface(), ResetCause.POWER_ON, lambda name, on: None)
    counter = BlockCounter(unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB))
    return Usart3(endpoint, 921_600, rcc, pins, CoreClock(counter, lambda: 64_000_000, lambda: None))


def wired_pins() -> GpioD:
    pins = GpioD()
    pins.store("AFRH", 0x77)
    pins.store("MODER", 0xFFFA_FFFF)
    return pins


def switch_on(port: Usart3, divider: int, fifo: int = 1 << 29) -> None:
    port.store("BRR", divider)
    port.write_cr1(fifo | 0xD)


def test_the_serial_port_needs_its_pins_its_fifo_and_the_right_speed() -> None:
    switch_on(usart(wired_pins()), 69)
    with pytest.raises(BusError, match="PD8 is not in alternate function 7"):
        switch_on(usart(GpioD()), 69)
    with pytest.raises(BusError, match="runs USART3 at 492308 baud, where the board's link has 921600"):
        switch_on(usart(wired_pins()), 130)
    with pytest.raises(BusError, match="without FIFO"):
        switch_on(usart(wired_pins()), 69, fifo=0)
    with pytest.raises(BusError, match="divider of 0, below 16"):
        switch_on(usart(wired_pins()), 0)


def test_the_serial_port_refuses_data_while_it_is_off() -> None:
    port = usart(wired_pins())
    assert port.read_isr() == 0
    with pytest.raises(BusError, match="while the transmitter is off"):
        port.write_tdr(1)
    with pytest.raises(BusError, match="while no byte is waiting"):
        port.read_rdr()


class Sample(Peripheral):
    name = "SAMPLE"
    base = 0x4000_0000
    registers = (Register("CTRL", 0x00, reset=0x10, writable=0x0F, ignored=0x80), Register("STATUS", 0x04))


def test_reserved_bits_hardware_flags_and_widths_are_told_apart() -> None:
    bus = Bus()
    bus.attach(Sample())
    bus.write(0x4000_0000, 4, 0x95)
    assert bus.read(0x4000_0000, 4) == 0x15
    with pytest.raises(BusError, match="changed bits 0x00000040 of SAMPLE_CTRL"):
        bus.write(0x4000_0000, 4, 0x50)
    with pytest.raises(BusError, match=r"SAMPLE\+0x00 .*takes only 4-byte accesses \(this one has 1\)"):
        bus.read(0x4000_0000, 1)
    with pytest.raises(BusError, match=r"wrote 0x1 \(4 bytes\) to SAMPLE\+0x08 .*not modelled"):
        bus.write(0x4000_0008, 4, 1)
    with pytest.raises(BusError, match="0x50000000, where no peripheral is modelled"):
        bus.read(0x5000_0000, 4)


def test_a_peripheral_without_clock_does_not_answer() -> None:
    bus = Bus()
    bus.attach(Sample(), clocked=False)
    with pytest.raises(BusError, match="whose clock is off in the RCC"):
        bus.read(0x4000_0000, 4)
    bus.set_clock("SAMPLE", True)
    assert bus.read(0x4000_0000, 4) == 0x10
    bus.set_clock("SAMPLE", False)
    with pytest.raises(BusError, match="whose clock is off in the RCC"):
        bus.read(0x4000_0000, 4)


def test_settings_are_read_and_unknown_ones_refused() -> None:
    chosen = parse_settings((("revision", "y"), ("hse", "off"), ("pll", "off")))
    assert chosen == ChipSettings(Revision.Y, hse_works=False, pll_locks=False)
    with pytest.raises(UserError, match="no setting hse=maybe"):
        parse_settings((("hse", "maybe"),))


@pytest.mark.parametrize(("revision", "override"), [(Revision.Y, 1), (Revision.V, 0)])
def test_the_port_applies_the_axi_sram_erratum_to_revision_y_only(
    tmp_path: Path, revision: Revision, override: int
) -> None:
    board = booted(tmp_path, ChipSettings(revision))
    assert board.chip.axi.values["TARG7_FN_MOD"] == override
    assert board.chip.rcc.core_hz == revision.max_core_hz
    # Data cache, instruction cache and MPU are on.
    assert board.chip.core.values["CCR"] & 0x3_0000 == 0x3_0000
    assert board.chip.core.values["MPU_CTRL"] == 5


@pytest.mark.parametrize(
    "settings", [ChipSettings(), ChipSettings(Revision.Y), ChipSettings(pll_locks=False)], ids=["480", "400", "64"]
)
def test_the_watchdog_is_as_slow_as_it_can_be_before_the_cycle_counter_wraps(
    tmp_path: Path, settings: ChipSettings
) -> None:
    chip = booted(tmp_path, settings).chip
    wraps_after_s = 2**32 / chip.rcc.core_hz
    slowest_s = chip.watchdog.timeout_s * 1.075  # DS12110 6.3.9: the LSI may have 29.76 kHz.
    assert slowest_s < wraps_after_s
    assert chip.watchdog.timeout_s >= min(0.8 * wraps_after_s, 32.0)


def test_no_load_can_wander_into_external_memory_that_the_board_lacks(tmp_path: Path) -> None:
    regions = booted(tmp_path, ChipSettings()).chip.core.mpu_regions
    for address in range(0x0000_0000, 0x1_0000_0000, 0x0100_0000):
        attributes = [rasr for base, rasr in regions.values() if covers(base, rasr, address)]
        forbidden = bool(attributes) and attributes[-1] >> 24 & 7 == 0
        assert forbidden == (0x6000_0000 <= address < 0xE000_0000), hex(address)


def covers(base: int, rasr: int, address: int) -> bool:
    """Whether an MPU region (DDI 0403E B3.5.9) holds `address`."""
    size = 1 << ((rasr >> 1 & 0x1F) + 1)
    return base <= address < base + size and not rasr >> (8 + (address - base) * 8 // size) & 1


def booted(tmp_path: Path, settings: ChipSettings) -> Stm32h7Board:
    """A board that was switched off once its firmware had started."""
    endpoint = open_endpoint()
    board = Stm32h7Board(load_board("stm32h743"), load_image(build_hello(tmp_path)), endpoint, settings)
    runner = threading.Thread(target=board.run)
    runner.start()
    give_up = time.monotonic() + 20
    while not board.chip.watchdog.values["PR"]:
        assert time.monotonic() < give_up, "the firmware did not get as far as its watchdog"
        time.sleep(0.05)
    time.sleep(0.1)
    while runner.is_alive():
        board.stop()
        runner.join(0.05)
    endpoint.close()
    return board
