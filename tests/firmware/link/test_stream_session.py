"""The C session with a network whose pictures pass through windows, frame by frame."""

from __future__ import annotations

import random
import zlib

import pytest

from tests.support.simulated_device import (
    STREAM_BYTES,
    STREAM_ROW_BYTES,
    STREAM_STEPS,
    SimulatedDevice,
    Windows,
    stream_output,
    stream_steps,
)
from tinyanime.host.link import messages as m
from tinyanime.host.link.codec import Frame, FrameReader, encode_frame

PICTURE = random.Random(31).randbytes(STREAM_BYTES)
OTHER = random.Random(32).randbytes(STREAM_BYTES)
ROW = STREAM_ROW_BYTES


class Host:
    """Sends single requests to the streamed network and sees single answers."""

    def __init__(self, input_window: int = 3 * ROW, output_window: int = 2 * ROW) -> None:
        self.device = SimulatedDevice(Windows(input_window, output_window))
        self.sequence = 0
        self.events: list[Frame] = []

    def send(self, message: m.Message) -> Frame:
        """The answer; events that come with it are kept."""
        self.sequence += 1
        self.device.write(encode_frame(Frame(message.kind, self.sequence, message.pack())))
        received = b""
        while part := self.device.read(0.0):
            received += part
        frames = FrameReader().feed(received)
        self.events += [frame for frame in frames if m.Kind.PROGRESS <= frame.type < m.Kind.ERROR]
        (answer,) = (frame for frame in frames if frame.sequence == self.sequence and frame not in self.events)
        return answer

    def ask(self, message: m.Message) -> bytes:
        answer = self.send(message)
        assert answer.type == message.kind | m.Kind.REPLY, m.Error.unpack(answer.payload)
        return answer.payload

    def error(self, message: m.Message) -> m.Error:
        answer = self.send(message)
        assert answer.type == m.Kind.ERROR
        return m.Error.unpack(answer.payload)

    def begin(self, transfer: int, picture: bytes = PICTURE) -> int:
        begin = m.Begin(transfer, STREAM_BYTES, zlib.crc32(picture))
        return m.NextOffset.unpack(self.ask(begin)).offset

    def data(self, transfer: int, offset: int, end: int, picture: bytes = PICTURE) -> int:
        """Next offset after one DATA with these bytes."""
        return m.NextOffset.unpack(self.ask(m.Data(transfer, offset, picture[offset:end]))).offset

    def status(self, run: int) -> m.StatusReply:
        return m.StatusReply.unpack(self.ask(m.Status(run)))

    def rows(self, run: int) -> m.Rows:
        return m.rows_of(self.status(run))

    def read(self, run: int, begin: int, end: int) -> bytes:
        reply = m.ReadOutputReply.unpack(self.ask(m.ReadOutput(run, begin, end - begin)))
        assert (reply.run, reply.offset) == (run, begin)
        return reply.data

    def take(self, run: int, offset: int) -> int:
        return m.TakeReply.unpack(self.ask(m.Take(run, offset))).taken

    def exchange(self, transfer: int, run: int, picture: bytes = PICTURE) -> bytes:
        """Send and take everything that is wanted now; the output that was taken."""
        rows, output = self.rows(run), b""
        for offset in range(rows.input_begin, rows.input_end, 1000):
            self.data(transfer, offset, min(offset + 1000, rows.input_end), picture)
        for offset in range(rows.output_begin, rows.output_end, 1000):
            output += self.read(run, offset, min(offset + 1000, rows.output_end))
        if rows.output_end > rows.output_begin:
            self.take(run, rows.output_end)
        return output

    def finish(self, transfer: int, run: int, picture: bytes = PICTURE) -> bytes:
        """Exchange until the run is done; the output from where it stood."""
        output = b""
        for _ in range(10 * STREAM_STEPS):
            if self.status(run).state != m.State.WAITING:
                break
            output += self.exchange(transfer, run, picture)
        status = self.status(run)
        assert status.state == m.State.DONE
        for offset in range(status.output_begin, status.output_end, 1000):
            output += self.read(run, offset, min(offset + 1000, status.output_end))
        return output


