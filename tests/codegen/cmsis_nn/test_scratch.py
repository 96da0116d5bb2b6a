"""Working-memory formulas against the library's own functions, with and without the DSP extension."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.cmsis_cases import conv_band, convolution_call
from tests.support.kernel_benches import kernel_benches, kernels_are_pinned
from tests.support.kernel_case import Kernel, KernelCase, KernelResult
from tests.support.one_op import Int8Array, OneOp, bands, convolutions
from tinyanime.codegen.cmsis_nn import scratch
from tinyanime.codegen.ir.ops import Padding, Size2D

_SETTINGS = settings(max_examples=60, deadline=None)


def _library_says(kernel: Kernel, scalars: tuple[int, ...]) -> dict[bool, int]:
    """Answer by whether the build has DSP instructions."""
    return {bench.has_dsp: bench.run(KernelCase(kernel, scalars)).status for bench in kernel_benches()}


def _compare(library_says: int, planned: int) -> None:
    """Exact for the pinned sources; for others (TINYANIME_CMSIS_NN is set) the plan is an upper bound."""
    assert library_says == planned if kernels_are_pinned() else library_says <= planned


@_SETTINGS
@given(st.data(), convolutions())
def test_convolution_scratch_of_a_band_equals_the_librarys(data: st.DataObject, case: OneOp) -> None:
    band = conv_band(case, data.draw(bands(case.output.height)))
    for bench in kernel_benches():
        call = convolution_call(case, band, bench)
        _compare(bench.run(KernelCase(Kernel.CONVOLVE_SCRATCH, call.scalars)).status, call.scratch_bytes)


@_SETTINGS
@given(st.data(), convolutions(groups="depthwise"))
def test_depthwise_scratch_of_a_band_equals_the_librarys(data: st.DataObject, case: OneOp) -> None:
    band = conv_band(case, data.draw(bands(case.output.height)))
    for bench in kernel_benches():
        call = convolution_call(case, band, bench)
        if call.kernel is Kernel.DEPTHWISE:
            _compare(bench.run(KernelCase(Kernel.DEPTHWISE_SCRATCH, call.scalars)).status, call.scratch_bytes)


@pytest.mark.parametrize("channels", [1, 2, 7, 64, 513])
def test_average_pool_scratch_equals_the_librarys(channels: int) -> None:
    sizes = _library_says(Kernel.AVERAGE_POOL_SCRATCH, (9, channels))
    assert sizes == {dsp: scratch.average_pool_scratch_bytes(channels, dsp) for dsp in (True, False)}


def test_fully_connected_and_max_pool_need_no_scratch() -> None:
    assert scratch.fully_connected_scratch_bytes() == scratch.max_pool_scratch_bytes() == 0


def test_another_library_gets_an_upper_bound() -> None:
    def size(pinned: bool) -> int:
        one = Size2D(1, 1)
        return scratch.convolve_scratch_bytes(
            8, 8, 3, 8, 8, 4, Size2D(3, 3), one, Padding(1, 1, 1, 1), one, True, pinned=pinned
        )

    assert (size(True), size(False)) == (2 * 27 * 2, 2 * 28 * 2)


def test_scratch_that_is_too_small_is_noticed_by_the_bench() -> None:
    case = KernelCase(Kernel.AVERAGE_POOL, (1, 1, 8, 1, 1, 1, 1, 1, 1, 0, 0, -128, 127), (_zeros(8),), 4 * 7, 8)
    emulated = [bench for bench in kernel_benches() if bench.has_dsp]
    assert emulated
    for bench in emulated:
        with pytest.raises(AssertionError, match="behind buffer 1"):
            bench.run(case)


def test_a_read_behind_the_input_is_noticed_on_every_bench() -> None:
    case = KernelCase(Kernel.REQUANTIZE, (9, 0, 1 << 30, 1, 0, -128, 127), (_zeros(8),), 0, 9)
    noticed = 0
    for bench in kernel_benches():
        if bench.name == "PC, GCC":
            continue  # Nothing watches memory there.
        with pytest.raises(AssertionError, match=r"behind buffer 0|heap-buffer-overflow"):
            bench.run(case)
        noticed += 1
    assert noticed == 3


def test_benches_work_again_after_a_fault() -> None:
    case = KernelCase(Kernel.REQUANTIZE, (8, 0, 1 << 30, 1, 0, -128, 127), (_zeros(8),), 0, 8)
    results: list[KernelResult] = [bench.run(case) for bench in kernel_benches()]
    assert all(result.status == 0 and not result.output.any() for result in results)


def _zeros(count: int) -> Int8Array:
    return np.zeros(count, np.int8)
