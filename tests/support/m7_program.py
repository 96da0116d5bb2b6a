"""Small Cortex-M7 programs from assembly text."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tinyanime.host.cycle_model.instruction import Instruction
from tinyanime.host.cycle_model.measured import assembled, have_assembler


def decoded(*lines: str) -> tuple[Instruction, ...]:
    """The lines, assembled and decoded; skips the test without an assembler."""
    if not have_assembler():
        pytest.skip("arm-none-eabi-as is not installed")
    return assembled([lines])[0]


def linked(folder: Path, text: str) -> Path:
    """An image with code at 0x08000000 from the assembly `text`; skips the test without a toolchain."""
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("arm-none-eabi-gcc is not installed")
    source, image = folder / "program.s", folder / "program.elf"
    source.write_text(f".syntax unified\n.thumb\n.text\n{text}\n", encoding="utf-8")
    flags = ("-mcpu=cortex-m7", "-mthumb", "-nostdlib", "-Wl,-Ttext=0x08000000", "-Wl,-e,0x08000000")
    subprocess.run(["arm-none-eabi-gcc", *flags, str(source), "-o", str(image)], check=True)
    return image
