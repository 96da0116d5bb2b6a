"""The tile DMA of ports without one: copies, which the caller starts and waits for all the same."""

from __future__ import annotations

import ctypes
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.dma_probe import ERROR_ARGUMENT, OK, DmaProbe, dma_probe_image
from tests.support.link_programs import compile_program
from tinyanime.boards.loader import load_board
from tinyanime.host.emulate import qemu

FIRMWARE = Path(__file__).parents[3] / "firmware"
RAM = 0x2000_8000
CONTENT = bytes(range(1, 201))


class PosixPort:
    """The PC's port as a library."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library

    def start(self, channel: int, target: object, source: object, count: int) -> int:
        return int(self._library.ta_port_dma_start(ctypes.c_uint8(channel), target, source, ctypes.c_uint32(count)))

    def wait(self, channel: int) -> int:
        return int(self._library.ta_port_dma_wait(ctypes.c_uint8(channel)))


@pytest.fixture
def posix(tmp_path: Path) -> PosixPort:
    sources = (FIRMWARE / "port_shared" / "dma_by_copy.c",)
    return PosixPort(ctypes.CDLL(str(compile_program(tmp_path / "port.so", sources, "-shared", "-fPIC"))))


def test_a_transfer_on_the_pc_is_a_copy_that_is_waited_for_once(posix: PosixPort) -> None:
    target = ctypes.create_string_buffer(len(CONTENT) + 2)
    assert posix.start(3, ctypes.byref(target, 1), CONTENT, len(CONTENT)) == OK
    assert target.raw == b"\0" + CONTENT + b"\0"
    assert posix.start(3, target, CONTENT, 1) == ERROR_ARGUMENT
    assert posix.start(2, target, CONTENT, 1) == OK
    assert [posix.wait(channel) for channel in (3, 2, 3)] == [OK, OK, ERROR_ARGUMENT]


def test_the_pc_refuses_what_a_dma_would_refuse(posix: PosixPort) -> None:
    target = ctypes.create_string_buffer(65537)
    for channel, count in ((4, 1), (0, 0), (0, 65537)):
        assert posix.start(channel, target, target, count) == ERROR_ARGUMENT
    assert posix.wait(4) == ERROR_ARGUMENT
    assert posix.start(0, target, bytes(65536), 65536) == OK


@pytest.fixture
def mps2() -> Iterator[DmaProbe]:
    if shutil.which(qemu.PROGRAM) is None:
        pytest.skip("needs qemu-system-arm (make setup)")
    image = dma_probe_image("mps2-an500")
    ours, theirs = socket.socketpair()
    command = qemu.qemu_command(qemu.PROGRAM, load_board("mps2-an500"), image, theirs.fileno())
    with ours, subprocess.Popen(command, pass_fds=(theirs.fileno(),)) as machine:
        theirs.close()
        ours.settimeout(20)

        def read(count: int) -> bytes:
            data = b""
            while len(data) < count:
                part = ours.recv(count - len(data))
                assert part, "QEMU ended"
                data += part
            return data

        yield DmaProbe(read, ours.sendall)
        machine.kill()


def test_a_transfer_on_the_mps2_is_a_copy_that_is_waited_for_once(mps2: DmaProbe) -> None:
    mps2.store(RAM, CONTENT)
    mps2.clean(RAM, 224)
    assert mps2.start(0, RAM + 1001, RAM, len(CONTENT)) == OK
    assert mps2.start(0, RAM, RAM, 1) == ERROR_ARGUMENT
    assert mps2.wait(0) == OK
    mps2.invalidate(RAM + 992, 224)
    assert mps2.load(RAM + 1001, len(CONTENT)) == CONTENT
    assert mps2.wait(0) == ERROR_ARGUMENT
    assert [mps2.start(4, RAM, RAM, 1), mps2.start(0, RAM, RAM, 0), mps2.start(0, RAM, RAM, 65537)] == [1, 1, 1]
