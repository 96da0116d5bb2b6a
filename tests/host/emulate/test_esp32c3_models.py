"""Single peripherals of the virtual ESP32-C3: what each refuses, and what the chip is left with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tinyanime.boards.loader import load_board
from tinyanime.host.emulate.bus import BusError
from tinyanime.host.emulate.endpoint import open_endpoint
from tinyanime.host.emulate.esp32c3.chip import ChipSettings, Esp32c3, Wiring
from tinyanime.host.emulate.esp32c3.chip_clock import ResetCause
from tinyanime.host.emulate.image import FirmwareImage
from tinyanime.host.emulate.memories import Memories
from tinyanime.host.emulate.processor import RV32, Processor

BOARD = load_board("esp32c3")
SYSTEM, RTC, TIMG0, SYSTIMER = 0x600C_0000, 0x6000_8000, 0x6001_F000, 0x6002_3000
ANALOG, SPI0, UART0, IO_MUX = 0x6000_E000, 0x6000_3000, 0x6000_0000, 0x6000_9000
CPU_PER_CONF, CLK_EN0, RST_EN0, SYSCLK = SYSTEM + 0x08, SYSTEM + 0x10, SYSTEM + 0x18, SYSTEM + 0x58
FROM_PLL, DIVIDED_BY_2 = 1 << 10, 1 << 16 | 1
ROM_WRITE, ROM_WRITE_BITS = 0x4000_195C, 0x4000_1960
PLL, SUPPLY = 0x66, 0x6D
UART_CLK, KEY = 1 << 2, 0x50D8_3AA1


class Chip:
    """A chip right behind the ROM, whose core executes nothing: accesses are made for it."""

    def __init__(self, settings: ChipSettings) -> None:
        self._endpoint = open_endpoint(0)
        self.memories = Memories(BOARD.memory)
        processor = Processor(RV32, "virtual esp32c3", FirmwareImage(BOARD.source, (), ()))
        self.resets = 0
        self._chip = Esp32c3(
            Wiring(BOARD, self._endpoint, processor, self.memories, self._reset), settings, ResetCause.SOFTWARE
        )
        self.clock = self._chip.clock
        self.rom = self._chip.core._rom

    def _reset(self) -> None:
        self.resets += 1

    def read(self, address: int) -> int:
        return self._chip.bus.read(address, 4)

    def write(self, address: int, value: int) -> None:
        self._chip.bus.write(address, 4, value)

    def set_bits(self, address: int, bits: int) -> None:
        self.write(address, self.read(address) | bits)

    def start_pll(self) -> None:
        """480 MHz, as the firmware does it."""
        self.write(ANALOG + 0x44, 0x3FF << 8 & ~(1 << 17))
        self.write(ANALOG + 0x40, 1 << 3)
        for register, value in ((4, 0x6B), (2, 0x50), (3, 8)):
            self.rom.call(ROM_WRITE, [PLL, 0, register, value, 0, 0])

    def raise_supply(self, code: int = 29) -> None:
        self.rom.call(ROM_WRITE_BITS, [SUPPLY, 0, 6, 4, 0, code])

    def set_flash_clock(self, value: int) -> None:
        """Once the cache reads no more."""
        while self.read(SPI0 + 0x54) & 0x7F:
            pass
        self.write(SPI0 + 0x14, value)

    def close(self) -> None:
        self._endpoint.close()


@pytest.fixture
def chip() -> Iterator[Chip]:
    made = Chip(ChipSettings())
    yield made
    made.close()


def test_the_rom_leaves_20_mhz_from_the_crystal(chip: Chip) -> None:
    assert chip.clock.core_hz() == 20_000_000
    assert chip.read(RTC + 0x38) == ResetCause.SOFTWARE.value


def test_a_faster_bus_with_the_flash_clock_of_the_rom_is_refused(chip: Chip) -> None:
    chip.start_pll()
    chip.clock.idle(60e-6)
    with pytest.raises(BusError, match="clocks the flash with 80000000 Hz, where 40000000 Hz are sure to work"):
        chip.write(SYSCLK, FROM_PLL)


def test_a_flash_clock_whose_parts_do_not_fit_is_refused(chip: Chip) -> None:
    with pytest.raises(BusError, match="whose high and low part do not fit"):
        chip.set_flash_clock(3 << 16 | 1 << 8 | 2)


def test_the_flash_clock_is_not_changed_while_the_cache_reads(chip: Chip) -> None:
    with pytest.raises(BusError, match="while the cache may be reading"):
        chip.write(SPI0 + 0x14, DIVIDED_BY_2)
    chip.set_flash_clock(DIVIDED_BY_2)
    with pytest.raises(BusError, match="while the cache may be reading"):
        chip.write(SPI0 + 0x14, DIVIDED_BY_2)


def test_a_pll_that_was_not_started_is_refused(chip: Chip) -> None:
    chip.set_flash_clock(DIVIDED_BY_2)
    with pytest.raises(BusError, match="switched the core to the PLL, which is not running"):
        chip.write(SYSCLK, FROM_PLL)


def test_a_pll_has_to_have_time_to_lock(chip: Chip) -> None:
    chip.set_flash_clock(DIVIDED_BY_2)
    chip.start_pll()
    with pytest.raises(BusError, match="less than 50 us after it was started"):
        chip.write(SYSCLK, FROM_PLL)
    chip.clock.idle(60e-6)
    chip.write(SYSCLK, FROM_PLL)
    assert chip.clock.core_hz() == 80_000_000


def test_160_mhz_need_a_higher_supply(chip: Chip) -> None:
    chip.set_flash_clock(DIVIDED_BY_2)
    chip.start_pll()
    chip.clock.idle(60e-6)
    chip.set_bits(CPU_PER_CONF, 1)
    for code in (20, 28):
        chip.raise_supply(code)
        with pytest.raises(BusError, match=f"Hz with its supply at code {code}, .* this chip needs 29"):
            chip.write(SYSCLK, FROM_PLL)
        chip.write(SYSCLK, 1)
    chip.raise_supply()
    chip.write(SYSCLK, FROM_PLL)
    assert chip.clock.core_hz() == 160_000_000


def test_a_pll_at_a_frequency_that_the_dividers_do_not_expect_is_refused(chip: Chip) -> None:
    chip.set_flash_clock(DIVIDED_BY_2)
    chip.start_pll()
    chip.clock.idle(60e-6)
    chip.write(CPU_PER_CONF, chip.read(CPU_PER_CONF) & ~4)
    with pytest.raises(
        BusError, match="runs the PLL at 480000000 Hz and tells the clock dividers that it is 320000000"
    ):
        chip.write(SYSCLK, FROM_PLL)


def test_the_pll_is_not_reached_while_it_is_off_the_analog_bus_or_without_power(chip: Chip) -> None:
    chip.write(ANALOG + 0x44, 1 << 17)
    with pytest.raises(BusError, match="while it is off the analog bus"):
        chip.rom.call(ROM_WRITE, [PLL, 0, 3, 8, 0, 0])
    chip.write(ANALOG + 0x44, 0)
    chip.set_bits(RTC, 1 << 10)
    with pytest.raises(BusError, match="while it is powered down"):
        chip.rom.call(ROM_WRITE, [PLL, 0, 3, 8, 0, 0])


def test_a_rom_whose_variables_were_overwritten_is_not_called(chip: Chip) -> None:
    chip.memories.write(0x3FCD_F000, bytes(16))
    with pytest.raises(BusError, match="after it had overwritten its variables"):
        chip.raise_supply()


def test_a_watchdog_without_its_key_is_not_written(chip: Chip) -> None:
    with pytest.raises(BusError, match="wrote RTC_CNTL_WDTCONFIG0 without the watchdog's key"):
        chip.write(RTC + 0x90, 0)
    with pytest.raises(BusError, match="without the super watchdog's key"):
        chip.write(RTC + 0xAC, 1 << 31)
    chip.write(TIMG0 + 0x64, 0)
    with pytest.raises(BusError, match="wrote TIMG0_WDTCONFIG0 without the watchdog's key"):
        chip.write(TIMG0 + 0x48, 0)


def test_the_watchdogs_of_booting_come_one_after_the_other(chip: Chip) -> None:
    order = [chip.clock.first_watchdog.name]
    chip.write(TIMG0 + 0x48, 1 << 22)
    order.append(chip.clock.first_watchdog.name)
    chip.write(RTC + 0xB0, 0x8F1D_312A)
    chip.set_bits(RTC + 0xAC, 1 << 31)
    order.append(chip.clock.first_watchdog.name)
    assert order == ["TIMER_WATCHDOG", "SUPER_WATCHDOG", "RTC_WATCHDOG"]


def test_a_watchdog_that_would_not_reset_the_system_is_refused(chip: Chip) -> None:
    chip.write(RTC + 0xA8, KEY)
    with pytest.raises(BusError, match="enabled the RTC watchdog with action 1, which is not modelled"):
        chip.write(RTC + 0x90, 1 << 31 | 1 << 28)


def test_a_software_reset_is_asked_for(chip: Chip) -> None:
    chip.set_bits(RTC, 1 << 31)
    assert chip.resets == 1


def test_a_count_of_the_system_timer_is_read_only_when_it_is_valid(chip: Chip) -> None:
    with pytest.raises(BusError, match="before it was valid"):
        chip.read(SYSTIMER + 0x44)
    chip.clock.idle(0.5)
    chip.write(SYSTIMER + 0x04, 1 << 30)
    while not chip.read(SYSTIMER + 0x04) >> 29:
        with pytest.raises(BusError, match="before it was valid"):
            chip.read(SYSTIMER + 0x44)
    assert chip.read(SYSTIMER + 0x44) == 8_000_000


def test_a_peripheral_without_clock_or_in_reset_does_not_answer(chip: Chip) -> None:
    chip.set_bits(RST_EN0, 1 << 29)
    with pytest.raises(BusError, match=r"SYSTIMER\+0x04 \(0x60023004\), whose clock is off, or which is held in reset"):
        chip.read(SYSTIMER + 0x04)


def test_reserved_bits_are_not_changed(chip: Chip) -> None:
    with pytest.raises(BusError, match="changed bits 0x00000010 of SYSTEM_CPU_PER_CONF"):
        chip.set_bits(CPU_PER_CONF, 1 << 4)


def set_up_uart(chip: Chip, divider: int = 43 | 6 << 20, clock: int = 0x0370_0000) -> None:
    chip.write(UART0 + 0x78, clock)
    chip.write(UART0 + 0x14, divider)
    for resets in (3 << 17, 0):
        chip.write(UART0 + 0x20, 1 << 28 | 0x1C | resets)
    chip.set_bits(UART0 + 0x80, 1 << 31)


def test_a_uart_that_was_not_set_up_is_not_used(chip: Chip) -> None:
    for use in (lambda: chip.read(UART0 + 0x1C), lambda: chip.read(UART0), lambda: chip.write(UART0, 65)):
        with pytest.raises(BusError, match="used UART0 before it was set up"):
            use()


def test_a_uart_at_another_speed_or_clock_is_refused(chip: Chip) -> None:
    with pytest.raises(BusError, match="runs UART0 at 115274 baud, where the board's link has 921600"):
        set_up_uart(chip, 347)
    with pytest.raises(BusError, match="where the crystal is modelled as its clock"):
        set_up_uart(chip, clock=0x0350_0000)


def test_a_uart_with_bytes_of_the_rom_in_its_fifos_is_refused(chip: Chip) -> None:
    with pytest.raises(BusError, match="without a reset of its FIFOs"):
        chip.set_bits(UART0 + 0x80, 1 << 31)


def test_a_uart_without_its_pins_is_refused(chip: Chip) -> None:
    chip.write(IO_MUX + 0x54, 0x900)
    with pytest.raises(BusError, match="while GPIO20 or GPIO21 is not its pin"):
        set_up_uart(chip)


def test_a_uart_that_works_is_not_set_up_again_without_a_reset(chip: Chip) -> None:
    set_up_uart(chip)
    assert chip.read(UART0 + 0x1C) == 0xE000_C000
    with pytest.raises(BusError, match="wrote UART0_CLKDIV while the port works"):
        chip.write(UART0 + 0x14, 43)
    chip.set_bits(RST_EN0, UART_CLK)
    chip.write(RST_EN0, 0)
    assert chip.read(UART0 + 0x14) == 0x2B6
