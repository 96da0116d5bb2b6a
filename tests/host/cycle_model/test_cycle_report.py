from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.m7_program import linked
from tinyanime.boards.loader import load_board
from tinyanime.host.cycle_model import (
    CycleReport,
    FunctionTable,
    LinesTouched,
    MemoryCosts,
    RegionCost,
    functions_of,
    memory_costs,
    modelled_cycles,
)
from tinyanime.host.cycle_model.execution import MachineCode, load_function, run_with_block_counts

_TWO_FUNCTIONS = """
.global outer
.type outer, %function
outer: push {r4, lr}
 mov r4, r0
1: bl inner
 subs r4, #1
 bne 1b
 pop {r4, pc}
.size outer, . - outer
.balign 32
.type inner, %function
inner: movs r2, #100
2: smlad r0, r1, r3, r0
 subs r2, #1
 nop.w
 nop.w
 nop.w
 bne.w 2b
 bx lr
.size inner, . - inner
"""


def _report(
    folder: Path, turns: int = 5, costs: MemoryCosts | None = None, data: tuple[LinesTouched, ...] = ()
) -> CycleReport:
    image = linked(folder, _TWO_FUNCTIONS)
    machine, entry = load_function(image, "outer")
    counts = run_with_block_counts(machine, entry, [turns])
    return modelled_cycles(
        counts.blocks,
        MachineCode(machine),
        costs or MemoryCosts(),
        functions=functions_of(image),
        passages=counts.passages,
        data=data,
    )


def test_the_cycles_of_functions_add_up(tmp_path: Path) -> None:
    report = _report(tmp_path)
    assert [row.name for row in report.functions] == ["inner", "outer"]
    assert sum(row.cycles for row in report.functions) == report.pipeline_cycles + report.misprediction_cycles
    assert sum(row.instructions for row in report.functions) == report.instructions


def test_a_loop_costs_its_steady_state_each_turn(tmp_path: Path) -> None:
    inner = {turns: _report(tmp_path, turns).functions[0] for turns in (1, 2)}
    assert inner[2].cycles - inner[1].cycles == pytest.approx(100 * 3, abs=12)


def test_the_exit_of_a_loop_is_mispredicted(tmp_path: Path) -> None:
    once, many = (_report(tmp_path, turns).misprediction_cycles for turns in (1, 101))
    assert many - once == pytest.approx(100 * 8, abs=8)


def test_each_line_of_code_is_filled_once(tmp_path: Path) -> None:
    slow = MemoryCosts((RegionCost("flash", 0x0800_0000, 0x0801_0000, 32),))
    report = _report(tmp_path, costs=slow)
    assert report.code_lines == 2
    assert report.code_fill_cycles == 2 * 32
    assert report.code_fits_cache
    assert not _report(tmp_path, costs=replace(slow, icache_lines=1)).code_fits_cache
    assert report.cycles == report.pipeline_cycles + report.misprediction_cycles + 64


def test_data_lines_cost_what_their_memory_costs(tmp_path: Path) -> None:
    costs = MemoryCosts(
        (RegionCost("dtcm", 0x2000_0000, 0x2002_0000, 0), RegionCost("axi", 0x2400_0000, 0x2408_0000, 16))
    )
    lines = (LinesTouched(0x2000_0040, 1000), LinesTouched(0x2400_0000, 10))
    assert _report(tmp_path, costs=costs, data=lines).data_fill_cycles == 160


def test_the_costs_of_a_board_come_from_its_file() -> None:
    costs = memory_costs(load_board("stm32h743"))
    assert costs.line_cycles(0x0800_0000) == 32  # 1,024 cycles per KiB.
    assert costs.line_cycles(0x2400_0000) == 16
    assert costs.line_cycles(0x2000_0000) == costs.line_cycles(0x0000_0000) == 0
    assert costs.line_cycles(0xE000_0000) == 0
    assert any(text.startswith("flash: 32 cycles") for text in costs.assumptions())


def test_code_outside_every_function_has_no_name() -> None:
    table = FunctionTable(((0x100, 0x10, "f"), (0x200, 0, "g")))
    names = [table.name_at(address) for address in (0x50, 0x100, 0x10E, 0x110, 0x300)]
    assert names == ["(no symbol)", "f", "f", "(no symbol)", "g"]
