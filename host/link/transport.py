"""Ways to a device: serial ports and ptys (pyserial), TCP sockets."""

from __future__ import annotations

import errno
import select
import socket
import sys
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import serial
from serial.tools import list_ports

from tinyanime.codegen.errors import LinkError
from tinyanime.host.link.failures import PortLostError

DEFAULT_BAUD = 921_600
_WRITE_TIMEOUT_S = 10.0
_CONNECT_TIMEOUT_S = 5.0
_READ_BYTES = 65536


class Transport(ABC):
    """A byte stream to a device. `name` is what messages call it, `baud` its speed (0: unlimited or unknown)."""

    name: str
    baud: int

    @abstractmethod
    def read(self, timeout_s: float) -> bytes:
        """What has arrived, waiting at most `timeout_s` for the first byte; b"" where nothing came.

        Raises PortLostError where the port went away.
        """

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Send all of `data`; PortLostError where the port went away or takes nothing any more."""

    @abstractmethod
    def close(self) -> None:
        """Give the port back; further calls do nothing."""

    @abstractmethod
    def reopen(self) -> None:
        """Open the same port again after it went away; LinkError where it is not back."""

    def now(self) -> float:
        """Seconds of the clock that time-outs are measured by."""
        return time.monotonic()

    def pause(self, seconds: float) -> None:
        """Let time pass by the same clock."""
        time.sleep(seconds)


def open_transport(port: str, baud: int = DEFAULT_BAUD) -> Transport:
    """Open a serial device, a pty or "socket://host:port"; other pyserial URLs work too.

    Raises LinkError where the port does not exist, is busy, may not be opened or is no serial port.
    """
    if port.startswith("socket://"):
        return SocketTransport(port)
    return SerialTransport(port, baud)


class SerialTransport(Transport):
    """A serial device or a pty, locked against other programs."""

    def __init__(self, port: str, baud: int) -> None:
        self.name = port
        self.baud = baud
        self._serial = _open_serial(port, baud)

    def read(self, timeout_s: float) -> bytes:
        try:
            self._serial.timeout = max(timeout_s, 0.0)
            first: bytes = self._serial.read(1)
            waiting = self._serial.in_waiting if first else 0
            if waiting:
                first += self._serial.read(min(waiting, _READ_BYTES))
            return first
        except (OSError, TypeError) as error:
            raise _lost(self.name, error) from error

    def write(self, data: bytes) -> None:
        try:
            self._serial.write(data)
        except (OSError, TypeError) as error:
            raise _lost(self.name, error) from error

    def close(self) -> None:
        # A port whose device was unplugged may refuse to be closed; there is nothing left to give back then.
        try:
            self._serial.close()
        except OSError:
            return

    def reopen(self) -> None:
        self.close()
        self._serial = _open_serial(self.name, self.baud)


class SocketTransport(Transport):
    """A TCP connection to a virtual board or a serial server."""

    def __init__(self, url: str) -> None:
        self.name = url
        self.baud = 0
        self._socket = _connect(url)

    def read(self, timeout_s: float) -> bytes:
        try:
            ready, _, _ = select.select([self._socket], [], [], max(timeout_s, 0.0))
            if not ready:
                return b""
            data = self._socket.recv(_READ_BYTES)
        except (OSError, ValueError) as error:
            raise _lost(self.name, error) from error
        if not data:
            raise PortLostError(f"{self.name} closed the connection.", hint=_LOST_HINT)
        return data

    def write(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise _lost(self.name, error) from error

    def close(self) -> None:
        self._socket.close()

    def reopen(self) -> None:
        self.close()
        self._socket = _connect(self.name)


_LOST_HINT = "Check cable and power; if it is a virtual board, start it again."


def _lost(name: str, error: Exception) -> PortLostError:
    if isinstance(error, (serial.SerialTimeoutException, TimeoutError)):
        return PortLostError(f"{name} takes no more data.", hint=_LOST_HINT)
    if "returned no data" in str(error):
        # pyserial's guess at what an end of file on a serial port means.
        return PortLostError(f"{name} went away: the device was disconnected.", hint=_LOST_HINT)
    return PortLostError(f"{name} went away: {error}.", hint=_LOST_HINT)


def _connect(url: str) -> socket.socket:
    hint = "Give it as socket://HOST:PORT, with a virtual board or a serial server listening there."
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or not port or parts.path not in ("", "/"):
        raise LinkError(f"{url} is not a socket address.", hint=hint)
    try:
        connection = socket.create_connection((host, port), timeout=_CONNECT_TIMEOUT_S)
    except OSError as error:
        raise LinkError(f"{url} cannot be reached: {error.strerror or error}.", hint=hint) from error
    connection.settimeout(_WRITE_TIMEOUT_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _open_serial(port: str, baud: int) -> serial.Serial:
    url = "://" in port
    try:
        if url:
            # Its type is that of the handler, which offers the interface of serial.Serial.
            opened: Any = serial.serial_for_url(port, baudrate=baud, timeout=0, write_timeout=_WRITE_TIMEOUT_S)
            return cast(serial.Serial, opened)
        # A pty of a virtual board has no speed; any that the system accepts will do.
        return serial.Serial(port, baud or DEFAULT_BAUD, timeout=0, write_timeout=_WRITE_TIMEOUT_S, exclusive=True)
    except (OSError, ValueError) as error:
        raise _open_error(port, baud, error) from error


def _open_error(port: str, baud: int, error: Exception) -> LinkError:
    number = getattr(error, "errno", None)
    if isinstance(error, ValueError):
        return LinkError(f"{port} cannot be opened at {baud} baud: {error}.", hint=_list_hint())
    if number == errno.ENOENT or (sys.platform == "win32" and "FileNotFoundError" in str(error)):
        return LinkError(f"Port {port} does not exist.", hint=_list_hint())
    if number in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in str(error):
        return LinkError(
            f"Port {port} is busy: another program has it open.",
            hint="Close that program (a terminal, another tinyanime) and try again.",
        )
    if number in (errno.EACCES, errno.EPERM) or "PermissionError" in str(error):
        return LinkError(
            f"Port {port} may not be opened by this user.",
            hint="Add yourself to the group that owns it (`sudo usermod -aG dialout $USER`), log out and in again.",
        )
    if number == errno.ENOTTY or "ioctl" in str(error) or Path(port).is_dir() or Path(port).is_file():
        return LinkError(f"{port} is not a serial port.", hint=_list_hint())
    return LinkError(f"Port {port} cannot be opened: {error}.", hint=_list_hint())


def _list_hint() -> str:
    ports = sorted(port.device for port in list_ports.comports())
    if not ports:
        return "No serial port was found: plug the board in, or start a virtual one with `tinyanime emulate`."
    return "Ports that exist: " + ", ".join(ports) + "."
