"""The boot ROM as far as firmware calls it: access to the analog parts (IDF esp_hal_regi2c/esp32c3/rom.regi2c.ld).

Its functions work with variables at the end of the SRAM, which the ROM sets up at each reset.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from tinyanime.host.emulate.bus import BusError
from tinyanime.host.emulate.esp32c3.analog import AnalogBus
from tinyanime.host.emulate.memories import Memories

BASE, SIZE_BYTES = 0x4000_0000, 0x6_0000
_STACK = 0x3FCD_C710
_VARIABLES, _END = 0x3FCD_E710, 0x3FCE_0000
"""IDF, bootloader.memory.ld.in: stack, variables, end of the SRAM."""


class BootRom:
    """What the ROM has left behind, and the functions that are modelled."""

    def __init__(self, analog: AnalogBus, memories: Memories) -> None:
        self._analog = analog
        self._memories = memories
        self._variables = random.randbytes(_END - _VARIABLES)
        memories.write(_STACK, random.randbytes(_VARIABLES - _STACK))
        memories.write(_VARIABLES, self._variables)
        self._functions: dict[int, Callable[[list[int]], int]] = {
            0x4000_1954: self._read,
            0x4000_195C: self._write,
            0x4000_1960: self._write_bits,
        }

    def call(self, address: int, arguments: list[int]) -> int:
        """Result of the function at `address`; `arguments` are a0 to a5. BusError where it is not modelled."""
        function = self._functions.get(address)
        if function is None:
            raise BusError(f"called the boot ROM at 0x{address:08x}, which is not modelled")
        if self._memories.read(_VARIABLES, len(self._variables)) != self._variables:
            raise BusError(f"called the boot ROM after it had overwritten its variables from 0x{_VARIABLES:08x} on")
        return function(arguments)

    def _read(self, arguments: list[int]) -> int:
        part, _, register = arguments[:3]
        return self._analog.read_part(part, register)

    def _write(self, arguments: list[int]) -> int:
        part, _, register, value = arguments[:4]
        self._analog.write_part(part, register, value)
        return 0

    def _write_bits(self, arguments: list[int]) -> int:
        part, _, register, last, first, value = arguments
        if not 0 <= first <= last <= 7:
            raise BusError(f"asked the boot ROM to write bits {last} to {first} of a byte")
        mask = (1 << (last - first + 1)) - 1 << first
        before = self._analog.read_part(part, register)
        self._analog.write_part(part, register, before & ~mask | value << first & mask)
        return 0
