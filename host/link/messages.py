"""Messages of the link as typed values (docs/link.md, "Messages"); payloads are little-endian."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Protocol, Self

MAX_TEXT_BYTES = 63


class Kind(IntEnum):
    """Type byte of a frame; a reply is the request's + REPLY."""

    HELLO = 0x01
    BEGIN = 0x02
    DATA = 0x03
    END = 0x04
    RUN = 0x05
    STATUS = 0x06
    STEP = 0x07
    READ_STEP = 0x08
    READ_OUTPUT = 0x09
    CYCLES = 0x0A
    RESET = 0x0B
    TAKE = 0x0C
    REPLY = 0x80
    PROGRESS = 0xC0
    DONE = 0xC1
    WAITING = 0xC2
    ERROR = 0xFF


class State(IntEnum):
    EMPTY = 0
    RECEIVING = 1
    READY = 2
    RUNNING = 3
    STEPPING = 4
    DONE = 5
    FAILED = 6
    WAITING = 7


class ErrorCode(IntEnum):
    UNSUPPORTED_VERSION = 1
    UNKNOWN_TYPE = 2
    MALFORMED = 3
    BUSY = 4
    BAD_SIZE = 5
    NO_TRANSFER = 6
    USED_TRANSFER = 7
    INCOMPLETE = 8
    BAD_CRC = 9
    NO_INPUT = 10
    USED_RUN = 11
    NO_RESULT = 12
    BAD_STEP = 13
    BAD_RANGE = 14
    KERNEL_FAILED = 15
    SELF_CHECK = 16
    WRONG_BOOT = 17
    STEP_WAITS = 18


class MessageError(ValueError):
    """A payload that is too short for its type."""


def _unpack(layout: struct.Struct, payload: bytes) -> tuple[int, ...]:
    if len(payload) < layout.size:
        raise MessageError(f"{len(payload)} payload bytes, at least {layout.size} are needed")
    return layout.unpack_from(payload)


