"""Cycles of single Thumb instructions on the Cortex-M0+, against the table of DDI 0484C as a person reads it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tinyanime.host.cycle_model.cortex_m0plus import cost_table
from tinyanime.host.emulate.block_counter import SENDS_EVENT, TAKEN

TABLE = (
    ("movs r0, #1", 1),
    ("mov r8, r0", 1),
    ("mov pc, r0", 2),
    ("adds r0, r1, r2", 1),
    ("add r0, r8", 1),
    ("add pc, r0", 2),
    ("cmp r8, r0", 1),
    ("muls r0, r1, r0", 1),
    ("lsls r0, r1, #3", 1),
    ("rors r0, r1", 1),
    ("ldr r0, [r1, #4]", 2),
    ("ldrsb r0, [r1, r2]", 2),
    ("ldrh r0, [r1, #2]", 2),
    ("ldr r0, [sp, #4]", 2),
    ("ldr r0, [pc, #4]", 2),
    ("str r0, [r1, #4]", 2),
    ("strb r0, [r1, r2]", 2),
    ("ldmia r0!, {r1, r2, r3}", 4),
    ("stmia r0!, {r1, r2, r3, r4, r5}", 6),
    ("push {r0, r1}", 3),
    ("push {r0, r1, lr}", 4),
    ("pop {r0, r1}", 3),
    ("pop {r0, r1, pc}", 6),
    ("add sp, #8", 1),
    ("add r0, sp, #8", 1),
    ("sxtb r0, r1", 1),
    ("rev r0, r1", 1),
    ("cpsid i", 1),
    ("b .", 2),
    ("beq .", 1 | TAKEN),
    ("bl .", 3),
    ("bx lr", 2),
    ("blx r0", 2),
    ("mrs r0, primask", 3),
    ("dmb", 3),
    ("nop", 1),
    ("sev", 1 | SENDS_EVENT),
    ("wfe", 2),
)
"""Instruction and cost, with the single-cycle multiplier."""


@pytest.mark.skipif(shutil.which("arm-none-eabi-as") is None, reason="needs the ARM assembler")
def test_each_instruction_costs_what_the_table_says(tmp_path: Path) -> None:
    source, code = tmp_path / "table.s", tmp_path / "table.bin"
    # Each at an address that tells its number.
    lines = "".join(f".org {4 * index}\n{instruction}\n" for index, (instruction, _) in enumerate(TABLE))
    source.write_text(f".syntax unified\n.cpu cortex-m0plus\n.thumb\n{lines}")
    subprocess.run(["arm-none-eabi-as", "-o", tmp_path / "table.o", source], check=True, capture_output=True)
    subprocess.run(["arm-none-eabi-objcopy", "-O", "binary", tmp_path / "table.o", code], check=True)
    data = code.read_bytes()
    costs = [cost_table()[int.from_bytes(data[4 * index : 4 * index + 2], "little")] for index in range(len(TABLE))]
    wrong = {text: (cost, right) for (text, right), cost in zip(TABLE, costs, strict=True) if cost != right}
    assert wrong == {}
