"""What the catalogue lists is tested, and says of itself what the firmware's kernels do."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tests.support.graphs import conv, tensor
from tests.support.kernel_case import Kernel as KernelNumber
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Filter
from tinyanime.codegen.kernels.catalogue import (
    CATALOGUE,
    channel_bytes,
    computes_channel_ranges,
    convolution_kernel,
    convolution_work,
    packs_once,
)
from tinyanime.codegen.kernels.kernel import cmsis_nn, own
from tinyanime.codegen.kernels.spec import ConvolutionKernel

ROOT = Path(__file__).parents[3]
FUNCTIONS = tuple(kernel.function for kernel in CATALOGUE)


FIRST_OF_THE_SHIM = 32


def shim_number(function: str) -> KernelNumber:
    """The number by which tests call a kernel of convolve.h."""
    shim = (ROOT / "tests" / "support" / "convolve_shim.c").read_text()
    found = re.search(rf"\[(\d+)\] = {{{function}, {function}_scratch_bytes}}", shim)
    assert found, f"{function} is in the catalogue, but not in convolve_shim.c"
    return KernelNumber(FIRST_OF_THE_SHIM + int(found[1]))


def modules_calling(number: KernelNumber) -> list[Path]:
    """Test modules of firmware kernels that name the number, by themselves or through shared test code."""
    call = re.compile(rf"\bKernel\.{number.name}\b")

    def names_it(module: Path) -> bool:
        text = module.read_text()
        shared = re.findall(r"^from tests\.support\.(\w+) import", text, flags=re.MULTILINE)
        texts = [text, *((ROOT / "tests" / "support" / f"{name}.py").read_text() for name in shared)]
        return any(call.search(item) for item in texts)

    return [module for module in (ROOT / "tests" / "firmware" / "kernels").glob("test_*.py") if names_it(module)]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_kernel_is_chosen_that_a_test_does_not_cover(function: str) -> None:
    """Its bytes on the emulated core and on the PC: a line of the shim, and tests that call it."""
    assert modules_calling(shim_number(function)), f"{function} is in the catalogue and nothing in tests calls it"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_kernel_is_a_function_of_the_firmware_with_a_twin_for_its_scratch(function: str) -> None:
    header = (ROOT / "firmware" / "include" / "tinyanime" / "convolve.h").read_text()
    assert f"ta_status {function}(const ta_convolution *layer" in header
    assert f"uint32_t {function}_scratch_bytes(const ta_convolution *layer);" in header
    sources = (ROOT / "firmware" / "kernels").glob("*.c")
    assert any(f"ta_status {function}(" in source.read_text() for source in sources)


def test_each_kernel_is_listed_once() -> None:
    assert len(set(FUNCTIONS)) == len(FUNCTIONS)


@pytest.mark.parametrize("kernel", CATALOGUE, ids=FUNCTIONS)
def test_a_kernel_is_found_by_the_name_that_generated_code_calls(kernel: ConvolutionKernel) -> None:
    assert convolution_kernel(own(kernel.function, 64)) is kernel


def test_other_kernels_are_none_of_these() -> None:
    op = conv("c", "x", "y", 4, 4)
    graph = Graph("g", ("x",), ("y",), {"x": tensor("x", 4, 4), "y": tensor("y", 4, 4)}, (op,))
    plain = cmsis_nn("arm_convolve_wrapper_s8")
    assert convolution_kernel(plain) is None
    assert not computes_channel_ranges(plain)
    assert not packs_once(plain, graph, op, 0, 1)
    with pytest.raises(ValueError, match=r"arm_convolve_wrapper_s8 is no kernel of convolve\.h"):
        convolution_work(plain, graph, op, 1)


def test_weights_of_a_channel_are_those_of_the_packed_array() -> None:
    values = np.ones((6, 3, 3, 5), np.int8)
    weights = Filter(values, np.full(6, 0.01), np.zeros(6, np.int32))
    assert channel_bytes(cmsis_nn("arm_convolve_wrapper_s8"), weights) == 45
    assert channel_bytes(own("ta_convolve_direct_s8", 8), weights) == 48
    assert channel_bytes(own("ta_upsample_convolve_s8", 8), weights) == 9 * 8


def map_of(width: int) -> Graph:
    op = conv("c", "x", "y", 4, 4)
    return Graph("g", ("x",), ("y",), {"x": tensor("x", width, 4), "y": tensor("y", width, 4)}, (op,))


@pytest.mark.parametrize(
    ("function", "block", "begin", "end", "once"),
    [
        ("ta_convolve_direct_s8", 32, 4, 6, True),
        ("ta_convolve_direct_s8", 30, 4, 6, False),
        ("ta_convolve_winograd_4x4_s8", 4, 3, 7, True),
        ("ta_convolve_winograd_4x4_s8", 4, 3, 8, False),
        ("ta_convolve_winograd_2x2_s8", 8, 1, 3, True),
        ("ta_convolve_winograd_2x2_s8", 8, 1, 4, False),
        ("ta_upsample_convolve_s8", 4, 4, 8, True),
        # From an odd row on it computes the one above too.
        ("ta_upsample_convolve_s8", 4, 5, 9, False),
        ("ta_upsample_convolve_s8", 4, 5, 8, True),
    ],
)
def test_one_block_serves_several_calls_only_where_it_holds_all_columns_of_the_rows(
    function: str, block: int, begin: int, end: int, once: bool
) -> None:
    graph = map_of(16)
    assert packs_once(own(function, block), graph, graph.ops[0], begin, end) is once
