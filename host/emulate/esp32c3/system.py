"""System registers (TRM chapter 16), which clock the core, and the clock of the flash (IDF soc/spi_mem_reg.h)."""

from __future__ import annotations

from collections.abc import Callable

from tinyanime.host.emulate.bus import BusError, Peripheral, Register
from tinyanime.host.emulate.esp32c3.analog import XTAL_HZ, AnalogBus
from tinyanime.host.emulate.esp32c3.peripherals import Efuse

UART, TIMERGROUP0, UART_MEM, SYSTIMER = 1 << 2, 1 << 13, 1 << 24, 1 << 29
_PERIPHERALS = UART | TIMERGROUP0 | UART_MEM | SYSTIMER
_FLASH_HZ = 40_000_000
"""The fastest that is sure to work in whatever mode the ROM has set the flash up for."""
_POLLS_UNTIL_IDLE = 2
_SPI0_BUSY = 3 << 4 | 5
_APB_PLL_HZ = 80_000_000


class FlashClock(Peripheral):
    """SPI0, the flash's controller behind the cache: its clock only. The ROM leaves it at the bus clock.

    The core fetches ahead of what it executes: the controller still reads when code in SRAM takes over.
    """

    name = "SPI0"
    base = 0x6000_3000
    size_bytes = 0x100
    registers = (Register("CLOCK", 0x14, reset=1 << 31, writable=0x80FF_FFFF), Register("FSM", 0x54, reset=4 << 7))

    def __init__(self, runs_from_flash: Callable[[], bool], changed: Callable[[], None]) -> None:
        super().__init__()
        self._runs_from_flash = runs_from_flash
        self._changed = changed
        self._polls_until_idle = _POLLS_UNTIL_IDLE

    def read_fsm(self) -> int:
        if self._runs_from_flash():
            self._polls_until_idle = _POLLS_UNTIL_IDLE + 1
        self._polls_until_idle = max(0, self._polls_until_idle - 1)
        return self.values["FSM"] | (_SPI0_BUSY if self._polls_until_idle else 0)

    @property
    def divider(self) -> int:
        value = self.values["CLOCK"]
        return 1 if value >> 31 else (value >> 16 & 0xFF) + 1

    def write_clock(self, value: int) -> None:
        if self._runs_from_flash():
            raise BusError("changed the flash's clock while it runs from flash")
        if self._polls_until_idle:
            raise BusError("changed the flash's clock while the cache may be reading from it (SPI0_FSM)")
        self._polls_until_idle = _POLLS_UNTIL_IDLE
        high, low = value >> 8 & 0xFF, value & 0xFF
        if not value >> 31 and not high < low == value >> 16 & 0xFF:
            raise BusError(f"set the flash's clock to 0x{value:08x}, whose high and low part do not fit its period")
        self.store("CLOCK", value)
        self._changed()


class System(Peripheral):
    """Clocks and resets. `set_gate` switches a peripheral's registers, `set_hz` tells the core's clock."""

    name = "SYSTEM"
    base = 0x600C_0000
    registers = (
        Register("CPU_PER_CONF", 0x08, reset=0x0C, writable=0x7),
        Register("PERIP_CLK_EN0", 0x10, reset=0xF9C1_E06F, writable=_PERIPHERALS),
        Register("PERIP_RST_EN0", 0x18, writable=_PERIPHERALS),
        Register("SYSCLK_CONF", 0x58, reset=0x001, writable=0xFFF, ignored=0xFF000),
    )

    def __init__(
        self,
        analog: AnalogBus,
        efuse: Efuse,
        runs_from_flash: Callable[[], bool],
        set_gate: Callable[[str, bool], None],
        set_hz: Callable[[int], None],
    ) -> None:
        super().__init__()
        self._analog = analog
        self._efuse = efuse
        self._runs_from_flash = runs_from_flash
        self._set_gate = set_gate
        self._set_hz = set_hz
        self.flash = FlashClock(runs_from_flash, self._check_limits)

    def switch_gates(self) -> None:
        """Peripherals answer that have a clock and are not in reset."""
        running = self.values["PERIP_CLK_EN0"] & ~self.values["PERIP_RST_EN0"]
        self._set_gate("UART0", running & (UART | UART_MEM) == UART | UART_MEM)
        self._set_gate("TIMG0", bool(running & TIMERGROUP0))
        self._set_gate("SYSTIMER", bool(running & SYSTIMER))

    @property
    def from_pll(self) -> bool:
        return self.values["SYSCLK_CONF"] >> 10 & 3 == 1

    @property
    def core_hz(self) -> int:
        """TRM chapter 6, "CPU Clock"."""
        source = self.values["SYSCLK_CONF"] >> 10 & 3
        if source == 0:
            return XTAL_HZ // ((self.values["SYSCLK_CONF"] & 0x3FF) + 1)
        if source != 1:
            raise BusError(f"selected clock source {source} for the core, which is not modelled")
        speed = self.values["CPU_PER_CONF"] & 3
        if speed > 1:
            raise BusError(f"selected speed {speed} of the core, which is reserved")
        pll_hz = self._analog.pll_hz
        expected = 480_000_000 if self.values["CPU_PER_CONF"] & 4 else 320_000_000
        if pll_hz != expected and self._analog.locks:
            raise BusError(f"runs the PLL at {pll_hz} Hz and tells the clock dividers that it is {expected} Hz")
        return pll_hz // (expected // (80_000_000 << speed))

    @property
    def apb_hz(self) -> int:
        return _APB_PLL_HZ if self.from_pll else self.core_hz

    def _check_limits(self) -> None:
        core_hz = self.core_hz
        if core_hz > 80_000_000 and self._analog.supply_code < self._efuse.supply_code:
            raise BusError(
                f"runs the core at {core_hz} Hz with its supply at code {self._analog.supply_code}, "
                f"where the eFuses tell that this chip needs {self._efuse.supply_code}"
            )
        flash_hz = self.apb_hz // self.flash.divider
        if flash_hz > _FLASH_HZ:
            raise BusError(f"clocks the flash with {flash_hz} Hz, where {_FLASH_HZ} Hz are sure to work")

    def _store_clock(self, name: str, value: int) -> None:
        self.store(name, value)
        self._check_limits()
        self._set_hz(self.core_hz)

    def write_cpu_per_conf(self, value: int) -> None:
        if self.from_pll and self._runs_from_flash():
            raise BusError("changed the core's clock while it runs from flash")
        self._store_clock("CPU_PER_CONF", value)

    def write_sysclk_conf(self, value: int) -> None:
        if self._runs_from_flash():
            raise BusError("changed the core's clock while it runs from flash")
        self._store_clock("SYSCLK_CONF", value)

    def write_perip_clk_en0(self, value: int) -> None:
        self.store("PERIP_CLK_EN0", value)
        self.switch_gates()

    def write_perip_rst_en0(self, value: int) -> None:
        self.store("PERIP_RST_EN0", value)
        self.switch_gates()
