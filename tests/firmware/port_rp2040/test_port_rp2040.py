"""The port on the virtual rp2040: clock, time, link, identity, resets and the second core."""

from __future__ import annotations

import random

import pytest

from tests.support.pico_probe import PicoProbe
from tests.support.port_probe import inverted
from tinyanime.host.emulate.machine import EmulationError
from tinyanime.host.emulate.rp2040.board import Rp2040Board
from tinyanime.host.emulate.rp2040.chip import Rp2040

STACK_BYTES, GUARD_BYTES = 4096, 128
HARD_FAULT = 3


@pytest.fixture
def probe() -> PicoProbe:
    return PicoProbe()


def chip(probe: PicoProbe) -> Rp2040:
    assert isinstance(probe.board, Rp2040Board)
    return probe.board.chip


def test_the_core_runs_at_133_mhz_and_the_flash_chip_identifies_the_board(probe: PicoProbe) -> None:
    info = probe.info()
    assert info.clock_hz == 133_000_000
    assert info.unique_id == b"ta-pico1" + bytes(4)
    assert 3000 < info.stack_free_bytes < STACK_BYTES - GUARD_BYTES


def test_cycles_are_exact_though_the_timer_ticks_every_532nd(probe: PicoProbe) -> None:
    counted = [probe.loop_cycles(turns) for turns in (1, 2, 10, 177, 178, 5000, 60_000)]
    # A turn takes 3 cycles: SUBS 1, a BNE that branches 2. What surrounds the loop is the same each time.
    assert [count - counted[0] for count in counted] == [
        3 * (turns - 1) for turns in (1, 2, 10, 177, 178, 5000, 60_000)
    ]


def test_milliseconds_and_cycles_tell_the_same_time(probe: PicoProbe) -> None:
    begin = probe.info()
    for _ in range(150):
        probe.loop_cycles(65_535)
    end = probe.info()
    assert end.milliseconds - begin.milliseconds == pytest.approx((end.cycles - begin.cycles) / 133_000, abs=1.01)
    assert end.milliseconds - begin.milliseconds > 150 * 65_535 * 3 / 133_000


def test_time_stands_still_where_a_debugger_halts_core_0_but_not_core_1(probe: PicoProbe) -> None:
    pauses = chip(probe).timer.values["DBGPAUSE"]
    assert (pauses >> 1 & 1, pauses >> 2 & 1) == (1, 0)


def test_bytes_that_come_while_others_are_sent_are_kept(probe: PicoProbe) -> None:
    data = random.Random(1).randbytes(3000)
    assert probe.echo(data) == inverted(data)
    probe.write(b"f\xe8\x03" + b"e\x80\x00" + data[:128])
    assert probe.read(1000) == bytes(i & 0xFF for i in range(1000))
    assert probe.read(128) == inverted(data[:128])


def test_a_reset_starts_anew_with_its_unique_id(probe: PicoProbe) -> None:
    before = probe.info()
    probe.write(b"r")
    probe.expect_start()
    assert probe.info().unique_id == before.unique_id
    assert probe.fault() == (0, 0)


def test_a_debugger_that_starts_core_0_anew_finds_the_rest_of_the_chip_no_obstacle(probe: PicoProbe) -> None:
    # Its reset is one of the core alone: clocks, UART and DMA are on, and core 1 waits for a word of the last run.
    assert probe.launch() is True
    assert probe.exchange(5) == 11
    vectors = probe.board.memories.read(0x1000_0100, 8)
    probe.board.processor.pc = int.from_bytes(vectors[4:], "little") & ~1
    probe.synchronize()
    info = probe.info()
    assert (info.clock_hz, info.unique_id[:8]) == (133_000_000, b"ta-pico1")
    assert info.milliseconds < 100
    assert probe.launch() is True
    assert probe.exchange(7) == 15


def test_a_fault_of_core_0_resets_the_chip_and_is_told(probe: PicoProbe) -> None:
    probe.write(b"u")
    probe.expect_start()
    assert probe.fault() == (HARD_FAULT, 0)


@pytest.mark.parametrize(("dead", "baud"), [("pll", 12_000_000 // 16), ("xosc", 6_500_000 // 16)])
def test_without_pll_or_crystal_the_board_goes_on_at_the_clock_that_is_left(dead: str, baud: int) -> None:
    # The UART tells it: a sixteenth of that clock is the best that it can do.
    with pytest.raises(EmulationError, match=f"runs UART0 at {baud} baud"):
        PicoProbe(((dead, "off"),))


def test_the_flash_is_read_by_serial_commands_where_its_quad_mode_is_off() -> None:
    assert PicoProbe((("quad", "off"),)).info().clock_hz == 133_000_000


def test_both_cores_pass_words(probe: PicoProbe) -> None:
    assert probe.launch() is True
    for word in (0, 1, 0x1234_5678, 0x3FFF_FFFF):
        assert probe.exchange(word) == 2 * word + 1


def test_a_core_1_that_waits_for_a_word_sleeps_and_fetches_nothing_from_flash(probe: PicoProbe) -> None:
    assert probe.launch() is True
    assert probe.exchange(5) == 11
    probe.info()
    assert chip(probe).schedule.cores[1].asleep


def test_the_second_core_can_be_launched_again(probe: PicoProbe) -> None:
    for _ in range(3):
        assert probe.launch() is True
        assert probe.exchange(7) == 15


def test_a_core_1_that_does_not_answer_is_left_off() -> None:
    probe = PicoProbe((("cores", "1"),))
    assert probe.launch() is False
    assert probe.info().clock_hz == 133_000_000


def test_free_stack_is_that_of_the_core_that_has_less(probe: PicoProbe) -> None:
    assert probe.launch() is True
    before = probe.info().stack_free_bytes
    probe.dig(2048)
    after = probe.info().stack_free_bytes
    assert after < STACK_BYTES - GUARD_BYTES - 2048 < before


def test_a_fault_of_core_1_resets_the_chip_and_is_told(probe: PicoProbe) -> None:
    assert probe.launch() is True
    probe.write(b"c")
    probe.expect_start()
    assert probe.fault() == (HARD_FAULT, 1)
    assert probe.launch() is True
    assert probe.exchange(3) == 7
