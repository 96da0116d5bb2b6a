"""`ta_high_multiply.h` as ARMv6-M builds it (products of halves) and as others do, against exact integers."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

_KERNELS = Path(__file__).resolve().parents[3] / "firmware" / "kernels"
_PROGRAM = """
#include "ta_high_multiply.h"
int32_t high(int32_t value, int32_t multiplier) { return ta_high_multiply(value, multiplier); }
int32_t doubling(int32_t value, int32_t multiplier) { return ta_doubling_high_multiply(value, multiplier); }
"""
_VALUES = st.one_of(
    st.integers(-(1 << 31), (1 << 31) - 1),
    st.sampled_from([0, 1, -1, 0x7FFF, 0x8000, 0xFFFF, 0x10000, -0x8000, -0x10000, (1 << 31) - 1, -(1 << 31)]),
)
_MULTIPLIERS = st.one_of(
    st.integers(0, (1 << 31) - 1),
    st.sampled_from([0, 1, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 1 << 30, 0x7FFF8000, (1 << 31) - 1]),
)


@pytest.fixture(scope="module", params=[1, 2], ids=["products of halves", "long products"])
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The header built as for a core of that Thumb version; undefined behaviour ends the program."""
    folder = tmp_path_factory.mktemp("high_multiply")
    source, target = folder / "multiply.c", folder / "multiply.so"
    source.write_text(_PROGRAM)
    traps = ("-fsanitize=undefined", "-fsanitize-undefined-trap-on-error")
    core = (f"-D__ARM_ARCH_ISA_THUMB={request.param}", f"-I{_KERNELS}")
    subprocess.run(["gcc", "-std=c11", "-O1", "-shared", "-fPIC", *traps, *core, source, "-o", target], check=True)
    return ctypes.CDLL(str(target))


@settings(max_examples=500, deadline=None)
@given(_VALUES, _MULTIPLIERS)
def test_a_rounded_high_product_is_exact(library: ctypes.CDLL, value: int, multiplier: int) -> None:
    assert library.high(value, multiplier) == (value * multiplier + (1 << 31)) >> 32


@settings(max_examples=500, deadline=None)
@given(_VALUES, _MULTIPLIERS)
def test_a_doubled_high_product_is_exact(library: ctypes.CDLL, value: int, multiplier: int) -> None:
    assert library.doubling(value, multiplier) == (value * multiplier + (1 << 30)) >> 31
