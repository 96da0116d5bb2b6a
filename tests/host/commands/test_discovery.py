"""Finding the board among virtual boards and serial ports."""

from __future__ import annotations

import os
import pty
import tty
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.picture_project import picture_project
from tinyanime.boards.loader import load_board
from tinyanime.codegen.errors import LinkError
from tinyanime.host import discovery
from tinyanime.host.emulate.launch import RunningBoard, launch
from tinyanime.host.emulate.registry import RegisteredBoard


def usb(device: str, vid: int | None, pid: int | None, description: str = "n/a") -> SimpleNamespace:
    return SimpleNamespace(device=device, vid=vid, pid=pid, description=description)


@pytest.fixture(scope="module")
def board() -> Iterator[RunningBoard]:
    with launch(load_board("posix"), picture_project() / "build" / "firmware.elf") as running:
        yield running


@pytest.fixture
def silent() -> Iterator[str]:
    master, slave = pty.openpty()
    tty.setraw(slave)
    yield os.ttyname(slave)
    os.close(master)
    os.close(slave)


def pretend(
    monkeypatch: pytest.MonkeyPatch, ports: list[SimpleNamespace], virtual: tuple[RegisteredBoard, ...] = ()
) -> None:
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: ports)
    monkeypatch.setattr(discovery, "running_boards", lambda: virtual)


def test_likely_ports_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    ports = [usb("/dev/ttyS0", None, None), usb("/dev/ttyUSB0", 0x1A86, 0x7523), usb("/dev/ttyACM0", 0x0483, 0x374E)]
    pretend(monkeypatch, ports, (RegisteredBoard("mps2-an500", "/dev/pts/9", 1),))
    found = discovery.list_candidates()
    assert [candidate.port for candidate in found] == ["/dev/pts/9", "/dev/ttyACM0", "/dev/ttyUSB0", "/dev/ttyS0"]
    assert (found[0].virtual, found[0].boards) == (True, ("mps2-an500",))
    stlink = found[1]
    assert (stlink.usb_id, stlink.boards, stlink.baud) == ("0483:374e", ("stm32h743",), 921_600)


def test_the_port_that_answers_is_used(monkeypatch: pytest.MonkeyPatch, board: RunningBoard, silent: str) -> None:
    pretend(monkeypatch, [usb(silent, 0x0483, 0x374E), usb(board.port, 0x1A86, 0x7523)])
    with discovery.connect(None) as connection:
        assert (connection.port, connection.info.board, connection.virtual) == (board.port, "posix", False)


def test_ports_that_are_no_usb_ports_are_not_touched(monkeypatch: pytest.MonkeyPatch, board: RunningBoard) -> None:
    pretend(monkeypatch, [usb(board.port, None, None)])
    with pytest.raises(LinkError, match="No board was found"), discovery.connect(None):
        pass


def test_the_only_port_tells_itself_why_it_does_not_answer(monkeypatch: pytest.MonkeyPatch, silent: str) -> None:
    pretend(monkeypatch, [usb(silent, 0x0483, 0x374E)])
    with pytest.raises(LinkError, match=f"^No answer from {silent}"), discovery.connect(None):
        pass


def test_ports_that_do_not_answer_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, [usb("/dev/gone1", 0x0483, 0x374E), usb("/dev/gone2", 0x0483, 0x374E)])
    with pytest.raises(LinkError, match="No board answered on /dev/gone1, /dev/gone2: ") as caught:
        discovery.connect(None).__enter__()
    assert "--port" in caught.value.hint


def test_another_name_of_a_virtual_boards_port_is_still_a_virtual_board(
    monkeypatch: pytest.MonkeyPatch, board: RunningBoard, tmp_path: Path
) -> None:
    pretend(monkeypatch, [], (RegisteredBoard("posix", board.port, 1),))
    link = tmp_path / "board"
    link.symlink_to(board.port)
    with discovery.connect(str(link)) as connection:
        assert (connection.port, connection.virtual) == (str(link), True)


def test_a_socket_of_a_virtual_board_is_recognised_by_every_name_of_this_computer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with launch(load_board("posix"), picture_project() / "build" / "firmware.elf", tcp_port=0) as running:
        pretend(monkeypatch, [], (RegisteredBoard("posix", running.port, 1),))
        with discovery.connect(running.port.replace("127.0.0.1", "localhost")) as connection:
            assert connection.virtual


def test_the_device_is_closed_at_the_end(monkeypatch: pytest.MonkeyPatch, board: RunningBoard) -> None:
    pretend(monkeypatch, [])
    for _ in range(2):
        # The port is opened exclusively: a device left open would make the second try fail.
        with discovery.connect(board.port) as connection:
            assert connection.info.board == "posix"


def test_the_serial_ports_of_a_board_are_those_with_its_usb_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    ports = [
        usb("/dev/ttyUSB1", 0x10C4, 0xEA60, "CP2102N"),
        usb("/dev/ttyUSB0", 0x1A86, 0x7523, "CH340"),
        usb("/dev/ttyACM0", 0x2E8A, 0x000C, "Debug Probe"),
        usb("/dev/ttyS0", None, None),
    ]
    pretend(monkeypatch, ports)
    found = discovery.serial_ports_of(load_board("esp32c3"))
    assert [(c.port, c.boards, c.baud) for c in found] == [
        ("/dev/ttyUSB0", ("esp32c3",), 921_600),
        ("/dev/ttyUSB1", ("esp32c3",), 921_600),
    ]
    assert [c.port for c in discovery.serial_ports_of(load_board("rp2040"))] == ["/dev/ttyACM0"]
    both = next(c for c in discovery.list_candidates() if c.port == "/dev/ttyUSB1")
    assert both.boards == ("esp32c3", "esp32s3")
