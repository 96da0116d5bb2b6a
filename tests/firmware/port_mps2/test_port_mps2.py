"""The MPS2 port under QEMU's instruction counter: its cycles are exact there."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.port_probe import Probe, build_arm_probe
from tinyanime.boards.loader import load_board
from tinyanime.host.emulate import qemu

pytestmark = pytest.mark.skipif(
    shutil.which(qemu.PROGRAM) is None or shutil.which("arm-none-eabi-gcc") is None,
    reason="needs qemu-system-arm and arm-none-eabi-gcc (make setup)",
)

TICKS_PER_INSTRUCTION = 1.6
"""-icount shift=6: one instruction takes 64 ns, a tick of the 25 MHz timer 40 ns."""


@pytest.fixture
def counted_probe(tmp_path: Path) -> Iterator[Probe]:
    image = build_arm_probe(tmp_path / "probe", "mps2-an500", "psram")
    ours, theirs = socket.socketpair()
    command = qemu.qemu_command(qemu.PROGRAM, load_board("mps2-an500"), image, theirs.fileno())
    with ours, subprocess.Popen([*command, "-icount", "shift=6"], pass_fds=(theirs.fileno(),)) as machine:
        theirs.close()
        ours.settimeout(20)

        def read(count: int) -> bytes:
            data = b""
            while len(data) < count:
                part = ours.recv(count - len(data))
                assert part, "QEMU ended"
                data += part
            return data

        yield Probe(read, ours.sendall)
        machine.kill()


def test_cycles_are_the_instructions_times_their_ticks(counted_probe: Probe) -> None:
    counted_probe.expect_start()
    short, long = counted_probe.loop_cycles(10_000), counted_probe.loop_cycles(60_000)
    # The difference leaves out what surrounds the loop; reading the timer rounds each end to a tick.
    assert abs((long - short) - 2 * 50_000 * TICKS_PER_INSTRUCTION) <= 2