def test_a_run_takes_its_input_and_gives_its_output_through_the_windows() -> None:
    host = Host()
    host.begin(1)
    host.ask(m.Run(10))
    assert host.finish(1, 10) == stream_output(PICTURE)
    assert host.status(10).output_crc == zlib.crc32(stream_output(PICTURE))
    done = m.DoneEvent.unpack(host.events[-1].payload)
    assert (host.events[-1].type, done.status, done.steps_done) == (m.Kind.DONE, 0, STREAM_STEPS)
    assert done.output_crc == zlib.crc32(stream_output(PICTURE))
    assert done.stall_cycles > 0


def test_data_before_the_run_fills_the_window_and_no_more() -> None:
    host = Host()
    host.begin(1)
    assert host.data(1, 0, 400) == 400
    assert host.data(1, 400, 1000) == 3 * ROW
    assert host.data(1, 3 * ROW, 1000) == 3 * ROW
    assert host.begin(1) == 3 * ROW
    assert host.error(m.End(1)) == m.Error(m.ErrorCode.INCOMPLETE, 3 * ROW)
    host.ask(m.Run(10))
    assert host.finish(1, 10) == stream_output(PICTURE)


def test_data_before_the_second_run_fills_the_window_and_no_more() -> None:
    host = Host()
    host.begin(1)
    host.ask(m.Run(10))
    host.finish(1, 10)
    host.begin(2, OTHER)
    assert host.data(2, 0, 1000, OTHER) == 3 * ROW
    assert host.data(2, 3 * ROW, 1000, OTHER) == 3 * ROW
    host.ask(m.Run(11))
    assert host.finish(2, 11, OTHER) == stream_output(OTHER)


def test_a_new_transfer_gives_up_a_run_also_between_two_steps_that_do_not_wait() -> None:
    host = Host()
    host.begin(1)
    host.data(1, 0, 3 * ROW)
    begin = m.Begin(2, STREAM_BYTES, zlib.crc32(OTHER))
    host.device.write(encode_frame(Frame(m.Kind.RUN, 500, m.Run(10).pack())))
    for _ in range(2):
        host.device.read(0.0)
    host.device.write(encode_frame(Frame(m.Kind.HELLO, 501)))
    host.device.write(encode_frame(Frame(m.Kind.BEGIN, 502, begin.pack())))
    frames = {frame.sequence: frame for frame in FrameReader().feed(host.device.take())}
    assert frames[501].payload[41] == m.State.RUNNING
    assert m.NextOffset.unpack(frames[502].payload) == m.NextOffset(2, 0)
    host.ask(m.Run(11))
    assert host.finish(2, 11, OTHER) == stream_output(OTHER)


def test_a_window_as_large_as_the_picture_takes_all_of_it_before_the_run() -> None:
    host = Host(STREAM_BYTES, STREAM_BYTES)
    host.begin(1)
    for offset in range(0, STREAM_BYTES, 1000):
        host.data(1, offset, min(offset + 1000, STREAM_BYTES))
    assert m.EndReply.unpack(host.ask(m.End(1))).crc == zlib.crc32(PICTURE)
    host.ask(m.Run(10))
    assert [frame.type for frame in host.events if frame.type == m.Kind.WAITING] == []
    assert host.finish(1, 10) == stream_output(PICTURE)


def test_an_end_during_the_run_checks_what_has_come_and_changes_nothing() -> None:
    host = Host(STREAM_BYTES)
    host.begin(1)
    for offset in range(0, STREAM_BYTES, 1000):
        host.data(1, offset, min(offset + 1000, STREAM_BYTES))
    host.ask(m.Run(10))
    assert m.EndReply.unpack(host.ask(m.End(1))).crc == zlib.crc32(PICTURE)
    assert host.status(10).state == m.State.WAITING
    assert host.finish(1, 10) == stream_output(PICTURE)


