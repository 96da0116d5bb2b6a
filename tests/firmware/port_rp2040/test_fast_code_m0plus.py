"""The functions that rp2040 runs from RAM, against what its board file keeps for them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from tests.support.hello_firmware import ROOT
from tests.support.pico_probe import pico_project
from tinyanime.boards.loader import load_board

BOARD = load_board("rp2040")
LISTED = re.compile(r"^ *\*\(\.fast_code\.(\w+)\)$", re.MULTILINE)
MOST_SPARE_BYTES = 128
KERNELS = ROOT / "firmware" / "kernels"


def fast_sections(source: Path, target: Path) -> dict[str, int]:
    """Bytes of each section of fast code in the object file of a kernel."""
    flags = ("-std=gnu11", *BOARD.toolchain.cpu_flags, BOARD.toolchain.optimize, f"-DTA_CORES={BOARD.cores}")
    includes = (f"-I{ROOT / 'firmware' / 'include'}", "-ffunction-sections")
    subprocess.run(["arm-none-eabi-gcc", *flags, *includes, "-c", str(source), "-o", str(target)], check=True)
    with target.open("rb") as file:
        sections = {section.name: section["sh_size"] for section in ELFFile(file).iter_sections()}
    return {name.removeprefix(".fast_code."): size for name, size in sections.items() if name.startswith(".fast_code.")}


def test_every_listed_function_fits_at_once_and_little_is_left_over(tmp_path: Path) -> None:
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("needs arm-none-eabi-gcc (make setup)")
    listed = LISTED.findall((pico_project() / "board" / "linker.ld").read_text(encoding="utf-8"))
    sizes: dict[str, int] = {}
    for source in sorted(KERNELS.glob("*.c")):
        if any(f"TA_FAST_CODE({name})" in source.read_text(encoding="utf-8") for name in listed):
            sizes |= fast_sections(source, tmp_path / f"{source.stem}.o")
    assert "ta_gemm_s16" in listed
    total = sum(-(-sizes[name] // 4) * 4 for name in listed)
    assert total <= BOARD.fast_code_bytes <= total + MOST_SPARE_BYTES
