"""What the compiler in the `bakenn` wheel needs for a network: its arena, and the caller's input and output.

bakenn 1.0.0 reads no ONNX, so it gets the network through its own graph classes, operator by operator. It has no
rearrangement between depth and space: these go in as the convolutions of zeros and ones that give the same maps.
"""

from __future__ import annotations

import importlib.util
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Add, Conv2D, DepthToSpace, DepthToSpaceMode, Op, ResizeNearest, SpaceToDepth

if TYPE_CHECKING:
    from bakenn.ir import QuantizedGraph

ENGINE = "bakenn"


@dataclass(frozen=True, slots=True)
class Arena:
    """bakenn's arena (activations between input and output, and kernel scratch), and the caller's buffers, in bytes."""

    arena_bytes: int
    caller_bytes: int

    @property
    def total_bytes(self) -> int:
        return self.arena_bytes + self.caller_bytes


class NotTakenError(Exception):
    """bakenn cannot take the network; the text says why."""


def is_installed() -> bool:
    return importlib.util.find_spec("bakenn") is not None


def bakenn_arena(graph: Graph) -> Arena:
    """Compile `graph` with bakenn and its CMSIS-NN kernels. Raises NotTakenError."""
    import bakenn

    options = bakenn.CBackendOptions(
        kernel_policy=bakenn.KernelPolicy.STATIC_PRIORITY, enable_cmsis_nn=True, target=bakenn.CORTEX_M4
    )
    with tempfile.TemporaryDirectory(prefix="tinyanime-bakenn-") as folder:
        try:
            report = bakenn.compile(_translated(graph), folder, model_name="network", backend_options=options)
        except (bakenn.BakeNNError, ValueError) as error:
            raise NotTakenError(str(error)) from error
    memory = report.memory_report
    return Arena(memory.arena_bytes, memory.input_bytes + memory.output_bytes)


def _translated(graph: Graph) -> QuantizedGraph:
    from bakenn.ir import QuantizedGraph

    translation = _Translation(graph)
    for name in graph.tensors:
        translation.add_map(name)
    for op in graph.ops:
        translation.add(op)
    return QuantizedGraph(
        name="network",
        values=translation.values,
        constants=translation.constants,
        ops=tuple(translation.ops),
        inputs=graph.inputs,
        outputs=graph.outputs,
    )


class _Translation:
    """bakenn's values, constants and operators under construction; names are ours."""

    def __init__(self, graph: Graph) -> None:
        from bakenn.ir import TensorType

        self.graph = graph
        self.values: dict[str, TensorType] = {}
        self.constants: dict[str, NDArray[np.generic]] = {}
        # bakenn's protocol for operators asks for a name that can be set, which its own frozen operators do not have.
        self.ops: list[Any] = []

    def add_map(self, name: str) -> None:
        from bakenn.ir import DType, Layout, PerTensorQParams, TensorType

        tensor = self.graph.tensors[name]
        if len(tensor.shape) != 4:
            raise NotTakenError(f"tensor '{name}' of rank {len(tensor.shape)} has no translation")
        quantization = PerTensorQParams(tensor.quantization.scale, tensor.quantization.zero_point)
        self.values[name] = TensorType(tensor.shape, DType.INT8, Layout.NHWC, quantization)

    def add(self, op: Op) -> None:
        from bakenn.ir import AddOp, ResizeNearest2DOp

        match op:
            case Conv2D():
                self._add_conv(op)
            case Add():
                left, right = op.inputs
                self.ops.append(AddOp(op.name, left, right, op.output, op.clamp.minimum, op.clamp.maximum))
            case ResizeNearest():
                self.ops.append(ResizeNearest2DOp(op.name, op.inputs[0], op.output))
            case SpaceToDepth(block=block, mode=DepthToSpaceMode.DCR):
                channels = self.graph.tensors[op.inputs[0]].channels
                self._add_unit_conv(op, block, _unit_filter(block, channels))
            case DepthToSpace(block=block, mode=DepthToSpaceMode.DCR):
                channels = self.graph.output_tensor(op).channels
                weights = _unit_filter(block, channels)
                self._add_unit_conv_transpose(op, block, np.ascontiguousarray(weights.transpose(3, 1, 2, 0)))
            case _:
                raise NotTakenError(f"operator '{op.name}' ({type(op).__name__}) has no translation")

    def _add_conv(self, op: Conv2D) -> None:
        from bakenn.ir import Conv2DOp

        weight, bias = self._add_filter(op, op.filter.values, op.filter.scales, op.filter.bias)
        pad = op.padding
        self.ops.append(
            Conv2DOp(
                op.name,
                op.inputs[0],
                weight,
                bias,
                op.output,
                stride=(op.stride.height, op.stride.width),
                dilation=(op.dilation.height, op.dilation.width),
                padding=(pad.top, pad.bottom, pad.left, pad.right),
                groups=op.groups,
                activation_min=op.clamp.minimum,
                activation_max=op.clamp.maximum,
            )
        )

    def _add_unit_conv(self, op: Op, block: int, weights: NDArray[np.int8]) -> None:
        from bakenn.ir import Conv2DOp

        weight, bias = self._add_unit_filter(op, weights)
        self.ops.append(Conv2DOp(op.name, op.inputs[0], weight, bias, op.output, stride=(block, block)))

    def _add_unit_conv_transpose(self, op: Op, block: int, weights: NDArray[np.int8]) -> None:
        from bakenn.ir import ConvTranspose2DOp

        weight, bias = self._add_unit_filter(op, weights)
        self.ops.append(ConvTranspose2DOp(op.name, op.inputs[0], weight, bias, op.output, stride=(block, block)))

    def _add_unit_filter(self, op: Op, weights: NDArray[np.int8]) -> tuple[str, str]:
        channels = weights.shape[0]
        return self._add_filter(op, weights, np.ones(channels), np.zeros(channels, np.int32))

    def _add_filter(
        self, op: Op, weights: NDArray[np.int8], scales: NDArray[np.float64], biases: NDArray[np.int32]
    ) -> tuple[str, str]:
        """Names of weights [out, rows, columns, in] and bias among the values."""
        from bakenn.ir import DType, Layout, PerAxisQParams, TensorType

        # bakenn rounds every scale to float32 and wants the bias scale to be the product of the rounded ones.
        rounded = scales.astype(np.float32).astype(np.float64)
        input_scale = float(np.float32(self.graph.tensors[op.inputs[0]].quantization.scale))
        zeros = (0,) * len(scales)
        weight, bias = f"{op.name}.weight", f"{op.name}.bias"
        per_weight = PerAxisQParams(tuple(float(s) for s in rounded), zeros, 0)
        per_bias = PerAxisQParams(tuple(float(s) for s in input_scale * rounded), zeros, 0)
        self.values[weight] = TensorType(weights.shape, DType.INT8, Layout.OHWI, per_weight)
        self.values[bias] = TensorType(biases.shape, DType.INT32, Layout.C, per_bias)
        self.constants |= {weight: weights, bias: biases}
        return weight, bias


def _unit_filter(block: int, channels: int) -> NDArray[np.int8]:
    """[block * block * channels, block, block, channels]: output channel (row, column, channel) copies that element."""
    weights = np.zeros((block, block, channels, block, block, channels), np.int8)
    for row in range(block):
        for column in range(block):
            for channel in range(channels):
                weights[row, column, channel, row, column, channel] = 1
    return weights.reshape(block * block * channels, block, block, channels)
