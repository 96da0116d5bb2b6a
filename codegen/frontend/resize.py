"""Resize: nearest neighbour by whole factors."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tinyanime.codegen.frontend.importer import Importer
from tinyanime.codegen.frontend.node import Node
from tinyanime.codegen.ir.ops import ResizeNearest, Size2D

RESIZE_HINT = (
    "Export it as mode nearest with whole factors, coordinate_transformation_mode asymmetric, nearest_mode floor."
)

LARGEST_FACTOR = 255


def import_resize(importer: Importer, node: Node) -> None:
    """Any mode whose source rows and columns turn out to be `floor(i / factor)`, checked index by index."""
    if node.text("mode", "nearest") != "nearest":
        raise node.refusal(f"has mode {node.text('mode', 'nearest')}, only nearest is supported", RESIZE_HINT)
    if node.text("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise node.refusal("has a keep_aspect_ratio_policy other than stretch", RESIZE_HINT)
    value = importer.movable(node, 0)
    shape = importer.onnx_shape(importer.shape_of(value))
    if len(shape) != 4:
        raise node.refusal(f"has an input of rank {len(shape)}, rank 4 is supported")
    factors = _factors(importer, node, shape)
    if factors[:2] != (1.0, 1.0):
        raise node.refusal("resizes batch or channels, only rows and columns can be resized", RESIZE_HINT)
    whole = [_whole_factor(node, factor, size) for factor, size in zip(factors[2:], shape[2:], strict=True)]
    if whole == [1, 1]:
        importer.define(node.output, value)
        return
    importer.define_move(node, ResizeNearest(name=node.name, inputs=("",), output="", factor=Size2D(*whole)))


def _factors(importer: Importer, node: Node, shape: tuple[int, ...]) -> tuple[float, ...]:
    """Factor of each ONNX axis, from `scales` or `sizes` and the optional attribute `axes`."""
    scales, sizes = importer.constant(node, 2), importer.constant(node, 3)
    axes = [axis % 4 for axis in node.integers("axes", ())] or [0, 1, 2, 3]
    factors = [1.0] * 4
    given = scales if scales is not None and scales.size else sizes
    if given is None or given.size != len(axes):
        raise node.refusal("has neither scales nor sizes for its axes", RESIZE_HINT)
    for axis, number in zip(axes, given.ravel().astype(np.float64), strict=True):
        factors[axis] = float(number) if given is scales else float(number) / shape[axis]
    return tuple(factors)


def _whole_factor(node: Node, factor: float, size: int) -> int:
    if not math.isfinite(factor) or factor < 1.0 or factor != round(factor):
        raise node.refusal(f"resizes by {factor:g}, only whole factors of at least 1 are supported", RESIZE_HINT)
    whole = round(factor)
    if whole > LARGEST_FACTOR:
        raise node.refusal(f"resizes by {whole}, factors up to {LARGEST_FACTOR} are supported", RESIZE_HINT)
    if not np.array_equal(_source_indices(node, whole, size), np.arange(size * whole) // whole):
        raise node.refusal(
            f"has coordinate_transformation_mode {node.text('coordinate_transformation_mode', 'half_pixel')} and "
            f"nearest_mode {node.text('nearest_mode', 'round_prefer_floor')}, which is not plain repetition",
            RESIZE_HINT,
        )
    return whole


def _source_indices(node: Node, factor: int, size: int) -> NDArray[np.int64]:
    """Source index of every output index along one axis (ONNX operator Resize), in float32 as runtimes compute it."""
    index = np.arange(size * factor, dtype=np.float32)
    scale = np.float32(factor)
    mode = node.text("coordinate_transformation_mode", "half_pixel")
    match mode:
        case "asymmetric":
            position = index / scale
        case "half_pixel" | "half_pixel_symmetric":
            position = (index + np.float32(0.5)) / scale - np.float32(0.5)
        case "pytorch_half_pixel":
            half = np.float32(0.5) if size * factor > 1 else np.float32(0.0)
            position = (index + half) / scale - half
        case "align_corners":
            position = index * np.float32((size - 1) / max(size * factor - 1, 1))
        case _:
            raise node.refusal(f"has coordinate_transformation_mode {mode}, which is not supported", RESIZE_HINT)
    nearest = node.text("nearest_mode", "round_prefer_floor")
    match nearest:
        case "floor":
            rounded = np.floor(position)
        case "ceil":
            rounded = np.ceil(position)
        case "round_prefer_floor":
            rounded = np.ceil(position - np.float32(0.5))
        case "round_prefer_ceil":
            rounded = np.floor(position + np.float32(0.5))
        case _:
            raise node.refusal(f"has nearest_mode {nearest}, which is not known", RESIZE_HINT)
    indices: NDArray[np.int64] = np.clip(rounded, 0, size - 1).astype(np.int64)
    return indices
