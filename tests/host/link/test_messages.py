"""Messages as typed values, against the golden frames."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.golden_conversation import host_frames, load_conversation, stream_frames
from tinyanime.host.link import messages as m
from tinyanime.host.link.codec import FrameReader
from tinyanime.host.link.device_info import DeviceInfo

u8, u16, u32 = st.integers(0, 0xFF), st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)
data = st.binary(max_size=1024)

MESSAGES = st.one_of(
    st.builds(m.Hello), st.builds(m.Begin, u32, u32, u32), st.builds(m.NextOffset, u32, u32),
    st.builds(m.Data, u32, u32, data), st.builds(m.End, u32), st.builds(m.EndReply, u32, u32),
    st.builds(m.Run, u32), st.builds(m.RunReply, u32, u8), st.builds(m.Status, u32),
    st.builds(m.StatusReply, u32, u8, u8, u16, u16, u32, u32, u32, u32, u32, u32, u32, u32),
    st.builds(m.Step, u32, u16),
    st.builds(m.StepReply, u32, u16, u32, u32, u32), st.builds(m.ReadStep, u32, u16, u32, u16),
    st.builds(m.ReadStepReply, u32, u16, u32, data), st.builds(m.ReadOutput, u32, u32, u16),
    st.builds(m.ReadOutputReply, u32, u32, data), st.builds(m.Cycles, u32, u16),
    st.builds(m.CyclesReply, u32, u16, u16, st.lists(u32, max_size=256).map(tuple)), st.builds(m.Reset, u32),
    st.builds(m.ResetReply, u32), st.builds(m.ProgressEvent, u32, u16, u16),
    st.builds(m.DoneEvent, u32, u8, u16, u32, u32, u32), st.builds(m.Take, u32, u32), st.builds(m.TakeReply, u32, u32),
    st.builds(m.WaitingEvent, u32, u16, u16, u32, u32, u32, u32), st.builds(m.Error, u16, u32),
)  # fmt: skip


@settings(deadline=None)
@given(MESSAGES)
def test_every_message_survives_packing(message: m.Begin) -> None:
    assert type(message).unpack(message.pack()) == message


@settings(deadline=None)
@given(MESSAGES)
def test_a_payload_that_is_cut_raises_message_error(message: m.Begin) -> None:
    layout = type(message).layout
    for size in range(layout.size):
        with pytest.raises(m.MessageError):
            type(message).unpack(message.pack()[:size])


REPLY_TYPES = {
    "begin": m.NextOffset, "begin-again": m.NextOffset, "data": m.NextOffset, "data-again": m.NextOffset,
    "end": m.EndReply, "run": m.RunReply,
    "run-again": m.RunReply, "status": m.StatusReply, "step": m.StepReply, "step-again": m.StepReply,
    "read-step": m.ReadStepReply, "read-output-start": m.ReadOutputReply, "read-output-end": m.ReadOutputReply,
    "cycles": m.CyclesReply, "reset": m.ResetReply, "read-output": m.ReadOutputReply, "take": m.TakeReply,
}  # fmt: skip
EVENT_TYPES = {
    m.Kind.ERROR: m.Error, m.Kind.PROGRESS: m.ProgressEvent, m.Kind.DONE: m.DoneEvent, m.Kind.WAITING: m.WaitingEvent,
}  # fmt: skip


def test_python_writes_the_golden_requests() -> None:
    golden = [(line.name, line.wire) for line in load_conversation() if line.from_host]
    assert golden == [*host_frames(), *stream_frames()]


def test_python_reads_and_rewrites_the_golden_answers() -> None:
    seen = set()
    for line in load_conversation():
        if line.from_host:
            continue
        (frame,) = FrameReader().feed(line.wire)
        name = line.name.removeprefix("stream-")
        if name == "hello":
            assert DeviceInfo.unpack(frame.payload, frame.version).pack() == frame.payload
            seen.add(frame.type)
            continue
        kind: Any = EVENT_TYPES[m.Kind(frame.type)] if frame.type >= 0xC0 else REPLY_TYPES[name]
        assert kind.unpack(frame.payload).pack() == frame.payload
        seen.add(frame.type)
    requests = {kind | m.Kind.REPLY for kind in m.Kind if kind < m.Kind.REPLY}
    assert seen == requests | set(EVENT_TYPES)


def test_the_golden_hello_says_what_the_test_network_is() -> None:
    hello = next(line for line in load_conversation() if line.name == "hello" and not line.from_host)
    (frame,) = FrameReader().feed(hello.wire)
    info = DeviceInfo.unpack(frame.payload, frame.version)
    assert (info.board, info.model, info.kernels, info.firmware_version) == ("posix", "test", "by hand", "0.1.0")
    assert (info.chunk_bytes, info.window, info.boot_id, info.clock_hz) == (1024, 4, 1001, 480_000_000)
    assert (info.free_ram_bytes, info.stack_free_bytes) == (12345, None)
    assert info.unique_id == "0102030405060708090a0b0c"
    assert (info.layer_count, info.step_count, info.self_check, info.state) == (2, 3, 0, m.State.EMPTY)
    assert (info.picture_black, info.picture_white) == (-1.0, 1.0)
    assert dataclasses.astuple(info.input) == (5760, 0, 40, 48, 3, -1, 0.0078125)
    assert dataclasses.astuple(info.output) == (5760, 0, 40, 48, 3, 2, 0.015625)
    assert info.manifest_sha256 == "112233" + "00" * 29
    assert info.model_sha256 == "445566" + "00" * 29


def test_the_golden_hello_of_a_streamed_network_tells_its_windows() -> None:
    hello = next(line for line in load_conversation() if line.name == "stream-hello" and not line.from_host)
    (frame,) = FrameReader().feed(hello.wire)
    info = DeviceInfo.unpack(frame.payload, frame.version)
    assert (info.input.window_bytes, info.output.window_bytes, info.streamed) == (3000, 2048, True)
    assert (info.model, info.input.size_bytes, info.output.size_bytes) == ("stream", 5760, 5760)


def test_a_hello_reply_that_is_cut_or_senseless_raises_message_error() -> None:
    hello = next(line for line in load_conversation() if line.name == "hello" and not line.from_host)
    (frame,) = FrameReader().feed(hello.wire)
    for size in range(len(frame.payload)):
        with pytest.raises(m.MessageError):
            DeviceInfo.unpack(frame.payload[:size], 2)
    for senseless in (b"\x00\x00" + frame.payload[2:], b"\xff\xff" + frame.payload[2:]):
        with pytest.raises(m.MessageError):
            DeviceInfo.unpack(senseless, 2)
    for byte, value in ((2, 0), (41, 200)):
        damaged = bytearray(frame.payload)
        damaged[byte] = value
        with pytest.raises(m.MessageError):
            DeviceInfo.unpack(bytes(damaged), 2)
