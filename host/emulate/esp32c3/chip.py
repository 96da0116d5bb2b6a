"""The ESP32-C3 as its firmware meets it: all modelled peripherals on one bus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from tinyanime.boards.schema import Board
from tinyanime.host.emulate.bus import Bus
from tinyanime.host.emulate.endpoint import Endpoint
from tinyanime.host.emulate.esp32c3.analog import XTAL_HZ, AnalogBus
from tinyanime.host.emulate.esp32c3.chip_clock import ChipClock, ResetCause
from tinyanime.host.emulate.esp32c3.core import Core
from tinyanime.host.emulate.esp32c3.peripherals import Efuse, IoMux, Systimer
from tinyanime.host.emulate.esp32c3.rom import BootRom
from tinyanime.host.emulate.esp32c3.system import System
from tinyanime.host.emulate.esp32c3.uart import Uart0
from tinyanime.host.emulate.esp32c3.watchdogs import RtcCntl, TimerGroup0
from tinyanime.host.emulate.machine import SettingError
from tinyanime.host.emulate.memories import Memories
from tinyanime.host.emulate.processor import Processor

SRAM_AS_DATA, SRAM_AS_CODE = 0x3FC8_0000, 0x4038_0000
FLASH_AS_CODE, FLASH_AS_DATA = 0x4200_0000, 0x3C00_0000
"""TRM chapter 3: the same bytes on the two buses of the core."""
_ROM_HZ = XTAL_HZ // 2
"""SYSTEM_PRE_DIV_CNT is 1 after a reset: TRM chapter 16."""


@dataclass(frozen=True, slots=True)
class ChipSettings:
    """What may differ from chip to chip: whether the PLL ever gets to its frequency."""

    pll_locks: bool = True


def parse_settings(settings: tuple[tuple[str, str], ...]) -> ChipSettings:
    """From `pll=on|off`; else SettingError."""
    chosen = ChipSettings()
    for name, value in settings:
        if name == "pll" and value in ("on", "off"):
            chosen = replace(chosen, pll_locks=value == "on")
        else:
            raise SettingError(f"The virtual esp32c3 has no setting {name}={value}.", hint="It takes pll=on|off.")
    return chosen


@dataclass(frozen=True, slots=True)
class Wiring:
    """What the chip is connected to: the core that it is part of, and the outside. `reset` asks for a chip reset."""

    board: Board
    endpoint: Endpoint
    processor: Processor
    memories: Memories
    reset: Callable[[], None]


class Esp32c3:
    """Peripherals in the state that the ROM leaves after a reset of kind `cause`."""

    def __init__(self, wiring: Wiring, settings: ChipSettings, cause: ResetCause) -> None:
        self._counter = wiring.processor.counter
        self.bus = Bus(off="whose clock is off, or which is held in reset (SYSTEM)")
        self.clock = ChipClock(self._counter, _ROM_HZ, wiring.processor.stop)
        self.rtc = RtcCntl(self.clock, cause, wiring.reset)
        analog = AnalogBus(lambda: self.rtc.pll_powered, lambda: self.clock.seconds, locks=settings.pll_locks)
        efuse = Efuse()
        self.system = System(analog, efuse, self._runs_from_flash, self.bus.set_clock, self.clock.set_hz)
        pins = IoMux()
        self.uart = Uart0(wiring.endpoint, wiring.board.uart.baud, pins, self.clock)
        self.core = Core(wiring.processor, self.clock, BootRom(analog, wiring.memories))
        for peripheral in (self.rtc, analog, self.system, self.system.flash, pins, efuse):
            self.bus.attach(peripheral)
        for gated in (self.uart, TimerGroup0(self.clock), Systimer(self.clock)):
            self.bus.attach(gated, clocked=False)
        self.system.switch_gates()

    def _runs_from_flash(self) -> bool:
        return self._counter.block[0] >= FLASH_AS_CODE
