"""Each operator gets the kernel that computes it exactly."""

from __future__ import annotations

import numpy as np
import pytest

from tinyanime.codegen.errors import ModelError
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Conv2D, Filter, FullyConnected, MaxPool, Op, Padding, Size2D
from tinyanime.codegen.ir.tensor import Quantization, Tensor
from tinyanime.codegen.kernels.plain import plain_kernel

Q = Quantization(0.1, 0)


def kernel_of(op: Op, source: tuple[int, ...], target: tuple[int, ...]) -> str:
    graph = Graph("g", ("x",), ("y",), {"x": Tensor("x", source, Q), "y": Tensor("y", target, Q)}, (op,))
    return plain_kernel(graph, op).function


def filter_of(shape: tuple[int, ...], scales: list[float] | None = None) -> Filter:
    values = np.ones(shape, dtype=np.int8)
    return Filter(values, np.array(scales or [0.1] * shape[0]), np.zeros(shape[0], dtype=np.int32))


NO_PADDING = Padding()


def conv(shape: tuple[int, ...], padding: Padding = NO_PADDING, groups: int = 1) -> Conv2D:
    return Conv2D(name="c", inputs=("x",), output="y", filter=filter_of(shape), padding=padding, groups=groups)


@pytest.mark.parametrize(
    ("op", "channels", "outputs", "height", "function"),
    [
        (conv((8, 3, 3, 4), Padding(1, 1, 1, 1)), 4, 8, 6, "arm_convolve_wrapper_s8"),
        (conv((8, 1, 1, 4)), 4, 8, 6, "arm_convolve_wrapper_s8"),
        (conv((8, 1, 1, 4), Padding(0, 0, 1, 1)), 4, 8, 7, "ta_convolve_grouped_s8"),
        (conv((4, 3, 3, 1), Padding(1, 1, 1, 1), 4), 4, 4, 6, "arm_depthwise_conv_wrapper_s8"),
        (conv((4, 3, 3, 1), Padding(1, 1, 2, 2), 4), 4, 4, 7, "ta_convolve_grouped_s8"),
        (conv((4, 3, 3, 2), Padding(1, 1, 1, 1), 2), 4, 4, 6, "ta_convolve_grouped_s8"),
    ],
)
def test_a_convolution_goes_to_a_kernel_that_is_exact_for_it(
    op: Conv2D, channels: int, outputs: int, height: int, function: str
) -> None:
    assert kernel_of(op, (1, 6, 6, channels), (1, height, height, outputs)) == function


@pytest.mark.parametrize(
    ("scales", "function"), [([0.1, 0.1], "arm_fully_connected_s8"), ([0.1, 0.2], "arm_convolve_wrapper_s8")]
)
def test_per_channel_weights_turn_a_gemm_into_a_pointwise_convolution(scales: list[float], function: str) -> None:
    op = FullyConnected(name="f", inputs=("x",), output="y", filter=filter_of((2, 1, 1, 5), scales))
    assert kernel_of(op, (1, 5), (1, 2)) == function


def test_a_pool_window_in_the_padding_is_refused_by_name() -> None:
    op = MaxPool(
        name="pool7", inputs=("x",), output="y", kernel=Size2D(2, 2), stride=Size2D(2, 2), padding=Padding(2, 0, 0, 0)
    )
    with pytest.raises(ModelError, match=r"'pool7' .* lies wholly in the padding"):
        kernel_of(op, (1, 6, 6, 1), (1, 4, 3, 1))
