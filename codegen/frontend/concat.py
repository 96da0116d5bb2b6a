"""Concat."""

from __future__ import annotations

from tinyanime.codegen.frontend.importer import Importer
from tinyanime.codegen.frontend.node import Node
from tinyanime.codegen.ir.ops import Concat

NHWC_AXIS = {1: 3, 2: 1, 3: 2}
"""ONNX axis of a rank-4 tensor to the IR's."""


def import_concat(importer: Importer, node: Node) -> None:
    """Join activations along any axis but the batch."""
    inputs = tuple(importer.activation(node, index) for index in range(len(node.inputs)))
    rank = len(importer.tensors[inputs[0]].shape)
    axis = node.integer("axis", 0)
    axis += rank if axis < 0 else 0
    if axis < 1 or axis >= rank:
        raise node.refusal(f"joins along axis {node.integer('axis', 0)}, the batch must stay 1")
    nhwc = NHWC_AXIS[axis] if rank == 4 else axis
    importer.define_arithmetic(node, Concat(name=node.name, inputs=inputs, output="", axis=nhwc))
