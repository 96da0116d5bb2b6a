"""Strides, dilations and paddings that convolutions and poolings share."""

from __future__ import annotations

from tinyanime.codegen.frontend.node import Node
from tinyanime.codegen.ir.ops import Padding, Size2D


def read_size(node: Node, attribute: str) -> Size2D:
    """A pair (height, width) of positive integers, (1, 1) where the attribute is left out."""
    height, width = node.integers(attribute, (1, 1))
    if height < 1 or width < 1:
        raise node.refusal(f"has {attribute} {[height, width]}, both must be at least 1")
    return Size2D(height, width)


def read_padding(node: Node, size: tuple[int, int], kernel: Size2D, stride: Size2D) -> Padding:
    """`pads` or `auto_pad` as explicit padding of a map of `size` (height, width) under an (undilated) kernel."""
    mode = node.text("auto_pad", "NOTSET")
    if mode == "NOTSET":
        top, left, bottom, right = node.integers("pads", (0, 0, 0, 0))
        if min(top, left, bottom, right) < 0:
            raise node.refusal("has negative pads")
        return Padding(top, left, bottom, right)
    if mode == "VALID":
        return Padding()
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        raise node.refusal(f"has auto_pad {mode}, which is not known")
    rows = _same(size[0], kernel.height, stride.height, mode)
    columns = _same(size[1], kernel.width, stride.width, mode)
    return Padding(rows[0], columns[0], rows[1], columns[1])


def _same(size: int, kernel: int, stride: int, mode: str) -> tuple[int, int]:
    """Padding before and after such that ceil(size / stride) windows fit (ONNX, Conv, auto_pad)."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    less, more = total // 2, total - total // 2
    return (less, more) if mode == "SAME_UPPER" else (more, less)
