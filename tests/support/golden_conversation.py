"""The golden conversation: every kind of frame between a host and the test network, as bytes on the wire.

`tests/golden/frames/conversation.txt` holds one frame a line: ">" from the host or "<" from the device, its name, its
bytes in hex. `python -m tests.support.golden_conversation` writes it anew; a person reads the difference.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.simulated_device import INPUT_BYTES, STEP_COUNT, STREAM_BYTES, SimulatedDevice, Windows
from tinyanime.host.link import messages as m
from tinyanime.host.link.codec import DELIMITER, Frame, encode_frame

GOLDEN_FILE = Path(__file__).parents[1] / "golden" / "frames" / "conversation.txt"
TRANSFER, RUN, STEPWISE_TRANSFER, STEPWISE_RUN = 0x0000AA01, 0x00BB0001, 0xAA02, 0xFFFFFFFE
STREAM_TRANSFER, STREAM_RUN, STREAM_STEPWISE_TRANSFER, STREAM_STEPWISE_RUN = 0xAA03, 0xBB03, 0xAA04, 0xBB04
STREAM_WINDOWS = Windows(3000, 2048)
PICTURE = bytes((index * 7 + index // 256) & 0xFF for index in range(INPUT_BYTES))


@dataclass(frozen=True, slots=True)
class Line:
    """One frame on the wire; a reply has the name of its request."""

    from_host: bool
    name: str
    wire: bytes


def load_conversation() -> tuple[Line, ...]:
    lines = []
    for text in GOLDEN_FILE.read_text(encoding="ascii").splitlines():
        if text and not text.startswith("#"):
            direction, name, wire = text.split()
            lines.append(Line(direction == ">", name, bytes.fromhex(wire)))
    return tuple(lines)


def host_messages() -> Iterator[tuple[str, m.Message]]:
    """What the host says, in order: a whole inference, a stepwise one, errors, a reset."""
    yield "hello", m.Hello()
    yield "run-without-input", m.Run(RUN)
    yield from _upload(TRANSFER)
    yield "begin-again", m.Begin(TRANSFER, INPUT_BYTES, zlib.crc32(PICTURE))
    yield "end", m.End(TRANSFER)
    yield "run", m.Run(RUN)
    yield "status", m.Status(RUN)
    yield "run-again", m.Run(RUN)
    yield "read-output-start", m.ReadOutput(RUN, 0, 16)
    yield "read-output-end", m.ReadOutput(RUN, INPUT_BYTES - 1, 1)
    yield "read-output-behind", m.ReadOutput(RUN, INPUT_BYTES - 1, 2)
    yield "cycles", m.Cycles(RUN, 0)
    yield "begin-used", m.Begin(TRANSFER, INPUT_BYTES, zlib.crc32(PICTURE))
    yield "begin-wrong-size", m.Begin(TRANSFER, INPUT_BYTES + 1, 0)
    yield from _upload(STEPWISE_TRANSFER)
    yield "end", m.End(STEPWISE_TRANSFER)
    for step in range(STEP_COUNT):
        yield "step", m.Step(STEPWISE_RUN, step)
        yield "read-step", m.ReadStep(STEPWISE_RUN, step, 3, 5)
    yield "step-again", m.Step(STEPWISE_RUN, STEP_COUNT - 1)
    yield "reset-wrong", m.Reset(7)
    yield "reset", m.Reset(1001)
    yield "status-after-reset", m.Status(RUN)


def _upload(transfer: int) -> Iterator[tuple[str, m.Message]]:
    yield "begin", m.Begin(transfer, INPUT_BYTES, zlib.crc32(PICTURE))
    for offset in range(0, INPUT_BYTES, 1024):
        yield "data", m.Data(transfer, offset, PICTURE[offset : offset + 1024])


def stream_messages() -> Iterator[tuple[str, m.Message]]:
    """What the host says to the streamed network: windows filled and emptied, a step that waits, a wrong picture."""
    begin = m.Begin(STREAM_TRANSFER, STREAM_BYTES, zlib.crc32(PICTURE))
    yield "hello", m.Hello()
    yield "begin", begin
    yield "run", m.Run(STREAM_RUN)
    # What the window has room for at each wait, and what has been made by then.
    for offset, end, made in ((0, 3000, 0), (3000, 5448, 2016), (5448, STREAM_BYTES, 4032)):
        for at in range(offset, end, 1024):
            yield "data", m.Data(STREAM_TRANSFER, at, PICTURE[at : at + 1024])
        yield "status", m.Status(STREAM_RUN)
        yield "begin-again", begin
        if made:
            yield "read-output", m.ReadOutput(STREAM_RUN, made - 16, 16)
            yield "take", m.Take(STREAM_RUN, made)
            yield "read-output-taken", m.ReadOutput(STREAM_RUN, made - 16, 16)
    yield "status", m.Status(STREAM_RUN)
    yield "data-again", m.Data(STREAM_TRANSFER, STREAM_BYTES - 1, PICTURE[-1:])
    yield "begin-used", begin
    yield "read-output-end", m.ReadOutput(STREAM_RUN, STREAM_BYTES - 1024, 1024)
    yield "begin", m.Begin(STREAM_STEPWISE_TRANSFER, STREAM_BYTES, 7)
    yield "step-waits", m.Step(STREAM_STEPWISE_RUN, 0)
    yield "status", m.Status(STREAM_STEPWISE_RUN)
    for at in range(0, 3000, 1024):
        yield "data", m.Data(STREAM_STEPWISE_TRANSFER, at, PICTURE[at : at + 1024])
    yield "step", m.Step(STREAM_STEPWISE_RUN, 0)
    yield "end-incomplete", m.End(STREAM_STEPWISE_TRANSFER)


def host_frames() -> Iterator[tuple[str, bytes]]:
    """The host's frames to the test network, two of them not from this version's messages."""
    for sequence, (name, message) in enumerate(host_messages()):
        yield name, encode_frame(Frame(message.kind, sequence * 257, message.pack()))
    yield "hello-version-9", encode_frame(Frame(m.Kind.HELLO, 9, b"later", version=9))
    yield "unknown-type", encode_frame(Frame(0x42, 0xFFFF))
    yield "malformed", encode_frame(Frame(m.Kind.RUN, 1, b"\x00"))


def stream_frames() -> Iterator[tuple[str, bytes]]:
    """The host's frames to the streamed network."""
    for sequence, (name, message) in enumerate(stream_messages(), 0x4000):
        yield f"stream-{name}", encode_frame(Frame(message.kind, sequence, message.pack()))


def split_frames(wire: bytes) -> tuple[bytes, ...]:
    """The frames in a stream, delimiters included."""
    return tuple(DELIMITER + piece + DELIMITER for piece in wire.split(DELIMITER) if piece)


def hold_conversation() -> tuple[Line, ...]:
    """What the real C session answers to the host's frames."""
    whole = _answers(SimulatedDevice(), host_frames())
    streamed = _answers(SimulatedDevice(STREAM_WINDOWS), stream_frames())
    return (*whole, *streamed)


def _answers(device: SimulatedDevice, frames: Iterator[tuple[str, bytes]]) -> list[Line]:
    lines = []
    for name, wire in frames:
        lines.append(Line(True, name, wire))
        device.write(wire)
        answer = b""
        while received := device.read(0.0):
            answer += received
        lines += [Line(False, name, frame) for frame in split_frames(answer)]
    return lines


def main() -> None:
    text = "# Frames on the wire, in hex: see tests/support/golden_conversation.py and docs/link.md.\n"
    text += "".join(f"{'>' if line.from_host else '<'} {line.name} {line.wire.hex()}\n" for line in hold_conversation())
    GOLDEN_FILE.write_text(text, encoding="ascii")


if __name__ == "__main__":
    main()
