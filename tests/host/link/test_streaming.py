"""The client with a network whose pictures pass through windows, on good lines and bad ones."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.simulated_device import (
    STREAM_BYTES,
    STREAM_ROW_BYTES,
    STREAM_STEPS,
    SimulatedDevice,
    Windows,
    stream_output,
    stream_steps,
)
from tinyanime.codegen.errors import LinkError
from tinyanime.host.link import messages as m
from tinyanime.host.link.client import Device, Phase
from tinyanime.host.link.codec import Frame, FrameReader, encode_frame
from tinyanime.host.link.failures import DeviceResetError, KernelFailedError
from tinyanime.host.link.faults import FaultPlan, FaultyTransport

PICTURE = random.Random(41).randbytes(STREAM_BYTES)
OTHER = random.Random(42).randbytes(STREAM_BYTES)
SMALL = Windows(2 * STREAM_ROW_BYTES, 2 * STREAM_ROW_BYTES)
UNEVEN = Windows(2048, 1500)
BOUND_S = 900.0
"""Simulated seconds in which every inference has to come to an end."""

sizes = st.one_of(st.just(0), st.integers(2 * STREAM_ROW_BYTES, STREAM_BYTES))


class Altered(SimulatedDevice):
    """Frames pass through `incoming` on their way to the host, `outgoing` on their way to the device (None: lost)."""

    def __init__(self, windows: Windows) -> None:
        super().__init__(windows)
        self.incoming: Callable[[Frame], Frame | None] = lambda frame: frame
        self.outgoing: Callable[[Frame], Frame | None] = lambda frame: frame

    def read(self, timeout_s: float) -> bytes:
        return _through(super().read(timeout_s), self.incoming)

    def write(self, data: bytes) -> None:
        super().write(_through(data, self.outgoing))


def _through(data: bytes, change: Callable[[Frame], Frame | None]) -> bytes:
    frames = (change(frame) for frame in FrameReader().feed(data))
    return b"".join(encode_frame(frame) for frame in frames if frame is not None)


@settings(max_examples=60, deadline=None)
@given(sizes, sizes, st.integers(1, 1024), st.integers(1, 8), st.binary(min_size=1, max_size=40))
def test_any_windows_and_any_chunks_give_the_right_picture(
    input_window: int, output_window: int, chunk: int, frames: int, pattern: bytes
) -> None:
    picture = (pattern * STREAM_BYTES)[:STREAM_BYTES]
    transport = Altered(Windows(input_window, output_window))

    def smaller(frame: Frame) -> Frame:
        if frame.type != m.Kind.HELLO | m.Kind.REPLY:
            return frame
        sizes_told = max(chunk, 100).to_bytes(2, "little") + frames.to_bytes(2, "little")
        return replace(frame, payload=sizes_told + frame.payload[4:])

    transport.incoming = smaller
    inference = Device(transport).infer(picture)
    assert inference.output == stream_output(picture)
    assert (inference.restarts, inference.result.steps) == (0, STREAM_STEPS)


@settings(max_examples=15, deadline=None)
@given(sizes, sizes)
def test_steps_one_by_one_give_every_steps_rows_through_any_windows(input_window: int, output_window: int) -> None:
    device = Device(SimulatedDevice(Windows(input_window, output_window)))
    device.upload(PICTURE)
    device.begin_steps()
    for index, expected in enumerate(stream_steps(PICTURE)):
        step = device.step()
        assert (step.index, step.size_bytes) == (index, len(expected))
        assert device.read_step() == expected
    assert device.download_output() == stream_output(PICTURE)
    assert sum(device.layer_cycles()) > 0
    with pytest.raises(LinkError, match="no step left"):
        device.step()


def test_picture_after_picture_goes_through_the_same_windows_even_the_same_one_twice() -> None:
    device = Device(SimulatedDevice(SMALL))
    for picture in (PICTURE, OTHER, OTHER, PICTURE):
        inference = device.infer(picture)
        assert inference.output == stream_output(picture)
        assert inference.restarts == 0
    assert inference.result.stall_cycles > 0


def test_the_output_can_be_had_again_although_the_device_has_it_no_more() -> None:
    device = Device(SimulatedDevice(SMALL))
    device.upload(PICTURE)
    device.run()
    assert device.download_output() == device.download_output() == stream_output(PICTURE)


def test_all_phases_advance_together_and_reach_their_ends() -> None:
    calls: list[tuple[Phase, int, int]] = []
    Device(SimulatedDevice(SMALL)).infer(PICTURE, lambda *call: calls.append(call))
    for phase, total in ((Phase.UPLOAD, STREAM_BYTES), (Phase.RUN, STREAM_STEPS), (Phase.DOWNLOAD, STREAM_BYTES)):
        dones = [done for at, done, _ in calls if at == phase]
        assert dones == sorted(dones)
        assert (dones[0], dones[-1]) == (0, total)
        assert {of for at, _, of in calls if at == phase} == {total}
    first_download = next(index for index, (at, done, _) in enumerate(calls) if at == Phase.DOWNLOAD and done)
    last_upload = max(index for index, (at, _, _) in enumerate(calls) if at == Phase.UPLOAD)
    assert first_download < last_upload


def test_nothing_is_sent_to_a_device_that_computes() -> None:
    """A chip that polls its UART between steps loses what does not fit its FIFO."""

    class Watched(SimulatedDevice):
        """Notes the device's state at each write, asked without a trace."""

        states: list[int]
        pending: bytes

        def write(self, data: bytes) -> None:
            super().write(encode_frame(Frame(m.Kind.HELLO, 0xFFFF)))
            frames = FrameReader().feed(self.take())
            self.states.append(frames[-1].payload[41])
            self.pending += b"".join(map(encode_frame, frames[:-1]))
            super().write(data)

        def read(self, timeout_s: float) -> bytes:
            pending, self.pending = self.pending, b""
            return pending or super().read(timeout_s)

    transport = Watched(UNEVEN)
    transport.states, transport.pending = [], b""
    assert Device(transport).infer(PICTURE).output == stream_output(PICTURE)
    assert transport.states.count(m.State.WAITING) > 15
    assert m.State.RUNNING not in transport.states


