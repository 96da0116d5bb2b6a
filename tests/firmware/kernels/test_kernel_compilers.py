"""The kernels with other compilers and options than those of the boards here: a board file may name any."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

_FIRMWARE = Path(__file__).resolve().parents[3] / "firmware"
_KERNELS = sorted((_FIRMWARE / "kernels").glob("*.c"))
_WARNINGS = ("-std=c11", "-Wall", "-Wextra", "-Werror")
_M7 = ("-mcpu=cortex-m7", "-mthumb", "-mfpu=fpv5-d16", "-mfloat-abi=hard")
_M0PLUS = ("-mcpu=cortex-m0plus", "-mthumb")
_GCC = "arm-none-eabi-gcc"


def _assemble(compiler: str, *flags: str, folder: Path) -> None:
    """Compile and assemble all kernels: AssertionError with the compiler's words where one is refused."""
    command = [compiler, *_WARNINGS, *flags, f"-I{_FIRMWARE / 'include'}", "-c", *map(str, _KERNELS)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _c_library_headers() -> Path:
    """The folder of the C library of the cross compiler, which Clang does not know."""
    found = subprocess.run(
        [_GCC, *_M7, "-M", "-x", "c", "-"], input="#include <string.h>\n", capture_output=True, text=True, check=True
    )
    return next(Path(word).parent for word in found.stdout.split() if word.endswith("/string.h"))


@pytest.fixture(autouse=True)
def _cross_compiler() -> None:
    if shutil.which(_GCC) is None:
        pytest.skip(f"{_GCC} is not installed")


@pytest.mark.parametrize("flags", [("-O0", *_M7), ("-Os", *_M0PLUS)], ids=["M7 without optimisation", "M0+ for size"])
def test_every_kernel_compiles_with_other_optimisation(flags: tuple[str, ...], tmp_path: Path) -> None:
    _assemble(_GCC, *flags, folder=tmp_path)


def test_clang_takes_the_assembly_of_every_kernel(tmp_path: Path) -> None:
    if shutil.which("clang") is None:
        pytest.skip("clang is not installed")
    target = ("--target=thumbv7em-none-eabi", *_M7, "-isystem", str(_c_library_headers()))
    _assemble("clang", "-O1", *target, folder=tmp_path)
