"""Pins of the RP2040: functions (IO_BANK0, datasheet 2.19.6) and pads (PADS_BANK0, PADS_QSPI). No levels."""

from __future__ import annotations

from collections.abc import Callable

from tinyanime.host.emulate.bus import Register
from tinyanime.host.emulate.rp2040.apb import ResettablePeripheral

_PINS = 30
_FUNCTION_NONE = 0x1F
_OUTPUT_DISABLE, _INPUT_ENABLE = 1 << 7, 1 << 6
_PAD_RESET = 0x56


class IoBank0(ResettablePeripheral):
    """Which peripheral drives a pin."""

    name = "IO_BANK0"
    base = 0x4001_4000
    size_bytes = 0x1000
    registers = tuple(Register(f"GPIO{pin}_STATUS", 8 * pin) for pin in range(_PINS)) + tuple(
        Register(f"GPIO{pin}_CTRL", 8 * pin + 4, reset=_FUNCTION_NONE, writable=0x1F) for pin in range(_PINS)
    )

    def __init__(self, changed: Callable[[], None]) -> None:
        super().__init__()
        self._changed = changed

    def store(self, name: str, value: int) -> None:
        super().store(name, value)
        self._changed()

    def function(self, pin: int) -> int:
        """FUNCSEL: 2.19.2."""
        return self.values[f"GPIO{pin}_CTRL"] & 0x1F


class PadsBank0(ResettablePeripheral):
    """Electrical properties of the pins."""

    name = "PADS_BANK0"
    base = 0x4001_C000
    size_bytes = 0x1000
    registers = (
        Register("VOLTAGE_SELECT", 0x0, writable=1),
        *(Register(f"GPIO{pin}", 4 + 4 * pin, reset=_PAD_RESET, writable=0xFF) for pin in range(_PINS)),
        Register("SWCLK", 0x7C, reset=0xDA),
        Register("SWD", 0x80, reset=0x5A),
    )

    def __init__(self, changed: Callable[[], None]) -> None:
        super().__init__()
        self._changed = changed

    def store(self, name: str, value: int) -> None:
        super().store(name, value)
        self._changed()

    def drives(self, pin: int) -> bool:
        return not self.values[f"GPIO{pin}"] & _OUTPUT_DISABLE

    def reads(self, pin: int) -> bool:
        return bool(self.values[f"GPIO{pin}"] & _INPUT_ENABLE)


class IoQspi(ResettablePeripheral):
    """Pins of the flash: as the boot ROM leaves them, the SSI drives them."""

    name = "IO_QSPI"
    base = 0x4001_8000
    size_bytes = 0x1000
    registers = tuple(
        Register(f"GPIO_QSPI_{name}_{kind}", 8 * index + offset)
        for index, name in enumerate(("SCLK", "SS", "SD0", "SD1", "SD2", "SD3"))
        for kind, offset in (("STATUS", 0), ("CTRL", 4))
    )


class PadsQspi(ResettablePeripheral):
    """Pads of the flash."""

    name = "PADS_QSPI"
    base = 0x4002_0000
    size_bytes = 0x1000
    registers = (
        Register("VOLTAGE_SELECT", 0x00, writable=1),
        *(
            Register(f"GPIO_QSPI_{name}", 4 + 4 * index, reset=reset, writable=0xFF)
            for index, (name, reset) in enumerate(
                (("SCLK", 0x56), ("SD0", 0x52), ("SD1", 0x52), ("SD2", 0x52), ("SD3", 0x52), ("SS", 0x5A))
            )
        ),
    )
