"""Add, Relu and Clip."""

from __future__ import annotations

import math
from dataclasses import replace

from tinyanime.codegen.frontend.importer import Importer
from tinyanime.codegen.frontend.node import Node
from tinyanime.codegen.frontend.values import Pending, Quantized, Rearranged
from tinyanime.codegen.ir.ops import Add, Requantize


def import_add(importer: Importer, node: Node) -> None:
    """Sum of two activations of equal shape."""
    inputs = (importer.activation(node, 0), importer.activation(node, 1))
    importer.define_arithmetic(node, Add(name=node.name, inputs=inputs, output=""))


def import_relu(importer: Importer, node: Node) -> None:
    """Clip to [0, infinity)."""
    _bound(importer, node, 0.0, math.inf)


def import_clip(importer: Importer, node: Node) -> None:
    """Clip to constant bounds; where they cross, ONNX makes every element the upper one."""
    bounds = [-math.inf, math.inf]
    for index in (1, 2):
        array = importer.constant(node, index)
        if array is None:
            continue
        if array.size != 1 or math.isnan(bound := float(array.reshape(-1)[0])):
            raise node.refusal(f"has a bound '{node.input_name(index)}' that is not one number")
        bounds[index - 1] = bound
    _bound(importer, node, min(bounds), bounds[1])


def _bound(importer: Importer, node: Node, lower: float, upper: float) -> None:
    """Clip what awaits its QuantizeLinear; an int8 tensor needs a Requantize of its own."""
    value = importer.value(node, 0)
    if isinstance(value, Rearranged) and isinstance(value.source, Pending):
        source = replace(value.source, node=node, bounds=value.source.bounds.then(lower, upper))
        importer.define(node.output, replace(value, source=source))
        return
    moved = importer.movable(node, 0)
    if isinstance(moved, Quantized):
        raise importer.unusable(node, 0, moved)
    if isinstance(moved, Pending):
        clipped = replace(moved, node=node, bounds=moved.bounds.then(lower, upper))
        importer.define(node.output, clipped)
        return
    op = Requantize(name=node.name, inputs=(moved.tensor,), output="")
    importer.define_move(node, op)
    pending = importer.values[node.output]
    if isinstance(pending, Pending):
        importer.values[node.output] = replace(pending, bounds=pending.bounds.then(lower, upper))