PLANS = {
    "loss": FaultPlan(loss=0.1),
    "duplication": FaultPlan(duplication=0.3),
    "reordering": FaultPlan(reordering=0.2),
    "truncation": FaultPlan(truncation=0.1),
    "corruption": FaultPlan(corruption=0.1),
    "noise": FaultPlan(noise=0.3),
    "delay": FaultPlan(delay=0.2, delay_s=1.5),
    "resets": FaultPlan(reset=0.05),
    "everything": FaultPlan(
        loss=0.03, duplication=0.05, reordering=0.05, truncation=0.03, corruption=0.03, noise=0.05, delay=0.05,
        delay_s=2.0, reset=0.01,
    ),
    "hopeless": FaultPlan(loss=0.6, corruption=0.3, reset=0.1),
}  # fmt: skip
UNRELIABLE = {"resets": 0.5, "everything": 0.5, "hopeless": 0.0}
SEEDS_PER_PLAN = 40


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("windows", [UNEVEN, Windows(0, 1200), Windows(1200, 0)])
def test_a_streamed_inference_over_a_bad_line_is_right_or_a_link_error(name: str, windows: Windows) -> None:
    completed, faults, hints = 0, 0, list[str]()
    for seed in range(SEEDS_PER_PLAN):
        picture = random.Random(seed).randbytes(STREAM_BYTES)
        device = SimulatedDevice(windows)
        line = FaultyTransport(device, PLANS[name], seed, reset=device.power_cycle)
        try:
            output = Device(line).infer(picture).output
        except LinkError as error:
            hints.append(error.hint)
        else:
            assert output == stream_output(picture), f"seed {seed}"
            completed += 1
        assert device.time < BOUND_S, f"seed {seed}"
        faults += line.faults
    assert all(hints)
    assert faults > SEEDS_PER_PLAN
    assert completed >= SEEDS_PER_PLAN * UNRELIABLE.get(name, 1.0)
    if name == "hopeless":
        assert completed < SEEDS_PER_PLAN


