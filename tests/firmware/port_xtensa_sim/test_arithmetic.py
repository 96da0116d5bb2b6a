"""The multiplications and divisions that the simulated Xtensa core's program brings along, against Python's."""

from __future__ import annotations

import ctypes
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.port_probe import ROOT

SOURCE = ROOT / "firmware" / "port" / "xtensa_sim" / "arithmetic.c"
UNSIGNED = {"__muldi3": 64, "__udivdi3": 64, "__umoddi3": 64, "__udivsi3": 32, "__umodsi3": 32}
SIGNED = {"__divdi3": 64, "__divsi3": 32}

_edges = st.sampled_from([0, 1, 2, 3, 0xFFFF, 0x10000, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1])
_values = st.one_of(_edges, st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1), st.integers(0, 1000))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The functions under names that the PC's own libraries do not have."""
    target = tmp_path_factory.mktemp("arithmetic") / "arithmetic.so"
    renamed = [f"-D{name}=ta{name}" for name in (*UNSIGNED, *SIGNED)]
    command = ["gcc", "-shared", "-fPIC", "-O2", *renamed, str(SOURCE), "-o", str(target)]
    subprocess.run(command, check=True)
    return ctypes.CDLL(str(target))


def _called(library: ctypes.CDLL, name: str, bits: int, a: int, b: int) -> int:
    function = library[f"ta{name}"]
    function.restype = ctypes.c_uint64 if bits == 64 else ctypes.c_uint32
    function.argtypes = [function.restype, function.restype]
    result = function(a, b)
    assert isinstance(result, int)
    return result


@settings(max_examples=400, deadline=None)
@given(a=_values, b=_values)
def test_products_quotients_and_remainders_equal_pythons(library: ctypes.CDLL, a: int, b: int) -> None:
    assert _called(library, "__muldi3", 64, a, b) == a * b % 2**64
    for bits in (64, 32):
        x, y = a % 2**bits, b % 2**bits or 1
        kind = "di3" if bits == 64 else "si3"
        assert _called(library, f"__udiv{kind}", bits, x, y) == x // y
        assert _called(library, f"__umod{kind}", bits, x, y) == x % y
        signed_x, signed_y = (value - (value >> (bits - 1) << bits) for value in (x, y))
        quotient = abs(signed_x) // abs(signed_y) * (1 if (signed_x < 0) == (signed_y < 0) else -1)
        assert _called(library, f"__div{kind}", bits, x, y) == quotient % 2**bits
