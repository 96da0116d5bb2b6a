"""Questions and answers over a transport: sequence numbers, time-outs, repetition."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass

from tinyanime.codegen.errors import LinkError
from tinyanime.host.link.codec import PROTOCOL_VERSION, Frame, FrameReader, encode_frame
from tinyanime.host.link.failures import NoReplyError, refusal
from tinyanime.host.link.messages import Error, Kind, Message, MessageError
from tinyanime.host.link.timing import Timing, line_seconds
from tinyanime.host.link.transport import Transport

_MAX_EVENTS = 256


@dataclass
class Traffic:
    """What came from the line so far; tells a silent port from another device."""

    bytes_received: int = 0
    frames: int = 0
    echoes: int = 0
    """Frames of request types: the line gives back what was sent."""


class Exchange:
    """Sends messages and receives frames; events are kept in `events` until somebody reads them."""

    def __init__(self, transport: Transport, timing: Timing) -> None:
        self.transport = transport
        self.timing = timing
        self.traffic = Traffic()
        self.events: deque[Frame] = deque(maxlen=_MAX_EVENTS)
        self._reader = FrameReader()
        self._ready: deque[Frame] = deque()
        # A random start keeps answers to an earlier program apart.
        self._sequence = random.getrandbits(16)

    @property
    def name(self) -> str:
        return self.transport.name

    def restart(self) -> None:
        """Forget everything received so far (the port was opened again)."""
        self._reader = FrameReader()
        self._ready.clear()
        self.events.clear()

    def new_sequence(self) -> int:
        self._sequence = (self._sequence + 1) & 0xFFFF
        return self._sequence

    def send(self, message: Message, sequence: int) -> None:
        self.transport.write(encode_frame(Frame(message.kind, sequence, message.pack())))

    def deadline(self, timeout_s: float, line_bytes: int = 0) -> float:
        """Time by which an answer is due when `line_bytes` have to pass the line."""
        return self.transport.now() + timeout_s + line_seconds(line_bytes, self.transport.baud)

    def receive(self, deadline: float) -> Frame | None:
        """The next reply or ERROR frame, None once `deadline` has passed; events are put aside."""
        while True:
            while self._ready:
                frame = self._ready.popleft()
                if self._is_reply(frame):
                    return frame
            remaining = deadline - self.transport.now()
            if remaining <= 0:
                return None
            self._pump(remaining)

    def wait_event(self, deadline: float) -> Frame | None:
        """The next event, None once `deadline` has passed; replies that come meanwhile are stale and dropped."""
        while not self.events:
            while self._ready:
                self._is_reply(self._ready.popleft())
            remaining = deadline - self.transport.now()
            if self.events or remaining <= 0:
                break
            self._pump(remaining)
        return self.events.popleft() if self.events else None

    def _pump(self, timeout_s: float) -> None:
        data = self.transport.read(timeout_s)
        self.traffic.bytes_received += len(data)
        frames = self._reader.feed(data)
        self.traffic.frames += len(frames)
        self._ready.extend(frames)

    def _is_reply(self, frame: Frame) -> bool:
        """Sort a frame: True for replies and errors; raises LinkError on a device of another version."""
        if frame.type < Kind.REPLY:
            self.traffic.echoes += 1
            return False
        if frame.version != PROTOCOL_VERSION:
            raise LinkError(
                f"The device at {self.name} speaks version {frame.version} of the link protocol, "
                f"this tool speaks version {PROTOCOL_VERSION}.",
                hint="Flash firmware built by this version of tinyanime (make flash BOARD=...).",
            )
        if Kind.PROGRESS <= frame.type < Kind.ERROR:
            self.events.append(frame)
            return False
        return True

    def ask(
        self, message: Message, *, first_s: float | None = None, attempts: int | None = None, reply_bytes: int = 64
    ) -> bytes:
        """Send a request until it is answered; the reply's payload.

        Raises NoReplyError, or the error that the device answered (`failures.refusal`).
        """
        sequence = self.new_sequence()
        first = self.timing.reply_s if first_s is None else first_s
        size = len(message.pack()) + reply_bytes
        for attempt in range(self.timing.attempts if attempts is None else attempts):
            self.send(message, sequence)
            deadline = self.deadline(self.timing.time_out(first, attempt), size)
            while (frame := self.receive(deadline)) is not None:
                if self.answers(frame, message.kind, sequence):
                    return frame.payload
        raise self.no_reply()

    def answers(self, frame: Frame, kind: int, sequence: int) -> bool:
        """Whether `frame` is the reply to request `kind`; raises the device's error where it is one for it."""
        if frame.sequence != sequence:
            return False
        if frame.type == Kind.ERROR:
            raise self.device_error(frame)
        return frame.type == kind | Kind.REPLY

    def device_error(self, frame: Frame) -> LinkError:
        try:
            error = Error.unpack(frame.payload)
        except MessageError as unreadable:
            return self.unreadable(unreadable)
        return refusal(self.name, error.code, error.detail, error.failed_layer)

    def no_reply(self) -> NoReplyError:
        return NoReplyError(
            f"The device at {self.name} stopped answering.",
            hint="Check cable and power, press the board's reset button and try again.",
        )

    def unreadable(self, error: MessageError) -> LinkError:
        return LinkError(
            f"The device at {self.name} answers in a form this tool cannot read: {error}.",
            hint="Flash firmware built by this version of tinyanime (make flash BOARD=...).",
        )

    def stranger(self) -> LinkError:
        """The error for a HELLO without an answer, from what came over the line instead."""
        traffic = self.traffic
        if traffic.echoes:
            return LinkError(
                f"{self.name} only echoes what is sent to it.",
                hint="Receive and transmit pins are connected, or a terminal is at the other end: check the wiring.",
            )
        if traffic.frames:
            return LinkError(
                f"The device at {self.name} does not answer, although frames arrive from it.",
                hint="The line is bad or the device is stuck: check cable and baud rate, press its reset button.",
            )
        if traffic.bytes_received:
            return LinkError(
                f"{self.name} belongs to another device: what it sends is not the tinyanime protocol.",
                hint="Choose another port (`tinyanime ports`), check the baud rate, or flash the board first.",
            )
        if self.name.startswith("socket://"):
            return LinkError(
                f"No answer from {self.name}: nothing was received.",
                hint="Check that a board is at the other end; it serves one program at a time: close any other.",
            )
        return LinkError(
            f"No answer from {self.name}: nothing was received.",
            hint="Check cable, power and baud rate, press the board's reset button; flash it with `make flash`.",
        )