@pytest.mark.parametrize("seed", range(10))
def test_streamed_steps_over_a_bad_line_are_right_or_a_link_error(seed: int) -> None:
    device = SimulatedDevice(UNEVEN)
    client = Device(FaultyTransport(device, PLANS["everything"], seed, reset=device.power_cycle))
    with contextlib.suppress(LinkError):
        client.upload(PICTURE)
        client.begin_steps()
        for expected in stream_steps(PICTURE):
            assert client.step().size_bytes == len(expected)
            assert client.read_step() == expected
        assert client.download_output() == stream_output(PICTURE)
    assert device.time < BOUND_S


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("moment", [1, 2, 9])
def test_a_reset_anywhere_in_a_streamed_run_is_recovered_from(phase: Phase, moment: int) -> None:
    transport = SimulatedDevice(SMALL)
    calls = 0

    def reset_once(at: Phase, _done: int, _total: int) -> None:
        nonlocal calls
        calls += at == phase
        if at == phase and calls == moment:
            transport.power_cycle()

    inference = Device(transport).infer(PICTURE, reset_once)
    assert inference.output == stream_output(PICTURE)
    assert inference.restarts == 1
    assert calls > moment


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("moment", [1, 4])
@pytest.mark.parametrize("picture", [PICTURE, OTHER], ids=["the same picture", "another picture"])
def test_a_host_that_went_away_for_ever_leaves_a_device_for_the_next_one(
    phase: Phase, moment: int, picture: bytes
) -> None:
    transport = SimulatedDevice(SMALL)
    calls = 0

    class GoneError(Exception):
        pass

    def go(at: Phase, _done: int, _total: int) -> None:
        nonlocal calls
        calls += at == phase
        if calls == moment:
            raise GoneError

    with pytest.raises(GoneError):
        Device(transport).infer(PICTURE, go)
    transport.pause(3600)
    inference = Device(transport).infer(picture)
    assert inference.output == stream_output(picture)
    assert inference.restarts == 0


def test_a_host_that_went_away_between_two_steps_leaves_a_device_for_the_next_one() -> None:
    transport = SimulatedDevice(SMALL)
    for steps in (1, 2, 5):
        first = Device(transport)
        first.upload(PICTURE)
        first.begin_steps()
        for _ in range(steps):
            first.step()
        assert Device(transport).infer(OTHER).output == stream_output(OTHER)


@pytest.mark.parametrize("lost", [m.Kind.WAITING, m.Kind.PROGRESS, m.Kind.DONE])
def test_events_that_get_lost_are_made_up_for_by_status(lost: m.Kind) -> None:
    transport = Altered(UNEVEN)
    transport.incoming = lambda frame: None if frame.type == lost else frame
    inference = Device(transport).infer(PICTURE)
    assert inference.output == stream_output(PICTURE)
    assert inference.restarts == 0
    assert transport.time < 60


@pytest.mark.parametrize(
    ("kind", "windows"),
    [(m.Kind.TAKE, SMALL), (m.Kind.READ_OUTPUT, Windows(0, 1500)), (m.Kind.DATA, Windows(SMALL.input_bytes, 0))],
    ids=lambda value: value.name if isinstance(value, m.Kind) else "",
)
def test_an_answer_lost_before_a_long_silence_costs_time_and_no_more(kind: m.Kind, windows: Windows) -> None:
    class Computing(Altered):
        """Loses what it receives, and sends nothing, until a moment."""

        until = 0.0

        def read(self, timeout_s: float) -> bytes:
            if self.time < self.until:
                self.pause(max(timeout_s, 0.001))
                return b""
            return super().read(timeout_s)

        def write(self, data: bytes) -> None:
            super().write(data if self.time >= self.until else b"")

    transport, lost = Computing(windows), list[Frame]()

    def incoming(frame: Frame) -> Frame | None:
        if frame.type != kind | m.Kind.REPLY or (lost and transport.time >= transport.until):
            return frame
        if kind == m.Kind.DATA and m.NextOffset.unpack(frame.payload).offset < STREAM_BYTES:
            return frame
        transport.until = transport.until or transport.time + 20.0
        lost.append(frame)
        return None

    transport.incoming = incoming
    inference = Device(transport).infer(PICTURE)
    assert (inference.output, inference.restarts) == (stream_output(PICTURE), 0)
    assert lost


def test_the_answer_to_the_last_data_may_get_lost_without_starting_over() -> None:
    transport = Altered(UNEVEN)
    lost: list[Frame] = []

    def lose_last(frame: Frame) -> Frame | None:
        if frame.type == m.Kind.DATA | m.Kind.REPLY and len(lost) < 2:
            reply = m.NextOffset.unpack(frame.payload)
            if reply.offset == STREAM_BYTES:
                lost.append(frame)
                return None
        return frame

    transport.incoming = lose_last
    inference = Device(transport).infer(PICTURE)
    assert len(lost) == 2
    assert (inference.output, inference.restarts) == (stream_output(PICTURE), 0)


