"""Private peripheral bus of the Cortex-M7: DDI 0403E B3 and C1, DUI 0646 chapter 4."""

from __future__ import annotations

from collections.abc import Callable

from tinyanime.host.emulate.bus import BusError, Peripheral, Register
from tinyanime.host.emulate.clock import CoreClock
from tinyanime.host.emulate.data_cache import Cacheability, DataCache, MaintenanceRegisters
from tinyanime.host.emulate.stm32h7 import mpu

_ALL = 0xFFFF_FFFF
_TRCENA = 1 << 24
_DC = 1 << 16
_DATA_CACHE_SETS_WAYS = 128 * 4

MAINTENANCE = MaintenanceRegisters(page=0xE000_E000, clean=0xE000_EF68, invalidate=0xE000_EF5C, both=0xE000_EF70)
"""DCCMVAC, DCIMVAC and DCCIMVAC: DUI 0646 4.8."""


class Dwt(Peripheral):
    """Cycle counter, locked after reset as on silicon: C1.8. One instruction counts as one cycle."""

    name = "DWT"
    base = 0xE000_1000
    size_bytes = 0x1000
    registers = (
        Register("CTRL", 0x000, reset=0x4000_0000, writable=1),
        Register("CYCCNT", 0x004, writable=_ALL),
        Register("LAR", 0xFB0, writable=_ALL),
    )

    def __init__(self, clock: CoreClock, trace_enabled: Callable[[], bool]) -> None:
        super().__init__()
        self._clock = clock
        self._trace_enabled = trace_enabled
        self._unlocked = False
        self._start = 0

    def write_lar(self, value: int) -> None:
        self._unlocked = value == 0xC5AC_CE55

    def write_ctrl(self, value: int) -> None:
        """A locked or unpowered unit ignores writes."""
        if not self._unlocked or not self._trace_enabled():
            return
        if value & 1 and not self.values["CTRL"] & 1:
            self._start = self._clock.block_cycles - self.values["CYCCNT"]
        self.store("CTRL", value)

    def read_cyccnt(self) -> int:
        if not self.values["CTRL"] & 1:
            return self.values["CYCCNT"]
        now = self._clock.cycles()
        return 0 if now is None else (now - self._start) & _ALL

    def write_cyccnt(self, value: int) -> None:
        if self._unlocked and self._trace_enabled():
            self.values["CYCCNT"] = value
            self._start = self._clock.block_cycles - value


