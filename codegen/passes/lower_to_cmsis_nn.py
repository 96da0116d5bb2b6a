"""Which kernel computes an operator: CMSIS-NN where it has one, else ours."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import (
    Add,
    AveragePool,
    Concat,
    Conv2D,
    DepthToSpace,
    FullyConnected,
    MaxPool,
    Op,
    Pad,
    Padding,
    Requantize,
    Reshape,
    ResizeNearest,
    SpaceToDepth,
    TransposeConv2D,
)


class KernelLibrary(Enum):
    CMSIS_NN = "cmsis-nn"
    TINYANIME = "tinyanime"


@dataclass(frozen=True, slots=True)
class Kernel:
    """A C function: its name, and which library has it."""

    function: str
    library: KernelLibrary


def _cmsis(function: str) -> Kernel:
    return Kernel(function, KernelLibrary.CMSIS_NN)


def _own(function: str) -> Kernel:
    return Kernel(function, KernelLibrary.TINYANIME)


def select_kernel(graph: Graph, op: Op) -> Kernel:
    """The kernel for `op`. Variants that CMSIS-NN computes wrongly or not at all go to our own kernels."""
    match op:
        case Conv2D():
            return _select_convolution(graph, op)
        case FullyConnected():
            uniform = len(set(op.filter.scales.tolist())) == 1
            return _cmsis("arm_fully_connected_s8" if uniform else "arm_convolve_wrapper_s8")
        case MaxPool():
            return _cmsis("arm_max_pool_s8")
        case AveragePool():
            return _cmsis("arm_avgpool_s8")
        case Add():
            return _own("ta_add_s8")
        case Requantize():
            return _own("ta_requantize_s8")
        case Concat():
            return _own("ta_concat_s8")
        case Pad():
            return _own("ta_pad_s8")
        case ResizeNearest():
            return _own("ta_resize_nearest_s8")
        case DepthToSpace():
            return _own("ta_depth_to_space_s8")
        case SpaceToDepth():
            return _own("ta_space_to_depth_s8")
        case TransposeConv2D():
            return _own("ta_transpose_conv_s8")
        case Reshape():
            return _own("ta_reshape_s8")
        case _:
            raise TypeError(f"no kernel for {type(op).__name__}")


def _select_convolution(graph: Graph, op: Conv2D) -> Kernel:
    in_channels = graph.tensors[op.inputs[0]].channels
    if op.groups == 1:
        kernel = op.filter.kernel
        # The wrapper takes a 1x1 kernel with zero top and left padding for an unpadded one.
        if kernel.height == kernel.width == 1 and op.padding != Padding():
            return _own("ta_convolve_grouped_s8")
        return _cmsis("arm_convolve_wrapper_s8")
    if op.groups == in_channels:
        return _cmsis("arm_depthwise_conv_wrapper_s8")
    return _own("ta_convolve_grouped_s8")
