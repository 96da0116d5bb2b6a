"""Finds boards: running virtual boards first, then serial ports, those with a known USB id before the others."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from serial.tools import list_ports

from tinyanime.boards.loader import list_boards
from tinyanime.boards.schema import Board
from tinyanime.codegen.errors import LinkError
from tinyanime.host.emulate.registry import running_boards
from tinyanime.host.link.client import Device, open_device
from tinyanime.host.link.device_info import DeviceInfo
from tinyanime.host.link.timing import Timing
from tinyanime.host.link.transport import DEFAULT_BAUD


@dataclass(frozen=True, slots=True)
class PortCandidate:
    """A port behind which a board may be.

    `usb_id` is "vid:pid" in lower-case hex, or empty. `boards` are the names of boards it may be, `baud` the link's
    speed there.
    """

    port: str
    description: str
    usb_id: str
    boards: tuple[str, ...]
    virtual: bool
    baud: int


@dataclass(frozen=True, slots=True)
class Connection:
    """An open device that answered HELLO."""

    port: str
    device: Device
    info: DeviceInfo
    virtual: bool


def list_candidates() -> tuple[PortCandidate, ...]:
    """Ports worth asking: virtual boards, known USB ids, then other USB serial ports and the rest."""
    return (*_virtual_candidates(), *sorted(_serial_candidates(list_boards()), key=_likelihood))


def serial_ports_of(board: Board) -> tuple[PortCandidate, ...]:
    """Serial ports whose USB id is one of `board`'s, in the order of their names."""
    return tuple(sorted((c for c in _serial_candidates((board,)) if c.boards), key=lambda c: c.port))


def _likelihood(candidate: PortCandidate) -> tuple[bool, bool, str]:
    return (not candidate.boards, not candidate.usb_id, candidate.port)


def _virtual_candidates() -> Iterator[PortCandidate]:
    for running in running_boards():
        yield PortCandidate(running.port, f"virtual {running.board}", "", (running.board,), True, 0)


def _serial_candidates(boards: tuple[Board, ...]) -> Iterator[PortCandidate]:
    for port in list_ports.comports():
        usb_id = "" if port.vid is None else f"{port.vid:04x}:{port.pid:04x}"
        matching = tuple(board for board in boards if usb_id in board.uart.usb_ids)
        yield PortCandidate(
            port.device,
            port.description if port.description not in ("", "n/a") else "serial port",
            usb_id,
            tuple(board.name for board in matching),
            False,
            matching[0].uart.baud if matching else DEFAULT_BAUD,
        )


@contextmanager
def connect(
    port: str | None,
    *,
    baud: int | None = None,
    timing: Timing | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> Iterator[Connection]:
    """Open the device behind `port`, or find one where `port` is None; closed at the end.

    `baud` None takes the speed of the board that the port's USB id belongs to; `timing` holds for a given port. `note`
    hears which ports are asked.
    Raises LinkError where nothing answers, the port is busy, missing or belongs to something else.
    """
    connection = _connect_to(port, baud, timing, note) if port is not None else _find(note)
    with connection.device:
        yield connection


def _connect_to(port: str, baud: int | None, timing: Timing | None, note: Callable[[str], None]) -> Connection:
    known = {_same_port(candidate.port): candidate for candidate in list_candidates()}
    candidate = known.get(_same_port(port), PortCandidate(port, "", "", (), False, DEFAULT_BAUD))
    note(f"Asking {port} ...")
    return _greet(replace(candidate, port=port, baud=candidate.baud if baud is None else baud), timing)


def _same_port(port: str) -> str:
    """One spelling for every name of a port: links to a device, names of this computer."""
    if port.startswith("socket://"):
        return re.sub(r"^socket://(localhost|\[::1\])(?=:)", "socket://127.0.0.1", port.rstrip("/"))
    return os.path.realpath(port)


def _find(note: Callable[[str], None]) -> Connection:
    """The first candidate that answers; ports that nothing identifies as USB are not touched."""
    candidates = [c for c in list_candidates() if c.virtual or c.usb_id]
    failures: list[LinkError] = []
    for candidate in candidates:
        note(f"Asking {candidate.port} ({candidate.description}) ...")
        try:
            return _greet(candidate)
        except LinkError as error:
            failures.append(error)
    if len(failures) == 1:
        raise failures[0]
    if not failures:
        raise LinkError(
            "No board was found: no virtual board is running and no USB serial port is plugged in.",
            hint="Plug a board in, start a virtual one with `tinyanime emulate --board stm32h743`, or name a --port.",
        )
    reasons = " ".join(error.message for error in failures)
    raise LinkError(
        f"No board answered on {', '.join(c.port for c in candidates)}: {reasons}",
        hint="Flash the board with `tinyanime flash`, close programs that use the port, or name another --port.",
    )


def _greet(candidate: PortCandidate, timing: Timing | None = None) -> Connection:
    device = open_device(candidate.port, candidate.baud, timing)
    try:
        return Connection(candidate.port, device, device.hello(), candidate.virtual)
    except BaseException:
        device.close()
        raise
