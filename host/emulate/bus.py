"""Register files on the chip's buses: what a load or store outside memory reaches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar


class BusError(Exception):
    """An access that the chip forbids or the model lacks; the text completes "The firmware ..."."""


class HintedBusError(BusError):
    """One with advice of its own in `hint`."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Register:
    """A 32-bit register.

    `writable` are the bits that software sets and the model knows. `ignored` are bits that the hardware keeps for
    itself (flags): writing them has no effect. Changing any other bit is an error.
    """

    name: str
    offset: int
    reset: int = 0
    writable: int = 0
    ignored: int = 0


class Peripheral:
    """A block of registers at `base`.

    Methods `read_<register>` and `write_<register>` (lower case) replace plain storage in `values`.
    """

    name: ClassVar[str]
    base: ClassVar[int]
    size_bytes: ClassVar[int] = 0x400
    registers: ClassVar[tuple[Register, ...]]
    access_sizes: ClassVar[tuple[int, ...]] = (4,)

    def __init__(self) -> None:
        self.values = {register.name: register.reset for register in self.registers}

    def readers(self) -> dict[int, Callable[[], int]]:
        """Address to the function that answers a load."""
        return {self.base + register.offset: self._reader(register) for register in self.registers}

    def writers(self) -> dict[int, Callable[[int], None]]:
        """Address to the function that takes a store."""
        return {self.base + register.offset: self._writer(register) for register in self.registers}

    def clock_changed(self, on: bool) -> None:
        """The RCC switched the peripheral's clock; registers keep their values."""

    def store(self, name: str, value: int) -> None:
        """Stores what is writable; BusError where an unknown bit changes."""
        register = next(candidate for candidate in self.registers if candidate.name == name)
        changed = (value ^ self.values[name]) & ~register.ignored & 0xFFFFFFFF
        if changed & ~register.writable:
            raise BusError(
                f"changed bits 0x{changed & ~register.writable:08x} of {self.name}_{name}, "
                "which are reserved or not modelled"
            )
        self.values[name] = (self.values[name] & ~register.writable) | (value & register.writable)

    def _reader(self, register: Register) -> Callable[[], int]:
        own: Callable[[], int] | None = getattr(self, f"read_{register.name.lower()}", None)
        if own is not None:
            return own
        values, name = self.values, register.name
        return lambda: values[name]

    def _writer(self, register: Register) -> Callable[[int], None]:
        own: Callable[[int], None] | None = getattr(self, f"write_{register.name.lower()}", None)
        if own is not None:
            return own
        name = register.name
        return lambda value: self.store(name, value)


class Bus:
    """All peripherals of the chip. One that is switched off is known by name, but answers nothing; `off` says in an
    error what that means on this chip."""

    def __init__(self, off: str = "whose clock is off in the RCC") -> None:
        self._off = off
        self._readers: dict[int, Callable[[], int]] = {}
        self._writers: dict[int, Callable[[int], None]] = {}
        self._peripherals: list[Peripheral] = []
        self._clocked: dict[str, bool] = {}

    def attach(self, peripheral: Peripheral, *, clocked: bool = True) -> None:
        """Adds a peripheral; not `clocked`: until `set_clock` switches it on."""
        self._peripherals.append(peripheral)
        self._clocked[peripheral.name] = False
        if clocked:
            self.set_clock(peripheral.name, True)

    def set_clock(self, name: str, on: bool) -> None:
        """Switches the register interface of the peripheral called `name`."""
        peripheral = next(candidate for candidate in self._peripherals if candidate.name == name)
        if on and not self._clocked[name]:
            self._readers.update(peripheral.readers())
            self._writers.update(peripheral.writers())
        elif not on and self._clocked[name]:
            for address in peripheral.readers():
                del self._readers[address], self._writers[address]
        if on != self._clocked[name]:
            peripheral.clock_changed(on)
        self._clocked[name] = on

    def pages(self) -> tuple[int, ...]:
        """Addresses of the 4 KB pages that hold registers."""
        starts = {
            page
            for peripheral in self._peripherals
            for page in range(peripheral.base & ~0xFFF, peripheral.base + peripheral.size_bytes, 0x1000)
        }
        return tuple(sorted(starts))

    def read(self, address: int, size: int) -> int:
        """Answers a load of `size` bytes; BusError where nothing is there."""
        reader = self._readers.get(address)
        if reader is None or size != 4:
            return self._read_other(address, size)
        return reader()

    def write(self, address: int, size: int, value: int) -> None:
        """Takes a store of `size` bytes; BusError where nothing is there."""
        writer = self._writers.get(address)
        if writer is None or size != 4:
            raise BusError(f"wrote 0x{value:x} ({size} bytes) to {self.describe(address, size)}")
        writer(value)

    def _read_other(self, address: int, size: int) -> int:
        owner = self._owner(address)
        reader = self._readers.get(address & ~3)
        if owner is not None and reader is not None and size in owner.access_sizes:
            return (reader() >> (8 * (address & 3))) & ((1 << (8 * size)) - 1)
        raise BusError(f"read {size} bytes from {self.describe(address, size)}")

    def _owner(self, address: int) -> Peripheral | None:
        for peripheral in self._peripherals:
            if peripheral.base <= address < peripheral.base + peripheral.size_bytes:
                return peripheral
        return None

    def describe(self, address: int, size: int = 4) -> str:
        """Why nothing answers at `address`, in words."""
        owner = self._owner(address)
        if owner is None:
            return f"0x{address:08x}, where no peripheral is modelled"
        place = f"{owner.name}+0x{address - owner.base:02x} (0x{address:08x})"
        if not self._clocked[owner.name]:
            return f"{place}, {self._off}"
        if address & ~3 in owner.readers():
            return f"{place}, which takes only {owner.access_sizes[0]}-byte accesses (this one has {size})"
        return f"{place}, a register that is not modelled"