def test_the_waiting_event_tells_what_status_tells_and_repeating_run_repeats_it() -> None:
    host = Host()
    host.begin(1)
    host.ask(m.Run(10))
    (event,) = host.events
    waiting = m.WaitingEvent.unpack(event.payload)
    assert (event.type, waiting.run, waiting.steps_done, waiting.step_count) == (m.Kind.WAITING, 10, 0, STREAM_STEPS)
    assert m.rows_of(waiting) == m.Rows(0, 3 * ROW, 0, 0) == host.rows(10)
    assert host.status(10).state == m.State.WAITING
    host.ask(m.Run(10))
    assert m.WaitingEvent.unpack(host.events[-1].payload) == waiting


def test_the_run_goes_on_only_when_everything_has_been_exchanged() -> None:
    host = Host()
    host.begin(1)
    host.ask(m.Run(10))
    host.exchange(1, 10)
    rows = host.rows(10)
    assert rows.output_end > rows.output_begin
    before = host.status(10).steps_done
    assert host.data(1, rows.input_begin, rows.input_end) == rows.input_end
    assert (host.status(10).state, host.status(10).steps_done) == (m.State.WAITING, before)
    # Reading alone frees nothing: the answer may have got lost.
    host.read(10, rows.output_begin, rows.output_end)
    assert host.rows(10).output_begin == rows.output_begin
    host.take(10, rows.output_end - 1)
    assert host.status(10).steps_done == before
    host.take(10, rows.output_end)
    assert host.status(10).steps_done > before


def test_repeated_and_late_takes_change_nothing() -> None:
    host = Host()
    host.begin(1)
    host.ask(m.Run(10))
    output = host.exchange(1, 10)
    output += host.exchange(1, 10)
    taken = host.rows(10).output_begin
    assert taken == len(output) > 0
    for offset in (taken, 0, taken - 1):
        assert host.take(10, offset) == taken
    assert host.error(m.Take(10, STREAM_BYTES)).code == m.ErrorCode.BAD_RANGE
    assert host.error(m.Take(11, 0)).code == m.ErrorCode.NO_RESULT
    assert output + host.finish(1, 10) == stream_output(PICTURE)


def test_only_output_that_is_made_and_not_taken_can_be_read() -> None:
    host = Host()
    host.begin(1)
    host.ask(m.Run(10))
    assert host.error(m.ReadOutput(10, 0, 1)) == m.Error(m.ErrorCode.BAD_RANGE, 0)
    output = host.exchange(1, 10)
    rows = host.rows(10)
    for _ in range(2):
        assert host.read(10, 0, 100) == stream_output(PICTURE)[:100]
    assert host.error(m.ReadOutput(10, rows.output_end - 1, 2)) == m.Error(m.ErrorCode.BAD_RANGE, rows.output_end)
    output += host.exchange(1, 10)
    assert host.error(m.ReadOutput(10, rows.output_end - 1, 1)).code == m.ErrorCode.BAD_RANGE


def test_a_damaged_picture_ends_the_run_without_a_result() -> None:
    host = Host()
    host.ask(m.Begin(1, STREAM_BYTES, zlib.crc32(PICTURE) ^ 1))
    host.ask(m.Run(10))
    while (rows := host.rows(10)).input_end < STREAM_BYTES:
        host.exchange(1, 10)
    last = m.Data(1, rows.input_begin, PICTURE[rows.input_begin :])
    assert host.error(last) == m.Error(m.ErrorCode.BAD_CRC, zlib.crc32(PICTURE))
    assert host.error(last) == m.Error(m.ErrorCode.NO_TRANSFER, m.State.EMPTY)
    for message in (m.Status(10), m.ReadOutput(10, rows.output_begin, 1), m.Take(10, rows.output_end)):
        assert host.error(message) == m.Error(m.ErrorCode.NO_RESULT, m.State.EMPTY)
    assert m.Kind.DONE not in [frame.type for frame in host.events]
    host.begin(2)
    host.ask(m.Run(11))
    assert host.finish(2, 11) == stream_output(PICTURE)


