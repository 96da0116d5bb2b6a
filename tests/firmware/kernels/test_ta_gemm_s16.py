"""`ta_gemm_s16` and `ta_store_sums`, the inner loops of the convolutions, against exact integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.support.kernel_benches import kernel_benches, small_core_benches
from tests.support.kernel_case import UNWRITTEN, Kernel, KernelCase

Array = NDArray[Any]

_OVERREAD_WORDS = 4
_LOWEST, _HIGHEST = -32768, 32767


def _panels(columns: Array, weights: Array) -> KernelCase:
    """int16 columns [pairs][words][2][2 elements] and weights [words][4][2 elements]."""
    behind = np.full(2 * _OVERREAD_WORDS, 12345, np.int16)
    inputs = tuple(np.concatenate([panel.reshape(-1), behind]) for panel in (columns, weights))
    pairs, words = columns.shape[:2]
    return KernelCase(Kernel.GEMM_S16, (words, pairs), inputs, 0, 32 * pairs)


def _assert_products_are_exact(columns: Array, weights: Array) -> None:
    """Sums are exact modulo 2**32."""
    exact = np.einsum("pwke,wce->pck", columns.astype(np.int64), weights.astype(np.int64))
    case = _panels(columns, weights)
    for bench in (*kernel_benches(), *small_core_benches()):
        result = bench.run(case)
        sums = result.output.view(np.uint32).reshape(exact.shape)
        np.testing.assert_array_equal(sums, exact & 0xFFFF_FFFF, err_msg=f"{columns.shape} on {bench.name}")


@pytest.mark.parametrize("words", [*range(2, 36, 2), 62, 64, 66])
@pytest.mark.parametrize("pairs", [1, 2, 5])
def test_products_of_panels_are_exact(words: int, pairs: int) -> None:
    random = np.random.default_rng(words * pairs)
    columns = random.integers(_LOWEST, _HIGHEST + 1, (pairs, words, 2, 2), np.int16)
    _assert_products_are_exact(columns, random.integers(_LOWEST, _HIGHEST + 1, (words, 4, 2), np.int16))


@pytest.mark.parametrize("column", [_LOWEST, _HIGHEST])
@pytest.mark.parametrize("weight", [_LOWEST, _HIGHEST])
def test_sums_that_leave_int32_wrap_around(column: int, weight: int) -> None:
    _assert_products_are_exact(np.full((2, 8, 2, 2), column, np.int16), np.full((8, 4, 2), weight, np.int16))


def _values(sums: Array, channels: Array, low: int, high: int) -> Array:
    """The definition of `ta_channel` in convolve.h. `sums` are [columns][channels]."""
    bias, multiplier, rounding, shift = channels.T.astype(np.int64)
    x = (2 * (sums + bias) * multiplier + (1 << 31)) >> 32
    values: Array = np.clip((x + rounding - (x < 0)) >> shift, low, high).astype(np.int8)
    return values


def _channels(random: np.random.Generator, count: int) -> Array:
    """Any multiplier, also those at the ends of their range and not normalized ones; any shift, any zero point."""
    multiplier = random.choice(
        [0, 1, 1 << 30, (1 << 30) + 1, (1 << 31) - 1, *random.integers(1 << 30, 1 << 31, 8)], count
    )
    shift = random.integers(1, 23, count)
    rounding = (1 << (shift - 1)) + (random.integers(-128, 128, count) << shift)
    return np.stack([random.integers(-20000, 20001, count), multiplier, rounding, shift], axis=1).astype(np.int32)


def _sums(random: np.random.Generator, columns: int, channels: Array) -> Array:
    """Sums whose results spread around and beyond int8, small ones, and those at the ends of the range."""
    bias, shift = channels[:, 0], channels[:, 3]
    spread = random.integers(-200, 200, (columns, 4)).astype(np.float64) * np.exp2(shift) + random.integers(-3, 4)
    limit = (1 << 30) - 1
    chosen = random.integers(0, 4, (columns, 4))
    ends = random.choice([-limit, limit], (columns, 4))
    sums = np.select([chosen == 0, chosen == 1], [ends, random.integers(-3, 4, (columns, 4))], spread)
    with_bias: Array = np.clip(sums, -limit, limit).astype(np.int64)
    return with_bias - bias


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 7), st.integers(1, 4))
def test_stored_values_are_exact_and_no_other_byte_changes(seed: int, columns: int, count: int) -> None:
    random = np.random.default_rng(seed)
    channels = _channels(random, 4)
    low, high = sorted(random.integers(-128, 128, 2).tolist()) if random.integers(2) else (-128, 127)
    sums = _sums(random, columns, channels)
    pixel_bytes = count + int(random.integers(0, 5))
    expected = np.full((columns, pixel_bytes), UNWRITTEN, np.int8)
    expected[:, :count] = _values(sums, channels, low, high)[:, :count]
    pairs = -(-columns // 2)
    panel = np.zeros((2 * pairs, 4), np.int64)
    panel[:columns] = sums
    laid_out = panel.reshape(pairs, 2, 4).transpose(0, 2, 1).astype(np.int32)
    behind = np.full(2, 7, np.int32)
    inputs = (np.concatenate([laid_out.reshape(-1), behind]), channels[:count])
    case = KernelCase(Kernel.STORE_SUMS, (columns, count, low, high, pixel_bytes), inputs, 0, expected.size)
    for bench in (*kernel_benches(), *small_core_benches()):
        np.testing.assert_array_equal(bench.run(case).output, expected.reshape(-1), err_msg=bench.name)
