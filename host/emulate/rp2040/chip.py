"""The RP2040 as its firmware meets it: what both cores see, and what each has for itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from tinyanime.boards.schema import Board
from tinyanime.host.emulate.bus import BusError, Peripheral
from tinyanime.host.emulate.dma_order import DEFAULT_ORDER, DmaOrder, parse_dma_order
from tinyanime.host.emulate.endpoint import Endpoint
from tinyanime.host.emulate.machine import SettingError
from tinyanime.host.emulate.memories import Memories
from tinyanime.host.emulate.processor import Processor
from tinyanime.host.emulate.rp2040.apb import CoreBus
from tinyanime.host.emulate.rp2040.boot_rom import Core1InRom, Core1Start
from tinyanime.host.emulate.rp2040.chip_time import ChipTime
from tinyanime.host.emulate.rp2040.clocks import Clocks
from tinyanime.host.emulate.rp2040.cores import CoreState, Schedule
from tinyanime.host.emulate.rp2040.dma import Dma
from tinyanime.host.emulate.rp2040.flash_chip import FlashChip
from tinyanime.host.emulate.rp2040.identity import SysInfo
from tinyanime.host.emulate.rp2040.oscillators import ROSC_HZ, PllSys, PllUsb, Rosc, Xosc
from tinyanime.host.emulate.rp2040.pins import IoBank0, IoQspi, PadsBank0, PadsQspi
from tinyanime.host.emulate.rp2040.ppb import SystemControl
from tinyanime.host.emulate.rp2040.resets import PowerStateMachine, ResetCause, Resets, VoltageAndReset
from tinyanime.host.emulate.rp2040.sio import Mailbox, Sio, Spinlocks
from tinyanime.host.emulate.rp2040.ssi import Ssi, XipControl
from tinyanime.host.emulate.rp2040.timer import Timer
from tinyanime.host.emulate.rp2040.uart import Uart0
from tinyanime.host.emulate.rp2040.watchdog import Watchdog

CORES = 2


@dataclass(frozen=True, slots=True)
class ChipSettings:
    """What may differ: how many cores ever answer, in which quanta they take turns (a seed; None: always the same),
    whether crystal and PLLs work, whether the flash is in quad mode, when the bytes of DMA transfers arrive."""

    cores: int = CORES
    interleave: int | None = None
    xosc_works: bool = True
    pll_locks: bool = True
    flash_is_quad: bool = True
    dma: DmaOrder = DEFAULT_ORDER


def parse_settings(settings: tuple[tuple[str, str], ...]) -> ChipSettings:
    """From `cores=1|2`, `interleave=SEED`, `xosc`, `pll` and `quad` (`on|off`), `dma` (dma_order.py); else
    SettingError."""
    chosen = ChipSettings()
    for name, value in settings:
        if name == "cores" and value in ("1", "2"):
            chosen = replace(chosen, cores=int(value))
        elif name == "interleave" and value.isdecimal():
            chosen = replace(chosen, interleave=int(value))
        elif name == "xosc" and value in ("on", "off"):
            chosen = replace(chosen, xosc_works=value == "on")
        elif name == "pll" and value in ("on", "off"):
            chosen = replace(chosen, pll_locks=value == "on")
        elif name == "quad" and value in ("on", "off"):
            chosen = replace(chosen, flash_is_quad=value == "on")
        elif name == "dma" and (order := parse_dma_order(value)) is not None:
            chosen = replace(chosen, dma=order)
        else:
            raise SettingError(
                f"The virtual rp2040 has no setting {name}={value}.",
                hint="It takes cores=1|2, interleave=SEED, xosc=on|off, pll=on|off, quad=on|off and "
                "dma=early|late|random:SEED|never.",
            )
    return chosen


@dataclass(frozen=True, slots=True)
class Wiring:
    """What the chip is connected to.

    `reset` asks for a chip reset, `map_flash` makes flash answer or not, `new_core1` gives a core 1 that was just reset
    in place of the one before, `start_core1` puts stack and entry into it.
    """

    board: Board
    endpoint: Endpoint
    memories: Memories
    processors: tuple[Processor, Processor]
    reset: Callable[[ResetCause], None]
    map_flash: Callable[[bool], None]
    new_core1: Callable[[], Processor]
    start_core1: Callable[[Core1Start], None]


class Rp2040:
    """Peripherals in the state that a reset of kind `cause` and the boot ROM leave."""

    def __init__(self, wiring: Wiring, settings: ChipSettings, cause: ResetCause) -> None:
        self._wiring = wiring
        self._settings = settings
        self.time = ChipTime([processor.counter for processor in wiring.processors], ROSC_HZ)
        self._mailboxes = (Mailbox(), Mailbox())
        self._locks = Spinlocks()
        states = tuple(CoreState(*pair) for pair in zip(wiring.processors, self._mailboxes, strict=True))
        states[0].running = True
        self.schedule = Schedule((states[0], states[1]), settings.interleave)
        self.core1_in_rom = Core1InRom(
            self._mailboxes[1], self._mailboxes[0], lambda: self.time.counters[0].event_cycles, self._start_core1
        )
        self._make_clocks(cause)
        self.pins = IoBank0(lambda: self.uart.line_changed())
        self.pads = PadsBank0(lambda: self.uart.line_changed())
        self.uart = Uart0(
            wiring.endpoint,
            wiring.board.uart.baud,
            lambda: self.clocks.hz("PERI"),
            self.pins,
            self.pads,
            self.time,
        )
        self.dma = Dma(wiring.memories, settings.dma, self.time, self._set_alarm)
        flash = FlashChip(quad_enabled=settings.flash_is_quad)
        self.ssi = Ssi(flash, lambda: self.clocks.hz("SYS"), wiring.map_flash)
        self.psm = PowerStateMachine(self._power_core1)
        self.resets = Resets(self._set_clock, self._clocked)
        self._plain: tuple[Peripheral, ...] = (VoltageAndReset(), Rosc(), XipControl())
        self._plain_resettable: tuple[Peripheral, ...] = (IoQspi(), PadsQspi(), SysInfo())
        self.ppbs = tuple(SystemControl(self.time, lambda: self.watchdog.tick_hz) for _ in range(CORES))
        self.buses = tuple(self._bus(core) for core in range(CORES))
        self.resets.release_for_boot()
        if settings.cores == CORES:
            self.core1_in_rom.enter(0)

    def _make_clocks(self, cause: ResetCause) -> None:
        self.xosc = Xosc(self.time, lambda: self.clocks.changed(), works=self._settings.xosc_works)
        locks = self._settings.pll_locks
        self.plls = (
            PllSys(self.time, self.xosc, lambda: self.clocks.changed(), locks=locks),
            PllUsb(self.time, self.xosc, lambda: self.clocks.changed(), locks=locks),
        )
        self.clocks = Clocks(self.time, self.xosc, self.plls, lambda: self.resets.clocks_changed())
        self.watchdog = Watchdog(
            self.time, lambda: self.clocks.hz("REF"), cause, self._watchdog_reset, self._deadline_changed
        )
        self.timer = Timer(self.time, lambda: self.watchdog.tick_hz)
        self.clocks.ref_changing = self.watchdog.ticks_changing = self.timer.settle

    def _bus(self, core: int) -> CoreBus:
        bus = CoreBus(lambda: self.time.counters[core].pass_cycles(-1))
        always_on: tuple[Peripheral, ...] = (
            self.resets,
            self.psm,
            *self._plain,
            self.xosc,
            self.clocks,
            self.watchdog,
            self.ssi,
            self._sio(core),
            self.ppbs[core],
        )
        for peripheral in always_on:
            bus.attach(peripheral)
        resettable = (self.dma, self.pins, self.pads, *self.plls, self.timer, self.uart)
        for peripheral in (*resettable, *self._plain_resettable):
            bus.attach(peripheral, clocked=False)
        return bus

    def _sio(self, core: int) -> Sio:
        def look_later() -> bool:
            self.core1_in_rom.look()
            return self.schedule.lets_catch_up(core)

        return Sio(
            core,
            self.time,
            self._mailboxes[core],
            self._mailboxes[1 - core],
            self._locks,
            lambda: self.schedule.sent(core),
            look_later,
            lambda: self.schedule.wait(core),
        )

    def _set_clock(self, name: str, on: bool) -> None:
        for bus in self.buses:
            bus.set_clock(name, on)

    def _clocked(self, name: str) -> bool:
        return name != "UART0" or self.clocks.hz("PERI") > 0

    def _set_alarm(self, core: int, cycles: int | None) -> None:
        self.time.counters[core].set_alarm(cycles)

    def _watchdog_reset(self, cause: ResetCause) -> None:
        self.psm.check_watchdog_resets_all()
        self._wiring.reset(cause)

    def _deadline_changed(self) -> None:
        """The turn that goes on ends at the watchdog's deadline, if not before."""
        if self.watchdog.deadline_ns is not None:
            counter = self.time.counters[self.time.active]
            counter.shorten_deadline(self.time.cycles_at(self.watchdog.deadline_ns))

    def _power_core1(self, on: bool) -> None:
        """2.13: core 1 starts in the boot ROM whenever its power comes back."""
        if self.time.active == 1:
            raise BusError("switched core 1 off (PSM) on core 1 itself, which is not modelled")
        state = self.schedule.cores[1]
        state.waiting = False
        state.running = False
        self.core1_in_rom.leave()
        if on:
            state.processor = self._wiring.new_core1()
            self.time.counters[1] = state.processor.counter
            state.skip_to(self.time.cycles)
            if self._settings.cores == CORES:
                self.core1_in_rom.enter(self.time.cycles)

    def _start_core1(self, start: Core1Start) -> None:
        state = self.schedule.cores[1]
        self._wiring.start_core1(start)
        self.ppbs[1].values["VTOR"] = start.vectors
        state.skip_to(start.cycles)
        state.running = True
        self.time.counters[0].end_turn()
