"""The C session, frame by frame: the golden conversation, wrong and hostile requests."""

from __future__ import annotations

import random
import zlib

import pytest

from tests.support.golden_conversation import (
    GOLDEN_FILE,
    STREAM_WINDOWS,
    hold_conversation,
    load_conversation,
    split_frames,
)
from tests.support.simulated_device import INPUT_BYTES, SimulatedDevice, expected_output
from tinyanime.host.link import messages as m
from tinyanime.host.link.codec import Frame, FrameReader, encode_frame

PICTURE = random.Random(3).randbytes(INPUT_BYTES)


class Host:
    """Sends single requests and sees single answers."""

    def __init__(self) -> None:
        self.device = SimulatedDevice()
        self.sequence = 0

    def send(self, message: m.Message) -> list[Frame]:
        """Everything the device says until it rests."""
        self.sequence += 1
        return self.send_frame(Frame(message.kind, self.sequence, message.pack()))

    def send_frame(self, frame: Frame) -> list[Frame]:
        self.device.write(encode_frame(frame))
        answer = b""
        while received := self.device.read(0.0):
            answer += received
        return FrameReader().feed(answer)

    def ask(self, message: m.Message) -> bytes:
        """Payload of the reply, which must be one."""
        reply = self.send(message)[0]
        assert (reply.type, reply.sequence) == (message.kind | m.Kind.REPLY, self.sequence)
        return reply.payload

    def error(self, message: m.Message) -> m.Error:
        frames = self.send(message)
        assert [frame.type for frame in frames] == [m.Kind.ERROR]
        assert frames[0].sequence == self.sequence
        return m.Error.unpack(frames[0].payload)

    def upload(self, transfer: int = 1, picture: bytes = PICTURE) -> None:
        self.ask(m.Begin(transfer, len(picture), zlib.crc32(picture)))
        for offset in range(0, len(picture), 1000):
            self.ask(m.Data(transfer, offset, picture[offset : offset + 1000]))
        self.ask(m.End(transfer))


def test_the_session_answers_as_in_the_golden_conversation() -> None:
    assert hold_conversation() == load_conversation(), f"differs from {GOLDEN_FILE}"


def test_bytes_one_by_one_give_the_same_conversation_as_frames_at_once() -> None:
    device = SimulatedDevice()
    answers: list[bytes] = []
    for line in load_conversation():
        if line.from_host and line.name == "stream-hello":
            device = SimulatedDevice(STREAM_WINDOWS)
        if line.from_host:
            for byte in line.wire:
                device.write(bytes([byte]))
            while received := device.read(0.0):
                answers += split_frames(received)
    assert answers == [line.wire for line in load_conversation() if not line.from_host]


def test_data_at_another_offset_changes_nothing_and_is_answered_with_the_next_one() -> None:
    host = Host()
    host.ask(m.Begin(5, INPUT_BYTES, zlib.crc32(PICTURE)))
    host.ask(m.Data(5, 0, PICTURE[:100]))
    for offset in (0, 50, 101, 1000, INPUT_BYTES, 0xFFFFFFFF):
        assert m.NextOffset.unpack(host.ask(m.Data(5, offset, b"\x55" * 100))) == m.NextOffset(5, 100)
    for offset in range(100, INPUT_BYTES, 500):
        host.ask(m.Data(5, offset, PICTURE[offset : offset + 500]))
    assert m.EndReply.unpack(host.ask(m.End(5))).crc == zlib.crc32(PICTURE)


def test_data_beyond_the_input_is_refused() -> None:
    host = Host()
    host.ask(m.Begin(5, INPUT_BYTES, 0))
    for offset in range(0, INPUT_BYTES - 760, 1000):
        host.ask(m.Data(5, offset, bytes(1000)))
    assert host.error(m.Data(5, 5000, bytes(761))) == m.Error(m.ErrorCode.BAD_RANGE, INPUT_BYTES)
    assert m.NextOffset.unpack(host.ask(m.Data(5, 5000, bytes(760)))).offset == INPUT_BYTES