class SystemControl(Peripheral):
    """SCB, MPU, FPU and cache maintenance. No NVIC: the firmware polls.

    Operations by address never come here where there is a `cache` that checks coherence.
    """

    name = "SCS"
    base = 0xE000_E000
    size_bytes = 0x1000
    registers = (
        Register("CPUID", 0xD00, reset=0x411F_C271),
        Register("VTOR", 0xD08, writable=0xFFFF_FF80),
        Register("AIRCR", 0xD0C, reset=0xFA05_0000, writable=_ALL),
        Register("CCR", 0xD14, reset=0x0004_0200, writable=1 << 16 | 1 << 17 | 1 << 3 | 1 << 4),
        Register("SHCSR", 0xD24, writable=0x7 << 16),
        Register("CFSR", 0xD28, writable=_ALL),
        Register("HFSR", 0xD2C, writable=_ALL),
        Register("MMFAR", 0xD34, writable=_ALL),
        Register("BFAR", 0xD38, writable=_ALL),
        Register("CCSIDR", 0xD80),
        Register("CSSELR", 0xD84, writable=0xF),
        Register("CPACR", 0xD88, writable=0xF << 20),
        Register("MPU_TYPE", 0xD90, reset=16 << 8),
        Register("MPU_CTRL", 0xD94, writable=0x7),
        Register("MPU_RNR", 0xD98, writable=0xFF),
        Register("MPU_RBAR", 0xD9C, writable=_ALL),
        Register("MPU_RASR", 0xDA0, writable=0x173F_FF3F),
        Register("DEMCR", 0xDFC, writable=_TRCENA),
        Register("ICIALLU", 0xF50, writable=_ALL),
        Register("DCIMVAC", 0xF5C, writable=_ALL),
        Register("DCISW", 0xF60, writable=_ALL),
        Register("DCCMVAC", 0xF68, writable=_ALL),
        Register("DCCIMVAC", 0xF70, writable=_ALL),
        Register("DCCISW", 0xF74, writable=_ALL),
    )
    _VECTOR_TABLE_ALIGNMENT = 1024
    _DATA_CACHE_GEOMETRY = 0xF00F_E019
    """16 KB, 4 ways of 128 sets of 32 bytes."""
    _INSTRUCTION_CACHE_GEOMETRY = 0xF01F_E009
    """16 KB, 2 ways of 256 sets of 32 bytes."""

    def __init__(self, clock: CoreClock, request_reset: Callable[[], None], cache: DataCache | None = None) -> None:
        super().__init__()
        self._clock = clock
        self._request_reset = request_reset
        self._cache = cache
        self._invalidated: set[int] = set()
        self.mpu_regions: dict[int, tuple[int, int]] = {}
        """What was written last, by region: RBAR, RASR. They are kept, not enforced."""

    @property
    def trace_enabled(self) -> bool:
        return bool(self.values["DEMCR"] & _TRCENA)

    @property
    def _data_cache_on(self) -> bool:
        return bool(self.values["CCR"] & _DC)

    def write_ccr(self, value: int) -> None:
        """DUI 0646 4.8.5: the data cache holds noise until all of it was invalidated."""
        switched_on = value & _DC and not self._data_cache_on
        if self._data_cache_on and not value & _DC:
            raise BusError("switched the data cache off, which is not modelled")
        if switched_on and len(self._invalidated) < _DATA_CACHE_SETS_WAYS:
            raise BusError("switched the data cache on before all its sets and ways were invalidated (DCISW)")
        self.store("CCR", value)
        if switched_on and self._cache is not None:
            self._cache.set_attributes(0, 1 << 32, Cacheability.NONE)
            for begin, end, attributes in mpu.cache_map(self.values["MPU_CTRL"], self.mpu_regions):
                self._cache.set_attributes(begin, end, attributes)

    def write_dcisw(self, value: int) -> None:
        if self._data_cache_on:
            raise BusError("invalidated a set and way of the data cache while it is on, which would lose data")
        self._invalidated.add(value)

    def write_dccisw(self, value: int) -> None:
        raise BusError("cleaned the data cache by set and way, which is not modelled")

    def write_mpu_ctrl(self, value: int) -> None:
        self._check_cache_off()
        self.store("MPU_CTRL", value)

    def _check_cache_off(self) -> None:
        if self._data_cache_on:
            raise BusError("changed the MPU while the data cache is on, which is not modelled")

    def write_vtor(self, value: int) -> None:
        if value % self._VECTOR_TABLE_ALIGNMENT:
            raise BusError(f"set VTOR to 0x{value:08x}, which is not aligned to {self._VECTOR_TABLE_ALIGNMENT} bytes")
        self.store("VTOR", value)

    def write_aircr(self, value: int) -> None:
        """Without the key the write is ignored: B3.2.6."""
        if value >> 16 != 0x05FA:
            return
        if value & 0xFFFF & ~0x0704:
            raise BusError(f"wrote 0x{value:08x} to AIRCR, of which only SYSRESETREQ is modelled")
        if value & 4:
            self._request_reset()

    def read_ccsidr(self) -> int:
        return self._INSTRUCTION_CACHE_GEOMETRY if self.values["CSSELR"] & 1 else self._DATA_CACHE_GEOMETRY

    def write_mpu_rasr(self, value: int) -> None:
        """B3.5.8: a region's base is a multiple of its size, which is at least 32 bytes."""
        self._check_cache_off()
        self.store("MPU_RASR", value)
        log2_bytes = (value >> 1 & 0x1F) + 1
        if value & 1 and (log2_bytes < 5 or (self.values["MPU_RBAR"] & ~0x1F) % (1 << log2_bytes)):
            raise BusError(
                f"set MPU region {self.values['MPU_RNR']} to 2^{log2_bytes} bytes at "
                f"0x{self.values['MPU_RBAR']:08x}, which is not aligned to its size"
            )
        self.mpu_regions[self.values["MPU_RNR"]] = (self.values["MPU_RBAR"], value)

    def write_mpu_rnr(self, value: int) -> None:
        if value >= self.values["MPU_TYPE"] >> 8:
            raise BusError(f"selected MPU region {value}; there are {self.values['MPU_TYPE'] >> 8}")
        self.store("MPU_RNR", value)

    def write_iciallu(self, value: int) -> None:
        self._clock.forget_code()

    def record_undefined_instruction(self) -> None:
        """Status of a UsageFault that escalated: B3.2.15 (UNDEFINSTR) and B3.2.16 (FORCED)."""
        self.values["CFSR"] |= 1 << 16
        self.values["HFSR"] |= 1 << 30
