"""A firmware image on a virtual board in unicorn in this process and thread, with bytes of its flash changed at will.

The board runs only while its client waits for an answer, so a run is repeatable and takes no longer than the firmware.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

from tinyanime.boards.schema import Board
from tinyanime.host.emulate.endpoint import Endpoint
from tinyanime.host.emulate.image import FirmwareImage, Segment, load_image
from tinyanime.host.emulate.machine import EmulationError
from tinyanime.host.emulate.virtual_board import VirtualBoard, board_family, create_board
from tinyanime.host.link.client import Device
from tinyanime.host.link.transport import Transport

Settings = tuple[tuple[str, str], ...]
"""Of the virtual board, e.g. (("dma", "random:3"), ("coherence", "on"))."""

Patches = tuple[tuple[int, bytes], ...]
"""(address in flash, bytes there instead of the image's)."""


class Wires(Endpoint):
    """The bytes between board and client. A board that waits for the host stops."""

    def __init__(self) -> None:
        super().__init__()
        self.port = "the virtual board"
        self.to_board = bytearray()
        self.to_host = bytearray()
        self.board: VirtualBoard | None = None

    def read(self, limit: int = 4096) -> bytes:
        data = bytes(self.to_board[:limit])
        del self.to_board[:limit]
        return data

    def write(self, data: bytes) -> int:
        self.to_host += data
        return len(data)

    def wait(self, timeout_s: float, *, want_write: bool = False) -> bool:
        assert self.board is not None
        if not self.to_board:
            self.board.stop()
        return bool(self.to_board)

    def connected(self) -> bool:
        return True

    def fileno(self) -> int:
        raise AssertionError("no descriptor: nothing outside this process is involved")

    def _receive(self, limit: int) -> bytes:
        return self.read(limit)

    def _send(self, data: bytes) -> int:
        return self.write(data)

    def _lost(self) -> None:
        """The client is this process."""

    def close(self) -> None:
        """Nothing to give back."""


class BoardLine(Transport):
    """The serial line of a board of its own; its clock stands still while the board runs."""

    def __init__(self, image: Path, board: Board, settings: Settings = (), patches: Patches = ()) -> None:
        self.name = board.name
        self.baud = 0
        self._time = 0.0
        self._wires = Wires()
        elf_machine = board_family(board).CPU.elf_machine
        self.board = create_board(board, _patched(_loaded(image, elf_machine), patches), self._wires, settings)
        self._wires.board = self.board

    def read(self, timeout_s: float) -> bytes:
        if not self._wires.to_host:
            self.board.run()
            self.board.send_waiting()
        data = bytes(self._wires.to_host)
        self._wires.to_host.clear()
        if not data:
            self.pause(max(timeout_s, 0.001))
        return data

    def take(self, count: int) -> bytes:
        """Exactly `count` bytes from the board."""
        while len(self._wires.to_host) < count:
            before = len(self._wires.to_host)
            self.board.run()
            self.board.send_waiting()
            assert len(self._wires.to_host) > before, f"{before} of {count} bytes came"
        data = bytes(self._wires.to_host[:count])
        del self._wires.to_host[:count]
        return data

    def write(self, data: bytes) -> None:
        self._wires.to_board += data

    def close(self) -> None:
        """The board has no power any more; there is nothing to give back."""

    def reopen(self) -> None:
        """The line never goes away."""

    def now(self) -> float:
        return self._time

    def pause(self, seconds: float) -> None:
        self._time += seconds


@cache
def _loaded(image: Path, elf_machine: str) -> FirmwareImage:
    return load_image(image, elf_machine)


def _patched(image: FirmwareImage, patches: Patches) -> FirmwareImage:
    """Later segments overwrite earlier ones when the board loads them."""
    return replace(image, segments=image.segments + tuple(Segment(address, data) for address, data in patches))


@contextmanager
def board_device(
    image: Path, board: Board, settings: Settings = (), patches: Patches = ()
) -> Iterator[tuple[Device, VirtualBoard]]:
    """A freshly started board and the host's client for it. Do not change the file `image` afterwards: it is cached."""
    line = BoardLine(image, board, settings, patches)
    with Device(line) as device:
        yield device, line.board


def run_image(image: Path, board: Board, input_bytes: bytes, settings: Settings = (), patches: Patches = ()) -> bytes:
    """The network's output for `input_bytes`, over the link, from power-on.

    Raises EmulationError for what the virtual board objects to, a DMA transfer that nobody has waited for at the end
    included; LinkError where the firmware reports a failure.
    """
    with board_device(image, board, settings, patches) as (device, virtual):
        output = device.infer(input_bytes).output
        left = virtual.unawaited
    if left:
        raise EmulationError(
            f"The firmware ended the run without a wait for {len(left)} DMA transfers, one of them of {left[0].size} "
            f"bytes from 0x{left[0].source:08x} to 0x{left[0].target:08x}.",
            hint="Wait for each transfer (ta_port_dma_wait).",
        )
    return output
