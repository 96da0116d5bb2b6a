"""Moving many bytes: windowed upload (go-back-N) and pipelined download."""

from __future__ import annotations

import hashlib
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tinyanime.host.link.device_info import DeviceInfo
from tinyanime.host.link.exchange import Exchange
from tinyanime.host.link.failures import DeviceRefusalError, DeviceResetError
from tinyanime.host.link.messages import (
    Begin,
    Data,
    End,
    EndReply,
    ErrorCode,
    Kind,
    Message,
    MessageError,
    NextOffset,
    ReadOutput,
    ReadOutputReply,
    ReadStep,
    ReadStepReply,
)

Progress = Callable[[int, int], None]
"""Called with (done, total) bytes or steps."""

_REPLY_BYTES = 32
_BUSY_PAUSE_S = 0.2


def upload(exchange: Exchange, info: DeviceInfo, data: bytes, progress: Progress) -> None:
    """Send `data` into the network's input and have it checked; continues an interrupted transfer of the same data.

    Raises DeviceResetError where the device lost the transfer, NoReplyError where it fell silent.
    """
    # Derived from the content, so that a new process continues where an interrupted one stopped.
    transfer = int.from_bytes(hashlib.sha256(data).digest()[:4], "little")
    crc = zlib.crc32(data)
    try:
        offset = _begin(exchange, Begin(transfer, len(data), crc))
    except DeviceRefusalError as error:
        if error.code != ErrorCode.USED_TRANSFER:
            raise
        # The run before used the same picture.
        transfer = (transfer + random.randrange(1, 1 << 32)) & 0xFFFFFFFF
        offset = _begin(exchange, Begin(transfer, len(data), crc))
    progress(offset, len(data))
    Upload(exchange, info, data, transfer, offset).send(len(data), progress)
    payload = exchange.ask(End(transfer), reply_bytes=_REPLY_BYTES)
    if _parsed(exchange, EndReply.unpack, payload).crc != crc:
        raise DeviceResetError(f"The picture arrived damaged at {exchange.name}.", hint="Check cable and power.")


def begin_stream(exchange: Exchange, info: DeviceInfo, data: bytes) -> Upload:
    """Announce `data` as the streamed input of the next run, from its first byte; the upload that sends it."""
    # Of a random number: what an interrupted program has sent is of no use without the output that it has taken.
    transfer = random.getrandbits(32)
    offset = _begin(exchange, Begin(transfer, len(data), zlib.crc32(data)))
    return Upload(exchange, info, data, transfer, offset)


def _begin(exchange: Exchange, begin: Begin) -> int:
    """Next offset the device wants; waits while it is busy with a run nobody asked about any more."""
    give_up = exchange.transport.now() + exchange.timing.silence_s
    while True:
        try:
            reply = _parsed(exchange, NextOffset.unpack, exchange.ask(begin, reply_bytes=_REPLY_BYTES))
        except DeviceRefusalError as error:
            if error.code != ErrorCode.BUSY or exchange.transport.now() > give_up:
                raise
            exchange.receive(exchange.deadline(_BUSY_PAUSE_S))
            continue
        if reply.transfer != begin.transfer or reply.offset > begin.size:
            raise exchange.unreadable(MessageError(f"offset {reply.offset} of transfer {reply.transfer}"))
        return reply.offset


_T = TypeVar("_T")


def _parsed(exchange: Exchange, unpack: Callable[[bytes], _T], payload: bytes) -> _T:
    try:
        return unpack(payload)
    except MessageError as error:
        raise exchange.unreadable(error) from error


class Upload:
    """Go-back-N: everything from the first unacknowledged byte is sent again after a gap or a time-out."""

    def __init__(self, exchange: Exchange, info: DeviceInfo, data: bytes, transfer: int, offset: int) -> None:
        self._exchange = exchange
        self._data = data
        self._transfer = transfer
        self._chunk = info.chunk_bytes
        self._window_bytes = info.window * info.chunk_bytes
        self._acknowledged = offset
        self._next = offset
        self._in_flight: dict[int, int] = {}
        """Sequence number and offset of the frames sent since the last step back."""

    @property
    def acknowledged(self) -> int:
        """Bytes that the device is known to have."""
        return self._acknowledged

    def send(self, end: int, progress: Progress) -> None:
        """Send everything before `end` that the device does not have yet.

        Raises DeviceResetError where the device lost the transfer, NoReplyError where it fell silent.
        """
        exchange, timing = self._exchange, self._exchange.timing
        failures = 0
        self._go_back()  # What a call that was given up had on its way is lost.
        while self._acknowledged < end:
            self._fill_window(end)
            deadline = exchange.deadline(timing.time_out(timing.reply_s, failures), self._window_bytes)
            before = self._acknowledged
            if not self._await_acknowledgement(deadline):
                failures += 1
                if failures >= timing.attempts:
                    raise exchange.no_reply()
                self._go_back()
            if self._acknowledged > before:
                failures = 0
                progress(self._acknowledged, len(self._data))

    def _fill_window(self, end: int) -> None:
        end = min(self._acknowledged + self._window_bytes, end)
        while self._next < end:
            part = self._data[self._next : min(self._next + self._chunk, end)]
            sequence = self._exchange.new_sequence()
            self._in_flight[sequence] = self._next
            self._exchange.send(Data(self._transfer, self._next, part), sequence)
            self._next += len(part)

    def _await_acknowledgement(self, deadline: float) -> bool:
        """Take one acknowledgement; False on a time-out or where it shows that a frame was lost."""
        while (frame := self._exchange.receive(deadline)) is not None:
            offset = self._in_flight.get(frame.sequence)
            if offset is None or not self._exchange.answers(frame, Kind.DATA, frame.sequence):
                continue
            reply = _parsed(self._exchange, NextOffset.unpack, frame.payload)
            if reply.transfer != self._transfer or reply.offset > len(self._data):
                continue
            del self._in_flight[frame.sequence]
            self._acknowledged = max(self._acknowledged, reply.offset)
            self._next = max(self._next, self._acknowledged)
            # Otherwise the device did not take this frame because an earlier one is missing.
            return reply.offset > offset
        return False

    def _go_back(self) -> None:
        self._in_flight.clear()
        self._next = self._acknowledged


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a download as it came."""

    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Source:
    """Bytes on the device: how to ask for (offset, length), how to read the reply, size of the whole."""

    kind: Kind
    request: Callable[[int, int], Message]
    read: Callable[[bytes], Part]
    size_bytes: int


def output_source(info: DeviceInfo, run: int) -> Source:
    """The network's output of run `run`."""

    def read(payload: bytes) -> Part:
        reply = ReadOutputReply.unpack(payload)
        if reply.run != run:
            raise MessageError("output of another run")
        return Part(reply.offset, reply.data)

    return Source(
        Kind.READ_OUTPUT, lambda offset, length: ReadOutput(run, offset, length), read, info.output.size_bytes
    )