class Message(Protocol):
    """What has a type and a payload."""

    @property
    def kind(self) -> int: ...

    def pack(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Rows:
    """Bytes that a streamed network can exchange now, half-open: input to send, output to read and take."""

    input_begin: int
    input_end: int
    output_begin: int
    output_end: int


class _Fields:
    """A payload of fixed fields in the order of the dataclass, `layout` is its struct format."""

    __slots__: ClassVar[tuple[str, ...]] = ()
    layout: ClassVar[struct.Struct]

    def pack(self) -> bytes:
        return self.layout.pack(*(getattr(self, name) for name in self.__slots__))

    @classmethod
    def unpack(cls, payload: bytes) -> Self:
        """Read a payload, ignoring bytes behind it; MessageError where it is too short."""
        return cls(*_unpack(cls.layout, payload))


class _FieldsAndBytes(_Fields):
    """Fixed fields followed by bytes up to the end; the bytes are the last field."""

    __slots__: ClassVar[tuple[str, ...]] = ()

    def pack(self) -> bytes:
        *fields, data = (getattr(self, name) for name in self.__slots__)
        return self.layout.pack(*fields) + bytes(data)

    @classmethod
    def unpack(cls, payload: bytes) -> Self:
        return cls(*_unpack(cls.layout, payload), payload[cls.layout.size :])  # type: ignore[call-arg]


class _FieldsAndText(_Fields):
    """Fixed fields, behind them a length byte and UTF-8 text where there is one; the text is the last field.

    A text that is cut off counts as none: it only explains.
    """

    __slots__: ClassVar[tuple[str, ...]] = ()

    def pack(self) -> bytes:
        *fields, text = (getattr(self, name) for name in self.__slots__)
        raw = str(text).encode()[:MAX_TEXT_BYTES]
        return self.layout.pack(*fields) + (bytes([len(raw)]) + raw if raw else b"")

    @classmethod
    def unpack(cls, payload: bytes) -> Self:
        length, raw = payload[cls.layout.size : cls.layout.size + 1], payload[cls.layout.size + 1 :]
        text = raw[: length[0]] if length and length[0] <= len(raw) else b""
        return cls(*_unpack(cls.layout, payload), text.decode(errors="replace"))  # type: ignore[call-arg]


@dataclass(frozen=True, slots=True)
class Hello(_Fields):
    kind: ClassVar[int] = Kind.HELLO
    layout: ClassVar[struct.Struct] = struct.Struct("<")


@dataclass(frozen=True, slots=True)
class Begin(_Fields):
    """Announces `size` bytes with CRC-32 `crc` as transfer number `transfer`."""

    transfer: int
    size: int
    crc: int
    kind: ClassVar[int] = Kind.BEGIN
    layout: ClassVar[struct.Struct] = struct.Struct("<III")


@dataclass(frozen=True, slots=True)
class NextOffset(_Fields):
    """Answer to BEGIN and DATA: everything before `offset` has arrived."""

    transfer: int
    offset: int
    layout: ClassVar[struct.Struct] = struct.Struct("<II")


@dataclass(frozen=True, slots=True)
class Data(_FieldsAndBytes):
    transfer: int
    offset: int
    data: bytes
    kind: ClassVar[int] = Kind.DATA
    layout: ClassVar[struct.Struct] = struct.Struct("<II")


@dataclass(frozen=True, slots=True)
class End(_Fields):
    transfer: int
    kind: ClassVar[int] = Kind.END
    layout: ClassVar[struct.Struct] = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class EndReply(_Fields):
    transfer: int
    crc: int
    layout: ClassVar[struct.Struct] = struct.Struct("<II")


@dataclass(frozen=True, slots=True)
class Run(_Fields):
    run: int
    kind: ClassVar[int] = Kind.RUN
    layout: ClassVar[struct.Struct] = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class RunReply(_Fields):
    run: int
    state: int
    layout: ClassVar[struct.Struct] = struct.Struct("<IB")


@dataclass(frozen=True, slots=True)
class Status(_Fields):
    run: int
    kind: ClassVar[int] = Kind.STATUS
    layout: ClassVar[struct.Struct] = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class StatusReply(_FieldsAndText):
    """`status` is a ta_status; `dropped` counts frames that the device could not read; `failed_layer` is the layer
    whose kernel failed."""

    run: int
    state: int
    status: int
    steps_done: int
    step_count: int
    total_cycles: int
    stall_cycles: int
    output_crc: int
    dropped: int
    input_begin: int
    input_end: int
    output_begin: int
    output_end: int
    failed_layer: str = ""
    layout: ClassVar[struct.Struct] = struct.Struct("<IBBHHIIIIIIII")


@dataclass(frozen=True, slots=True)
class Step(_Fields):
    run: int
    step: int
    kind: ClassVar[int] = Kind.STEP
    layout: ClassVar[struct.Struct] = struct.Struct("<IH")


@dataclass(frozen=True, slots=True)
class StepReply(_Fields):
    run: int
    step: int
    size: int
    crc: int
    cycles: int
    layout: ClassVar[struct.Struct] = struct.Struct("<IHIII")


@dataclass(frozen=True, slots=True)
class ReadStep(_Fields):
    run: int
    step: int
    offset: int
    length: int
    kind: ClassVar[int] = Kind.READ_STEP
    layout: ClassVar[struct.Struct] = struct.Struct("<IHIH")


@dataclass(frozen=True, slots=True)
class ReadStepReply(_FieldsAndBytes):
    run: int
    step: int
    offset: int
    data: bytes
    layout: ClassVar[struct.Struct] = struct.Struct("<IHI")


@dataclass(frozen=True, slots=True)
class ReadOutput(_Fields):
    run: int
    offset: int
    length: int
    kind: ClassVar[int] = Kind.READ_OUTPUT
    layout: ClassVar[struct.Struct] = struct.Struct("<IIH")


@dataclass(frozen=True, slots=True)
class ReadOutputReply(_FieldsAndBytes):
    run: int
    offset: int
    data: bytes
    layout: ClassVar[struct.Struct] = struct.Struct("<II")


@dataclass(frozen=True, slots=True)
class Cycles(_Fields):
    run: int
    first_layer: int
    kind: ClassVar[int] = Kind.CYCLES
    layout: ClassVar[struct.Struct] = struct.Struct("<IH")


@dataclass(frozen=True, slots=True)
class CyclesReply:
    run: int
    first_layer: int
    layer_count: int
    cycles: tuple[int, ...]
    layout: ClassVar[struct.Struct] = struct.Struct("<IHH")

    def pack(self) -> bytes:
        head = self.layout.pack(self.run, self.first_layer, self.layer_count)
        return head + struct.pack(f"<{len(self.cycles)}I", *self.cycles)

    @classmethod
    def unpack(cls, payload: bytes) -> CyclesReply:
        run, first, count = _unpack(cls.layout, payload)
        rest = payload[cls.layout.size :]
        if len(rest) % 4:
            raise MessageError(f"{len(rest)} bytes are no whole number of cycle counts")
        return cls(run, first, count, struct.unpack(f"<{len(rest) // 4}I", rest))


@dataclass(frozen=True, slots=True)
class Reset(_Fields):
    boot_id: int
    kind: ClassVar[int] = Kind.RESET
    layout: ClassVar[struct.Struct] = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class ResetReply(_Fields):
    boot_id: int
    layout: ClassVar[struct.Struct] = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Take(_Fields):
    """The host has everything of a streamed output below `offset`."""

    run: int
    offset: int
    kind: ClassVar[int] = Kind.TAKE
    layout: ClassVar[struct.Struct] = struct.Struct("<II")


@dataclass(frozen=True, slots=True)
class TakeReply(_Fields):
    run: int
    taken: int
    layout: ClassVar[struct.Struct] = struct.Struct("<II")


@dataclass(frozen=True, slots=True)
class WaitingEvent(_Fields):
    """The run goes on once everything in `rows` has been exchanged."""

    run: int
    steps_done: int
    step_count: int
    input_begin: int
    input_end: int
    output_begin: int
    output_end: int
    kind: ClassVar[int] = Kind.WAITING
    layout: ClassVar[struct.Struct] = struct.Struct("<IHHIIII")


@dataclass(frozen=True, slots=True)
class ProgressEvent(_Fields):
    run: int
    steps_done: int
    step_count: int
    kind: ClassVar[int] = Kind.PROGRESS
    layout: ClassVar[struct.Struct] = struct.Struct("<IHH")


@dataclass(frozen=True, slots=True)
class DoneEvent(_FieldsAndText):
    run: int
    status: int
    steps_done: int
    total_cycles: int
    stall_cycles: int
    output_crc: int
    failed_layer: str = ""
    kind: ClassVar[int] = Kind.DONE
    layout: ClassVar[struct.Struct] = struct.Struct("<IBHIII")


@dataclass(frozen=True, slots=True)
class Error(_FieldsAndText):
    code: int
    detail: int
    failed_layer: str = ""
    kind: ClassVar[int] = Kind.ERROR
    layout: ClassVar[struct.Struct] = struct.Struct("<HI")


def rows_of(message: StatusReply | WaitingEvent) -> Rows:
    """What the device says can be exchanged now."""
    return Rows(message.input_begin, message.input_end, message.output_begin, message.output_end)
