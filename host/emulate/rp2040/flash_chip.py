"""The flash on the Pico, a W25Q16JV, as single commands reach it (its datasheet, 8.1.2) before it is mapped."""

from __future__ import annotations

from tinyanime.host.emulate.bus import BusError

UNIQUE_ID = b"ta-pico1"
_WRITE_ENABLE, _READ_STATUS_1, _READ_STATUS_2, _WRITE_STATUS_1, _WRITE_STATUS_2 = 0x06, 0x05, 0x35, 0x01, 0x31
_READ_UNIQUE_ID, _JEDEC_ID = 0x4B, 0x9F
_JEDEC = bytes((0xEF, 0x40, 0x15))
_QUAD_ENABLE = 1 << 1
_WRITE_ENABLED = 1 << 1


class FlashChip:
    """Takes and gives the bytes of one command after the other; chip select frames a command."""

    def __init__(self, *, quad_enabled: bool) -> None:
        self._status2 = _QUAD_ENABLE if quad_enabled else 0
        self._write_enabled = False
        self._command = bytearray()

    @property
    def quad_enabled(self) -> bool:
        return bool(self._status2 & _QUAD_ENABLE)

    def exchange(self, byte: int) -> int:
        """What comes back while `byte` goes in."""
        self._command.append(byte)
        opcode, position = self._command[0], len(self._command) - 1
        if position == 0:
            if opcode not in (
                _WRITE_ENABLE,
                _READ_STATUS_1,
                _READ_STATUS_2,
                _WRITE_STATUS_1,
                _WRITE_STATUS_2,
                _READ_UNIQUE_ID,
                _JEDEC_ID,
            ):
                raise BusError(f"sent the command 0x{opcode:02x} to the flash, which is not modelled")
            return 0xFF
        return self._answer(opcode, position)

    def _answer(self, opcode: int, position: int) -> int:
        if opcode == _READ_STATUS_1:
            return _WRITE_ENABLED if self._write_enabled else 0
        if opcode == _READ_STATUS_2:
            return self._status2
        if opcode == _READ_UNIQUE_ID and position > 4:
            return UNIQUE_ID[(position - 5) % len(UNIQUE_ID)]
        if opcode == _JEDEC_ID:
            return _JEDEC[(position - 1) % len(_JEDEC)]
        return 0xFF

    def deselect(self) -> None:
        """Chip select goes up: the command takes effect."""
        command, self._command = bytes(self._command), bytearray()
        if not command:
            return
        if command[0] == _WRITE_ENABLE:
            self._write_enabled = True
        elif command[0] in (_WRITE_STATUS_1, _WRITE_STATUS_2):
            if not self._write_enabled:
                raise BusError("wrote the flash's status without write enable (06h), which it ignores")
            self._write_enabled = False
            values = command[1:] if command[0] == _WRITE_STATUS_1 else b"\0" + command[1:2]
            if values[0:1] != b"\0":
                raise BusError("wrote protection bits to the flash's status, which is not modelled")
            if len(values) > 1:
                self._status2 = values[1] & _QUAD_ENABLE
