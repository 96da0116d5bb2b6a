"""The QDQ graph: what the compiler relies on, for a random student and for the shipped model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tinyanime.codegen.compress.config import QuantizationConfig
from tinyanime.codegen.compress.evaluation import open_generator, similarity
from tinyanime.codegen.compress.folded_student import FoldedStudent
from tinyanime.codegen.compress.layers import list_layers
from tinyanime.codegen.compress.onnx_graph import write_float_model, write_int8_model
from tinyanime.codegen.compress.pairs import Pair
from tinyanime.codegen.compress.quantization import calibrate

COMPUTING = {"Conv", "Add", "Resize", "SpaceToDepth", "DepthToSpace"}
MOVING = {"Resize", "SpaceToDepth", "DepthToSpace"}


@pytest.fixture
def models(folded_student: FoldedStudent, pairs: list[Pair]) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """The random student in float and in int8."""
    layers = list_layers(folded_student)
    float32 = write_float_model(layers, "random", "0")
    photos = [pair.photo[:, :128] for pair in pairs]
    quantizations = calibrate(float32, layers, photos, QuantizationConfig())
    return float32, write_int8_model(layers, quantizations, "random", "0")


def _assert_contract(model: onnx.ModelProto) -> None:
    """Opset 17, static shapes, known operators, a Q/DQ pair on every tensor, moved data unscaled."""
    assert model.opset_import[0].version == 17
    for value in (*model.graph.input, *model.graph.output):
        assert [d.dim_value for d in value.type.tensor_type.shape.dim] == [1, 3, 128, 128]
    assert {p.key: p.value for p in model.metadata_props}["picture_range"] == "-1,1"
    producer = {node.output[0]: node for node in model.graph.node}
    consumers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            consumers.setdefault(name, []).append(node)
    for node in model.graph.node:
        assert node.op_type in COMPUTING | {"Clip", "QuantizeLinear", "DequantizeLinear"}
        if node.op_type not in COMPUTING:
            continue
        for name in node.input:
            if name in producer:
                assert producer[name].op_type == "DequantizeLinear", f"{node.name} reads float {name}"
        (after,) = consumers[node.output[0]]
        if after.op_type == "Clip":
            (after,) = consumers[after.output[0]]
        assert after.op_type == "QuantizeLinear", f"{node.name} is not followed by QuantizeLinear"
        if node.op_type in MOVING:
            before = producer[node.input[0]]
            constants = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
            for one, other in zip(before.input[1:], after.input[1:], strict=True):
                assert constants[one] == constants[other]


def test_a_random_student_keeps_the_contract(models: tuple[onnx.ModelProto, onnx.ModelProto]) -> None:
    _assert_contract(models[1])


def test_int8_follows_float(models: tuple[onnx.ModelProto, onnx.ModelProto], pairs: list[Pair]) -> None:
    float32, int8 = (open_generator(model) for model in models)
    photos = [pair.photo[:, :128] for pair in pairs[:3]]
    outputs = [int8(photo) for photo in photos]
    assert similarity(outputs, [float32(photo) for photo in photos]).psnr_db > 30
    assert similarity(outputs, photos).psnr_db < 25


def test_the_shipped_model_keeps_the_contract_and_its_size(shipped_model: Path) -> None:
    model = onnx.load(shipped_model)
    _assert_contract(model)
    stored = 0
    for tensor in model.graph.initializer:
        if tensor.name.endswith("_quantized"):
            values = numpy_helper.to_array(tensor)
            assert values.dtype == (np.int32 if tensor.name.endswith("bias_quantized") else np.int8)
            assert values.min() >= -127 or values.dtype == np.int32
            stored += values.nbytes
    assert 100_000 < stored <= 480_000


def test_no_accumulator_of_the_shipped_model_can_overflow(shipped_model: Path) -> None:
    graph = onnx.load(shipped_model).graph
    constants = {tensor.name: numpy_helper.to_array(tensor).astype(np.int64) for tensor in graph.initializer}
    for name, weight in constants.items():
        if name.endswith("_weight_quantized"):
            bias = np.abs(constants[name.replace("_weight_", "_bias_")])
            largest = np.abs(weight).reshape(len(weight), -1).sum(axis=1) * 255 + bias
            assert largest.max() < 2**31
