"""A device as its user sees it: upload, run, download, step by step, with recovery from resets."""

from __future__ import annotations

import random
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

from tinyanime.codegen.errors import FirmwareMismatchError, LinkError
from tinyanime.host.link.codec import PROTOCOL_VERSION
from tinyanime.host.link.device_info import DeviceInfo
from tinyanime.host.link.exchange import Exchange
from tinyanime.host.link.failures import (
    DeviceRefusalError,
    DeviceResetError,
    NoReplyError,
    PortLostError,
    kernel_failed,
)
from tinyanime.host.link.messages import (
    Cycles,
    CyclesReply,
    ErrorCode,
    Hello,
    MessageError,
    Reset,
    Run,
    RunReply,
    State,
    Step,
    StepReply,
    rows_of,
)
from tinyanime.host.link.results import MOST_CYCLES, Inference, Phase, PhaseProgress, RunResult, StepResult
from tinyanime.host.link.rows import RowExchange
from tinyanime.host.link.run import RunWatch, ask_status
from tinyanime.host.link.timing import Timing
from tinyanime.host.link.transfer import (
    Progress,
    Upload,
    begin_stream,
    download,
    output_source,
    step_source,
    upload,
)
from tinyanime.host.link.transport import DEFAULT_BAUD, Transport, open_transport

__all__ = [
    "Device",
    "Inference",
    "Phase",
    "PhaseProgress",
    "Progress",
    "RunResult",
    "StepResult",
    "open_device",
]

_HELLO_FIRST_S = 0.3
_HELLO_ATTEMPTS = 5
_HELLO_BYTES = 512
_RESET_WAIT_S = 10.0
_PAUSE_S = 0.1


def _quiet(_done: int, _total: int) -> None:
    """Progress for nobody."""


def _quiet_phase(_phase: Phase, _done: int, _total: int) -> None:
    """Progress for nobody."""


_T = TypeVar("_T")


