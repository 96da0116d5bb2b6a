"""The networks that kernels are measured on, by name: the shipped model, whole generators and classifiers, layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import resources

import onnx

from tinyanime.codegen.errors import InputError
from tinyanime.codegen.models.generators import student_32_64_128
from tinyanime.codegen.models.mlperf_tiny import ds_cnn, mobilenet_v1_025, resnet8
from tinyanime.codegen.models.single_layers import conv_layer, upsampled_conv_layer

SHIPPED = "anime128"


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """`build` gives the ONNX model (QDQ, static shapes), the same one each time. `macs` are its multiply-accumulates,
    as `ir/macs.py` counts them. `layer`: a network of one layer."""

    name: str
    build: Callable[[], onnx.ModelProto]
    macs: int
    layer: bool = False


def shipped_model() -> onnx.ModelProto:
    """The model that comes with tinyanime."""
    data = resources.files("tinyanime.codegen.models").joinpath(SHIPPED, "model.onnx").read_bytes()
    return onnx.load_model_from_string(data)


def _conv(
    prefix: str,
    inputs: int,
    outputs: int,
    side: int,
    *,
    kernel: int = 3,
    stride: int = 1,
    relu: bool = True,
    depthwise: bool = False,
) -> NetworkSpec:
    name = f"{prefix}_{outputs}_{side}" if depthwise else f"{prefix}_{inputs}_{outputs}_{side}"
    build = partial(
        conv_layer, name, inputs, outputs, side, kernel=kernel, stride=stride, relu=relu, depthwise=depthwise
    )
    taps = kernel * kernel * (1 if depthwise else inputs)
    return NetworkSpec(name, build, (side // stride) ** 2 * outputs * taps, layer=True)


def _upsampled(inputs: int, outputs: int, side: int) -> NetworkSpec:
    name = f"up_conv3x3_{inputs}_{outputs}_{side}"
    build = partial(upsampled_conv_layer, name, inputs, outputs, side)
    return NetworkSpec(name, build, side * side * outputs * 9 * inputs, layer=True)


LAYERS = (
    _conv("stem", 3, 32, 128),
    _conv("conv3x3s2", 32, 64, 128, stride=2),
    _conv("conv3x3s2", 64, 96, 64, stride=2),
    _conv("conv3x3s2", 64, 128, 64, stride=2),
    _conv("conv3x3", 96, 96, 32),
    _conv("conv3x3", 128, 128, 32),
    _conv("conv1x1", 128, 128, 32, kernel=1),
    _conv("conv3x3", 96, 64, 64),
    _conv("conv3x3", 128, 64, 64),
    _conv("conv3x3", 64, 32, 128),
    _upsampled(64, 32, 128),
    _conv("head", 32, 3, 128, relu=False),
    _conv("dw3x3", 64, 64, 64, depthwise=True),
    _conv("dw5x5", 64, 64, 64, kernel=5, depthwise=True),
)

NETWORKS = (
    NetworkSpec(SHIPPED, shipped_model, 716_046_336),
    NetworkSpec("student_32_64_128", student_32_64_128, 1_387_266_048),
    NetworkSpec("resnet8", resnet8, 12_501_632),
    NetworkSpec("mobilenet_v1_025", mobilenet_v1_025, 7_489_664),
    NetworkSpec("ds_cnn", ds_cnn, 2_656_768),
    *LAYERS,
)


def network(name: str) -> NetworkSpec:
    """The network of that name; InputError where there is none."""
    for spec in NETWORKS:
        if spec.name == name:
            return spec
    raise InputError(
        f"There is no benchmark network called '{name}'.", hint=f"Use one of {', '.join(n.name for n in NETWORKS)}."
    )
