"""The virtual STM32H743 with the bring-up firmware: the port, the start-up code and the model, together."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import serial

from tests.support.hello_firmware import build_hello
from tinyanime.boards.loader import load_board
from tinyanime.codegen.errors import InputError, UserError
from tinyanime.host.emulate.launch import RunningBoard, launch
from tinyanime.host.emulate.registry import running_boards

BOARD = load_board("stm32h743")
ESC = b"\x1b"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_hello(tmp_path_factory.mktemp("hello"))


class Console:
    """The bring-up firmware's commands over the board's port."""

    def __init__(self, running: RunningBoard) -> None:
        self.running = running
        self.serial = serial.serial_for_url(running.port, timeout=20)

    def command(self, letter: str) -> None:
        self.serial.write(ESC + letter.encode())

    def line(self) -> str:
        line: bytes = self.serial.read_until(b"\n")
        return line.decode().rstrip("\n")

    def ask(self, letter: str) -> int:
        self.command(letter)
        return int(self.line().split("=")[1])

    def expect_boot(self, fault: int = 0) -> None:
        assert [self.line() for _ in range(3)] == ["HELLO over UART", "data=1", f"fault={fault}"]

    def error_after(self, letter: str) -> str:
        """What the board says on stderr as the command ends it."""
        self.command(letter)
        deadline = time.monotonic() + 20
        while self.running.exit_code is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert self.running.exit_code == 5
        assert "Traceback" not in self.running.log
        return self.running.log


@contextmanager
def console(image: Path, *settings: tuple[str, str], tcp_port: int | None = None) -> Iterator[Console]:
    with launch(BOARD, image, settings=settings, tcp_port=tcp_port) as running:
        opened = Console(running)
        try:
            # What the firmware said at boot may be gone: pyserial empties the input when it opens a port.
            opened.command("h")
            assert opened.serial.read_until(b"ready\n").endswith(b"HELLO over UART\ndata=1\nfault=0\nready\n")
            yield opened
        finally:
            opened.serial.close()
            print(running.log)  # Shown where the test fails.


def test_the_firmware_boots_and_reports_480_mhz_and_a_painted_stack(image: Path) -> None:
    with console(image) as board:
        assert board.ask("c") == 480_000_000
        assert BOARD.stack_bytes - 600 < board.ask("s") < BOARD.stack_bytes
        assert board.ask("i") == ord("t")
        assert board.ask("d") == 77


def test_revision_y_runs_at_400_mhz(image: Path) -> None:
    with console(image, ("revision", "Y")) as board:
        assert board.ask("c") == 400_000_000


def test_without_the_external_clock_the_pll_runs_from_the_internal_one(image: Path) -> None:
    with console(image, ("hse", "off")) as board:
        assert board.ask("c") == 480_000_000


def test_without_a_pll_the_core_stays_at_64_mhz(image: Path) -> None:
    with console(image, ("pll", "off")) as board:
        assert board.ask("c") == 64_000_000


def test_every_byte_of_a_long_transfer_comes_back(image: Path) -> None:
    data = random.Random(1).randbytes(150_000).replace(ESC, b"\0")
    with console(image) as board:
        received = b""
        started = time.monotonic()
        for begin in range(0, len(data), 4096):
            board.serial.write(data[begin : begin + 4096])
            received += board.serial.read(min(4096, len(data) - begin))
        assert received == data
        # An order of magnitude below what an idle machine does: this catches a lost FIFO, not a slow machine.
        assert len(data) / (time.monotonic() - started) > 30_000


def test_a_tcp_port_serves_as_well(image: Path) -> None:
    with console(image, tcp_port=0) as board:
        assert board.running.port.startswith("socket://127.0.0.1:")
        board.serial.write(b"over tcp")
        assert board.serial.read(8) == b"over tcp"


def test_a_client_may_leave_and_another_come(image: Path) -> None:
    with console(image) as board:
        board.serial.write(b"one")
        assert board.serial.read(3) == b"one"
        board.serial.close()
        time.sleep(0.1)
        board.serial = serial.serial_for_url(board.running.port, timeout=20)
        board.serial.write(b"two")
        assert board.serial.read(3) == b"two"


def test_the_cycle_counter_counts_instructions_exactly(image: Path) -> None:
    with console(image) as board:
        for _ in range(2):  # The second time the loads' places are known.
            board.command("l")
            assert board.line() == f"loop={1 + 1 + 2 * 10_000}"
            assert board.line() == f"line={1 + 4}"


def test_a_hundred_million_instructions_take_no_more_than_seconds(image: Path) -> None:
    with console(image) as board:
        started = time.monotonic()
        board.command("b")
        assert board.line() == "busy"
        # 0.2 s on an idle machine; a counting hook in Python would take 10 s.
        assert time.monotonic() - started < 4.0


def test_time_passes_while_the_firmware_idles(image: Path) -> None:
    with console(image) as board:
        before = board.ask("t")
        time.sleep(0.5)
        assert 300 < board.ask("t") - before < 5000


def test_a_read_outside_memory_ends_with_an_error_that_names_address_and_function(image: Path) -> None:
    with console(image) as board:
        log = board.error_after("m")
    assert "read 4 bytes from 0x50000010, where nothing is mapped (pc 0x080" in log
    assert "command+0x" in log


def test_an_unmodelled_register_ends_with_an_error_that_names_it(image: Path) -> None:
    with console(image) as board:
        assert "read 4 bytes from USART3+0x30 (0x40004830), a register that is not modelled" in board.error_after("g")


def test_a_write_to_flash_ends_with_an_error(image: Path) -> None:
    with console(image) as board:
        assert "wrote 4 bytes to 0x08000100, which is read-only memory" in board.error_after("f")


def test_a_stack_overflow_meets_unmapped_memory(image: Path) -> None:
    with console(image) as board:
        log = board.error_after("o")
    assert "bytes to 0x1fffff" in log
    assert "in dig+0x" in log


def test_a_reset_starts_the_firmware_again(image: Path) -> None:
    with console(image) as board:
        board.command("r")
        board.expect_boot()
        assert board.ask("c") == 480_000_000
        assert "reset (SOFTWARE)" in board.running.log


def test_a_fault_is_recorded_over_the_reset_that_follows(image: Path) -> None:
    with console(image) as board:
        board.command("u")
        board.expect_boot(fault=3)
        board.command("r")
        board.expect_boot(fault=0)


def test_the_watchdog_restarts_firmware_that_hangs(image: Path) -> None:
    # At 64 MHz the 32 seconds are two billion instructions.
    with console(image, ("pll", "off")) as board:
        board.command("w")
        board.expect_boot()
        assert "reset (WATCHDOG)" in board.running.log


def test_a_running_board_is_registered_and_ends_on_sigterm(image: Path) -> None:
    with launch(BOARD, image) as running:
        (entry,) = [board for board in running_boards() if board.port == running.port]
        assert entry.board == "stm32h743"
    assert running.exit_code == 0
    assert entry not in running_boards()


def test_a_board_that_computes_ends_on_sigint_too(image: Path) -> None:
    command = [sys.executable, "-m", "tinyanime.host.emulate", "stm32h743", str(image)]
    pipe = subprocess.PIPE  # Standard input too: the board ends where that ends.
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    port = process.stdout.readline().removeprefix("port ").strip()
    with serial.serial_for_url(port, timeout=5) as link:
        link.write(ESC + b"w")
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=5)
    assert process.returncode == 0
    # On a fast machine the hung firmware meets its watchdog before the signal; nothing else may be said.
    assert all("reset (WATCHDOG)" in line for line in process.stderr.read().splitlines())


def test_a_file_that_is_no_firmware_is_refused_in_words(tmp_path: Path) -> None:
    broken = tmp_path / "broken.elf"
    broken.write_bytes(b"\x7fELF nothing more")
    with pytest.raises(InputError, match=r"broken\.elf is not a firmware image"):
        launch(BOARD, broken)
    with pytest.raises(InputError, match=r"absent\.elf cannot be read"):
        launch(BOARD, tmp_path / "absent.elf")


def test_an_unknown_setting_is_refused_in_words(image: Path) -> None:
    with pytest.raises(UserError, match="no setting revision=Q"):
        launch(BOARD, image, settings=(("revision", "Q"),))
