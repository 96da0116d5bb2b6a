"""Constant arrays of the generated C: weights, biases, requantization factors, in the order kernels read them."""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from tinyanime.codegen.esp_nn.library import DEPTHWISE
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Filter, Op
from tinyanime.codegen.ir.rescale import FilterOp, conv_multipliers
from tinyanime.codegen.kernels.catalogue import convolution_kernel
from tinyanime.codegen.kernels.channels import channel_scales
from tinyanime.codegen.kernels.kernel import Kernel


@dataclass(frozen=True, eq=False, slots=True)
class ConstantArray:
    """One C array: `values` flattened in the order given by `layout`; of a structure, [elements, fields]."""

    symbol: str
    c_type: str
    values: NDArray[np.int8] | NDArray[np.int32]
    layout: str
    title: str

    @property
    def size_bytes(self) -> int:
        return int(self.values.nbytes)


@dataclass(frozen=True, slots=True)
class FilterSymbols:
    """C names of a layer's constants."""

    weights: str
    bias: str
    multipliers: str
    shifts: str
    channels: str


def filter_of(op: Op) -> Filter | None:
    """The operator's weights, where it has some."""
    return op.filter if isinstance(op, FilterOp) else None


def weights_bytes(weights: Filter) -> int:
    """Flash of a layer's constants: weights, biases, mantissas and shifts."""
    return int(weights.values.nbytes + 3 * weights.bias.nbytes)


def layer_symbol(index: int) -> str:
    """C name of the function of operator number `index`, and stem of its tables."""
    return f"layer_{index:02d}"


def filter_symbols(index: int) -> FilterSymbols:
    stem = layer_symbol(index)
    return FilterSymbols(f"{stem}_weights", f"{stem}_bias", f"{stem}_multipliers", f"{stem}_shifts", f"{stem}_channels")


def constant_arrays(graph: Graph, index: int, op: Op, kernel: Kernel) -> tuple[ConstantArray, ...]:
    """Arrays of operator number `index`; empty where it has no weights."""
    weights = filter_of(op)
    if weights is None:
        return ()
    assert isinstance(op, FilterOp)
    symbols = filter_symbols(index)
    known = convolution_kernel(kernel)
    if known is not None:
        scales = np.array([astuple(scale) for scale in channel_scales(graph, op)], dtype=np.int32)
        layout = "[out] of bias, Q31 multiplier, rounding, shift"
        return (
            ConstantArray(symbols.weights, "int8_t", known.pack_weights(weights).ravel(), known.layout, op.name),
            ConstantArray(symbols.channels, "ta_channel", scales, layout, f"{op.name}, requantization"),
        )
    values, layout = _weights_in_kernel_order(weights, kernel)
    arrays = [
        ConstantArray(symbols.weights, "int8_t", values, layout, op.name),
        ConstantArray(symbols.bias, "int32_t", weights.bias, "[out]", f"{op.name}, bias"),
    ]
    if kernel.function != "arm_fully_connected_s8":
        factors = conv_multipliers(op, graph)
        mantissas = np.array([m.mantissa for m in factors], dtype=np.int32)
        shifts = np.array([m.shift for m in factors], dtype=np.int32)
        arrays.append(ConstantArray(symbols.multipliers, "int32_t", mantissas, "[out], Q31", f"{op.name}, mantissas"))
        arrays.append(ConstantArray(symbols.shifts, "int32_t", shifts, "[out], > 0 is left", f"{op.name}, shifts"))
    return tuple(arrays)


def _weights_in_kernel_order(weights: Filter, kernel: Kernel) -> tuple[NDArray[np.int8], str]:
    if kernel.function in ("arm_depthwise_conv_wrapper_s8", DEPTHWISE):
        return np.ascontiguousarray(weights.values[..., 0].transpose(1, 2, 0)).ravel(), "[kernel h, kernel w, out]"
    return weights.values.ravel(), "[out, kernel h, kernel w, in]"
