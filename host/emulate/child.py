"""A program that plays the board: started as a child, its UART bridged to the serial endpoint."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO, TypeAlias

from tinyanime.host.emulate.endpoint import Endpoint, open_endpoint
from tinyanime.host.emulate.machine import EmulationError, ServeOptions

CHUNK_BYTES = 4096
PENDING_LIMIT_BYTES = 65536
"""Where this much waits in one direction its source is not read any further."""
POLL_SECONDS = 0.1
CLIENT_POLL_SECONDS = 0.02
"""How often a client is looked for: an endpoint without one cannot be waited on."""
END_SECONDS = 1.0
_PR_SET_PDEATHSIG = 1
"""linux/prctl.h"""


@dataclass(frozen=True, slots=True)
class ChildBoard:
    """`uart_in` takes what the host sends, `uart_out` gives what the board sends; they may be one descriptor.

    The descriptors are this process's ends. `title` names the program in messages.
    """

    title: str
    process: subprocess.Popen[bytes]
    uart_in: int
    uart_out: int


def start_child(
    command: Sequence[str], *, stdin: int, stdout: int, inherit: tuple[int, ...] = ()
) -> subprocess.Popen[bytes]:
    """Starts `command` so that it ends with this process, however this process ends (on Linux).

    Linux ends it also with the calling thread: call it from the one that serves the child.
    Its stderr is a pipe. Ctrl-C does not reach it: this process ends it in order. Raises OSError where it cannot be
    started.
    """
    return subprocess.Popen(
        command,
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
        pass_fds=inherit,
        preexec_fn=_end_with_parent(),
        start_new_session=True,
    )


def serve_child(child: ChildBoard, options: ServeOptions) -> None:
    """Announces the port and carries bytes until `options.stop` is set; the child is gone afterwards.

    Raises EmulationError with the child's last words where it ends by itself, LinkError where the endpoint cannot
    be opened.
    """
    try:
        endpoint = open_endpoint(options.tcp_port)
        try:
            options.announce(endpoint.port)
            _Bridge(child, endpoint).run(options.stop.is_set)
        finally:
            endpoint.close()
    finally:
        _end(child.process)


def _end_with_parent() -> Callable[[], None] | None:
    if not sys.platform.startswith("linux"):
        return None
    # Loaded here: between fork and exec only the call itself is safe.
    set_option = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def in_child() -> None:
        set_option(_PR_SET_PDEATHSIG, signal.SIGKILL)
        # The parent may have ended before the request was made.
        if os.getppid() != parent:
            os._exit(1)

    return in_child


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stderr is not None:
        process.stderr.close()


_Waitable: TypeAlias = IO[bytes] | int | Endpoint


class _Bridge:
    """Bytes on their way between child and endpoint, and the child's messages on their way to our stderr."""

    def __init__(self, child: ChildBoard, endpoint: Endpoint) -> None:
        assert child.process.stderr is not None
        os.set_blocking(child.uart_in, False)
        self._child = child
        self._endpoint = endpoint
        self._messages: IO[bytes] = child.process.stderr
        self._messages_open = True
        self._connected = False
        self._last_message = b""
        self._to_child = bytearray()
        self._to_host = bytearray()

    def run(self, stopped: Callable[[], bool]) -> None:
        """Returns once `stopped()`; raises EmulationError where the child ends first."""
        while not stopped():
            self._carry()
            if self._child.process.poll() is not None:
                self._report_end()

    def _carry(self) -> None:
        connected = self._endpoint.connected()
        if connected and not self._connected:
            # What waited for a first client goes out with the first read.
            self._to_child += self._endpoint.read(CHUNK_BYTES)
        self._connected = connected
        readers, writers = self._wanted(connected)
        timeout = POLL_SECONDS if connected else CLIENT_POLL_SECONDS
        readable, writable, _ = select.select(readers, writers, [], timeout)
        if self._messages in readable:
            self._pass_message()
        if self._child.uart_out in readable:
            self._to_host += self._from_child()
        if self._endpoint in readable:
            self._to_child += self._endpoint.read(CHUNK_BYTES)
        if self._child.uart_in in writable:
            self._send_to_child()
        if self._endpoint in writable or not connected:
            del self._to_host[: self._endpoint.write(bytes(self._to_host[:CHUNK_BYTES]))]

    def _wanted(self, connected: bool) -> tuple[list[_Waitable], list[_Waitable]]:
        readers: list[_Waitable] = []
        writers: list[_Waitable] = []
        if self._messages_open:
            readers.append(self._messages)
        if len(self._to_host) < PENDING_LIMIT_BYTES:
            readers.append(self._child.uart_out)
        if connected and len(self._to_child) < PENDING_LIMIT_BYTES:
            readers.append(self._endpoint)
        if connected and self._to_host:
            writers.append(self._endpoint)
        if self._to_child:
            writers.append(self._child.uart_in)
        return readers, writers

    def _from_child(self) -> bytes:
        try:
            received = os.read(self._child.uart_out, CHUNK_BYTES)
        except ConnectionError:
            received = b""
        if not received:
            # A closed UART: the child is about to end, its status says why.
            try:
                self._child.process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                raise EmulationError(
                    f"{self._child.title} closed the serial port of the virtual board.", hint="Start it again."
                ) from None
            self._report_end()
        return received

    def _send_to_child(self) -> None:
        try:
            del self._to_child[: os.write(self._child.uart_in, self._to_child[:CHUNK_BYTES])]
        except BlockingIOError:
            return
        except (BrokenPipeError, ConnectionError):
            self._to_child.clear()

    def _pass_message(self) -> None:
        text = os.read(self._messages.fileno(), CHUNK_BYTES)
        if not text:
            self._messages_open = False
            return
        sys.stderr.buffer.write(text)
        sys.stderr.buffer.flush()
        self._last_message = (self._last_message + text)[-CHUNK_BYTES:]

    def _report_end(self) -> None:
        while self._messages_open:
            self._pass_message()
        status = self._child.process.returncode
        how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
        lines = self._last_message.decode(errors="replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        last = said[-1] if said else "it said nothing"
        # QEMU prints advice or all registers after the reason.
        reason = next((line for line in said if line.startswith("qemu") and ": warning: " not in line), last)
        raise EmulationError(
            f"{self._child.title} {how}: {reason.rstrip('.')}.",
            hint="The firmware or its image is at fault; build it again, or look at the messages above.",
        )