def test_a_damaged_picture_is_noticed_between_two_steps_with_a_dma_transfer_under_way() -> None:
    window = STREAM_BYTES - ROW
    host = Host(window, STREAM_BYTES)
    host.ask(m.Begin(1, STREAM_BYTES, zlib.crc32(PICTURE) ^ 1))
    for offset in range(0, window, 1000):
        host.data(1, offset, min(offset + 1000, window))
    host.ask(m.Step(10, 0))
    assert host.error(m.Data(1, window, PICTURE[window:])).code == m.ErrorCode.BAD_CRC
    assert host.error(m.Step(10, 1)) == m.Error(m.ErrorCode.NO_RESULT, m.State.EMPTY)
    host.begin(2)
    host.ask(m.Run(11))
    assert host.finish(2, 11) == stream_output(PICTURE)


@pytest.mark.parametrize("exchanges", range(5))
@pytest.mark.parametrize("stepwise", [False, True])
def test_a_new_transfer_gives_up_a_run_that_waits_wherever_it_stands(exchanges: int, stepwise: bool) -> None:
    host = Host()
    host.begin(1)
    if stepwise:
        # Odd steps begin a DMA transfer that the next one waits for: it must not go on in the next run.
        for step in range(exchanges):
            while host.send(m.Step(10, step)).type == m.Kind.ERROR:
                host.exchange(1, 10)
    else:
        host.ask(m.Run(10))
        for _ in range(exchanges):
            host.exchange(1, 10)
    assert host.begin(2, OTHER) == 0
    if stepwise and exchanges:
        assert host.error(m.Data(1, 0, PICTURE[:10])).code == m.ErrorCode.NO_TRANSFER
        assert host.error(m.Step(10, exchanges)).code == m.ErrorCode.NO_RESULT
    host.ask(m.Run(11))
    assert host.finish(2, 11, OTHER) == stream_output(OTHER)


def test_a_waiting_device_refuses_another_run_and_answers_everything_else() -> None:
    host = Host()
    host.begin(1)
    host.ask(m.Run(10))
    assert host.error(m.Run(11)).code == m.ErrorCode.BUSY
    assert host.error(m.Step(11, 0)).code == m.ErrorCode.BUSY
    assert host.error(m.Step(10, 0)).code == m.ErrorCode.BUSY
    assert host.error(m.Cycles(10, 0)).code == m.ErrorCode.NO_RESULT
    assert host.error(m.ReadStep(10, 0, 0, 1)).code == m.ErrorCode.NO_RESULT
    assert host.error(m.Begin(2, STREAM_BYTES - 1, 0)).code == m.ErrorCode.BAD_SIZE
    assert host.ask(m.Hello())[41] == m.State.WAITING
    assert host.finish(1, 10) == stream_output(PICTURE)


def test_a_used_transfer_is_refused_and_its_last_data_still_answered() -> None:
    host = Host()
    host.begin(1)
    host.ask(m.Run(10))
    host.finish(1, 10)
    assert host.error(m.Begin(1, STREAM_BYTES, zlib.crc32(PICTURE))).code == m.ErrorCode.USED_TRANSFER
    assert host.data(1, STREAM_BYTES - 10, STREAM_BYTES) == STREAM_BYTES
    assert host.error(m.Data(1, STREAM_BYTES, b"x")).code == m.ErrorCode.NO_TRANSFER
    assert host.read(10, STREAM_BYTES - 1, STREAM_BYTES) == stream_output(PICTURE)[-1:]


