"""Who the chip is: SYSINFO (RP2040 datasheet 2.20)."""

from __future__ import annotations

from tinyanime.host.emulate.bus import Register
from tinyanime.host.emulate.rp2040.apb import ResettablePeripheral

_REVISION_B2 = 0x2000_2927


class SysInfo(ResettablePeripheral):
    """CHIP_ID of revision B2; an ASIC."""

    name = "SYSINFO"
    base = 0x4000_0000
    size_bytes = 0x1000
    registers = (
        Register("CHIP_ID", 0x00, reset=_REVISION_B2),
        Register("PLATFORM", 0x04, reset=1 << 1),
    )
