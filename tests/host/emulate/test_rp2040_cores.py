"""Two cores of the virtual rp2040: words between them, whoever runs first, and core 1 in the boot ROM."""

from __future__ import annotations

import shutil

import pytest

from tests.support.rp2040_program import board_with, results, run_program, run_until_done
from tinyanime.host.emulate.machine import EmulationError
from tinyanime.host.emulate.rp2040.resets import ResetCause

pytestmark = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs the ARM GCC")

SUMS = """
void other(void) {
    for (;;) {
        const uint32_t first = receive();
        const uint32_t second = receive();
        for (volatile uint32_t work = 0; work < second; work++) {
        }
        send(first + 2u * second + SIO_CPUID);
    }
}
void start(void) {
    RESULTS[0] = launch_core1(other);
    for (uint32_t turn = 1; turn <= 20u && RESULTS[0]; turn++) {
        send(1000u * turn);
        send(turn);
        for (volatile uint32_t work = 0; work < 40u * (turn % 3u); work++) {
        }
        RESULTS[turn] = receive();
    }
    done();
}
"""
"""Core 1 answers pairs of words."""

TOGETHER = """
static volatile uint32_t turns;
void other(void) {
    (void)receive();
    for (uint32_t turn = 0; turn < 100000u; turn++) {
        __asm volatile("");
    }
    send(7);
    for (;;) {
        (void)receive();
    }
}
void start(void) {
    REG(0xE000E014u) = 0xFFFFFFu;
    REG(0xE000E018u) = 0;
    REG(0xE000E010u) = 5;
    RESULTS[0] = launch_core1(other);
    const uint32_t begin = REG(0xE000E018u);
    send(1);
    for (uint32_t turn = 0; turn < 100000u; turn++) {
        __asm volatile("");
    }
    RESULTS[1] = receive();
    RESULTS[2] = begin - REG(0xE000E018u);
    done();
}
"""
"""Both cores turn the same loop at the same time."""


def sums() -> list[int]:
    return [1, *(1000 * turn + 2 * turn + 1 for turn in range(1, 21))]


def test_core_1_answers_words_in_their_order() -> None:
    assert run_program(SUMS, 21) == sums()


def test_turns_of_any_length_give_the_same_results_at_the_same_time() -> None:
    moments = set()
    for settings in ((), (("interleave", "1"),), (("interleave", "2"),), (("interleave", "3"),)):
        board = board_with(SUMS, *settings)
        run_until_done(board)
        assert results(board, 21) == sums()
        moments.add(tuple(core.cycles for core in board.chip.schedule.cores[:1]))
    assert len(moments) == 1


def test_two_cores_that_compute_at_the_same_time_take_the_time_of_one() -> None:
    launched, word, cycles = run_program(TOGETHER, 3)
    assert (launched, word) == (1, 7)
    # 100,000 turns of two to four cycles; one core after the other would take twice as long.
    assert 300_000 <= cycles < 420_000


def test_without_core_1_the_launch_fails_and_the_program_goes_on() -> None:
    board = board_with(SUMS, ("cores", "1"))
    run_until_done(board)
    assert results(board, 1) == [0]
    assert board.chip.schedule.cores[1].processor.counter.instructions == 0


def test_core_1_sleeps_on_words_without_an_event_behind_them() -> None:
    quiet = """
    void start(void) {
        FIFO_WR = 0;
        for (uint32_t poll = 0; poll < 1000u; poll++) (void)FIFO_ST;
        %s
        for (uint32_t poll = 0; poll < 1000u; poll++) (void)FIFO_ST;
        done();
    }
    """
    taken = []
    for event in ("", '__asm volatile("sev");'):
        board = board_with(quiet % event)
        run_until_done(board)
        taken.append(board.chip.core1_in_rom.words_taken)
    assert taken == [0, 1]


SLEEPING = """
void other(void) {
    while ((FIFO_ST & VALID) == 0u) {
        __asm volatile("wfe");
    }
    const uint32_t word = FIFO_RD;
    send(word + 1u);
    for (;;) (void)receive();
}
void start(void) {
    RESULTS[0] = launch_core1(other);
    for (volatile uint32_t work = 0; work < 5000u; work++) {
    }
    FIFO_WR = 41;
    %s
    for (uint32_t poll = 0; poll < 100000u && (FIFO_ST & VALID) == 0u; poll++) {
    }
    RESULTS[1] = (FIFO_ST & VALID) != 0u ? FIFO_RD : 0u;
    done();
}
"""
"""Core 1 waits in WFE."""


def test_a_core_that_sleeps_in_wfe_wakes_for_a_word_with_an_event_behind_it() -> None:
    assert run_program(SLEEPING % '__asm volatile("sev");', 2) == [1, 42]


def test_a_word_without_an_event_does_not_wake_a_core_from_wfe() -> None:
    assert run_program(SLEEPING % "", 2) == [1, 0]