@pytest.mark.parametrize("where", [0, STREAM_BYTES // 2, STREAM_BYTES - 1])
def test_input_that_changes_on_its_way_never_gives_a_picture(where: int) -> None:
    """As if memory on the way had gone bad: every frame is right, the picture is not."""
    transport = Altered(UNEVEN)

    def flip(frame: Frame) -> Frame:
        if frame.type != m.Kind.DATA:
            return frame
        data = m.Data.unpack(frame.payload)
        if not data.offset <= where < data.offset + len(data.data):
            return frame
        changed = bytearray(data.data)
        changed[where - data.offset] ^= 1
        return replace(frame, payload=replace(data, data=bytes(changed)).pack())

    transport.outgoing = flip
    with pytest.raises(DeviceResetError, match="picture arrived damaged") as caught:
        Device(transport).infer(PICTURE)
    assert caught.value.hint


@pytest.mark.parametrize("kind", [m.Kind.READ_OUTPUT, m.Kind.TAKE])
def test_answers_about_another_run_are_never_used(kind: m.Kind) -> None:
    transport = Altered(UNEVEN)

    def of_another_run(frame: Frame) -> Frame:
        if frame.type != kind | m.Kind.REPLY:
            return frame
        return replace(frame, payload=bytes([frame.payload[0] ^ 1]) + frame.payload[1:])

    transport.incoming = of_another_run
    with pytest.raises(LinkError, match="cannot read"):
        Device(transport).infer(PICTURE)


def test_output_that_changes_on_its_way_is_never_returned() -> None:
    transport = Altered(UNEVEN)

    def flip(frame: Frame) -> Frame:
        if frame.type != m.Kind.READ_OUTPUT | m.Kind.REPLY:
            return frame
        return replace(frame, payload=frame.payload[:-1] + bytes([frame.payload[-1] ^ 1]))

    transport.incoming = flip
    with pytest.raises(LinkError, match="do not match their checksum"):
        Device(transport).infer(PICTURE)


def test_rows_beyond_the_picture_are_not_believed() -> None:
    transport = Altered(UNEVEN)

    def wild(frame: Frame) -> Frame:
        if frame.type != m.Kind.WAITING:
            return frame
        waiting = m.WaitingEvent.unpack(frame.payload)
        return replace(frame, payload=replace(waiting, output_end=STREAM_BYTES + 1).pack())

    transport.incoming = wild
    with pytest.raises(LinkError, match="rows beyond the picture"):
        Device(transport).infer(PICTURE)


def test_a_device_that_waits_for_nothing_the_host_can_give_is_given_up_in_bounded_time() -> None:
    transport = Altered(UNEVEN)
    transport.outgoing = lambda frame: None if frame.type == m.Kind.DATA else frame
    with pytest.raises(LinkError):
        Device(transport).infer(PICTURE)
    assert transport.time < BOUND_S
    deaf = Altered(UNEVEN)

    def no_rows(frame: Frame) -> Frame | None:
        if frame.type == m.Kind.STATUS | m.Kind.REPLY:
            reply = m.StatusReply.unpack(frame.payload)
            return replace(frame, payload=replace(reply, input_end=0, output_end=0).pack())
        return None if frame.type == m.Kind.WAITING else frame

    deaf.incoming = no_rows
    with pytest.raises(LinkError, match="stopped answering"):
        Device(deaf).infer(PICTURE)
    assert deaf.time < BOUND_S
    stepwise = Device(deaf)
    stepwise.upload(PICTURE)
    stepwise.begin_steps()
    with pytest.raises(LinkError, match="step 0 waits for rows"):
        stepwise.step()


@pytest.mark.parametrize("strip", [0, 7, 19])
def test_a_failing_kernel_in_a_streamed_run_names_its_layer_and_step(strip: int) -> None:
    transport = SimulatedDevice(SMALL)
    transport.fail_step(strip)
    said = rf"Layer 'blur' \(step {2 * strip}\) failed"
    with pytest.raises(KernelFailedError, match=said):
        Device(transport).infer(PICTURE)
    stepwise = Device(transport)
    stepwise.upload(PICTURE)
    stepwise.begin_steps()
    for _ in range(2 * strip):
        stepwise.step()
    with pytest.raises(KernelFailedError, match=said):
        stepwise.step()
