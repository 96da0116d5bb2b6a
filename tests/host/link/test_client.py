"""The client against the firmware's own session, on a line without faults."""

from __future__ import annotations

import random

import pytest

from tests.support.simulated_device import (
    INPUT_BYTES,
    STEP_COUNT,
    SimulatedDevice,
    expected_output,
    expected_steps,
)
from tinyanime.codegen.errors import LinkError
from tinyanime.host.link import messages as m
from tinyanime.host.link.client import Device, Phase
from tinyanime.host.link.codec import Frame, FrameReader, encode_frame
from tinyanime.host.link.failures import DeviceRefusalError, DeviceResetError, KernelFailedError

PICTURE = random.Random(1).randbytes(INPUT_BYTES)
OTHER = random.Random(2).randbytes(INPUT_BYTES)


def test_an_inference_gives_the_networks_output_and_its_cycles() -> None:
    device = Device(SimulatedDevice())
    inference = device.infer(PICTURE)
    assert inference.output == expected_output(PICTURE)
    assert inference.restarts == 0
    assert (inference.result.steps, inference.result.total_cycles) == (STEP_COUNT, 3000)
    assert device.layer_cycles() == (2000, 1000)


def test_cycles_are_right_beyond_the_devices_counter_of_all_of_them() -> None:
    transport = SimulatedDevice()
    transport.take_cycles(3 * 10**9)
    device = Device(transport)
    result = device.infer(PICTURE).result
    assert device.layer_cycles() == (2**32 - 1, 3 * 10**9)
    assert result.total_cycles == 2**32 - 1 + 3 * 10**9
    transport.take_cycles(2 * 10**9)
    device.upload(OTHER)
    device.begin_steps()
    assert [device.step().cycles for _ in range(STEP_COUNT)] == [2 * 10**9] * 3
    assert device.layer_cycles() == (4 * 10**9, 2 * 10**9)


def test_picture_after_picture_goes_through_the_same_device_even_the_same_one_twice() -> None:
    device = Device(SimulatedDevice())
    for picture in (PICTURE, OTHER, OTHER, PICTURE, PICTURE, PICTURE):
        assert device.infer(picture).output == expected_output(picture)


def test_progress_never_goes_back_and_reaches_the_end_of_every_phase() -> None:
    calls: list[tuple[Phase, int, int]] = []
    Device(SimulatedDevice()).infer(PICTURE, lambda *call: calls.append(call))
    for phase, total in ((Phase.UPLOAD, INPUT_BYTES), (Phase.RUN, STEP_COUNT), (Phase.DOWNLOAD, INPUT_BYTES)):
        dones = [done for at, done, _ in calls if at == phase]
        assert dones == sorted(dones)
        assert (dones[0], dones[-1]) == (0, total)
        assert {of for at, _, of in calls if at == phase} == {total}


def test_steps_one_by_one_give_every_steps_bytes_and_the_same_output() -> None:
    device = Device(SimulatedDevice())
    device.upload(PICTURE)
    device.begin_steps()
    for index, expected in enumerate(expected_steps(PICTURE)):
        step = device.step()
        assert (step.index, step.size_bytes, step.cycles) == (index, len(expected), 1000)
        assert device.read_step() == expected
    assert device.download_output() == expected_output(PICTURE)
    assert device.layer_cycles() == (2000, 1000)
    with pytest.raises(LinkError, match="no step left"):
        device.step()


def test_a_run_uses_up_the_picture() -> None:
    device = Device(SimulatedDevice())
    device.upload(PICTURE)
    device.run()
    with pytest.raises(DeviceResetError, match="no picture"):
        device.run()


def test_nothing_can_be_read_before_something_ran() -> None:
    device = Device(SimulatedDevice())
    for call in (device.download_output, device.read_step, device.layer_cycles, device.step):
        with pytest.raises(LinkError):
            call()


def test_a_picture_of_another_size_is_refused_by_name() -> None:
    with pytest.raises(LinkError, match="5760 input bytes, not 5761"):
        Device(SimulatedDevice()).upload(bytes(INPUT_BYTES + 1))


