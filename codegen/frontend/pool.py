"""MaxPool, AveragePool and GlobalAveragePool."""

from __future__ import annotations

from tinyanime.codegen.frontend.importer import Importer
from tinyanime.codegen.frontend.node import Node
from tinyanime.codegen.frontend.windows import read_padding, read_size
from tinyanime.codegen.ir.ops import AveragePool, MaxPool, Pad, Padding, Size2D


def import_max_pool(importer: Importer, node: Node) -> None:
    """MaxPool without dilation, ceil_mode and indices."""
    if len([name for name in node.outputs if name]) > 1:
        raise node.refusal("gives indices as a second output, which is not supported")
    kernel, stride, padding = _window(importer, node)
    op = MaxPool(name=node.name, inputs=("",), output="", kernel=kernel, stride=stride, padding=padding)
    importer.define_move(node, op)


def import_average_pool(importer: Importer, node: Node) -> None:
    """AveragePool; padding that counts (count_include_pad) becomes a Pad with real zero in front."""
    kernel, stride, padding = _window(importer, node)
    if node.integer("count_include_pad", 0) and padding != Padding():
        pad = Pad(name=f"{node.name}_pad", inputs=("",), output="", padding=padding)
        padded = importer.moved(node, importer.movable(node, 0), pad, f"{node.output}_padded", fill=0.0)
        op = AveragePool(name=node.name, inputs=("",), output="", kernel=kernel, stride=stride)
        importer.define_move(node, op, source=padded)
        return
    op = AveragePool(name=node.name, inputs=("",), output="", kernel=kernel, stride=stride, padding=padding)
    importer.define_move(node, op)


def import_global_average_pool(importer: Importer, node: Node) -> None:
    """AveragePool whose kernel is the whole map."""
    shape = importer.shape_of(importer.movable(node, 0))
    if len(shape) != 4:
        raise node.refusal(f"has an input of rank {len(shape)}, rank 4 is supported")
    kernel = Size2D(shape[1], shape[2])
    op = AveragePool(name=node.name, inputs=("",), output="", kernel=kernel, stride=Size2D(1, 1))
    importer.define_move(node, op)


def _window(importer: Importer, node: Node) -> tuple[Size2D, Size2D, Padding]:
    if node.integer("ceil_mode", 0):
        raise node.refusal("has ceil_mode 1, only windows that lie inside the padded map are supported")
    if read_size(node, "dilations") != Size2D(1, 1):
        raise node.refusal("is dilated, pooling is supported without dilation")
    kernel = Size2D(*node.integers("kernel_shape", (1, 1)))
    stride = read_size(node, "strides")
    shape = importer.shape_of(importer.movable(node, 0))
    if len(shape) != 4:
        raise node.refusal(f"has an input of rank {len(shape)}, rank 4 is supported")
    return kernel, stride, read_padding(node, (shape[1], shape[2]), kernel, stride)
