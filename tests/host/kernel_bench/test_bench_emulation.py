"""Programs on emulated cores: counts by section, passages between blocks, lines of the data cache, transfers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.bench_program import executed, linked
from tinyanime.codegen.emit.project import ArenaBank
from tinyanime.codegen.errors import ToolError, VerificationError
from tinyanime.host.kernel_bench.cores import CORES, BenchCore, core
from tinyanime.host.kernel_bench.emulation import execute
from tinyanime.host.kernel_bench.instruction_sets import RISCV32, THUMB
from tinyanime.host.kernel_bench.return_addresses import call_returns

M7 = core("cortex-m7")

LOOPS = """
static void loop(unsigned times) {
#if defined(__riscv)
    __asm volatile("1: addi %0, %0, -1\\n bnez %0, 1b" : "+r"(times));
#else
    __asm volatile(".syntax unified\\n 1: subs %0, #1\\n bne 1b" : "+l"(times));
#endif
}
void bench_run(void) {
    BENCH_SECTION = 0;
    loop(1000);
    BENCH_SECTION = 1;
    loop(300);
    BENCH_SECTION = BENCH_EXCHANGE;
    loop(5000);
    BENCH_OUTPUT[0] = 42;
}
"""

ARENA = 'static volatile unsigned words[8192] __attribute__((section(".arena.%s")));\n'


@pytest.mark.parametrize("bench_core", CORES, ids=lambda c: c.name)
def test_instructions_are_counted_by_section_and_the_exchange_is_left_out(
    bench_core: BenchCore, tmp_path: Path
) -> None:
    execution = executed(tmp_path, bench_core, LOOPS)
    assert execution.output[0] == 42
    first, second = (section.instructions for section in execution.sections)
    # Two instructions a pass, and a few around the loop.
    assert 2000 < first < 2020
    assert 600 < second < 620
    # A constant takes one instruction or two.
    assert abs(first - second - 1400) <= 1


def test_the_passages_of_a_loop_say_how_often_it_followed_itself(tmp_path: Path) -> None:
    section = executed(tmp_path, M7, LOOPS).sections[0]
    again = [p for p in section.passages if (p.from_address, p.from_size) == (p.address, p.size)]
    assert sorted(p.executions for p in again)[-1] in (998, 999)
    # Every block runs as often as it is entered, one or so apart from how often it is left.
    total = sum(p.executions for p in section.passages)
    assert 1000 <= total <= 1005


@pytest.mark.parametrize(("bank", "lines"), [("axi", 32768 // 32), ("dtcm", 0)])
def test_a_map_that_is_larger_than_the_cache_is_filled_line_by_line_where_a_cache_stands_before_it(
    bank: str, lines: int, tmp_path: Path
) -> None:
    text = ARENA % bank + (
        "void bench_run(void) { unsigned sum = 0; BENCH_SECTION = 0;"
        " for (int i = 0; i < 8192; i++) { sum += words[i]; } BENCH_STATUS = sum & 0; }"
    )
    execution = executed(tmp_path, M7, text, banks=(ArenaBank(bank, 32768),), data_cache=True)
    found = {filled.region: filled.lines for filled in execution.sections[0].filled}
    assert found.get(bank, 0) == lines


def test_lines_that_fit_the_cache_are_filled_once_and_written_back_only_when_they_give_way(tmp_path: Path) -> None:
    text = ARENA % "axi" + (
        "static void fill(void) { for (int i = 0; i < 1024; i++) { words[i] = 1; } }"
        "static unsigned read(int i) { unsigned s = 0; for (; i < 8192; i++) { s += words[i]; } return s; }"
        "void bench_run(void) { BENCH_SECTION = 0; fill(); fill(); fill(); BENCH_SECTION = 1;"
        " unsigned s = read(1024); s += read(1024); BENCH_STATUS = s & 0; }"
    )
    execution = executed(tmp_path, M7, text, banks=(ArenaBank("axi", 32768),), data_cache=True)
    stored, loaded = (next(f.lines for f in section.filled if f.region == "axi") for section in execution.sections)
    assert stored == 4096 // 32
    # Two passes over 28 KB of a cache of 16 KB, and the 128 dirty lines that give way to them.
    clean = loaded - 4096 // 32
    assert 28672 // 32 < clean <= 2 * 28672 // 32


def test_a_transfer_moves_bytes_without_the_core(tmp_path: Path) -> None:
    text = (
        "void bench_run(void) { BENCH_SECTION = 0; BENCH_DMA_TARGET = (uint32_t)BENCH_OUTPUT;"
        " BENCH_DMA_SOURCE = (uint32_t)BENCH_INPUT; BENCH_DMA_BYTES = 4000; }"
    )
    photo = bytes(range(250)) * 16
    execution = executed(tmp_path, M7, text, photo=photo, output_bytes=4000)
    assert execution.output == photo
    assert execution.sections[0].instructions < 40


def test_a_transfer_out_of_the_memories_is_an_error(tmp_path: Path) -> None:
    text = (
        "void bench_run(void) { BENCH_SECTION = 0; BENCH_DMA_TARGET = 0x50000000u;"
        " BENCH_DMA_SOURCE = (uint32_t)BENCH_INPUT; BENCH_DMA_BYTES = 4; for (;;) { } }"
    )
    with pytest.raises(VerificationError, match="0x50000000"):
        executed(tmp_path, M7, text)


def test_a_fault_names_the_program_and_where_it_was(tmp_path: Path) -> None:
    text = "void bench_run(void) { BENCH_SECTION = 0; *(volatile int *)0x70000000u = 1; }"
    with pytest.raises(VerificationError, match=r"program\.elf faults on the emulated cortex-m7 at 0x0800"):
        executed(tmp_path, M7, text)


def test_a_status_that_is_not_zero_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match="status 3"):
        executed(tmp_path, M7, "void bench_run(void) { BENCH_SECTION = 0; BENCH_STATUS = 3; }")


def test_a_section_that_was_not_announced_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="no valid number"):
        executed(tmp_path, M7, LOOPS.replace("= 1;", "= 7;"))


def test_instructions_of_two_and_four_bytes_are_told_apart() -> None:
    nop, branch = bytes.fromhex("00bf"), bytes.fromhex("00f000f8")
    assert THUMB.count_instructions(nop * 3) == 3
    assert THUMB.count_instructions(nop + branch + nop) == 3
    short, long = bytes.fromhex("0100"), bytes.fromhex("13000000")  # C.NOP and NOP.
    assert RISCV32.count_instructions(short + long * 2 + short) == 4


def test_the_calls_of_a_function_are_found_where_they_return_to_and_tell_its_sections_apart(tmp_path: Path) -> None:
    text = (
        '__attribute__((noinline)) void work(unsigned n) { __asm volatile("1: subs %0, #1\\n bne 1b" : "+r"(n)); }'
        '__attribute__((noinline)) void infer(void) { work(100); work(400); work(200); __asm volatile(""); }'
        "void bench_run(void) { BENCH_SECTION = 0; infer(); BENCH_SECTION = BENCH_EXCHANGE; }"
    )
    image, board = linked(tmp_path, M7, text)
    begin, returns = call_returns(image.path, "infer")
    assert len(returns) == 3
    assert begin < returns[0] < returns[1] < returns[2]
    execution = execute(image.path, M7, board, b"\0", 4, 3, (begin, *returns[:-1]))
    counts = [section.instructions for section in execution.sections]
    assert [round(count, -2) for count in counts] == [200, 800, 400]


def test_the_code_of_kernels_is_measured_by_its_functions(tmp_path: Path) -> None:
    image, _ = linked(tmp_path, M7, LOOPS)
    # One function, with the loops inlined: a few dozen bytes, within what goes into flash.
    assert 30 < image.kernel_code_bytes < 120
    assert image.kernel_code_bytes <= image.flash_bytes < 400


def test_a_program_that_cannot_be_compiled_is_an_error_with_the_compilers_words(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"program\.c cannot be compiled: .*error"):
        linked(tmp_path, M7, "void bench_run(void) { undeclared(; }")