def test_an_event_wakes_a_core_from_wfe_without_a_word() -> None:
    memory = """
    void other(void) {
        while (RESULTS[2] == 0u) {
            __asm volatile("wfe");
        }
        send(RESULTS[2]);
        for (;;) (void)receive();
    }
    void start(void) {
        RESULTS[2] = 0;
        RESULTS[0] = launch_core1(other);
        for (volatile uint32_t work = 0; work < 5000u; work++) {
        }
        RESULTS[2] = 9;
        __asm volatile("sev" ::: "memory");
        RESULTS[1] = receive();
        done();
    }
    """
    assert run_program(memory, 2) == [1, 9]


def test_two_cores_that_sleep_for_each_other_are_an_error() -> None:
    forever = """
    void other(void) {
        for (;;) __asm volatile("wfe");
    }
    void start(void) {
        (void)launch_core1(other);
        for (;;) __asm volatile("wfe");
    }
    """
    with pytest.raises(EmulationError, match="sleeps \\(WFE\\) on both cores"):
        board_with(forever).run()


def test_a_word_that_nobody_takes_fills_the_mailbox_and_one_more_is_an_error() -> None:
    overflow = """
    void other(void) { for (;;) { } }
    void start(void) {
        RESULTS[0] = launch_core1(other);
        for (uint32_t word = 0; word < 8u; word++) send(word);
        RESULTS[1] = FIFO_ST & ROOM;
        FIFO_WR = 9;
        done();
    }
    """
    board = board_with(overflow)
    with pytest.raises(EmulationError, match=r"core 0\) sent a word to the other core while the FIFO was full"):
        board.run()
    assert results(board, 2) == [1, 0]


def test_a_read_of_an_empty_mailbox_is_an_error() -> None:
    with pytest.raises(EmulationError, match="read SIO_FIFO_RD while no word was there"):
        board_with("void start(void) { (void)receive(); RESULTS[0] = FIFO_RD; done(); }").run()


def test_an_error_on_core_1_names_the_core_and_its_function() -> None:
    astray = """
    void lost_function(void) { RESULTS[0] = REG(0x50200000u); }
    void other(void) { lost_function(); for (;;) { } }
    void start(void) { (void)launch_core1(other); (void)receive(); done(); }
    """
    with pytest.raises(EmulationError, match=r"\(core 1\) read 4 bytes from 0x50200000, where nothing is mapped"):
        board_with(astray).run()


def test_core_1_can_be_switched_off_and_started_again() -> None:
    again = """
    static uint32_t base;
    void other(void) { send(base); for (;;) (void)receive(); }
    void start(void) {
        for (uint32_t turn = 0; turn < 3u; turn++) {
            base = 10u * turn;
            RESULTS[2u * turn] = launch_core1(other);
            RESULTS[2u * turn + 1u] = receive();
            REG(0x40012004u) = 1u << 16;
            REG(0x40013004u) = 1u << 16;
        }
        done();
    }
    """.replace("static uint32_t base;", "#define base REG(0x20002000u)")
    assert run_program(again, 6) == [1, 0, 1, 10, 1, 20]


def test_a_spinlock_is_had_by_one_core_at_a_time() -> None:
    locked = """
    #define LOCK REG(0xD0000100u)
    #define COUNT REG(0x20002000u)
    static void count(void) {
        for (uint32_t turn = 0; turn < 300u; turn++) {
            while (LOCK == 0u) { }
            const uint32_t before = COUNT;
            for (volatile uint32_t work = 0; work < 3u; work++) { }
            COUNT = before + 1u;
            LOCK = 1;
        }
    }
    void other(void) { count(); send(1); for (;;) (void)receive(); }
    void start(void) {
        COUNT = 0;
        (void)launch_core1(other);
        count();
        (void)receive();
        RESULTS[0] = COUNT;
        done();
    }
    """
    assert run_program(locked, 1, ("interleave", "4")) == [600]
    unlocked = locked.replace("while (LOCK == 0u) { }", "")
    assert run_program(unlocked, 1, ("interleave", "4")) != [600]


def test_the_watchdog_resets_both_cores_and_leaves_its_scratch() -> None:
    biting = """
    void other(void) { for (;;) { } }
    void start(void) {
        RESULTS[0] = REG(0x40058008u);
        RESULTS[1] = REG(0x4005800Cu);
        if (RESULTS[0] != 0u) done();
        REG(0x4005800Cu) = 1234;
        (void)launch_core1(other);
        REG(0x4005802Cu) = 0x206;
        REG(0x40010008u) = 0x1FFFC;
        REG(0x40058004u) = 20000;
        REG(0x40058000u) = 1u << 30;
        for (;;) { }
    }
    """
    board = board_with(biting)
    run_until_done(board)
    assert results(board, 2) == [1, 1234]
    assert board.resets == (ResetCause.WATCHDOG,)
    spared = biting.replace("REG(0x40010008u) = 0x1FFFC;", "")
    with pytest.raises(EmulationError, match="while PSM_WDSEL spares parts of it"):
        board_with(spared).run()
