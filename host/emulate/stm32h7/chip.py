"""The STM32H743 as its firmware meets it: all modelled peripherals on one bus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from tinyanime.boards.schema import Board
from tinyanime.host.emulate.block_counter import BlockCounter
from tinyanime.host.emulate.bus import Bus
from tinyanime.host.emulate.clock import CoreClock
from tinyanime.host.emulate.data_cache import DataCache
from tinyanime.host.emulate.dma_order import DEFAULT_ORDER, DmaOrder, parse_dma_order
from tinyanime.host.emulate.endpoint import Endpoint
from tinyanime.host.emulate.machine import SettingError
from tinyanime.host.emulate.memories import Memories
from tinyanime.host.emulate.stm32h7.core import MAINTENANCE, Dwt, SystemControl
from tinyanime.host.emulate.stm32h7.gpio import GpioD
from tinyanime.host.emulate.stm32h7.identity import AxiInterconnect, Dbgmcu, UniqueId
from tinyanime.host.emulate.stm32h7.mdma import Mdma, MdmaWiring
from tinyanime.host.emulate.stm32h7.power import FlashInterface, Pwr, Revision, Syscfg
from tinyanime.host.emulate.stm32h7.rcc import Rcc, ResetCause
from tinyanime.host.emulate.stm32h7.usart import Usart3
from tinyanime.host.emulate.stm32h7.watchdog import Watchdog

# Memories whose clock is off after reset (RM0433 8.5.9): base, bytes.
CLOCKED_MEMORY = {
    "SRAM1": (0x3000_0000, 0x2_0000),
    "SRAM2": (0x3002_0000, 0x2_0000),
    "SRAM3": (0x3004_0000, 0x8000),
}


@dataclass(frozen=True, slots=True)
class ChipSettings:
    """What may differ from board to board: silicon revision, whether the 8 MHz clock from the ST-LINK is there, and
    whether the PLL ever locks; when the bytes of DMA transfers arrive, and whether accesses are checked against what
    the data cache could make of them."""

    revision: Revision = Revision.V
    hse_works: bool = True
    pll_locks: bool = True
    dma: DmaOrder = DEFAULT_ORDER
    coherence: bool = True


def parse_settings(settings: tuple[tuple[str, str], ...]) -> ChipSettings:
    """From `revision=V|Y`, `hse`, `pll` and `coherence` (`on|off`), `dma` (dma_order.py); else SettingError."""
    chosen = ChipSettings()
    for name, value in settings:
        if name == "revision" and value.upper() in Revision.__members__:
            chosen = replace(chosen, revision=Revision[value.upper()])
        elif name == "hse" and value in ("on", "off"):
            chosen = replace(chosen, hse_works=value == "on")
        elif name == "pll" and value in ("on", "off"):
            chosen = replace(chosen, pll_locks=value == "on")
        elif name == "coherence" and value in ("on", "off"):
            chosen = replace(chosen, coherence=value == "on")
        elif name == "dma" and (order := parse_dma_order(value)) is not None:
            chosen = replace(chosen, dma=order)
        else:
            raise SettingError(
                f"The virtual stm32h743 has no setting {name}={value}.",
                hint="It takes revision=V|Y, hse=on|off, pll=on|off, coherence=on|off and "
                "dma=early|late|random:SEED|never.",
            )
    return chosen


@dataclass(frozen=True, slots=True)
class Wiring:
    """What the chip is connected to: the machine it is part of, and the outside.

    `stop` ends the current run of instructions, `reset` asks for a chip reset, `set_memory` makes [base, base + size)
    answer or not, `write` is a store of the DMA.
    """

    board: Board
    endpoint: Endpoint
    counter: BlockCounter
    stop: Callable[[], None]
    reset: Callable[[], None]
    set_memory: Callable[[int, int, bool], None]
    memories: Memories
    write: Callable[[int, bytes], None]


class Stm32h743:
    """Peripherals in the state that a reset of kind `cause` leaves."""

    def __init__(self, wiring: Wiring, settings: ChipSettings, cause: ResetCause) -> None:
        self._wiring = wiring
        self.bus = Bus()
        syscfg = Syscfg(settings.revision)
        power = Pwr(syscfg)
        flash = FlashInterface()
        self.rcc = Rcc(
            settings.revision,
            power,
            flash,
            cause,
            self._set_clock,
            hse_works=settings.hse_works,
            pll_locks=settings.pll_locks,
        )
        self.clock = CoreClock(wiring.counter, lambda: self.rcc.core_hz, wiring.stop)
        pins = GpioD()
        self.usart = Usart3(wiring.endpoint, wiring.board.uart.baud, self.rcc, pins, self.clock)
        self.cache = DataCache(MAINTENANCE) if settings.coherence else None
        self.core = SystemControl(self.clock, wiring.reset, self.cache)
        self.mdma = Mdma(MdmaWiring(wiring.memories, self.cache, wiring.counter, wiring.write), settings.dma)
        self.axi = AxiInterconnect()
        self.watchdog = Watchdog(self.clock)
        always_on = (
            self.axi,
            self.rcc,
            power,
            flash,
            Dbgmcu(settings.revision),
            UniqueId(),
            self.watchdog,
            self.core,
            Dwt(self.clock, lambda: self.core.trace_enabled),
        )
        for peripheral in always_on:
            self.bus.attach(peripheral)
        for gated in (syscfg, pins, self.usart, self.mdma):
            self.bus.attach(gated, clocked=False)

    def _set_clock(self, name: str, on: bool) -> None:
        if name in CLOCKED_MEMORY:
            base, size = CLOCKED_MEMORY[name]
            self._wiring.set_memory(base, size, on)
        else:
            self.bus.set_clock(name, on)
