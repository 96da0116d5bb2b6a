"""General-purpose pins: RM0433 11.4."""

from __future__ import annotations

from tinyanime.host.emulate.bus import Peripheral, Register

_ALL = 0xFFFF_FFFF


class GpioD(Peripheral):
    """Port D: pin modes as registers; no levels."""

    name = "GPIOD"
    base = 0x5802_0C00
    registers = (
        Register("MODER", 0x00, reset=_ALL, writable=_ALL),
        Register("OTYPER", 0x04, writable=0xFFFF),
        Register("OSPEEDR", 0x08, writable=_ALL),
        Register("PUPDR", 0x0C, writable=_ALL),
        Register("AFRL", 0x20, writable=_ALL),
        Register("AFRH", 0x24, writable=_ALL),
    )

    def alternate_function(self, pin: int) -> int | None:
        """Number of the alternate function that drives `pin`; None in another mode."""
        if (self.values["MODER"] >> (2 * pin)) & 3 != 2:
            return None
        return (self.values["AFRL" if pin < 8 else "AFRH"] >> (4 * (pin % 8))) & 0xF
