"""Independent watchdog IWDG1: RM0433 chapter 45."""

from __future__ import annotations

from tinyanime.host.emulate.bus import BusError, Peripheral, Register
from tinyanime.host.emulate.clock import CoreClock

LSI_HZ = 32_000


class Watchdog(Peripheral):
    """Resets the chip (through the clock's deadline) where it is not fed in time."""

    name = "IWDG1"
    base = 0x5800_4800
    registers = (
        Register("KR", 0x00, writable=0xFFFF),
        Register("PR", 0x04, writable=0x7),
        Register("RLR", 0x08, reset=0xFFF, writable=0xFFF),
        Register("SR", 0x0C, ignored=0xFFFF_FFFF),
    )
    _POLLS_UNTIL_TAKEN_OVER = 5

    def __init__(self, clock: CoreClock) -> None:
        super().__init__()
        self._clock = clock
        self._running = False
        self._unlocked = False
        self._polls_left = 0

    @property
    def timeout_s(self) -> float:
        """45.3.1: prescaler 4 << PR."""
        return (self.values["RLR"] + 1) * (4 << min(self.values["PR"], 6)) / LSI_HZ

    def read_kr(self) -> int:
        return 0

    def write_kr(self, value: int) -> None:
        if value == 0xCCCC:
            self._running = True
        elif value not in (0x5555, 0xAAAA):
            raise BusError(f"wrote the key 0x{value:x} to IWDG1_KR, which has no meaning")
        self._unlocked = value == 0x5555
        if self._running and value != 0x5555:
            self._clock.set_deadline(self.timeout_s)

    def _write_locked(self, name: str, value: int) -> None:
        if not self._unlocked:
            raise BusError(f"wrote IWDG1_{name} without the key 0x5555")
        self.store(name, value)
        self._polls_left = self._POLLS_UNTIL_TAKEN_OVER

    def write_pr(self, value: int) -> None:
        self._write_locked("PR", value)

    def write_rlr(self, value: int) -> None:
        self._write_locked("RLR", value)

    def read_sr(self) -> int:
        self._polls_left = max(self._polls_left - 1, 0)
        return 3 if self._polls_left else 0
