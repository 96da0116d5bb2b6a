"""Every invariant, violated once: the error names the node or tensor."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tinyanime.codegen.errors import ModelError
from tinyanime.codegen.ir import ops
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Clamp, Filter, Op, Padding, Size2D
from tinyanime.codegen.ir.tensor import Quantization, Tensor
from tinyanime.codegen.ir.verify import verify_graph

Q = Quantization(0.1, -3)


def weights(channels: int = 4, value: int = 3) -> Filter:
    values = np.full((channels, 3, 3, 2), value, np.int8)
    return Filter(values, np.full(channels, 0.01), np.zeros(channels, np.int32))


def cut(whole: Filter) -> Filter:
    """Without the last kernel row."""
    return replace(whole, values=np.ascontiguousarray(whole.values[:, :2]))


def sound() -> Graph:
    """photo -> conv -> pool -> outcome, and a sum of the pooled map with itself."""
    tensors = [
        Tensor("photo", (1, 6, 6, 2), Quantization(0.05, 7)),
        Tensor("map", (1, 6, 6, 4), Q),
        Tensor("pooled", (1, 3, 3, 4), Q),
        Tensor("outcome", (1, 3, 3, 4), Quantization(0.2, 0)),
    ]
    conv = ops.Conv2D(name="conv", inputs=("photo",), output="map", filter=weights(), padding=Padding(1, 1, 1, 1))
    pool = ops.MaxPool(name="pool", inputs=("map",), output="pooled", kernel=Size2D(2, 2), stride=Size2D(2, 2))
    add = ops.Add(name="add", inputs=("pooled", "pooled"), output="outcome")
    return Graph("sound", ("photo",), ("outcome",), {t.name: t for t in tensors}, (conv, pool, add))


def with_tensor(tensor: Tensor) -> Graph:
    graph = sound()
    return replace(graph, tensors={**graph.tensors, tensor.name: tensor})


def with_op(index: int, change: Callable[[Op], Op]) -> Graph:
    graph = sound()
    changed = list(graph.ops)
    changed[index] = change(changed[index])
    return replace(graph, ops=tuple(changed))


def changed(index: int, **fields: object) -> Graph:
    return with_op(index, lambda op: replace(op, **fields))  # type: ignore[arg-type]


def test_a_sound_graph_passes() -> None:
    verify_graph(sound())


def big_bias() -> Filter:
    return replace(weights(), bias=np.array([0, 0, (1 << 31) - 500, 0], np.int32))


def one_weight(value: int) -> Filter:
    values = weights().values.copy()
    values[1, 0, 0, 0] = value
    return replace(weights(), values=values)


MAP = Tensor("map", (1, 6, 6, 4), Q)

FAULTS: dict[str, tuple[Callable[[], Graph], str]] = {
    "scale zero": (lambda: with_tensor(replace(MAP, quantization=Quantization(0.0, 0))), "'map' has scale 0.0"),
    "scale nan": (lambda: with_tensor(replace(MAP, quantization=Quantization(math.nan, 0))), "'map' has scale nan"),
    "zero point": (lambda: with_tensor(replace(MAP, quantization=Quantization(1.0, 128))), "zero point 128"),
    "batch": (lambda: with_tensor(replace(MAP, shape=(2, 6, 6, 4))), "'map' has shape"),
    "rank": (lambda: with_tensor(replace(MAP, shape=(1, 6, 4))), "'map' has shape"),
    "empty": (lambda: with_tensor(replace(MAP, shape=(1, 0, 6, 4))), "'map' has shape"),
    "no operators": (lambda: replace(sound(), ops=()), "has no operators"),
    "no outputs": (lambda: replace(sound(), outputs=()), "no input or no output"),
    "order": (lambda: replace(sound(), ops=sound().ops[::-1]), "'add' reads tensor 'pooled' before"),
    "two writers": (lambda: changed(1, output="map"), "'pool' writes tensor 'map', which is written"),
    "unknown tensor": (lambda: changed(1, inputs=("ghost",)), "'pool' refers to tensor 'ghost'"),
    "never written": (lambda: with_tensor(replace(MAP, name="orphan")), "'orphan' is never written"),
    "same name": (lambda: changed(1, name="conv"), "'conv' is empty or used twice"),
    "arity": (lambda: changed(2, inputs=("pooled",)), r"'add' \(Add\) has 1 input"),
    "shape": (lambda: changed(0, padding=Padding(1, 1, 1, 0)), r"'conv' \(Conv2D\) computes shape \[1, 6, 5, 4\]"),
    "channels": (lambda: changed(0, groups=2), "'conv'.*do not go with 2 input channels"),
    "small map": (lambda: changed(1, kernel=Size2D(7, 7)), "'pool'.*smaller than the kernel"),
    "empty window": (lambda: changed(1, padding=Padding(2, 0, 0, 0)), "'pool'.*windows would be empty"),
    "stride": (lambda: changed(1, stride=Size2D(0, 1)), "'pool'.*stride 0 x 1"),
    "negative padding": (lambda: changed(0, padding=Padding(-1, 1, 1, 1)), "'conv'.*negative padding"),
    "clamp": (lambda: changed(0, clamp=Clamp(5, 4)), r"'conv'.*output range \[5, 4\]"),
    "clamp range": (lambda: changed(0, clamp=Clamp(-129, 4)), r"'conv'.*output range \[-129, 4\]"),
    "pool scale": (
        lambda: with_tensor(Tensor("pooled", (1, 3, 3, 4), Quantization(0.2, -3))),
        "'pool'.*must keep the quantization of 'map' in 'pooled'",
    ),
    "weight": (lambda: changed(0, filter=one_weight(-128)), "'conv', output channel 1: weight -128"),
    "weight scale": (
        lambda: changed(0, filter=replace(weights(), scales=np.array([1, 1, 1, math.inf]))),
        "'conv', output channel 3: weight scale inf",
    ),
    "bias type": (
        lambda: changed(0, filter=replace(weights(), bias=np.zeros(3, np.int32))),
        "'conv' needs 4 weight scales and int32 biases",
    ),
    "overflow": (lambda: changed(0, filter=big_bias()), "'conv', output channel 2: the accumulator can reach 21474"),
    "left shift": (
        lambda: changed(0, filter=replace(weights(), scales=np.full(4, 2.0**24))),
        "'conv', output channel 0: rescaling an accumulator of 7290 by",
    ),
    "multiplier": (
        lambda: changed(0, filter=replace(weights(), scales=np.full(4, 1e12))),
        "'conv' cannot be rescaled: multiplier .* is too large",
    ),
    "add scales": (
        lambda: with_tensor(Tensor("outcome", (1, 3, 3, 4), Quantization(1e-9, 0))),
        "'add': rescaling the sum leaves int32",
    ),
}


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_a_violated_invariant_is_named(fault: str) -> None:
    build, pattern = FAULTS[fault]
    with pytest.raises(ModelError, match=pattern):
        verify_graph(build())


def test_the_overflow_proof_is_tight() -> None:
    """The largest bias that still fits passes: 18 weights of 3 times 135, the largest |x - 7|."""
    most = (1 << 31) - 1 - 18 * 3 * 135
    scales = np.full(4, 1e-6)
    for bias, fits in ((most, True), (most + 1, False)):
        filter_ = Filter(weights().values, scales, np.full(4, bias, np.int32))
        if fits:
            verify_graph(changed(0, filter=filter_))
        else:
            with pytest.raises(ModelError, match=f"can reach {1 << 31}"):
                verify_graph(changed(0, filter=filter_))


@pytest.mark.parametrize(
    ("op", "shape", "pattern"),
    [
        (ops.Reshape(name="x", inputs=("photo",), output="y"), (1, 71), "turns 72 elements into 71"),
        (
            ops.Pad(name="x", inputs=("photo",), output="y", padding=Padding(6, 0, 0, 0), mode=ops.PadMode.REFLECT),
            (1, 12, 6, 2),
            "reflection is as large",
        ),
        (
            ops.Pad(name="x", inputs=("photo",), output="y", padding=Padding(1, 0, 0, 0), value=200),
            (1, 7, 6, 2),
            "padding value 200",
        ),
        (ops.DepthToSpace(name="x", inputs=("photo",), output="y", block=2), (1, 12, 12, 1), "block 2 squared"),
        (ops.SpaceToDepth(name="x", inputs=("photo",), output="y", block=0), (1, 6, 6, 2), "block 0"),
        (ops.Concat(name="x", inputs=("photo", "photo"), output="y", axis=0), (1, 6, 6, 2), "axis 0 is outside"),
        (
            ops.TransposeConv2D(
                name="x",
                inputs=("photo",),
                output="y",
                filter=weights(),
                stride=Size2D(1, 1),
                output_padding=Size2D(1, 0),
            ),
            (1, 9, 8, 4),
            "output padding 1 x 0",
        ),
        (
            ops.UpsampleConv2D(name="x", inputs=("photo",), output="y", filter=weights()),
            (1, 6, 6, 4),
            r"computes shape \[1, 12, 12, 4\]",
        ),
        (
            ops.UpsampleConv2D(name="x", inputs=("pooled",), output="y", filter=weights()),
            (1, 6, 6, 4),
            "weights for 2 input channels do not go with 4",
        ),
        (
            ops.UpsampleConv2D(name="x", inputs=("photo",), output="y", filter=cut(weights())),
            (1, 12, 12, 4),
            "kernel is 2 x 3 instead of 3 x 3",
        ),
        (
            ops.FullyConnected(name="x", inputs=("photo",), output="y", filter=weights()),
            (1, 4),
            r"weights for \[1, 2\]",
        ),
    ],
)
def test_an_operator_with_wrong_attributes_is_named(op: Op, shape: tuple[int, ...], pattern: str) -> None:
    quantization = Quantization(0.05, 7)
    tensors = {
        "photo": Tensor("photo", (1, 6, 6, 2), quantization),
        "pooled": Tensor("pooled", (1, 3, 3, 4), quantization),
        "y": Tensor("y", shape, quantization),
    }
    with pytest.raises(ModelError, match=f"Node 'x'.*{pattern}"):
        verify_graph(Graph("g", ("photo", "pooled"), ("y",), tensors, (op,)))
