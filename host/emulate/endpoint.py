"""Where the outside world reaches a virtual board's serial port: a pty or a TCP port on this machine.

Both behave as a cable: a client may come, go and come back. What the board sends while nobody listens is lost, but
for the first bytes before the first client, which wait for it (pyserial, however, empties the input as it opens).
"""

from __future__ import annotations

import errno
import os
import select
import socket
import threading
import time
import tty
from abc import ABC, abstractmethod

from tinyanime.codegen.errors import ToolError

_GREETING_BYTES = 4096
_GONE = (errno.EIO, errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN)


class Endpoint(ABC):
    """A byte stream with at most one client. Nothing here blocks but `wait`; threads may share it."""

    port: str
    """What pyserial's `serial_for_url` opens."""

    def __init__(self) -> None:
        self._greeting: bytearray | None = bytearray()
        self._lock = threading.RLock()

    @abstractmethod
    def connected(self) -> bool:
        """Whether a client is there; accepts one that waits."""

    @abstractmethod
    def fileno(self) -> int:
        """The client's file descriptor, or the one where a client shows up."""

    @abstractmethod
    def _receive(self, limit: int) -> bytes: ...

    @abstractmethod
    def _send(self, data: bytes) -> int: ...

    @abstractmethod
    def close(self) -> None:
        """Frees the port; a client sees the end of the stream."""

    @abstractmethod
    def _lost(self) -> None:
        """The client went away."""

    def read(self, limit: int = 4096) -> bytes:
        """Up to `limit` bytes from the client; empty where none wait."""
        with self._lock:
            if not self._ready():
                return b""
            try:
                return self._receive(limit)
            except BlockingIOError:
                return b""
            except OSError as error:
                self._forget(error)
                return b""

    def write(self, data: bytes) -> int:
        """Bytes taken, which may be fewer than given; all of them (lost) without a client."""
        with self._lock:
            if not self._ready():
                if self._greeting is not None and len(self._greeting) < _GREETING_BYTES:
                    self._greeting += data
                return len(data)
            try:
                return self._send(data)
            except BlockingIOError:
                return 0
            except OSError as error:
                self._forget(error)
                return len(data)

    def wait(self, timeout_s: float, *, want_write: bool = False) -> bool:
        """Waits until bytes arrive (or may be sent); False where neither happened in time."""
        if not self.connected():
            time.sleep(timeout_s)
            return False
        wanted = select.POLLIN | (select.POLLOUT if want_write else 0)
        poll = select.poll()
        poll.register(self.fileno(), wanted)
        return any(event & wanted for _, event in poll.poll(timeout_s * 1000))

    def _ready(self) -> bool:
        if not self.connected():
            return False
        if self._greeting is not None:
            greeting, self._greeting = bytes(self._greeting), None
            if greeting:
                self._send(greeting)
        return True

    def _forget(self, error: OSError) -> None:
        if error.errno not in _GONE:
            raise error
        self._lost()


class PtyEndpoint(Endpoint):
    """A pseudo terminal in raw mode."""

    def __init__(self) -> None:
        super().__init__()
        self._master, slave = os.openpty()
        self.port = os.ttyname(slave)
        tty.setraw(slave)
        os.close(slave)  # From now on POLLHUP on the master means that no client has the port open.
        os.set_blocking(self._master, False)

    def connected(self) -> bool:
        poll = select.poll()  # A new one each time: one object does not serve two threads.
        poll.register(self._master, 0)
        return not poll.poll(0)

    def fileno(self) -> int:
        return self._master

    def _receive(self, limit: int) -> bytes:
        return os.read(self._master, limit)

    def _send(self, data: bytes) -> int:
        return os.write(self._master, data)

    def _lost(self) -> None:
        """POLLHUP tells it."""

    def close(self) -> None:
        os.close(self._master)


class TcpEndpoint(Endpoint):
    """A TCP server on the loopback interface; `port` 0 takes a free one."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._client: socket.socket | None = None
        try:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listener.bind(("127.0.0.1", port))
            self._listener.listen(1)
        except (OSError, OverflowError) as error:
            self._listener.close()
            raise ToolError(
                f"TCP port {port} cannot be opened: {getattr(error, 'strerror', None) or error}.",
                hint="Give another port, or 0 for any free one.",
            ) from error
        self._listener.setblocking(False)
        self.port = f"socket://127.0.0.1:{self._listener.getsockname()[1]}"

    def connected(self) -> bool:
        with self._lock:
            if self._client is None:
                try:
                    self._client = self._listener.accept()[0]
                except BlockingIOError:
                    return False
                self._client.setblocking(False)
                self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return True

    def fileno(self) -> int:
        return (self._client or self._listener).fileno()

    def _receive(self, limit: int) -> bytes:
        assert self._client is not None
        data = self._client.recv(limit)
        if not data:
            self._lost()
        return data

    def _send(self, data: bytes) -> int:
        assert self._client is not None
        return self._client.send(data)

    def _lost(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def close(self) -> None:
        self._lost()
        self._listener.close()


def open_endpoint(tcp_port: int | None = None) -> Endpoint:
    """A pty, or a TCP port where one is given; ToolError where it cannot be had."""
    return PtyEndpoint() if tcp_port is None else TcpEndpoint(tcp_port)