def test_a_wrong_whole_crc_empties_the_input() -> None:
    host = Host()
    host.ask(m.Begin(5, INPUT_BYTES, zlib.crc32(PICTURE) ^ 1))
    for offset in range(0, INPUT_BYTES, 1000):
        host.ask(m.Data(5, offset, PICTURE[offset : offset + 1000]))
    assert host.error(m.End(5)) == m.Error(m.ErrorCode.BAD_CRC, zlib.crc32(PICTURE))
    assert host.error(m.Run(1)) == m.Error(m.ErrorCode.NO_INPUT, m.State.EMPTY)


def test_an_end_before_all_bytes_tells_the_next_offset() -> None:
    host = Host()
    host.ask(m.Begin(5, INPUT_BYTES, 0))
    host.ask(m.Data(5, 0, bytes(10)))
    assert host.error(m.End(5)) == m.Error(m.ErrorCode.INCOMPLETE, 10)


def test_a_transfer_with_another_crc_starts_over() -> None:
    host = Host()
    host.ask(m.Begin(5, INPUT_BYTES, 1))
    host.ask(m.Data(5, 0, bytes(10)))
    assert m.NextOffset.unpack(host.ask(m.Begin(5, INPUT_BYTES, 1))).offset == 10
    assert m.NextOffset.unpack(host.ask(m.Begin(5, INPUT_BYTES, 2))).offset == 0


def test_a_late_repetition_of_begin_or_run_does_not_destroy_the_result() -> None:
    host = Host()
    host.upload(transfer=7)
    host.ask(m.Run(70))
    begin = m.Begin(7, INPUT_BYTES, zlib.crc32(PICTURE))
    assert host.error(begin).code == m.ErrorCode.USED_TRANSFER
    assert host.error(m.Data(7, 0, bytes(4))).code == m.ErrorCode.NO_TRANSFER
    again = host.send(m.Run(70))
    assert [frame.type for frame in again] == [m.Kind.RUN | m.Kind.REPLY, m.Kind.DONE]
    read = m.ReadOutputReply.unpack(host.ask(m.ReadOutput(70, 0, 1024)))
    assert read.data == expected_output(PICTURE)[:1024]
    host.upload(transfer=8)
    assert host.error(m.Run(70)) == m.Error(m.ErrorCode.USED_RUN, 70)


def test_while_a_run_goes_on_other_work_is_refused() -> None:
    host = Host()
    host.upload()
    host.device.write(encode_frame(Frame(m.Kind.RUN, 500, m.Run(9).pack())))
    requests: list[m.Message] = [
        m.Begin(2, INPUT_BYTES, 0), m.Run(10), m.Step(10, 0), m.ReadOutput(9, 0, 1), m.ReadStep(9, 0, 0, 1),
        m.Cycles(9, 0), m.Data(1, 0, b"x"), m.End(1), m.Step(9, 0),
    ]  # fmt: skip
    for message in requests:
        host.device.write(encode_frame(Frame(message.kind, 501, message.pack())))
    frames = FrameReader().feed(host.device.read(0.0))
    codes = [m.Error.unpack(frame.payload).code for frame in frames if frame.type == m.Kind.ERROR]
    busy, none, lost = m.ErrorCode.BUSY, m.ErrorCode.NO_RESULT, m.ErrorCode.NO_TRANSFER
    assert codes == [busy, busy, busy, none, none, none, lost, lost, busy]


@pytest.mark.parametrize(
    ("offset", "length"),
    [(0, 0), (0, 1025), (INPUT_BYTES, 1), (INPUT_BYTES - 1, 2), (0xFFFFFFFF, 2), (0xFFFFFC00, 1024)],
)
def test_a_read_outside_the_output_is_refused(offset: int, length: int) -> None:
    host = Host()
    host.upload()
    host.ask(m.Run(1))
    assert host.error(m.ReadOutput(1, offset, length)) == m.Error(m.ErrorCode.BAD_RANGE, INPUT_BYTES)
    assert host.error(m.ReadStep(1, 2, offset, length)) == m.Error(m.ErrorCode.BAD_RANGE, INPUT_BYTES)


