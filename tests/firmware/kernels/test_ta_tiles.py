"""Convolutions by tiles (`ta_tiles.c` and its kinds of tiles) against the reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.convolve_cases import Part, expected_output, parts, refusals
from tests.support.kernel_benches import kernel_benches, small_core_benches
from tests.support.kernel_case import KernelCase, assert_exact
from tests.support.one_op import OneOp
from tests.support.own_cases import assert_exact_everywhere, with_scalar
from tests.support.tiled_kernels import (
    TILED_KERNELS,
    TiledKernel,
    filled,
    tiled_case,
    tiled_convolutions,
    whole,
)
from tinyanime.codegen.ir.ops import Clamp, Padding

_BLOCKS = st.sampled_from([2, 4, 6, 10, 16, 64])
_PC = 2
"""Benches up to here are emulated, the others are programs on the PC."""

each_kernel = pytest.mark.parametrize("tiled", TILED_KERNELS, ids=lambda tiled: tiled.kernel.name)


@each_kernel
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_any_part_of_a_convolution_equals_the_reference(tiled: TiledKernel, data: st.DataObject) -> None:
    case = data.draw(tiled_convolutions(tiled.stride))
    part, block = data.draw(parts(case)), data.draw(_BLOCKS)
    assert_exact_everywhere(tiled.call(case, part, block), expected_output(case, part))


@each_kernel
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_any_part_of_a_convolution_on_a_small_core_equals_the_reference(
    tiled: TiledKernel, data: st.DataObject
) -> None:
    case = data.draw(tiled_convolutions(tiled.stride))
    part, block = data.draw(parts(case)), data.draw(_BLOCKS)
    for bench in small_core_benches():
        assert_exact(bench, tiled.call(case, part, block), expected_output(case, part))


@pytest.mark.slow
@each_kernel
@settings(max_examples=1500, deadline=None)
@given(data=st.data())
def test_many_parts_of_convolutions_equal_the_reference(tiled: TiledKernel, data: st.DataObject) -> None:
    case = data.draw(tiled_convolutions(tiled.stride))
    part, block = data.draw(parts(case)), data.draw(_BLOCKS)
    assert_exact_everywhere(tiled.call(case, part, block), expected_output(case, part))


def _map(tiled: TiledKernel, padding: Padding, *, seed: int = 0) -> OneOp:
    random = np.random.default_rng(seed)
    x = random.integers(-128, 128, (1, 9 * tiled.stride, 7 * tiled.stride, 8), np.int8)
    weights = random.integers(-127, 128, (5, 3, 3, 8), np.int8)
    return tiled_case(x, weights, stride=tiled.stride, zero_point=11, padding=padding)


@each_kernel
@pytest.mark.parametrize(
    "padding", [Padding(1, 1, 1, 1), Padding(0, 0, 0, 0), Padding(0, 1, 2, 0), Padding(2, 0, 0, 2)]
)
@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5])
def test_every_band_of_a_map_by_itself_equals_the_reference(tiled: TiledKernel, padding: Padding, rows: int) -> None:
    case = _map(tiled, padding, seed=rows)
    for begin in range(case.output.height - rows + 1):
        part = Part((begin, begin + rows))
        for bench in kernel_benches()[_PC:]:
            assert_exact(bench, tiled.call(case, part, 4), expected_output(case, part))


@each_kernel
@pytest.mark.parametrize("weight", [-127, 127, None])
@pytest.mark.parametrize("value", [-128, 127, None])
@pytest.mark.parametrize("zero_point", [-128, 127, 0])
def test_extreme_values_equal_the_reference(
    tiled: TiledKernel, weight: int | None, value: int | None, zero_point: int
) -> None:
    """None: the two ends of the range in turn."""
    weights = filled((5, 3, 3, 32), weight, -127)
    x = filled((1, 5, 7, 32), value, -128)
    case = tiled_case(x, weights, stride=tiled.stride, zero_point=zero_point)
    assert_exact_everywhere(tiled.call(case, whole(case), 8), case.expected)


@each_kernel
@pytest.mark.parametrize("clamp", [Clamp(-128, 127), Clamp(-3, 127), Clamp(-128, 5), Clamp(7, 7), Clamp(-20, 20)])
def test_clamped_outputs_of_whole_and_of_cut_tiles_equal_the_reference(tiled: TiledKernel, clamp: Clamp) -> None:
    random = np.random.default_rng(3)
    x = random.integers(-128, 128, (1, 6 * tiled.stride, 7 * tiled.stride, 8), np.int8)
    weights = random.integers(-127, 128, (6, 3, 3, 8), np.int8)
    case = tiled_case(x, weights, stride=tiled.stride, clamp=clamp, scale=2.0**-10)
    assert_exact_everywhere(tiled.call(case, whole(case), 6), case.expected)


@each_kernel
def test_many_input_channels_equal_the_reference(tiled: TiledKernel) -> None:
    """Sums of inputs over more channels than fit a lane."""
    random = np.random.default_rng(5)
    x = random.integers(-128, -120, (1, 4, 5, 600), np.int8)
    case = tiled_case(x, random.integers(-9, 10, (4, 3, 3, 600), np.int8), stride=tiled.stride, zero_point=-128)
    for bench in kernel_benches()[1:]:
        assert_exact(bench, tiled.call(case, whole(case), 2), case.expected)


# Scalars: 0 in_row_begin, 1 in_rows, 2 and 3 output rows, 4 first_channel, 5 channels, 6 to 8 input, 9 to 11 output,
# 12 to 17 kernel, stride, dilation, 18 and 19 padding, 20 block, 21 in_offset, 22 and 23 clamp, 24 working memory.
@each_kernel
@pytest.mark.parametrize("index", [5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 20])
def test_a_size_of_zero_is_refused(tiled: TiledKernel, index: int) -> None:
    case = _map(tiled, Padding(1, 1, 1, 1))
    for result in refusals(with_scalar(tiled.call(case, whole(case), 4), index, 0)):
        assert result.status == 1


@each_kernel
@pytest.mark.parametrize(
    ("index", "value"),
    [
        *((2, 10), (3, 10), (4, 2), (4, 4), (5, 9), (12, 5), (13, 1), (14, 3), (15, 3), (16, 2), (17, 2)),
        *((20, 3), (20, 1026), (21, -128), (21, 129), (22, 127), (23, -128)),
    ],
)
def test_parameters_out_of_range_are_refused(tiled: TiledKernel, index: int, value: int) -> None:
    case = _map(tiled, Padding(1, 1, 1, 1))
    call = with_scalar(tiled.call(case, whole(case), 4), 22, -10)
    for result in refusals(with_scalar(with_scalar(call, 23, 10), index, value)):
        assert result.status == 1


@each_kernel
def test_the_other_stride_is_refused(tiled: TiledKernel) -> None:
    case = _map(tiled, Padding(1, 1, 1, 1))
    other = 3 - tiled.stride
    for index in (14, 15):
        for result in refusals(with_scalar(tiled.call(case, Part((0, 2)), 4), index, other)):
            assert result.status == 1


@each_kernel
def test_rows_that_windows_need_and_are_not_there_are_refused(tiled: TiledKernel) -> None:
    case = _map(tiled, Padding(1, 1, 1, 1))
    call = tiled.call(case, Part((2, 4)), 4)
    first, count = call.scalars[:2]
    for index, value in ((0, first + 1), (1, count - 1)):
        for result in refusals(with_scalar(call, index, value)):
            assert result.status == 1


@each_kernel
def test_too_little_working_memory_is_refused(tiled: TiledKernel) -> None:
    case = _map(tiled, Padding(1, 1, 1, 1))
    call = tiled.call(case, whole(case), 4)
    for result in refusals(with_scalar(call, 24, call.scratch_bytes - 1)):
        assert result.status == 2


@each_kernel
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_the_working_memory_is_the_one_that_the_compiler_plans(tiled: TiledKernel, data: st.DataObject) -> None:
    case = data.draw(tiled_convolutions(tiled.stride))
    call = with_scalar(tiled.call(case, whole(case), data.draw(st.sampled_from([2, 6, 8, 10, 64, 1024]))), 25, 1)
    for bench in kernel_benches()[1:3]:
        assert bench.run(KernelCase(call.kernel, call.scalars)).status == call.scratch_bytes


@each_kernel
def test_working_memory_beyond_32_bits_is_refused(tiled: TiledKernel) -> None:
    case = _map(tiled, Padding(1, 1, 1, 1))
    call = with_scalar(with_scalar(tiled.call(case, whole(case), 4), 8, 65535), 20, 1024)
    for result in refusals(with_scalar(call, 24, 0x7FFF_FFFF)):
        assert result.status == 2
