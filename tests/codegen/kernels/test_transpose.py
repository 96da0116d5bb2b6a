"""What the compiler knows of the transposed convolution by phases: legality, weights, blocks, memory, cost."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.convolve_cases import Part, convolve_call
from tests.support.kernel_case import Kernel
from tests.support.kernel_measurement import measured_work
from tests.support.one_op import OneOp, one_op
from tinyanime.codegen.ir.ops import Conv2D, Filter, Padding, Size2D, TransposeConv2D
from tinyanime.codegen.ir.tensor import Quantization, Tensor
from tinyanime.codegen.kernels.transpose import TRANSPOSE_CONVOLVE

NO_PADDING = Padding()


def _filter(values: np.ndarray, scale: float = 2.0**-12) -> Filter:
    count = values.shape[0]
    return Filter(values.astype(np.int8), np.full(count, scale), np.zeros(count, np.int32))


def _case(weights: Filter, size: int = 8, stride: int = 2, padding: Padding = NO_PADDING) -> OneOp:
    random = np.random.default_rng(size)
    outputs, height, width, channels = weights.values.shape
    op = TransposeConv2D(
        name="d", inputs=("x",), output="y", filter=weights, stride=Size2D(stride, stride), padding=padding
    )
    rows = (size - 1) * stride + height - padding.top - padding.bottom
    columns = (size - 1) * stride + width - padding.left - padding.right
    x = random.integers(-128, 128, (1, size, size, channels), np.int8)
    out = Tensor("y", (1, rows, columns, outputs), Quantization(1.0, 0))
    return one_op(op, (x,), (Quantization(1.0, 5),), out)


def test_other_operators_and_factors_that_a_channel_cannot_say_are_refused() -> None:
    case = _case(_filter(np.ones((4, 2, 2, 4))))
    conv = Conv2D(name="c", inputs=("x",), output="y", filter=_filter(np.ones((4, 2, 2, 4))))
    assert TRANSPOSE_CONVOLVE.refusal(case.graph, case.op) is None
    assert TRANSPOSE_CONVOLVE.refusal(case.graph, conv) == "it is no transposed convolution"
    far = _case(_filter(np.ones((4, 2, 2, 4)), scale=2.0**-24))
    assert "rescaled by" in (TRANSPOSE_CONVOLVE.refusal(far.graph, far.op) or "")


def test_windows_that_the_kernel_does_not_take_are_refused() -> None:
    for channels, legal in ((16384, True), (16385, False)):
        case = _case(_filter(np.zeros((1, 2, 2, channels))), size=1)
        assert (TRANSPOSE_CONVOLVE.refusal(case.graph, case.op) is None) == legal


def test_weights_are_the_taps_in_order_each_with_zeros_up_to_a_multiple_of_4() -> None:
    values = np.arange(2 * 6 * 3).reshape(2, 2, 3, 3)
    packed = TRANSPOSE_CONVOLVE.pack_weights(_filter(values))
    assert packed.shape == (2, 24)
    assert packed[1, :8].tolist() == [*values[1, 0, 0], 0, *values[1, 0, 1], 0]


def test_blocks_are_even_ascending_and_end_with_all_pixels_of_a_phase() -> None:
    case = _case(_filter(np.ones((4, 2, 2, 4))), size=9)
    assert TRANSPOSE_CONVOLVE.blocks(case.graph, case.op, 4) == (2, 4, 8, 16, 20)
    assert TRANSPOSE_CONVOLVE.blocks(case.graph, case.op, 1) == (2, 4, 8, 10)


@pytest.mark.parametrize(
    ("size", "channels", "outputs", "kernel", "rows", "block"),
    [(8, 32, 16, 4, (0, 16), 16), (12, 16, 8, 3, (4, 12), 8), (8, 64, 8, 4, (2, 6), 4), (8, 10, 8, 2, (0, 16), 32)],
)
def test_the_estimated_work_is_near_what_the_emulated_core_executes(
    size: int, channels: int, outputs: int, kernel: int, rows: tuple[int, int], block: int
) -> None:
    random = np.random.default_rng(0)
    weights = _filter(random.integers(-127, 128, (outputs, kernel, kernel, channels)))
    case = _case(weights, size, padding=Padding(1, 1, 1, 1) if kernel == 4 else NO_PADDING)
    measured = measured_work(convolve_call(Kernel.TRANSPOSE_CONVOLVE, TRANSPOSE_CONVOLVE, case, Part(rows), block))
    work = TRANSPOSE_CONVOLVE.work(case.graph, case.op, rows[1] - rows[0], block)
    assert work.instructions == pytest.approx(measured.instructions, rel=0.1)
    assert work.cycles == pytest.approx(measured.cycles, rel=0.1)


def test_each_block_reads_the_weights_of_its_phase() -> None:
    case = _case(_filter(np.ones((8, 4, 4, 16))))
    whole, halves = (TRANSPOSE_CONVOLVE.work(case.graph, case.op, 18, block) for block in (90, 46))
    assert whole.weight_bytes == 8 * 4 * 4 * 16
    assert halves.weight_bytes == 2 * whole.weight_bytes
