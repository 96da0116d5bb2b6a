"""A firmware image on the ESP32-C3 of labwired (PyPI), another emulator, as a serial line.

What labwired 0.25 lacks is added from outside: the boot ROM's functions (they return at once, no clock ever changes),
the two registers of the analog bus, a system timer that runs (that of the S3: too slow for this core), and what is in
flash and SRAM at their second address.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import labwired
from elftools.elf.elffile import ELFFile

from tinyanime.host.emulate.esp32c3.chip import FLASH_AS_CODE, FLASH_AS_DATA, SRAM_AS_CODE
from tinyanime.host.link.transport import Transport

_ROM_FUNCTIONS = (0x4000_1954, 0x4000_195C, 0x4000_1960)
_RETURN = 0x8082
_STEP = "0.1ms"
_CHIP_ENTRY = """
  - id: "analog_bus"
    type: "declarative"
    base_address: 0x6000E000
    config:
      path: "{path}"
"""
_SYSTEM_TIMER = ('"systimer"\n    type: "declarative"', '"systimer"\n    type: "esp32s3_systimer"')
_SYSTEM = """
name: "esp32c3"
chip: "{chip}"
cpu_hz: 160_000_000
external_devices: []
board_io: []
"""
_REGISTER = """
- {{id: R{offset}, address_offset: {offset}, size: 32, access: READ_WRITE, reset_value: 0, fields: []}}
"""


def _system(folder: Path) -> Path:
    """labwired's own description of the chip and one peripheral more."""
    configs = Path(labwired.__file__).parent / "configs"
    bus, chip, system = (folder / f"{name}.yaml" for name in ("bus", "chip", "system"))
    registers = "".join(_REGISTER.format(offset=offset) for offset in (0x40, 0x44))
    bus.write_text(f"peripheral: ANALOG\nversion: 0.1.0\nregisters:\n{registers}", encoding="utf-8")
    described = (configs / "chips" / "esp32c3.yaml").read_text(encoding="utf-8")
    described = described.replace("../peripherals", str(configs / "peripherals"))
    described = described.replace(*_SYSTEM_TIMER)
    chip.write_text(described + _CHIP_ENTRY.format(path=bus), encoding="utf-8")
    system.write_text(_SYSTEM.format(chip=chip), encoding="utf-8")
    return system


class LabwiredLine(Transport):
    """The serial line of a board that runs while somebody waits for it; time is the emulator's."""

    def __init__(self, image: Path) -> None:
        self.name = "labwired esp32c3"
        self.baud = 0
        with tempfile.TemporaryDirectory() as folder:
            self._sim: Any = labwired.Sim(image, system=_system(Path(folder)), uart="uart0")
        for address in _ROM_FUNCTIONS:
            self._sim.write_u32(address, _RETURN)
        with image.open("rb") as file:
            segments = [part for part in ELFFile(file).iter_segments() if part["p_type"] == "PT_LOAD"]
            for segment in segments:
                self._store(int(segment["p_paddr"]) - FLASH_AS_CODE + FLASH_AS_DATA, bytes(segment.data()))
                if SRAM_AS_CODE <= segment["p_vaddr"] < FLASH_AS_CODE:
                    self._store(int(segment["p_vaddr"]), bytes(segment.data()))

    def _store(self, address: int, data: bytes) -> None:
        for offset in range(0, len(data), 4):
            self._sim.write_u32(address + offset, int.from_bytes(data[offset : offset + 4], "little"))

    def read(self, timeout_s: float) -> bytes:
        end = self.now() + timeout_s
        while not (data := bytes(self._sim.read_uart_bytes())) and self.now() < end:
            self._sim.run_for(_STEP)
        return data

    def write(self, data: bytes) -> None:
        self._sim.send_bytes(data)

    def close(self) -> None:
        self._sim.close()

    def reopen(self) -> None:
        """The line never goes away."""

    def now(self) -> float:
        return 0.0 if self._sim.closed else float(self._sim.time)

    def pause(self, seconds: float) -> None:
        self._sim.run_for(seconds)
