"""Real ports: ptys with the firmware as a process behind them, sockets, and ports that cannot be used."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.support.link_programs import stdio_firmware, streaming_firmware
from tests.support.pc_device import PcDevice
from tests.support.simulated_device import (
    INPUT_BYTES,
    STREAM_BYTES,
    expected_output,
    expected_steps,
    stream_output,
    stream_steps,
)
from tinyanime.codegen.errors import LinkError
from tinyanime.host.link.client import Device, Phase, open_device
from tinyanime.host.link.failures import PortLostError
from tinyanime.host.link.faults import FaultPlan, FaultyTransport
from tinyanime.host.link.timing import Timing
from tinyanime.host.link.transport import open_transport

PICTURE = random.Random(11).randbytes(INPUT_BYTES)
QUICK = Timing(reply_s=0.1, poll_s=0.3, streamed_poll_s=0.2, silence_s=5.0, reopen_s=5.0)


def test_the_firmware_behind_a_pty_makes_the_right_picture(tmp_path: Path) -> None:
    with PcDevice(tmp_path) as board, open_device(str(board.port)) as device:
        info = device.hello()
        assert (info.board, info.clock_hz) == ("posix", 1_000_000_000)
        assert device.infer(PICTURE).output == expected_output(PICTURE)
        assert len(device.layer_cycles()) == 2
        device.upload(PICTURE)
        device.begin_steps()
        for expected in expected_steps(PICTURE):
            device.step()
            assert device.read_step() == expected


def test_the_firmware_with_a_streamed_network_behind_a_pty_makes_the_right_picture(tmp_path: Path) -> None:
    picture = random.Random(12).randbytes(STREAM_BYTES)
    with PcDevice(tmp_path, streaming_firmware()) as board, open_device(str(board.port)) as device:
        info = device.hello()
        assert (info.model, info.input.window_bytes, info.output.window_bytes) == ("stream", 2048, 2048)
        for _ in range(2):
            assert device.infer(picture).output == stream_output(picture)
        device.upload(picture)
        device.begin_steps()
        for expected in stream_steps(picture):
            device.step()
            assert device.read_step() == expected
        assert device.download_output() == stream_output(picture)


@pytest.mark.parametrize("phase", list(Phase))
def test_a_board_unplugged_in_a_streamed_run_is_found_again_and_the_picture_completed(
    tmp_path: Path, phase: Phase
) -> None:
    picture = random.Random(13).randbytes(STREAM_BYTES)
    with (
        PcDevice(tmp_path, streaming_firmware()) as board,
        open_device(str(board.port), timing=QUICK) as device,
    ):
        device.hello()
        pulled = threading.Event()

        def pull(at: Phase, done: int, _total: int) -> None:
            if at == phase and done and not pulled.is_set():
                pulled.set()
                board.unplug()
                threading.Timer(0.3, board.plug_in).start()

        inference = device.infer(picture, pull)
        assert inference.output == stream_output(picture)
        assert inference.restarts >= 1


def test_the_firmware_behind_a_pty_restarts_on_request(tmp_path: Path) -> None:
    with PcDevice(tmp_path) as board, open_device(str(board.port)) as device:
        before = device.hello()
        device.reset()
        after = device.hello()
        assert after.boot_id != before.boot_id or after.uptime_ms < before.uptime_ms
        assert device.infer(PICTURE).output == expected_output(PICTURE)


def test_the_firmware_behind_a_socket_makes_the_right_picture() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"socket://127.0.0.1:{server.getsockname()[1]}"
        with open_device(url) as device:
            connection, _ = server.accept()
            process = subprocess.Popen([stdio_firmware()], stdin=connection.fileno(), stdout=connection.fileno())
            connection.close()
            assert device.infer(PICTURE).output == expected_output(PICTURE)
        assert process.wait(timeout=10) == 0


def test_an_unplugged_board_is_found_again_and_the_picture_completed(tmp_path: Path) -> None:
    with PcDevice(tmp_path) as board, open_device(str(board.port), timing=QUICK) as device:
        device.hello()
        pulled = threading.Event()

        def pull(phase: Phase, done: int, _total: int) -> None:
            if phase == Phase.DOWNLOAD and done and not pulled.is_set():
                pulled.set()
                board.unplug()
                threading.Timer(0.3, board.plug_in).start()

        inference = device.infer(PICTURE, pull)
        assert inference.output == expected_output(PICTURE)
        assert inference.restarts >= 1


def test_an_unplugged_board_that_stays_away_ends_in_a_link_error(tmp_path: Path) -> None:
    with PcDevice(tmp_path) as board, open_device(str(board.port), timing=Timing(reopen_s=1.0)) as device:
        device.hello()
        board.unplug()
        started = time.monotonic()
        with pytest.raises(LinkError, match="went away in the middle and did not come back"):
            device.infer(PICTURE)
        # Waited for once, not again for every restart that is left.
        assert 0.9 < time.monotonic() - started < 1.9


@pytest.mark.parametrize("seed", range(2))
def test_the_streaming_firmware_as_a_process_survives_a_bad_line(tmp_path: Path, seed: int) -> None:
    picture = random.Random(seed).randbytes(STREAM_BYTES)
    plan = FaultPlan(loss=0.05, duplication=0.1, truncation=0.05, corruption=0.05, noise=0.1)
    with PcDevice(tmp_path, streaming_firmware()) as board:
        line = FaultyTransport(open_transport(str(board.port)), plan, seed)
        with Device(line, QUICK) as device:
            assert device.infer(picture).output == stream_output(picture)


@pytest.mark.parametrize("seed", range(4))
def test_the_firmware_as_a_process_survives_a_bad_line(tmp_path: Path, seed: int) -> None:
    plan = FaultPlan(loss=0.05, duplication=0.1, truncation=0.05, corruption=0.05, noise=0.1)
    with PcDevice(tmp_path) as board:
        line = FaultyTransport(open_transport(str(board.port)), plan, seed)
        with Device(line, QUICK) as device:
            assert device.infer(PICTURE).output == expected_output(PICTURE)


def test_a_port_that_does_not_exist_is_named_and_those_that_do_are_listed() -> None:
    with pytest.raises(LinkError, match="/dev/ttyNOPE9 does not exist") as caught:
        open_transport("/dev/ttyNOPE9")
    assert "port" in caught.value.hint.lower()


def test_a_port_that_is_open_elsewhere_is_busy(tmp_path: Path) -> None:
    with PcDevice(tmp_path) as board, open_device(str(board.port)):
        with pytest.raises(LinkError, match="busy") as caught:
            open_device(str(board.port))
        assert "Close" in caught.value.hint


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_no_serial_port_is_told(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "thing"
    if kind == "file":
        path.write_text("text")
    else:
        path.mkdir()
    with pytest.raises(LinkError, match="is not a serial port"):
        open_transport(str(path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open everything")
def test_a_port_without_permission_hints_at_the_group() -> None:
    master, slave = os.openpty()
    try:
        Path(os.ttyname(slave)).chmod(0)
        with pytest.raises(LinkError, match="may not be opened") as caught:
            open_transport(os.ttyname(slave))
        assert "dialout" in caught.value.hint
    finally:
        os.close(master)
        os.close(slave)


def test_a_permission_error_of_the_system_hints_at_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_options: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(LinkError, match="may not be opened") as caught:
        open_transport("/dev/ttyACM0")
    assert "dialout" in caught.value.hint


@pytest.mark.parametrize("url", ["socket://", "socket://host", "socket://:99", "socket://host:port", "socket://h:1/x"])
def test_a_wrong_socket_address_is_told(url: str) -> None:
    with pytest.raises(LinkError, match="is not a socket address"):
        open_transport(url)


def test_a_socket_without_a_listener_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(LinkError, match="cannot be reached"):
        open_transport(f"socket://127.0.0.1:{port}")


def test_an_unknown_url_scheme_is_told() -> None:
    with pytest.raises(LinkError, match="cannot be opened"):
        open_transport("nonsense://x")


def test_a_socket_that_closes_is_a_lost_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        transport = open_transport(f"socket://127.0.0.1:{server.getsockname()[1]}")
        server.accept()[0].close()
        with pytest.raises(PortLostError):
            transport.read(1.0)
        transport.close()
