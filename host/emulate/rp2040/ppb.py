"""Private peripheral bus of a Cortex-M0+: DDI 0419E B3, RP2040 datasheet 2.4.8. No NVIC: the firmware polls."""

from __future__ import annotations

from collections.abc import Callable

from tinyanime.host.emulate.bus import BusError, Peripheral, Register
from tinyanime.host.emulate.rp2040.chip_time import ChipTime

_ALL = 0xFFFF_FFFF
_ENABLE, _TICKINT, _CLKSOURCE, _COUNTFLAG = 1 << 0, 1 << 1, 1 << 2, 1 << 16
_RELOAD = 0xFF_FFFF


class SystemControl(Peripheral):
    """SysTick, SCB and MPU of one core. The MPU's regions are kept, not enforced."""

    name = "SCS"
    base = 0xE000_E000
    size_bytes = 0x1000
    registers = (
        Register("SYST_CSR", 0x010, writable=_ENABLE | _CLKSOURCE, ignored=_COUNTFLAG),
        Register("SYST_RVR", 0x014, writable=_RELOAD),
        Register("SYST_CVR", 0x018),
        Register("SYST_CALIB", 0x01C, reset=0),
        Register("NVIC_ICER", 0x180),
        Register("NVIC_ICPR", 0x280),
        Register("CPUID", 0xD00, reset=0x410C_C601),
        Register("VTOR", 0xD08, writable=0xFFFF_FF00),
        Register("AIRCR", 0xD0C, reset=0xFA05_0000),
        Register("SCR", 0xD10, writable=0x14),
        Register("CCR", 0xD14, reset=0x0000_0208),
        Register("MPU_TYPE", 0xD90, reset=8 << 8),
        Register("MPU_CTRL", 0xD94, writable=0x7),
        Register("MPU_RNR", 0xD98, writable=0xF),
        Register("MPU_RBAR", 0xD9C, writable=0xFFFF_FF1F),
        Register("MPU_RASR", 0xDA0, writable=0x1707_FF3F),
    )
    _VECTOR_TABLE_ALIGNMENT = 256

    def __init__(self, time: ChipTime, tick_hz: Callable[[], float]) -> None:
        super().__init__()
        self._time = time
        self._tick_hz = tick_hz
        self._counts_at_load = 0
        self._wraps_seen = 0

    def _counts(self) -> int:
        """What the counter would have counted since the reset, if it had always run."""
        if self.values["SYST_CSR"] & _CLKSOURCE:
            return self._time.cycles
        return int(self._time.ns * self._tick_hz() / 1e9)

    def _passed(self) -> int:
        return self._counts() - self._counts_at_load

    def write_syst_csr(self, value: int) -> None:
        if value & _TICKINT:
            raise BusError("enabled the interrupt of SysTick, which is not modelled")
        running = self.values["SYST_CSR"] & _ENABLE
        self.store("SYST_CSR", value & ~_COUNTFLAG)
        if value & _ENABLE and not running:
            self.write_syst_cvr(0)

    def read_syst_csr(self) -> int:
        """COUNTFLAG: whether the counter has reached 0 since this was last read."""
        flags = self.values["SYST_CSR"] & ~_COUNTFLAG
        if not flags & _ENABLE:
            return flags
        wraps = self._passed() // (self.values["SYST_RVR"] + 1)
        reached, self._wraps_seen = wraps > self._wraps_seen, wraps
        return flags | (_COUNTFLAG if reached else 0)

    def write_syst_cvr(self, value: int) -> None:
        """Any write clears it; it loads RVR at the next count: B3.3.4."""
        self._counts_at_load = self._counts() + 1
        self._wraps_seen = 0

    def read_syst_cvr(self) -> int:
        passed = self._passed()
        if not self.values["SYST_CSR"] & _ENABLE or passed < 0:
            return 0
        return self.values["SYST_RVR"] - passed % (self.values["SYST_RVR"] + 1)

    def write_vtor(self, value: int) -> None:
        if value % self._VECTOR_TABLE_ALIGNMENT:
            raise BusError(f"set VTOR to 0x{value:08x}, which is not aligned to {self._VECTOR_TABLE_ALIGNMENT} bytes")
        self.store("VTOR", value)

    def write_aircr(self, value: int) -> None:
        """Without the key the write is ignored: B3.2.6. SYSRESETREQ resets only the cores here: 2.4.2.8."""
        if value >> 16 == 0x05FA:
            raise BusError(
                "asked for a reset by AIRCR, which leaves the RP2040's peripherals as they are and is not modelled: "
                "the watchdog resets the chip"
            )

    def write_nvic_icer(self, value: int) -> None:
        """No interrupt is enabled: switching them off changes nothing."""

    def write_nvic_icpr(self, value: int) -> None:
        """No interrupt is pending: clearing them changes nothing."""

    def write_mpu_rasr(self, value: int) -> None:
        """DDI 0419E B3.5.9: a region's base is a multiple of its size, which is at least 256 bytes."""
        self.store("MPU_RASR", value)
        log2_bytes = (value >> 1 & 0x1F) + 1
        if value & 1 and (log2_bytes < 8 or (self.values["MPU_RBAR"] & ~0xFF) % (1 << log2_bytes)):
            raise BusError(
                f"set MPU region {self.values['MPU_RNR']} to 2^{log2_bytes} bytes at "
                f"0x{self.values['MPU_RBAR']:08x}, which is not aligned to its size"
            )

    def write_mpu_rnr(self, value: int) -> None:
        if value >= self.values["MPU_TYPE"] >> 8:
            raise BusError(f"selected MPU region {value}; there are {self.values['MPU_TYPE'] >> 8}")
        self.store("MPU_RNR", value)
