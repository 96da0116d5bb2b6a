"""The compiled instruction counter."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import platformdirs
import pytest
import unicorn
from unicorn import arm_const

from tinyanime.codegen.errors import ToolError
from tinyanime.host.emulate.block_counter import BlockCounter, build_library

CODE = 0x1000
LOOP = """
    .syntax unified
    .thumb
    movw r0, #1000
1:  nop
    nop.w
    subs r0, #1
    bne 1b
    mov.w r1, #1
2:  b 2b
"""


def machine_with(tmp_path: Path, source: str) -> unicorn.Uc:
    (tmp_path / "code.s").write_text(source, encoding="ascii")
    for command in (
        ["arm-none-eabi-gcc", "-mcpu=cortex-m7", "-c", "code.s", "-o", "code.o"],
        ["arm-none-eabi-objcopy", "-O", "binary", "code.o", "code.bin"],
    ):
        subprocess.run(command, cwd=tmp_path, check=True)
    machine = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
    machine.ctl_set_cpu_model(arm_const.UC_CPU_ARM_CORTEX_M7)
    machine.mem_map(0, 0x10000)
    machine.mem_write(CODE, (tmp_path / "code.bin").read_bytes())
    return machine


def test_a_loop_of_known_length_is_counted_exactly(tmp_path: Path) -> None:
    machine = machine_with(tmp_path, LOOP)
    counter = BlockCounter(machine)
    machine.emu_start(CODE | 1, CODE + 18)  # Up to the endless loop.
    assert counter.instructions == 1 + 1000 * 4 + 1


def test_a_deadline_ends_an_endless_loop(tmp_path: Path) -> None:
    machine = machine_with(tmp_path, LOOP)
    counter = BlockCounter(machine)
    counter.set_deadline(1_000_000)
    machine.emu_start(CODE | 1, 0xFFFF_FFFE)
    assert counter.deadline_met
    assert 1_000_000 <= counter.instructions <= 1_000_010


def test_changed_code_is_counted_anew_once_forgotten(tmp_path: Path) -> None:
    machine = machine_with(tmp_path, LOOP)
    counter = BlockCounter(machine)
    two_short, one_long = bytes.fromhex("00bf 00bf fee7"), bytes.fromhex("aff3 0080 fee7")
    machine.mem_write(CODE, two_short)
    machine.emu_start(CODE | 1, CODE + 4)
    machine.mem_write(CODE, one_long)
    machine.ctl_remove_cache(CODE, CODE + 6)
    counter.forget_code()
    machine.emu_start(CODE | 1, CODE + 4)
    assert counter.instructions == 2 + 1
    assert counter.count_between(CODE, CODE + 6) == 2


def test_without_a_c_compiler_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name: tmp_path / name)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ToolError, match="needs a C compiler") as caught:
        build_library()
    assert "gcc" in caught.value.hint


def test_a_cache_folder_that_cannot_be_written_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(ToolError, match=r"cannot be stored in .*Not a directory"):
        build_library()