class Device:
    """One device behind one transport, which it owns; a context manager that closes it."""

    def __init__(self, transport: Transport, timing: Timing | None = None) -> None:
        self._transport = transport
        self._timing = timing or Timing()
        self._exchange = Exchange(transport, self._timing)
        self._info: DeviceInfo | None = None
        self._stream: Upload | None = None
        self._rows: RowExchange | None = None
        self._output: bytes | None = None
        self._run_id: int | None = None
        self._result: RunResult | None = None
        self._next_step = 0
        self._last_step: StepResult | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def port(self) -> str:
        """Name of the port, as messages call it."""
        return self._transport.name

    def close(self) -> None:
        self._transport.close()

    def hello(self) -> DeviceInfo:
        """Ask the device who it is.

        Raises LinkError where the port is silent, echoes, carries another device or another protocol version.
        """
        try:
            payload = self._exchange.ask(
                Hello(), first_s=_HELLO_FIRST_S, attempts=_HELLO_ATTEMPTS, reply_bytes=_HELLO_BYTES
            )
        except NoReplyError as error:
            raise self._exchange.stranger() from error
        try:
            self._info = DeviceInfo.unpack(payload, PROTOCOL_VERSION)
        except MessageError as error:
            raise self._exchange.unreadable(error) from error
        return self._info

    def upload(self, data: bytes, progress: Progress = _quiet) -> None:
        """Send the network's input; starts over (a bounded number of times) where the device loses it.

        A streamed input is only announced: it is sent while the network runs.
        Raises LinkError where `data` has not the input's size or the device cannot be reached.
        """
        info = self._known_info()
        if info.state == State.RUNNING:
            info = self._await_end_of_run()
        if len(data) != info.input.size_bytes:
            raise LinkError(
                f"The device at {self.port} takes {info.input.size_bytes} input bytes, not {len(data)}.",
                hint="Use the picture size of the model on the board; `tinyanime info` shows it.",
            )
        self._forget_run()
        if info.input.window_bytes:
            self._stream = begin_stream(self._exchange, info, data)
            return progress(0, len(data))
        for attempt in range(self._timing.restarts + 1):
            try:
                return upload(self._exchange, info, data, progress)
            except DeviceResetError:
                if attempt == self._timing.restarts:
                    raise
        raise AssertionError("unreachable: the last attempt returns or raises")

    def run(self, progress: PhaseProgress = _quiet_phase) -> RunResult:
        """Run the network on the uploaded input; exchanges the rows of what is streamed meanwhile.

        Raises DeviceResetError where there is no input or the run got lost.
        """
        info = self._known_info()
        stream = self._stream
        self._forget_run()
        run_id = random.getrandbits(32)
        reply = self._ask(Run(run_id), RunReply.unpack)
        if reply.run != run_id:
            raise self._exchange.unreadable(MessageError("answer to another run"))
        progress(Phase.RUN, 0, info.step_count)
        rows = RowExchange(self._exchange, info, run_id, stream, progress) if info.streamed else None
        watch = RunWatch(self._exchange, run_id, rows, lambda done, total: progress(Phase.RUN, done, total))
        done = watch.until_done()
        if done.status != 0:
            raise kernel_failed(self.port, done.steps_done, done.status, done.failed_layer)
        progress(Phase.RUN, info.step_count, info.step_count)
        self._run_id = run_id
        self._rows = rows
        total = self._total_cycles(done.total_cycles)
        self._result = RunResult(total, done.output_crc, done.steps_done, done.stall_cycles)
        return self._result

    def download_output(self, progress: Progress = _quiet) -> bytes:
        """The network's output of the last run, checked against the CRC that came with it."""
        info, run_id, result = self._known_info(), self._run_id, self._result
        if run_id is None or result is None:
            raise LinkError(f"Nothing has run on the device at {self.port} yet.", hint="Upload and run first.")
        if self._output is None:
            self._output = self._fetch_output(info, run_id, result.output_crc32, progress)
        return self._output

    def _fetch_output(self, info: DeviceInfo, run_id: int, crc: int, progress: Progress) -> bytes:
        if self._rows is not None and info.output.window_bytes:
            return self._rows.output(crc)
        return download(self._exchange, info, output_source(info, run_id), crc, progress)

    def infer(self, data: bytes, progress: PhaseProgress = _quiet_phase) -> Inference:
        """Upload, run and download; starts over after a reset or a lost port, at most `Timing.restarts` times.

        The result is right or there is a LinkError; FirmwareMismatchError where the firmware changed meanwhile.
        """
        manifest = self._known_info().manifest_sha256
        for attempt in range(self._timing.restarts + 1):
            try:
                if attempt:
                    self._reconnect(manifest)
                self.upload(data, lambda done, total: progress(Phase.UPLOAD, done, total))
                result = self.run(progress)
                output = self.download_output(lambda done, total: progress(Phase.DOWNLOAD, done, total))
                return Inference(output, result, attempt)
            except (DeviceResetError, PortLostError):
                if attempt == self._timing.restarts:
                    raise
        raise AssertionError("unreachable: the last attempt returns or raises")

    def begin_steps(self) -> None:
        """Start a step-by-step run of the uploaded input; the first `step` executes step 0."""
        info, stream = self._known_info(), self._stream
        self._forget_run()
        self._run_id = random.getrandbits(32)
        if info.streamed:
            self._rows = RowExchange(self._exchange, info, self._run_id, stream, _quiet_phase)

    def step(self) -> StepResult:
        """Execute exactly one step, exchanging the rows of what is streamed that it waits for.

        Raises LinkError where all have run or `begin_steps` was not called.
        """
        info, run_id = self._known_info(), self._run_id
        if run_id is None or self._next_step >= info.step_count:
            raise LinkError(
                f"There is no step left to execute on the device at {self.port}.",
                hint="Upload the picture again and begin a new step-by-step run.",
            )
        reply = self._execute(Step(run_id, self._next_step))
        if (reply.run, reply.step) != (run_id, self._next_step):
            raise self._exchange.unreadable(MessageError("answer to another step"))
        self._last_step = StepResult(reply.step, reply.crc, reply.size, reply.cycles)
        self._next_step += 1
        if self._next_step == info.step_count:
            self._result = self._stepwise_result(run_id)
        return self._last_step

    def read_step(self) -> bytes:
        """The bytes that the last executed step wrote, checked against its CRC."""
        info, run_id, last = self._known_info(), self._run_id, self._last_step
        if run_id is None or last is None:
            raise LinkError(f"No step has run on the device at {self.port} yet.", hint="Execute a step first.")
        source = step_source(run_id, last.index, last.size_bytes)
        return download(self._exchange, info, source, last.crc32, _quiet)

    def layer_cycles(self) -> tuple[int, ...]:
        """Cycles per layer of the last run (all bands; each saturates at 2**32 - 1)."""
        if self._run_id is None:
            raise LinkError(f"Nothing has run on the device at {self.port} yet.", hint="Upload and run first.")
        cycles: list[int] = []
        while True:
            first = len(cycles)
            reply = self._ask(Cycles(self._run_id, first), CyclesReply.unpack, reply_bytes=1100)
            if (reply.run, reply.first_layer) != (self._run_id, first) or not reply.cycles:
                raise self._exchange.unreadable(MessageError("cycles of other layers"))
            cycles += reply.cycles
            if len(cycles) >= reply.layer_count:
                return tuple(cycles)

    def reset(self) -> None:
        """Restart the device and wait until it answers again."""
        before = self.hello()
        self._forget_run()
        try:
            self._ask(Reset(before.boot_id), lambda payload: payload)
        except DeviceRefusalError as error:
            # The first of several requests was executed, its answer got lost.
            if error.code != ErrorCode.WRONG_BOOT:
                raise
        except PortLostError:
            self._reopen()
        self._await_boot(before)

    def _await_boot(self, before: DeviceInfo) -> None:
        """Wait until HELLO shows that the device has started again."""
        give_up = self._exchange.deadline(_RESET_WAIT_S)
        while self._transport.now() < give_up:
            try:
                now = self.hello()
            except PortLostError:
                self._reopen()
                continue
            if now.boot_id != before.boot_id or now.uptime_ms < before.uptime_ms:
                return
            self._exchange.receive(self._exchange.deadline(_PAUSE_S))
        raise LinkError(f"The device at {self.port} did not restart.", hint="Press its reset button.")

    def _ask(
        self,
        message: Run | Step | Cycles | Reset,
        unpack: Callable[[bytes], _T],
        *,
        first_s: float | None = None,
        attempts: int | None = None,
        reply_bytes: int = 64,
    ) -> _T:
        payload = self._exchange.ask(message, first_s=first_s, attempts=attempts, reply_bytes=reply_bytes)
        try:
            return unpack(payload)
        except MessageError as error:
            raise self._exchange.unreadable(error) from error

    def _known_info(self) -> DeviceInfo:
        return self._info or self.hello()

    def _execute(self, step: Step) -> StepReply:
        """Have one step executed, serving the rows it waits for."""
        idle = 0
        while True:
            try:
                return self._ask(step, StepReply.unpack, first_s=self._timing.step_s)
            except DeviceRefusalError as error:
                if error.code != ErrorCode.STEP_WAITS or self._rows is None or idle >= self._timing.attempts:
                    raise
            idle = 0 if self._rows.serve(rows_of(ask_status(self._exchange, step.run))) else idle + 1

    def _forget_run(self) -> None:
        self._stream = None
        self._rows = None
        self._output = None
        self._run_id = None
        self._result = None
        self._next_step = 0
        self._last_step = None

    def _await_end_of_run(self) -> DeviceInfo:
        """Wait until a run nobody asks about any more is over, at most `Timing.silence_s`.

        A device that computes takes only what its 16-byte FIFO holds: HELLO, but not BEGIN.
        """
        give_up = self._exchange.deadline(self._timing.silence_s)
        while True:
            info = self.hello()
            if info.state != State.RUNNING or self._transport.now() >= give_up:
                return info
            self._exchange.receive(self._exchange.deadline(_PAUSE_S))

    def _stepwise_result(self, run_id: int) -> RunResult:
        reply = ask_status(self._exchange, run_id)
        if reply.run != run_id or reply.state != State.DONE:
            raise self._exchange.unreadable(MessageError(f"state {reply.state} after the last step"))
        total = self._total_cycles(reply.total_cycles)
        return RunResult(total, reply.output_crc, reply.steps_done, reply.stall_cycles)

    def _total_cycles(self, counted: int) -> int:
        """Cycles of the run that has just ended, of which the device has counted so many, at most 2**32 - 1: 9 s."""
        return counted if counted < MOST_CYCLES else max(counted, sum(self.layer_cycles()))

    def _reopen(self) -> None:
        """Open the port again, waiting for it to come back."""
        give_up = self._transport.now() + self._timing.reopen_s
        while True:
            try:
                self._transport.reopen()
                self._exchange.restart()
                return
            except LinkError as error:
                if self._transport.now() >= give_up:
                    # Not a PortLostError: `infer` would wait as long again for each restart that it has left.
                    raise LinkError(
                        f"The device at {self.port} went away in the middle and did not come back: {error.message}",
                        hint="Check cable and power; if it is a virtual board, start it again. Then try again.",
                    ) from error
                self._transport.pause(_PAUSE_S)

    def _reconnect(self, manifest: str) -> None:
        """Find the device again after a reset or a lost port, and make sure it is the same build."""
        try:
            info = self.hello()
        except PortLostError:
            self._reopen()
            info = self.hello()
        if info.manifest_sha256 != manifest:
            raise FirmwareMismatchError(
                f"The device at {self.port} came back with firmware of another build.",
                hint="Flash the firmware again and do not change it while a picture is on its way.",
            )


def open_device(port: str, baud: int = DEFAULT_BAUD, timing: Timing | None = None) -> Device:
    """Open `port` (see `open_transport`); LinkError where it cannot be opened. Nothing is sent yet."""
    return Device(open_transport(port, baud), timing)
