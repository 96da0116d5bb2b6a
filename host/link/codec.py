"""Frames of the link: COBS, CRC-32, header (docs/link.md, "Frames")."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from cobs import cobs

PROTOCOL_VERSION = 2
MAX_PAYLOAD_BYTES = 1040
DELIMITER = b"\x00"

_HEADER = struct.Struct("<BBH")
_CRC = struct.Struct("<I")
_MAX_CONTENT_BYTES = _HEADER.size + MAX_PAYLOAD_BYTES + _CRC.size
MAX_ENCODED_BYTES = _MAX_CONTENT_BYTES + (_MAX_CONTENT_BYTES + 253) // 254


class FrameError(ValueError):
    """Bytes between two delimiters that are no frame."""


@dataclass(frozen=True, slots=True)
class Frame:
    """`type` u8, `sequence` u16, `payload` at most MAX_PAYLOAD_BYTES, `version` u8."""

    type: int
    sequence: int
    payload: bytes = b""
    version: int = PROTOCOL_VERSION


def encode_frame(frame: Frame) -> bytes:
    """The frame as it goes over the line, delimiters included; ValueError where the payload is too long."""
    if len(frame.payload) > MAX_PAYLOAD_BYTES:
        raise ValueError(f"payload of {len(frame.payload)} bytes, at most {MAX_PAYLOAD_BYTES} fit")
    content = _HEADER.pack(frame.version, frame.type, frame.sequence) + frame.payload
    encoded: bytes = cobs.encode(content + _CRC.pack(zlib.crc32(content)))
    return DELIMITER + encoded + DELIMITER


def decode_frame(encoded: bytes) -> Frame:
    """The frame in the bytes between two delimiters; FrameError where they are not one."""
    try:
        content: bytes = cobs.decode(encoded)
    except cobs.DecodeError as error:
        raise FrameError(f"not COBS: {error}") from error
    if not _HEADER.size + _CRC.size <= len(content) <= _MAX_CONTENT_BYTES:
        raise FrameError(f"{len(content)} bytes are no frame")
    checked = content[: -_CRC.size]
    if _CRC.unpack(content[-_CRC.size :])[0] != zlib.crc32(checked):
        raise FrameError("CRC differs")
    version, kind, sequence = _HEADER.unpack_from(checked)
    return Frame(kind, sequence, checked[_HEADER.size :], version)


class FrameReader:
    """Cuts a byte stream into frames; what is no frame is dropped and counted."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._overlong = False
        self.dropped = 0
        """Pieces between delimiters that were no frame."""

    def feed(self, data: bytes) -> list[Frame]:
        """Take received bytes; the good frames that they complete, in order."""
        *pieces, rest = data.split(DELIMITER)
        frames = []
        for piece in pieces:
            frame = self._complete(piece)
            if frame is not None:
                frames.append(frame)
        self._append(rest)
        return frames

    def _append(self, piece: bytes) -> None:
        self._pending += piece
        if len(self._pending) > MAX_ENCODED_BYTES:
            self._overlong = True
            self._pending.clear()

    def _complete(self, piece: bytes) -> Frame | None:
        self._append(piece)
        encoded, overlong = bytes(self._pending), self._overlong
        self._pending.clear()
        self._overlong = False
        if not encoded and not overlong:
            return None
        try:
            if overlong:
                raise FrameError("too long")
            return decode_frame(encoded)
        except FrameError:
            self.dropped += 1
            return None
