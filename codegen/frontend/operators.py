"""The table of supported ONNX operators: adding one is a function and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from tinyanime.codegen.frontend import (
    concat,
    constants,
    conv,
    elementwise,
    gemm,
    pad,
    pool,
    quantization,
    reshape,
    resize,
)
from tinyanime.codegen.frontend.importer import Importer
from tinyanime.codegen.frontend.node import Node

ImportFunction = Callable[[Importer, Node], None]

OPERATORS: Mapping[str, ImportFunction] = MappingProxyType(
    {
        "Add": elementwise.import_add,
        "AveragePool": pool.import_average_pool,
        "Clip": elementwise.import_clip,
        "Concat": concat.import_concat,
        "Constant": constants.import_constant,
        "Conv": conv.import_conv,
        "ConvTranspose": conv.import_conv_transpose,
        "DepthToSpace": reshape.import_depth_to_space,
        "DequantizeLinear": quantization.import_dequantize,
        "Dropout": constants.import_identity,
        "Flatten": reshape.import_flatten,
        "Gemm": gemm.import_gemm,
        "GlobalAveragePool": pool.import_global_average_pool,
        "Identity": constants.import_identity,
        "MatMul": gemm.import_matmul,
        "MaxPool": pool.import_max_pool,
        "Pad": pad.import_pad,
        "QuantizeLinear": quantization.import_quantize,
        "Relu": elementwise.import_relu,
        "Reshape": reshape.import_reshape,
        "Resize": resize.import_resize,
        "SpaceToDepth": reshape.import_space_to_depth,
        "Squeeze": reshape.import_squeeze,
        "Transpose": reshape.import_transpose,
        "Unsqueeze": reshape.import_unsqueeze,
    }
)
"""Operator type in ONNX's default domain to the function that imports it."""
