"""One call of a kernel with a window, as ESP-NN sees it: a band of rows is a map of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Conv2D, Padding, Size2D


@dataclass(frozen=True, slots=True)
class WindowCall:
    """Elements throughout; `padding` is that of the band: rows and columns that windows reach beyond the input."""

    in_height: int
    in_width: int
    in_channels: int
    out_height: int
    out_width: int
    out_channels: int
    kernel: Size2D
    stride: Size2D
    padding: Padding

    @property
    def window_elements(self) -> int:
        """Elements of a window over all input channels."""
        return self.kernel.height * self.kernel.width * self.in_channels

    @property
    def row_elements(self) -> int:
        """Elements of one row of a window."""
        return self.kernel.width * self.in_channels

    @property
    def is_pointwise(self) -> bool:
        return self.kernel == self.stride == Size2D(1, 1) and self.padding.top == self.padding.left == 0


def whole_call(graph: Graph, op: Conv2D) -> WindowCall:
    """All rows in one call."""
    source, target = graph.tensors[op.inputs[0]], graph.output_tensor(op)
    kernel, stride = op.filter.kernel, op.stride
    top, left = op.padding.top, op.padding.left
    below = max(0, (target.height - 1) * stride.height + kernel.height - top - source.height)
    right = max(0, (target.width - 1) * stride.width + kernel.width - left - source.width)
    return WindowCall(
        source.height,
        source.width,
        source.channels,
        target.height,
        target.width,
        target.channels,
        kernel,
        stride,
        Padding(top, left, below, right),
    )


def band_calls(whole: WindowCall, rows: int) -> Iterator[WindowCall]:
    """Every shape that a call of `rows` output rows may have: at the top, in the middle, and cut off below."""
    for top in {whole.padding.top, 0}:
        needed = (rows - 1) * whole.stride.height + whole.kernel.height - top
        for cut in range(whole.padding.bottom + 1):
            height = whole.in_height if rows == whole.out_height else min(whole.in_height, needed - cut)
            if height > 0:
                padding = Padding(top, whole.padding.left, max(0, needed - height), whole.padding.right)
                yield WindowCall(
                    height,
                    whole.in_width,
                    whole.in_channels,
                    rows,
                    whole.out_width,
                    whole.out_channels,
                    whole.kernel,
                    whole.stride,
                    padding,
                )
