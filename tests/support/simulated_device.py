"""The firmware's link in this process, behind a transport whose clock only moves while the host waits."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache

import numpy as np

from tests.support.link_programs import simulation_library
from tinyanime.host.link.transport import Transport

INPUT_BYTES = 40 * 48 * 3
STEP_COUNT = 3


def expected_output(data: bytes) -> bytes:
    """What the test network makes of `data` (tests/firmware/runtime/test_network.c)."""
    middle = bytes(value ^ 0x55 for value in data)
    return bytes((value + index) & 0xFF for index, value in enumerate(reversed(middle)))


def expected_steps(data: bytes) -> tuple[bytes, ...]:
    """Output of each of the test network's steps."""
    middle = bytes(value ^ 0x55 for value in data)
    half = len(middle) // 2
    return middle[:half], middle[half:], expected_output(data)


STREAM_BYTES = 40 * 144
STREAM_ROW_BYTES = 144
STREAM_STEPS = 40


def stream_steps(data: bytes) -> tuple[bytes, ...]:
    """What each step of the streamed network makes of `data` (tests/firmware/runtime/stream_network.h)."""
    picture = np.frombuffer(data, dtype=np.uint8).reshape(40, STREAM_ROW_BYTES)
    padded = np.pad(picture, ((1, 1), (0, 0)))
    blurred = padded[:-2] + 2 * picture + padded[2:]
    marked = blurred ^ np.arange(STREAM_BYTES).astype(np.uint8).reshape(picture.shape)
    strips = range(0, 40, 2)
    return tuple(rows[strip : strip + 2].tobytes() for strip in strips for rows in (blurred, marked))


def stream_output(data: bytes) -> bytes:
    """What the streamed network makes of `data`."""
    return b"".join(stream_steps(data)[1::2])


@cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(simulation_library()))
    library.simulation_work.restype = ctypes.c_bool
    library.simulation_take.restype = ctypes.c_uint32
    return library


@dataclass(frozen=True, slots=True)
class Windows:
    """Bytes that the streamed network has room for at a time, at least two rows; 0: the tensor lies whole."""

    input_bytes: int
    output_bytes: int


class SimulatedDevice(Transport):
    """One device per process: a new one starts from power-up. With `windows` it runs the streamed network."""

    def __init__(self, windows: Windows | None = None) -> None:
        self.name = "simulation"
        self.baud = 0
        self.time = 0.0
        self.sent = bytearray()
        """Everything the host has sent."""
        self._library = _library()
        self._library.simulation_forget()
        if windows is not None:
            self._library.simulation_stream(windows.input_bytes, windows.output_bytes)
        self._library.simulation_boot()
        self._buffer = ctypes.create_string_buffer(1 << 16)

    def take(self) -> bytes:
        """What the device has sent, without a step in between."""
        count = self._library.simulation_take(self._buffer, len(self._buffer))
        return self._buffer.raw[:count]

    def read(self, timeout_s: float) -> bytes:
        count = self._library.simulation_take(self._buffer, len(self._buffer))
        if not count:
            working = self._library.simulation_work()
            count = self._library.simulation_take(self._buffer, len(self._buffer))
            self._pass_time(0.06 if working else 0.0)
        if not count:
            self._pass_time(max(timeout_s, 0.001))
        return self._buffer.raw[:count]

    def _pass_time(self, seconds: float) -> None:
        self.time += seconds
        self._library.simulation_advance(int(seconds * 1000))

    def write(self, data: bytes) -> None:
        self.sent += data
        self.time += len(data) * 1e-5
        self._library.simulation_receive(bytes(data), len(data))

    def close(self) -> None:
        """Nothing to give back."""

    def reopen(self) -> None:
        """The simulation never goes away."""

    def now(self) -> float:
        return self.time

    def pause(self, seconds: float) -> None:
        self._pass_time(seconds)

    def power_cycle(self) -> None:
        """Reset the device behind the host's back."""
        self._library.simulation_boot()

    def fail_step(self, step: int) -> None:
        """The step whose kernel fails from now on; of the streamed network the strip whose first layer fails."""
        self._library.simulation_fail_step(step)

    def take_cycles(self, cycles: int) -> None:
        """What each step takes from now on; 1000 before."""
        self._library.simulation_take_cycles(cycles)

    def fail_scratch(self) -> None:
        """Boot with a failing self-check."""
        self._library.simulation_fail_scratch()
        self._library.simulation_boot()