def test_steps_run_only_in_order_and_repeat_only_their_answer() -> None:
    host = Host()
    host.upload()
    assert host.error(m.Step(1, 1)).code == m.ErrorCode.NO_RESULT
    first = host.ask(m.Step(1, 0))
    assert host.ask(m.Step(1, 0)) == first
    assert host.error(m.Step(1, 2)) == m.Error(m.ErrorCode.BAD_STEP, 1)
    assert host.error(m.ReadStep(1, 1, 0, 1)) == m.Error(m.ErrorCode.BAD_STEP, 1)
    host.ask(m.Step(1, 1))
    assert host.error(m.Step(1, 0)) == m.Error(m.ErrorCode.BAD_STEP, 2)
    assert host.error(m.ReadOutput(1, 0, 1)) == m.Error(m.ErrorCode.NO_RESULT, m.State.STEPPING)
    last = host.ask(m.Step(1, 2))
    assert host.ask(m.Step(1, 2)) == last
    assert host.error(m.Step(1, 3)) == m.Error(m.ErrorCode.BAD_STEP, 3)
    assert host.error(m.Step(2, 0)).code == m.ErrorCode.NO_INPUT


def test_a_finished_run_cannot_be_continued_by_steps() -> None:
    host = Host()
    host.upload()
    host.ask(m.Run(1))
    assert host.error(m.Step(1, 2)) == m.Error(m.ErrorCode.USED_RUN, 1)


@pytest.mark.parametrize("step", [0, 1, 2])
def test_a_failing_kernel_ends_the_run_and_leaves_no_result(step: int) -> None:
    host = Host()
    host.upload()
    host.device.fail_step(step)
    done = m.DoneEvent.unpack(host.send(m.Run(1))[-1].payload)
    layer = ("flip", "flip", "reverse")[step]
    assert (done.status, done.steps_done, done.output_crc, done.failed_layer) == (3, step, 0, layer)
    status = m.StatusReply.unpack(host.ask(m.Status(1)))
    assert (status.state, status.status, status.failed_layer) == (m.State.FAILED, 3, layer)
    assert host.error(m.ReadOutput(1, 0, 1)) == m.Error(m.ErrorCode.NO_RESULT, m.State.FAILED)
    host.upload(transfer=2)
    for index in range(step):
        host.ask(m.Step(2, index))
    for _ in range(2):
        assert host.error(m.Step(2, step)) == m.Error(m.ErrorCode.KERNEL_FAILED, step << 16 | 3, layer)


def test_a_failed_self_check_refuses_every_run_and_shows_in_hello() -> None:
    host = Host()
    host.device.fail_scratch()
    host.upload()
    assert host.error(m.Run(1)) == m.Error(m.ErrorCode.SELF_CHECK, 2)
    assert host.error(m.Step(1, 0)) == m.Error(m.ErrorCode.SELF_CHECK, 2)
    assert host.ask(m.Hello())[40] == 2


def test_replies_and_events_sent_to_the_device_are_not_answered() -> None:
    host = Host()
    for kind in (0x80, 0x81, 0xC0, 0xC1, 0xFF):
        assert host.send_frame(Frame(kind, 1)) == []


@pytest.mark.parametrize("kind", [kind for kind in m.Kind if kind < m.Kind.REPLY])
def test_payloads_of_every_wrong_length_are_malformed(kind: m.Kind) -> None:
    least = {1: 0, 2: 12, 3: 9, 4: 4, 5: 4, 6: 4, 7: 6, 8: 12, 9: 10, 10: 6, 11: 4, 12: 8}[kind]
    most = 1032 if kind == m.Kind.DATA else least
    host = Host()
    for length in (*range(least), most + 1, 1040):
        (frame,) = host.send_frame(Frame(kind, 77, bytes(length)))
        assert (frame.type, frame.sequence) == (m.Kind.ERROR, 77)
        assert m.Error.unpack(frame.payload) == m.Error(m.ErrorCode.MALFORMED, length)


@pytest.mark.parametrize("version", [0, 1, 255])
def test_another_version_is_answered_in_a_frame_of_ours(version: int) -> None:
    host = Host()
    (frame,) = host.send_frame(Frame(m.Kind.HELLO, 3, b"whatever", version=version))
    assert frame.version == 2
    assert m.Error.unpack(frame.payload) == m.Error(m.ErrorCode.UNSUPPORTED_VERSION, 2)