def test_an_upload_continues_where_an_interrupted_one_stopped() -> None:
    transport = SimulatedDevice()

    class PulledPlugError(Exception):
        pass

    def pull_plug(done: int, _total: int) -> None:
        if done >= 3 * 1024:
            raise PulledPlugError

    with pytest.raises(PulledPlugError):
        Device(transport).upload(PICTURE, pull_plug)
    transport.sent.clear()
    starts: list[int] = []
    device = Device(transport)
    device.upload(PICTURE, lambda done, _total: starts.append(done))
    assert starts[0] >= 3 * 1024
    assert len(transport.sent) < INPUT_BYTES
    device.run()
    assert device.download_output() == expected_output(PICTURE)


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("moment", [1, 2])
def test_a_reset_in_any_phase_is_recovered_from(phase: Phase, moment: int) -> None:
    transport = SimulatedDevice()
    calls = 0

    def reset_once(at: Phase, _done: int, _total: int) -> None:
        nonlocal calls
        calls += at == phase
        if at == phase and calls == moment:
            transport.power_cycle()

    inference = Device(transport).infer(PICTURE, reset_once)
    assert inference.output == expected_output(PICTURE)
    assert calls > moment


def test_a_device_that_always_resets_ends_in_a_link_error() -> None:
    transport = SimulatedDevice()

    def reset_always(at: Phase, _done: int, _total: int) -> None:
        if at == Phase.DOWNLOAD:
            transport.power_cycle()

    with pytest.raises(LinkError):
        Device(transport).infer(PICTURE, reset_always)


def test_a_reset_on_request_gives_another_boot_id_and_happens_once() -> None:
    device = Device(SimulatedDevice())
    before = device.hello()
    device.reset()
    assert device.hello().boot_id == before.boot_id + 1


@pytest.mark.parametrize("step", range(STEP_COUNT))
def test_a_failing_kernel_names_its_layer_and_step(step: int) -> None:
    transport = SimulatedDevice()
    transport.fail_step(step)
    layer = ("flip", "flip", "reverse")[step]
    said = rf"Layer '{layer}' \(step {step}\) failed .*: the kernel library refused its arguments \(status 3\)"
    with pytest.raises(KernelFailedError, match=said):
        Device(transport).infer(PICTURE)
    stepwise = Device(transport)
    stepwise.upload(PICTURE)
    stepwise.begin_steps()
    for _ in range(step):
        stepwise.step()
    with pytest.raises(KernelFailedError, match=said):
        stepwise.step()


def test_a_failed_layer_is_named_also_where_done_was_lost() -> None:
    class Deaf(SimulatedDevice):
        """Loses every event."""

        def read(self, timeout_s: float) -> bytes:
            frames = FrameReader().feed(super().read(timeout_s))
            return b"".join(encode_frame(frame) for frame in frames if not m.Kind.PROGRESS <= frame.type < m.Kind.ERROR)

    transport = Deaf()
    transport.fail_step(1)
    with pytest.raises(KernelFailedError, match=r"Layer 'flip' \(step 1\)"):
        Device(transport).infer(PICTURE)


def test_a_failed_self_check_is_told() -> None:
    transport = SimulatedDevice()
    transport.fail_scratch()
    with pytest.raises(DeviceRefusalError, match="self-check failed with status 2"):
        Device(transport).infer(PICTURE)


def test_an_abandoned_run_on_a_board_whose_fifo_holds_16_bytes_is_waited_for() -> None:
    class SmallFifo(SimulatedDevice):
        """While a run goes on, what is longer than the FIFO loses its end; the run takes 400 polls."""

        computing = 0

        def write(self, data: bytes) -> None:
            super().write(data[:16] if self.computing else data)

        def read(self, timeout_s: float) -> bytes:
            if self.computing:
                self.computing -= 1
                self.time += 0.05
                return self.take()
            return super().read(timeout_s)

    transport = SmallFifo()
    first = Device(transport)
    first.upload(PICTURE)
    transport.write(encode_frame(Frame(m.Kind.RUN, 1, m.Run(77).pack())))
    transport.computing = 400
    assert Device(transport).infer(OTHER).output == expected_output(OTHER)
    assert transport.computing == 0


def test_a_device_still_busy_with_an_abandoned_run_is_waited_for() -> None:
    transport = SimulatedDevice()

    class InterruptedByUserError(Exception):
        pass

    def interrupt(phase: Phase, _done: int, _total: int) -> None:
        if phase == Phase.RUN:
            raise InterruptedByUserError

    with pytest.raises(InterruptedByUserError):
        Device(transport).infer(PICTURE, interrupt)
    assert Device(transport).infer(OTHER).output == expected_output(OTHER)
