"""Frames in Python."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyanime.host.link.codec import (
    MAX_ENCODED_BYTES,
    MAX_PAYLOAD_BYTES,
    Frame,
    FrameError,
    FrameReader,
    decode_frame,
    encode_frame,
)

frames = st.builds(
    Frame,
    type=st.integers(0, 255),
    sequence=st.integers(0, 65535),
    payload=st.binary(max_size=300),
    version=st.integers(0, 255),
)


@settings(deadline=None)
@given(frames)
def test_a_frame_survives_the_line(frame: Frame) -> None:
    wire = encode_frame(frame)
    assert wire[0] == wire[-1] == 0
    assert 0 not in wire[1:-1]
    assert decode_frame(wire[1:-1]) == frame


@settings(deadline=None)
@given(st.lists(frames, max_size=5), st.lists(st.integers(1, 60), min_size=1))
def test_frames_are_found_however_the_stream_is_cut(sent: list[Frame], cuts: list[int]) -> None:
    stream = b"".join(map(encode_frame, sent))
    reader, received, place, turn = FrameReader(), [], 0, 0
    while place < len(stream):
        step = cuts[turn % len(cuts)]
        received += reader.feed(stream[place : place + step])
        place, turn = place + step, turn + 1
    assert received == sent
    assert reader.dropped == 0


@settings(deadline=None)
@given(frames, st.binary(min_size=1, max_size=100))
def test_noise_before_a_frame_does_not_hide_it(frame: Frame, noise: bytes) -> None:
    assert FrameReader().feed(noise + encode_frame(frame))[-1] == frame


@settings(deadline=None)
@given(frames, st.data())
def test_a_damaged_byte_never_gives_another_frame(frame: Frame, data: st.DataObject) -> None:
    wire = bytearray(encode_frame(frame))
    wire[data.draw(st.integers(0, len(wire) - 1))] ^= data.draw(st.integers(1, 255))
    assert all(found == frame for found in FrameReader().feed(bytes(wire) + b"\x00"))


@settings(deadline=None)
@given(frames, st.data())
def test_a_cut_frame_is_none(frame: Frame, data: st.DataObject) -> None:
    wire = encode_frame(frame)
    cut = data.draw(st.integers(1, len(wire) - 2))
    assert FrameReader().feed(wire[:cut] + b"\x00") == []


def test_a_payload_that_is_too_long_is_refused() -> None:
    encode_frame(Frame(1, 1, bytes(MAX_PAYLOAD_BYTES)))
    with pytest.raises(ValueError, match="1041"):
        encode_frame(Frame(1, 1, bytes(MAX_PAYLOAD_BYTES + 1)))


def test_endless_noise_without_a_delimiter_is_dropped_and_not_kept() -> None:
    reader = FrameReader()
    for _ in range(100):
        assert reader.feed(b"\x55" * MAX_ENCODED_BYTES) == []
    assert reader.feed(b"\x00" + encode_frame(Frame(1, 2))) == [Frame(1, 2)]
    assert reader.dropped == 1


@pytest.mark.parametrize("encoded", [b"", b"\x01", b"\x05abc", b"\x04\x01\x02\x03"])
def test_what_is_no_frame_raises_frame_error(encoded: bytes) -> None:
    with pytest.raises(FrameError):
        decode_frame(encoded)
