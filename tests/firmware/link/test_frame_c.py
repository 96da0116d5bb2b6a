"""The C frame layer: COBS, CRC-32, reader and writer, against Python's and the golden frames."""

from __future__ import annotations

import ctypes
import subprocess
import zlib
from functools import cache
from pathlib import Path

import pytest
from cobs import cobs
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.golden_conversation import GOLDEN_FILE, load_conversation
from tests.support.link_programs import LINK_SOURCES, SANITIZERS, compile_program, simulation_library
from tinyanime.host.link.codec import MAX_ENCODED_BYTES, MAX_PAYLOAD_BYTES, Frame, FrameReader, encode_frame

SINK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint8), ctypes.c_uint32)
INVALID = 0xFFFFFFFF


class CReader(ctypes.Structure):
    """ta_frame_reader of link_frame.h."""

    _fields_ = (
        ("bytes", ctypes.c_uint8 * MAX_ENCODED_BYTES),
        ("count", ctypes.c_uint32),
        ("overflow", ctypes.c_bool),
        ("dropped", ctypes.c_uint32),
    )


class CFrame(ctypes.Structure):
    """ta_frame of link_frame.h."""

    _fields_ = (
        ("version", ctypes.c_uint8),
        ("type", ctypes.c_uint8),
        ("sequence", ctypes.c_uint16),
        ("payload", ctypes.POINTER(ctypes.c_uint8)),
        ("payload_bytes", ctypes.c_uint32),
    )


@cache
def library() -> ctypes.CDLL:
    loaded = ctypes.CDLL(str(simulation_library()))
    loaded.ta_crc32.restype = ctypes.c_uint32
    loaded.ta_cobs_decode.restype = ctypes.c_uint32
    loaded.ta_frame_reader_put.restype = ctypes.c_bool
    return loaded


def c_encode(data: bytes) -> bytes:
    sent = bytearray()

    def take(_context: int, pointer: ctypes._Pointer[ctypes.c_uint8], count: int) -> None:
        sent.extend(pointer[:count])

    library().ta_cobs_send(data, len(data), SINK(take), None)
    return bytes(sent)


def c_decode(data: bytes) -> bytes | None:
    # What lies behind the data must not be read: it would make a group that is too short look complete.
    buffer = ctypes.create_string_buffer(data + b"\x77" * 300)
    count = library().ta_cobs_decode(buffer, len(data))
    return None if count == INVALID else buffer.raw[:count]


def c_read(data: bytes) -> tuple[list[Frame], int]:
    """Frames that the C reader finds in a stream, and how many pieces it dropped."""
    reader, found, frames = CReader(), CFrame(), []
    for byte in data:
        if library().ta_frame_reader_put(ctypes.byref(reader), ctypes.c_uint8(byte), ctypes.byref(found)):
            payload = bytes(found.payload[: found.payload_bytes])
            frames.append(Frame(found.type, found.sequence, payload, found.version))
    return frames, reader.dropped


def zero_rich(max_size: int) -> st.SearchStrategy[bytes]:
    """Bytes in which zeros and long runs without one are frequent: what COBS has to get right."""
    runs = st.builds(lambda value, count: bytes([value]) * count, st.integers(0, 3), st.integers(0, 520))
    return st.lists(st.one_of(runs, st.binary(max_size=40)), max_size=5).map(lambda x: b"".join(x)[:max_size])


@settings(deadline=None)
@given(zero_rich(1048))
def test_the_c_encoder_writes_what_the_cobs_package_writes(data: bytes) -> None:
    assert c_encode(data) == b"\x00" + cobs.encode(data) + b"\x00"


@settings(deadline=None)
@given(zero_rich(1048))
def test_the_c_decoder_undoes_the_encoder(data: bytes) -> None:
    assert c_decode(cobs.encode(data)) == data


@settings(deadline=None)
@given(zero_rich(1053))
def test_the_c_decoder_accepts_exactly_what_the_cobs_package_accepts(data: bytes) -> None:
    try:
        expected = cobs.decode(data) if data else None
    except cobs.DecodeError:
        expected = None
    assert c_decode(data) == expected


@settings(deadline=None)
@given(st.binary(max_size=600), st.integers(0, 600))
def test_the_c_crc_is_zlibs_whole_and_in_parts(data: bytes, cut: int) -> None:
    assert library().ta_crc32(0, data, len(data)) == zlib.crc32(data)
    first = library().ta_crc32(0, data[:cut], len(data[:cut]))
    assert library().ta_crc32(first, data[cut:], len(data[cut:])) == zlib.crc32(data)


frames_strategy = st.builds(
    Frame,
    type=st.integers(0, 255),
    sequence=st.integers(0, 65535),
    payload=zero_rich(MAX_PAYLOAD_BYTES),
    version=st.integers(0, 255),
)


@settings(deadline=None)
@given(frames_strategy)
def test_the_c_reader_reads_what_python_writes(frame: Frame) -> None:
    assert c_read(encode_frame(frame)) == ([frame], 0)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(frames_strategy.map(encode_frame), st.binary(max_size=50), zero_rich(1200)), max_size=6))
def test_c_and_python_readers_agree_on_any_stream(pieces: list[bytes]) -> None:
    stream = b"".join(pieces) + b"\x00"
    reader = FrameReader()
    assert c_read(stream) == (reader.feed(stream), reader.dropped)


def test_a_frame_of_the_greatest_size_passes_and_a_longer_one_is_dropped() -> None:
    longest = encode_frame(Frame(1, 1, b"\x01" * MAX_PAYLOAD_BYTES))
    assert len(longest) == MAX_ENCODED_BYTES + 2
    assert c_read(longest) == ([Frame(1, 1, b"\x01" * MAX_PAYLOAD_BYTES)], 0)
    assert c_read(longest[:-1] + b"\x01\x00") == ([], 1)


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_c_rebuilds_every_golden_frame(tmp_path: Path, compiler: str) -> None:
    source = Path(__file__).with_name("golden_frames.c")
    program = compile_program(tmp_path / "golden", (*frame_sources(), source), *SANITIZERS, compiler=compiler)
    done = subprocess.run([program, GOLDEN_FILE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == len(load_conversation())


def frame_sources() -> tuple[Path, ...]:
    return tuple(source for source in LINK_SOURCES if source.name in ("cobs.c", "crc32.c", "frame.c"))
