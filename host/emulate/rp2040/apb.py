"""The bus as one core of the RP2040 sees it: atomic aliases of registers (datasheet 2.1.2), and a short way to SIO."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from tinyanime.host.emulate.bus import Bus, BusError, Peripheral

_ALIASED = range(0x4000_0000, 0x6000_0000)
_SIO = range(0xD000_0000, 0xE000_0000)
_XOR, _SET, _CLEAR = 0x1000, 0x2000, 0x3000


class ResettablePeripheral(Peripheral):
    """One with a reset of its own (2.14): its registers start anew each time that ends."""

    def clock_changed(self, on: bool) -> None:
        if not on:
            self.values = {register.name: register.reset for register in self.registers}


class CoreBus(Bus):
    """Registers with their aliases; `io_port` is called at each access to SIO, which takes a core one cycle (2.3.1)."""

    _ALIASES: ClassVar[tuple[int, ...]] = (0, _XOR, _SET, _CLEAR)

    def __init__(self, io_port: Callable[[], None]) -> None:
        super().__init__("which is held in reset (RESETS)")
        self._io_port = io_port

    def pages(self) -> tuple[int, ...]:
        """The pages of the aliases among them."""
        pages = super().pages()
        aliases = {page + alias for page in pages if page in _ALIASED for alias in self._ALIASES}
        return tuple(sorted(aliases | {page for page in pages if page not in _ALIASED}))

    def read(self, address: int, size: int) -> int:
        if address in _SIO:
            self._io_port()
        elif address in _ALIASED:
            address &= ~_CLEAR
        return super().read(address, size)

    def write(self, address: int, size: int, value: int) -> None:
        if address in _SIO:
            self._io_port()
        elif address in _ALIASED and address & _CLEAR:
            alias, address = address & _CLEAR, address & ~_CLEAR
            before = super().read(address, size)
            value = {_XOR: before ^ value, _SET: before | value, _CLEAR: before & ~value}[alias]
        super().write(address, size, value)


def read_only(name: str) -> BusError:
    return BusError(f"wrote to {name}, which is read-only")


def write_only(name: str) -> BusError:
    return BusError(f"read {name}, which is write-only")
