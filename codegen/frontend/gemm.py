"""Gemm and MatMul with constant weights."""

from __future__ import annotations

from tinyanime.codegen.frontend.filters import build_filter, read_weights
from tinyanime.codegen.frontend.importer import Importer
from tinyanime.codegen.frontend.node import Node
from tinyanime.codegen.ir.ops import FullyConnected


def import_gemm(importer: Importer, node: Node) -> None:
    """Gemm with alpha = beta = 1, no transA, weights as B."""
    if node.real("alpha", 1.0) != 1.0 or node.real("beta", 1.0) != 1.0:
        raise node.refusal("has alpha or beta other than 1", "Fold them into the weights and the bias.")
    if node.integer("transA", 0):
        raise node.refusal("transposes its input A, only the weights B may be transposed")
    _import(importer, node, transposed=bool(node.integer("transB", 0)))


def import_matmul(importer: Importer, node: Node) -> None:
    """MatMul of [1, F] and constant weights [F, out]."""
    _import(importer, node, transposed=False)


def _import(importer: Importer, node: Node, *, transposed: bool) -> None:
    source = importer.activation(node, 0)
    order, axis = ((0, 1), 0) if transposed else ((1, 0), 1)
    weights = build_filter(importer, node, read_weights(importer, node, 2), order, axis)
    importer.define_arithmetic(node, FullyConnected(name=node.name, inputs=(source,), output="", filter=weights))