def test_a_step_that_waits_says_so_and_goes_on_where_it_stopped() -> None:
    host = Host()
    host.begin(1)
    output, cycles = b"", 0
    for index, expected in enumerate(stream_steps(PICTURE)):
        waits = 0
        while (answer := host.send(m.Step(10, index))).type == m.Kind.ERROR:
            assert m.Error.unpack(answer.payload) == m.Error(m.ErrorCode.STEP_WAITS, index)
            assert host.status(10).state == m.State.STEPPING
            output += host.exchange(1, 10)
            waits += 1
        assert waits <= 2
        reply = m.StepReply.unpack(answer.payload)
        assert (reply.size, reply.crc) == (len(expected), zlib.crc32(expected))
        cycles += reply.cycles
        assert host.ask(m.Step(10, index)) == answer.payload
        read = m.ReadStepReply.unpack(host.ask(m.ReadStep(10, index, 0, len(expected))))
        assert read.data == expected
    rows = host.rows(10)
    assert (host.status(10).state, host.status(10).total_cycles) == (m.State.DONE, cycles)
    assert output + host.read(10, rows.output_begin, rows.output_end) == stream_output(PICTURE)


def test_the_rows_of_a_step_cannot_be_read_while_the_next_one_waits_half_way() -> None:
    host = Host()
    host.begin(1)
    host.data(1, 0, 3 * ROW)
    host.ask(m.Step(10, 0))
    answer = host.ask(m.Step(10, 1))
    assert host.ask(m.ReadStep(10, 1, 0, 1))
    assert host.error(m.Step(10, 2)).code == m.ErrorCode.STEP_WAITS
    assert host.ask(m.Step(10, 1)) == answer
    assert host.error(m.ReadStep(10, 1, 0, 1)) == m.Error(m.ErrorCode.BAD_STEP, 2)


@pytest.mark.parametrize("strip", [0, 1, 19])
def test_a_failing_kernel_ends_a_streamed_run_and_the_next_one_is_right(strip: int) -> None:
    host = Host()
    host.device.fail_step(strip)
    host.begin(1)
    host.ask(m.Run(10))
    while host.status(10).state == m.State.WAITING:
        host.exchange(1, 10)
    status = host.status(10)
    assert (status.state, status.status, status.steps_done, status.failed_layer) == (
        m.State.FAILED,
        3,
        2 * strip,
        "blur",
    )
    assert host.error(m.ReadOutput(10, status.output_begin, 1)).code == m.ErrorCode.NO_RESULT
    host.device.fail_step(99)
    host.begin(2)
    host.ask(m.Run(11))
    assert host.finish(2, 11) == stream_output(PICTURE)


def test_a_reset_in_the_middle_forgets_transfer_and_run() -> None:
    host = Host()
    host.begin(1)
    host.ask(m.Run(10))
    host.exchange(1, 10)
    host.ask(m.Reset(1001))
    assert host.error(m.Status(10)).code == m.ErrorCode.NO_RESULT
    assert host.error(m.Data(1, 0, b"x")).code == m.ErrorCode.NO_TRANSFER
    assert host.error(m.Run(11)).code == m.ErrorCode.NO_INPUT
    host.begin(2)
    host.ask(m.Run(12))
    assert host.finish(2, 12) == stream_output(PICTURE)


def test_a_whole_input_is_uploaded_before_a_run_whose_output_is_streamed() -> None:
    host = Host(0, 2 * ROW)
    host.begin(1)
    assert host.error(m.Run(10)).code == m.ErrorCode.NO_INPUT
    for offset in range(0, STREAM_BYTES, 1000):
        host.data(1, offset, min(offset + 1000, STREAM_BYTES))
    host.ask(m.End(1))
    host.ask(m.Run(10))
    assert host.rows(10) == m.Rows(0, 0, 0, 2 * ROW)
    assert host.error(m.Data(1, 0, b"x")).code == m.ErrorCode.NO_TRANSFER
    assert host.finish(1, 10) == stream_output(PICTURE)


def test_a_whole_output_is_read_after_a_run_whose_input_is_streamed() -> None:
    host = Host(2 * ROW, 0)
    host.begin(1)
    host.ask(m.Run(10))
    assert host.error(m.ReadOutput(10, 0, 1)) == m.Error(m.ErrorCode.NO_RESULT, m.State.WAITING)
    assert host.finish(1, 10) == b""
    assert b"".join(host.read(10, at, at + 720) for at in range(0, STREAM_BYTES, 720)) == stream_output(PICTURE)
