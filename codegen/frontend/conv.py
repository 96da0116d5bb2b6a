"""Conv and ConvTranspose."""

from __future__ import annotations

from tinyanime.codegen.frontend.filters import build_filter, read_weights
from tinyanime.codegen.frontend.importer import Importer
from tinyanime.codegen.frontend.node import Node
from tinyanime.codegen.frontend.windows import read_padding, read_size
from tinyanime.codegen.ir.ops import Conv2D, Padding, Size2D, TransposeConv2D
from tinyanime.codegen.ir.shapes import effective_kernel


def _check_kernel(node: Node, kernel: Size2D) -> None:
    declared = node.integers("kernel_shape", ())
    if declared and declared != (kernel.height, kernel.width):
        raise node.refusal(f"declares kernel {list(declared)} but has weights for [{kernel.height}, {kernel.width}]")


def import_conv(importer: Importer, node: Node) -> None:
    """Conv with any groups, strides, dilations and paddings; weights [out, in / groups, kh, kw]."""
    source = importer.activation(node, 0)
    weights = build_filter(importer, node, read_weights(importer, node, 4), (0, 2, 3, 1), 0)
    stride, dilation = read_size(node, "strides"), read_size(node, "dilations")
    _check_kernel(node, weights.kernel)
    kernel = effective_kernel(weights.kernel, dilation)
    tensor = importer.tensors[source]
    op = Conv2D(
        name=node.name,
        inputs=(source,),
        output="",
        filter=weights,
        stride=stride,
        padding=read_padding(node, (tensor.height, tensor.width), kernel, stride),
        dilation=dilation,
        groups=node.integer("group", 1),
    )
    importer.define_arithmetic(node, op)


def import_conv_transpose(importer: Importer, node: Node) -> None:
    """ConvTranspose with groups 1 and dilation 1; weights [in, out, kh, kw]."""
    source = importer.activation(node, 0)
    if node.integer("group", 1) != 1:
        raise node.refusal("has more than one group, transposed convolutions are supported without groups")
    if read_size(node, "dilations") != Size2D(1, 1):
        raise node.refusal("is dilated, transposed convolutions are supported without dilation")
    if "output_shape" in node.attributes or node.text("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise node.refusal(
            "leaves its padding to output_shape or auto_pad", "Export it with explicit pads and output_padding."
        )
    weights = build_filter(importer, node, read_weights(importer, node, 4), (1, 2, 3, 0), 1)
    _check_kernel(node, weights.kernel)
    explicit = node.text("auto_pad", "NOTSET") == "NOTSET"
    top, left, bottom, right = node.integers("pads", (0, 0, 0, 0)) if explicit else (0, 0, 0, 0)
    if min(top, left, bottom, right) < 0:
        raise node.refusal("has negative pads")
    extra = node.integers("output_padding", (0, 0))
    op = TransposeConv2D(
        name=node.name,
        inputs=(source,),
        output="",
        filter=weights,
        stride=read_size(node, "strides"),
        padding=Padding(top, left, bottom, right),
        output_padding=Size2D(*extra),
    )
    importer.define_arithmetic(node, op)
