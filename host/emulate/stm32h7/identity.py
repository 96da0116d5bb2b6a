"""Who the chip is: RM0433 60.5.8 (DBGMCU_IDC) and 61.1 (unique id); and its bus matrix."""

from __future__ import annotations

from tinyanime.host.emulate.bus import BusError, Peripheral, Register
from tinyanime.host.emulate.stm32h7.power import Revision

_DEVICE_ID = 0x450


class Dbgmcu(Peripheral):
    """DBGMCU, identity code only."""

    name = "DBGMCU"
    base = 0x5C00_1000
    registers = (Register("IDC", 0x00),)

    def __init__(self, revision: Revision) -> None:
        super().__init__()
        self.values["IDC"] = revision.value << 16 | _DEVICE_ID


class UniqueId(Peripheral):
    """96-bit id in read-only memory; of the virtual board: "tinyanime-vb"."""

    name = "UID"
    base = 0x1FF1_E800
    size_bytes = 0x0C
    access_sizes = (4, 1, 2)
    registers = tuple(
        Register(f"WORD{index}", 4 * index, reset=int.from_bytes(b"tinyanime-vb"[4 * index : 4 * index + 4], "little"))
        for index in range(3)
    )

    def store(self, name: str, value: int) -> None:
        raise BusError("wrote to the unique id, which is read-only")


class AxiInterconnect(Peripheral):
    """Issuing capability of the AXI SRAM port: RM0433 2.2.4."""

    name = "AXI"
    base = 0x5100_8000
    size_bytes = 0x1000
    registers = (Register("TARG7_FN_MOD", 0x108, writable=0x3),)