def step_source(run: int, step: int, size_bytes: int) -> Source:
    """What step `step`, the last one of run `run` so far, wrote."""

    def read(payload: bytes) -> Part:
        reply = ReadStepReply.unpack(payload)
        if (reply.run, reply.step) != (run, step):
            raise MessageError("output of another step")
        return Part(reply.offset, reply.data)

    return Source(Kind.READ_STEP, lambda offset, length: ReadStep(run, step, offset, length), read, size_bytes)


def download(exchange: Exchange, info: DeviceInfo, source: Source, crc: int, progress: Progress) -> bytes:
    """Fetch all bytes of `source`; DeviceResetError where their CRC-32 is not `crc`."""
    fetched = Download(exchange, info, source)
    progress(0, source.size_bytes)
    fetched.fetch(source.size_bytes, progress)
    return fetched.checked(crc)


class Download:
    """Several READs are on the way at once; what is missing after a time-out is asked for again."""

    def __init__(self, exchange: Exchange, info: DeviceInfo, source: Source) -> None:
        self._exchange = exchange
        self._source = source
        self._chunk = info.chunk_bytes
        self._window = info.window
        self._data = bytearray(source.size_bytes)
        self._fetched = 0
        self._waiting: dict[int, int] = {}
        """Sequence number and offset of the requests without a reply."""

    @property
    def fetched(self) -> int:
        """Bytes from the first one on that have come."""
        return self._fetched

    def checked(self, crc: int) -> bytes:
        """All bytes; DeviceResetError where some are missing or their CRC-32 is not `crc`."""
        if self._fetched != len(self._data) or zlib.crc32(self._data) != crc:
            raise DeviceResetError(
                f"The bytes read from {self._exchange.name} do not match their checksum.",
                hint="Send the picture again.",
            )
        return bytes(self._data)

    def fetch(self, end: int, progress: Progress) -> None:
        """Fetch everything before `end` that has not come yet. Raises NoReplyError, or what the device refused."""
        exchange, timing = self._exchange, self._exchange.timing
        self._waiting.clear()  # Of a call that was given up: asked for again, and counted once.
        asked = done = self._fetched
        failures = 0
        while done < end:
            while asked < end and len(self._waiting) < self._window:
                sequence = exchange.new_sequence()
                self._waiting[sequence] = asked
                self._ask(sequence, end)
                asked += self._length(asked, end)
            line_bytes = len(self._waiting) * (self._chunk + _REPLY_BYTES)
            received = self._take(exchange.deadline(timing.time_out(timing.reply_s, failures), line_bytes), end)
            if received:
                done += received
                failures = 0
                progress(done, len(self._data))
                continue
            failures += 1
            if failures >= timing.attempts:
                raise exchange.no_reply()
            for sequence in self._waiting:
                self._ask(sequence, end)
        self._fetched = max(self._fetched, end)

    def _length(self, offset: int, end: int) -> int:
        return min(self._chunk, end - offset)

    def _ask(self, sequence: int, end: int) -> None:
        offset = self._waiting[sequence]
        self._exchange.send(self._source.request(offset, self._length(offset, end)), sequence)

    def _take(self, deadline: float, end: int) -> int:
        """Store one reply; its bytes, 0 on a time-out."""
        while (frame := self._exchange.receive(deadline)) is not None:
            offset = self._waiting.get(frame.sequence)
            if offset is None or not self._exchange.answers(frame, self._source.kind, frame.sequence):
                continue
            part = _parsed(self._exchange, self._source.read, frame.payload)
            length = self._length(offset, end)
            if part.offset != offset or len(part.data) != length:
                continue
            self._data[offset : offset + length] = part.data
            del self._waiting[frame.sequence]
            return length
        return 0
