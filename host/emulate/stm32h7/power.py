"""Supply, flash interface and system configuration: RM0433 chapters 4, 6 and 12."""

from __future__ import annotations

from enum import Enum

from tinyanime.host.emulate.bus import BusError, Peripheral, Register


class Revision(Enum):
    """Silicon revision and its REV_ID: RM0433 60.5.8."""

    Y = 0x1003
    V = 0x2003

    @property
    def max_core_hz(self) -> int:
        """DS12110 table 23 (V: VOS0; Y ends at VOS1)."""
        return 480_000_000 if self is Revision.V else 400_000_000

    @property
    def max_vco_hz(self) -> int:
        """Wide-range PLL VCO: DS12110 6.3.11 (rev Y: 836 MHz)."""
        return 960_000_000 if self is Revision.V else 836_000_000


class Syscfg(Peripheral):
    """SYSCFG: RM0433 12.3; PWRCR exists from revision V on."""

    name = "SYSCFG"
    base = 0x5800_0400
    registers = (Register("PWRCR", 0x2C, writable=1),)

    def __init__(self, revision: Revision) -> None:
        super().__init__()
        self._revision = revision

    def write_pwrcr(self, value: int) -> None:
        if value & 1 and self._revision is not Revision.V:
            raise BusError(f"set ODEN (VOS0), which revision {self._revision.name} lacks")
        self.store("PWRCR", value)

    @property
    def overdrive(self) -> bool:
        return bool(self.values["PWRCR"] & 1)


class Pwr(Peripheral):
    """PWR: RM0433 6.8. A new voltage is ready after a few polls."""

    name = "PWR"
    base = 0x5802_4800
    registers = (
        Register("CSR1", 0x04, reset=0x4000, ignored=0xFFFFFFFF),
        Register("CR3", 0x0C, reset=0x6, writable=0x7),
        Register("D3CR", 0x18, reset=0x4000, writable=0xC000, ignored=1 << 13),
    )
    _POLLS_UNTIL_READY = 3

    def __init__(self, syscfg: Syscfg) -> None:
        super().__init__()
        self._syscfg = syscfg
        self._supply_written = False
        self._polls = 0
        self._settled = 3

    @property
    def voltage_scale(self) -> int:
        """0 (highest) to 3; the scale that is asked for."""
        scale = {1: 3, 2: 2, 3: 1}.get(self.values["D3CR"] >> 14, 3)
        return 0 if scale == 1 and self._syscfg.overdrive else scale

    @property
    def settled_scale(self) -> int:
        """The scale that was seen ready last."""
        return self._settled

    def read_csr1(self) -> int:
        return (self.values["D3CR"] & 0xC000) | (int(self._supply_written) << 13)

    def write_cr3(self, value: int) -> None:
        if value & 0b11 != 0b10:
            raise BusError("configured the supply otherwise than by the LDO, as the board is wired")
        self.store("CR3", value)
        self._supply_written = True

    def read_d3cr(self) -> int:
        if self.voltage_scale != self._settled:
            self._polls += 1
            if self._polls > self._POLLS_UNTIL_READY:
                self._settled = self.voltage_scale
                self._polls = 0
        return self.values["D3CR"] | (int(self.voltage_scale == self._settled) << 13)

    def write_d3cr(self, value: int) -> None:
        if not self._supply_written and value >> 14 != 1:
            raise BusError("changed the voltage before it configured the supply (PWR_CR3)")
        self.store("D3CR", value)


# Highest bus clock in MHz for latency 0, 1, 2, ... : RM0433 table 17.
_WAIT_STATES = {
    0: (70, 140, 210, 225, 240),
    1: (70, 140, 210, 225),
    2: (55, 110, 165, 225),
    3: (45, 90, 135, 180, 225),
}
# Highest bus clock in MHz for WRHIGHFREQ 0, 1, 2: the same table.
_PROGRAMMING_DELAY = {0: (70, 185, 240), 1: (70, 185, 225), 2: (55, 165, 225), 3: (45, 135, 225)}


class FlashInterface(Peripheral):
    """FLASH: RM0433 4.9; only the access control register."""

    name = "FLASH"
    base = 0x5200_2000
    registers = (Register("ACR", 0x00, reset=0x37, writable=0x3F),)

    def check(self, bus_hz: int, voltage_scale: int) -> None:
        """BusError where the wait states are too few for the bus clock."""
        latency, delay = self.values["ACR"] & 0xF, (self.values["ACR"] >> 4) & 3
        limits = _WAIT_STATES[voltage_scale]
        if bus_hz > limits[min(latency, len(limits) - 1)] * 1_000_000:
            raise BusError(
                f"runs the flash at {bus_hz // 1_000_000} MHz with {latency} wait states at VOS{voltage_scale}"
            )
        if bus_hz > _PROGRAMMING_DELAY[voltage_scale][min(delay, 2)] * 1_000_000:
            raise BusError(f"runs the flash at {bus_hz // 1_000_000} MHz with WRHIGHFREQ {delay}")
