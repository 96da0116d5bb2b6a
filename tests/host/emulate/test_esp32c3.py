"""The virtual ESP32-C3 with the bring-up firmware: the port, the start-up code and the model, together."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest
import serial

from tests.support.board_run import BoardLine
from tests.support.esp32c3_firmware import BOARD, ESC, Console, hello_image, needs_toolchain
from tests.support.served_board import served
from tinyanime.codegen.errors import InputError
from tinyanime.host.emulate.esp32c3.board import Esp32c3Board
from tinyanime.host.emulate.esp32c3.chip_clock import ResetCause
from tinyanime.host.emulate.machine import EmulationError, SettingError, serve_function

pytestmark = needs_toolchain
STARTED = "HELLO over UART\ndata=1\nfault={}\n"


def test_the_firmware_boots_at_160_mhz_with_a_painted_stack() -> None:
    console = Console()
    assert console.started == STARTED.format(0)
    assert console.ask("c") == 160_000_000
    assert BOARD.stack_bytes - 600 < console.ask("s") < BOARD.stack_bytes


def test_without_a_pll_the_core_stays_at_40_mhz() -> None:
    console = Console(("pll", "off"))
    assert console.ask("c") == 40_000_000
    assert console.ask("p") == pytest.approx(40_000, rel=0.01)


def test_the_system_timer_and_the_cycle_counter_agree_on_the_clock() -> None:
    assert Console().ask("p") == pytest.approx(160_000, rel=0.01)


def test_the_unique_id_is_the_mac_address() -> None:
    assert Console().ask("i") == 0x74


def test_every_byte_of_a_long_transfer_comes_back() -> None:
    data = random.Random(1).randbytes(60_000).replace(ESC, b"\0")
    console = Console()
    received = b"".join(console.echo(data[begin : begin + 4000]) for begin in range(0, len(data), 4000))
    assert received == data


def test_the_cycle_counter_counts_instructions_exactly() -> None:
    console = Console()
    assert console.command("l") == f"loop={1 + 1 + 2 * 1000}\nline={1 + 3}\n"


@pytest.mark.parametrize(("letter", "cause"), [("u", 2), ("b", 3), ("n", 5), ("o", 7)])
def test_a_trap_is_recorded_over_the_reset_that_follows(letter: str, cause: int) -> None:
    console = Console()
    assert console.command(letter).endswith(STARTED.format(cause))
    assert console.board.resets == (ResetCause.SOFTWARE,)
    assert console.command("r").endswith(STARTED.format(0))


def test_a_reset_starts_the_firmware_again() -> None:
    console = Console()
    assert console.command("r") == STARTED.format(0)
    assert console.ask("c") == 160_000_000
    assert console.board.resets == (ResetCause.SOFTWARE,)


def test_the_watchdog_restarts_firmware_that_hangs() -> None:
    console = Console()
    assert console.command("w") == STARTED.format(0)
    assert console.board.resets == (ResetCause.RTC_WATCHDOG,)


@pytest.mark.parametrize(("setting", "seconds"), [("on", 30), ("off", 120)])
def test_the_watchdog_waits_longer_than_any_step(setting: str, seconds: int) -> None:
    board = Console(("pll", setting)).board
    assert isinstance(board, Esp32c3Board)
    assert board.chip.rtc.values["WDTCONFIG1"] * 2 / 136_000 == seconds
    assert board.clock.first_watchdog is ResetCause.RTC_WATCHDOG


@pytest.mark.parametrize(
    ("letter", "what", "where"),
    [
        ("m", "read 4 bytes from 0x50000010, where nothing is mapped", "in command"),
        ("g", "read 4 bytes from UART0+0x04 (0x60000004), a register that is not modelled", "in command"),
        ("f", "wrote 4 bytes to 0x3c000100, which is read-only memory", "in command"),
        ("x", "called the boot ROM at 0x40000018, which is not modelled", "called from main"),
    ],
)
def test_what_the_model_lacks_ends_with_an_error_that_names_it(letter: str, what: str, where: str) -> None:
    console = Console()
    with pytest.raises(EmulationError) as raised:
        console.command(letter)
    assert what in str(raised.value)
    assert where in str(raised.value)


class _RestartedError(Exception):
    """Instead of a reset."""


def test_firmware_that_leaves_the_boot_watchdogs_alone_is_restarted_by_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def restart(board: Esp32c3Board, cause: ResetCause) -> None:
        raise _RestartedError(cause.name)

    monkeypatch.setattr(Esp32c3Board, "reset", restart)
    jump_to_itself = (BOARD.memory[0].base + 8, bytes.fromhex("01a0"))
    with pytest.raises(_RestartedError, match="TIMER_WATCHDOG"):
        BoardLine(hello_image(), BOARD, patches=(jump_to_itself,)).board.run()


def test_an_image_that_the_rom_would_not_start_is_refused() -> None:
    with pytest.raises(InputError, match="which the boot ROM of an ESP32-C3 does not start"):
        BoardLine(hello_image(), BOARD, patches=((BOARD.memory[0].base, b"\xe9"),))


def test_an_image_for_another_kind_of_core_is_refused() -> None:
    with pytest.raises(InputError, match="is not firmware for a RISC-V chip"):
        BoardLine(Path(sys.executable).resolve(), BOARD)


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(SettingError, match="no setting revision=Y"):
        BoardLine(hello_image(), BOARD, (("revision", "Y"),))


def test_a_served_board_answers_on_its_port_and_switches_off() -> None:
    with served(serve_function(BOARD), BOARD, hello_image()) as running:
        with serial.serial_for_url(running.port(), timeout=10) as port:
            port.write(b"over pty")
            assert port.read_until(b"over pty").endswith(b"over pty")
        assert running.switch_off() < 3
    assert running.error is None
