"""Answers that pass every frame check and are wrong all the same: memory that changed, another build, a lost frame."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.support.simulated_device import INPUT_BYTES, SimulatedDevice, expected_output
from tinyanime.codegen.errors import FirmwareMismatchError, LinkError
from tinyanime.host.link import messages as m
from tinyanime.host.link.client import Device, Phase
from tinyanime.host.link.codec import Frame, FrameReader, encode_frame

PICTURE = random.Random(21).randbytes(INPUT_BYTES)


class TamperedDevice(SimulatedDevice):
    """Frames pass through `incoming` on their way to the host, `outgoing` on their way to the device (None: lost)."""

    def __init__(self) -> None:
        super().__init__()
        self.incoming: Callable[[Frame], Frame | None] = lambda frame: frame
        self.outgoing: Callable[[Frame], Frame | None] = lambda frame: frame

    def read(self, timeout_s: float) -> bytes:
        return _pass_through(super().read(timeout_s), self.incoming)

    def write(self, data: bytes) -> None:
        super().write(_pass_through(data, self.outgoing))


def _pass_through(data: bytes, change: Callable[[Frame], Frame | None]) -> bytes:
    frames = (change(frame) for frame in FrameReader().feed(data))
    return b"".join(encode_frame(frame) for frame in frames if frame is not None)


OUTPUT = m.Kind.READ_OUTPUT | m.Kind.REPLY


def flip_last_byte(frame: Frame) -> Frame:
    if frame.type != OUTPUT:
        return frame
    return replace(frame, payload=frame.payload[:-1] + bytes([frame.payload[-1] ^ 1]))


def move_by_one_chunk(frame: Frame) -> Frame:
    if frame.type != OUTPUT:
        return frame
    reply = m.ReadOutputReply.unpack(frame.payload)
    return replace(frame, payload=replace(reply, offset=reply.offset + 1024).pack())


def cut_one_byte(frame: Frame) -> Frame:
    return replace(frame, payload=frame.payload[:-1]) if frame.type == OUTPUT else frame


def of_another_run(frame: Frame) -> Frame:
    if frame.type != OUTPUT:
        return frame
    reply = m.ReadOutputReply.unpack(frame.payload)
    return replace(frame, payload=replace(reply, run=reply.run ^ 1).pack())


@pytest.mark.parametrize("tamper", [flip_last_byte, move_by_one_chunk, cut_one_byte, of_another_run])
def test_output_that_is_not_the_runs_is_never_returned(tamper: Callable[[Frame], Frame]) -> None:
    device = TamperedDevice()
    device.incoming = tamper
    with pytest.raises(LinkError) as caught:
        Device(device).infer(PICTURE)
    assert caught.value.hint


def test_a_done_event_of_another_run_does_not_end_this_one() -> None:
    device = TamperedDevice()

    def stale(frame: Frame) -> Frame:
        if frame.type != m.Kind.DONE:
            return frame
        done = m.DoneEvent.unpack(frame.payload)
        return replace(frame, payload=replace(done, run=done.run ^ 1, output_crc=0).pack())

    device.incoming = stale
    assert Device(device).infer(PICTURE).output == expected_output(PICTURE)


def test_events_that_all_get_lost_are_made_up_for_by_status() -> None:
    device = TamperedDevice()
    device.incoming = lambda frame: None if frame.type in (m.Kind.PROGRESS, m.Kind.DONE) else frame
    inference = Device(device).infer(PICTURE)
    assert inference.output == expected_output(PICTURE)
    assert inference.result.total_cycles == 3000


def test_a_device_that_comes_back_with_another_build_is_not_used() -> None:
    device = TamperedDevice()
    manifest = bytes.fromhex("112233")

    def reflash(phase: Phase, done: int, _total: int) -> None:
        if phase == Phase.RUN and done == 0:
            device.incoming = lambda frame: replace(frame, payload=frame.payload.replace(manifest, b"\x99" * 3))
            device.power_cycle()

    with pytest.raises(FirmwareMismatchError, match="another build"):
        Device(device).infer(PICTURE, reflash)


def test_a_lost_data_frame_is_sent_again_without_waiting_for_a_time_out() -> None:
    device = TamperedDevice()
    lost: list[Frame] = []

    def lose_second(frame: Frame) -> Frame | None:
        if frame.type == m.Kind.DATA and not lost and m.Data.unpack(frame.payload).offset == 1024:
            lost.append(frame)
            return None
        return frame

    device.outgoing = lose_second
    Device(device).upload(PICTURE)
    assert lost
    assert device.time < 0.3


def test_at_most_a_window_of_data_is_sent_without_acknowledgement() -> None:
    device = TamperedDevice()
    offsets: list[int] = []

    def note(frame: Frame) -> Frame | None:
        if frame.type == m.Kind.DATA:
            offsets.append(m.Data.unpack(frame.payload).offset)
            return None
        return frame

    device.outgoing = note
    with pytest.raises(LinkError, match="stopped answering"):
        Device(device).upload(PICTURE)
    assert set(offsets) == {0, 1024, 2048, 3072}
