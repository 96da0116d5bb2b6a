"""DepthToSpace, SpaceToDepth, and everything that only reshapes or transposes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tinyanime.codegen.frontend.importer import Importer
from tinyanime.codegen.frontend.node import Node
from tinyanime.codegen.frontend.values import Rearranged
from tinyanime.codegen.ir.ops import DepthToSpace, DepthToSpaceMode, SpaceToDepth


def import_depth_to_space(importer: Importer, node: Node) -> None:
    text = node.text("mode", "DCR")
    if text not in DepthToSpaceMode.__members__:
        raise node.refusal(f"has mode {text}, DCR and CRD are supported")
    op = DepthToSpace(name=node.name, inputs=("",), output="", block=_block(node), mode=DepthToSpaceMode(text))
    importer.define_move(node, op)


def import_space_to_depth(importer: Importer, node: Node) -> None:
    text = node.text("mode", "DCR")
    if text not in DepthToSpaceMode.__members__:
        raise node.refusal(f"has mode {text}, DCR and CRD are supported")
    op = SpaceToDepth(name=node.name, inputs=("",), output="", block=_block(node), mode=DepthToSpaceMode(text))
    importer.define_move(node, op)


def _block(node: Node) -> int:
    block = node.integer("blocksize", 0)
    if block < 1:
        raise node.refusal(f"has blocksize {block}, at least 1 is needed")
    return block


def import_reshape(importer: Importer, node: Node) -> None:
    """Reshape to a constant shape (0 copies a size, -1 is computed)."""
    wanted = importer.constant(node, 1)
    if wanted is None:
        raise node.refusal("lacks its shape")
    value = _rearranged(importer, node)
    sizes = [int(size) for size in wanted.ravel()]
    before = value.indices.shape
    if not node.integer("allowzero", 0):
        if any(size == 0 and i >= len(before) for i, size in enumerate(sizes)):
            raise node.refusal(f"copies a size that its input of rank {len(before)} does not have")
        sizes = [before[i] if size == 0 else size for i, size in enumerate(sizes)]
    _define(importer, node, value, tuple(sizes))


def import_flatten(importer: Importer, node: Node) -> None:
    """Flatten to two axes; what lies before `axis` must be the batch of one."""
    value = _rearranged(importer, node)
    shape = value.indices.shape
    axis = node.integer("axis", 1)
    axis += len(shape) if axis < 0 else 0
    _define(importer, node, value, (int(np.prod(shape[:axis], dtype=np.int64)), -1))


def import_squeeze(importer: Importer, node: Node) -> None:
    value = _rearranged(importer, node)
    shape = value.indices.shape
    axes = _axes(importer, node, len(shape)) or [i for i, size in enumerate(shape) if size == 1]
    _define(importer, node, value, tuple(size for i, size in enumerate(shape) if i not in axes))


def import_unsqueeze(importer: Importer, node: Node) -> None:
    value = _rearranged(importer, node)
    given = importer.constant(node, 1)
    count = len(node.integers("axes", ())) if given is None else given.size
    rank = value.indices.ndim + count
    axes = _axes(importer, node, rank)
    sizes = iter(value.indices.shape)
    _define(importer, node, value, tuple(1 if i in axes else next(sizes) for i in range(rank)))


def _axes(importer: Importer, node: Node, rank: int) -> list[int]:
    """Axes as an attribute (opset 11) or an input (since 13)."""
    given = importer.constant(node, 1)
    axes = node.integers("axes", ()) if given is None else tuple(int(axis) for axis in given.ravel())
    return [axis % rank for axis in axes]


def import_transpose(importer: Importer, node: Node) -> None:
    """Any permutation, as long as the chain it stands in amounts to a supported operator."""
    value = _rearranged(importer, node)
    rank = value.indices.ndim
    order = node.integers("perm", ()) or tuple(reversed(range(rank)))
    if sorted(order) != list(range(rank)):
        raise node.refusal(f"has perm {list(order)} on a tensor of rank {rank}")
    importer.define(node.output, Rearranged(node, value.source, value.indices.transpose(order)))


def _rearranged(importer: Importer, node: Node) -> Rearranged:
    value = importer.value(node, 0)
    if isinstance(value, Rearranged):
        return value
    source = importer.movable(node, 0)
    shape = importer.onnx_shape(importer.shape_of(source))
    indices = np.arange(int(np.prod(shape, dtype=np.int64)), dtype=np.int64).reshape(shape)
    return Rearranged(node, source, indices)


def _define(importer: Importer, node: Node, value: Rearranged, shape: tuple[int, ...]) -> None:
    try:
        indices: NDArray[np.int64] = value.indices.reshape(shape)
    except ValueError as error:
        raise node.refusal(f"cannot give shape {list(shape)} to a tensor of {list(value.indices.shape)}") from error
    importer.define(node.output, Rearranged(node, value.source, indices))
