"""What the frontend makes of models it accepts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.models.builders import Activation, Floating, QdqBuilder, save
from tests.support.onnx_oracle import random_inputs, run_onnxruntime
from tinyanime.codegen.frontend import load_model
from tinyanime.codegen.ir import ops
from tinyanime.codegen.ir.graph import Graph, PictureRange
from tinyanime.codegen.ir.ops import Clamp, Padding, Size2D
from tinyanime.codegen.ir.tensor import Quantization
from tinyanime.codegen.pipeline import load_and_prepare
from tinyanime.codegen.reference import run_reference

SHIPPED = Path(__file__).parents[3] / "codegen" / "models" / "anime128" / "model.onnx"


def load(model: onnx.ModelProto, folder: Path) -> Graph:
    return load_model(save(model, folder / "sketch.onnx"))


def kinds(graph: Graph) -> list[str]:
    return [type(op).__name__ for op in graph.ops]


def only(graph: Graph) -> ops.Op:
    (op,) = graph.ops
    return op


def test_a_convolution_arrives_in_nhwc_with_its_relu(tmp_path: Path) -> None:
    builder = QdqBuilder(0)
    x = builder.input((1, 3, 9, 7), scale=0.5, zero_point=5)
    value = builder.relu_float(builder.conv_float(x, 4, kernel=(3, 2), stride=(2, 1), pads=(1, 0, 2, 1)))
    model = builder.finish(builder.quantize(value, scale=0.25, zero_point=-20))
    graph = load(model, tmp_path)
    conv = only(graph)
    assert isinstance(conv, ops.Conv2D)
    assert (conv.name, conv.inputs) == (next(n.name for n in builder.nodes if n.op_type == "Conv"), ("photo",))
    assert conv.filter.values.shape == (4, 3, 2, 3)
    assert (conv.stride, conv.padding) == (Size2D(2, 1), Padding(1, 0, 2, 1))
    assert conv.clamp == Clamp(-20, 127)
    stored = numpy_helper.to_array(next(t for t in model.graph.initializer if t.name.startswith("weight")))
    assert np.array_equal(conv.filter.values, stored.transpose(0, 2, 3, 1))
    assert graph.tensors["photo"].shape == (1, 9, 7, 3)
    assert graph.tensors["photo"].quantization == Quantization(0.5, 5)
    assert graph.output_tensor(conv).shape == (1, 5, 7, 4)
    assert graph.outputs == (model.graph.output[0].name,)


@pytest.mark.parametrize(("lower", "upper"), [(0.0, 6.0), (None, 1.26), (-0.875, None), (-1e9, 1e9), (2.0, 1.0)])
def test_clip_bounds_are_quantized_as_quantize_linear_does(
    lower: float | None, upper: float | None, tmp_path: Path
) -> None:
    builder = QdqBuilder(0)
    value = builder.clipped(builder.conv_float(builder.input(), 4), lower, upper)
    graph = load(builder.finish(builder.quantize(value, scale=0.25, zero_point=-3)), tmp_path)
    expected = {
        (0.0, 6.0): Clamp(-3, 21),
        (None, 1.26): Clamp(-128, 2),
        (-0.875, None): Clamp(-7, 127),  # -3.5 rounds to even: -4
        (-1e9, 1e9): Clamp(-128, 127),
        (2.0, 1.0): Clamp(1, 1),
    }[(lower, upper)]
    conv = only(graph)
    assert isinstance(conv, ops.Conv2D)
    assert conv.clamp == expected


def test_a_relu_between_two_scales_is_a_requantize_with_clamp(tmp_path: Path) -> None:
    builder = QdqBuilder(0)
    graph = load(builder.finish(builder.relu(builder.conv(builder.input(), 4))), tmp_path)
    assert kinds(graph) == ["Conv2D", "Requantize"]


def test_a_pair_of_equal_quantization_adds_nothing(tmp_path: Path) -> None:
    builder = QdqBuilder(0)
    x = builder.conv(builder.input(), 4)
    again = builder.quantize(builder.as_float(x), scale=x.scale, zero_point=x.zero_point)
    assert kinds(load(builder.finish(again), tmp_path)) == ["Conv2D"]


def test_uint8_is_int8_shifted_by_128(tmp_path: Path) -> None:
    graphs = []
    for unsigned in (False, True):
        builder = QdqBuilder(5, unsigned=unsigned)
        graphs.append(load(builder.finish(builder.conv(builder.input(zero_point=3), 4)), tmp_path))
    assert [tensor.quantization for tensor in graphs[0].tensors.values()] == [
        tensor.quantization for tensor in graphs[1].tensors.values()
    ]
    results = [run_reference(graph, random_inputs(graph))[graph.outputs[0]] for graph in graphs]
    assert np.array_equal(results[0], results[1])


@pytest.mark.parametrize("kind", [TensorProto.INT8, TensorProto.UINT8])
def test_integer_inputs_and_outputs_are_accepted(kind: int, tmp_path: Path) -> None:
    unsigned = kind == TensorProto.UINT8
    builder = QdqBuilder(2, unsigned=unsigned)
    model = builder.finish(builder.conv(builder.input((1, 3, 8, 8)), 4))
    nodes = list(model.graph.node)
    first = next(node for node in nodes if node.op_type == "QuantizeLinear")
    last = next(node for node in reversed(nodes) if node.op_type == "DequantizeLinear")
    source = first.output[0]
    nodes.remove(first)
    nodes.remove(last)
    graph = helper.make_graph(
        nodes,
        "integers",
        [helper.make_tensor_value_info(source, kind, [1, 3, 8, 8])],
        [helper.make_tensor_value_info(last.input[0], kind, [1, 4, 8, 8])],
        list(model.graph.initializer),
    )
    integers = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    loaded = load(integers, tmp_path)
    assert (loaded.inputs, loaded.outputs) == ((source,), (last.input[0],))
    inputs = random_inputs(loaded)
    result = run_reference(loaded, inputs)[loaded.outputs[0]]
    oracle = run_onnxruntime(integers, loaded, inputs)
    (expected,) = oracle.values()
    distance = np.abs(result.astype(np.int16) - expected)
    assert distance.max() <= 1
    assert (distance == 0).mean() > 0.98


def test_pixel_unshuffle_is_recognised_and_lowered_to_space_to_depth(tmp_path: Path) -> None:
    builder = QdqBuilder(1)
    model = builder.finish(builder.conv(builder.pixel_unshuffle(builder.input((1, 3, 8, 6))), 4))
    graph = load(model, tmp_path)
    unshuffle = graph.ops[0]
    assert isinstance(unshuffle, ops.SpaceToDepth)
    assert (unshuffle.block, unshuffle.mode) == (2, ops.DepthToSpaceMode.CRD)
    prepared = load_and_prepare(tmp_path / "sketch.onnx")
    first = prepared.ops[0]
    assert isinstance(first, ops.SpaceToDepth)
    assert first.mode is ops.DepthToSpaceMode.DCR
    inputs = random_inputs(graph)
    name = graph.outputs[0]
    assert np.array_equal(run_reference(graph, inputs)[name], run_reference(prepared, inputs)[name])


def test_a_reshape_chain_that_moves_nothing_leaves_no_operator(tmp_path: Path) -> None:
    builder = QdqBuilder(1)
    x = builder.conv(builder.input(), 4)
    there = builder.node("Flatten", [x.name])
    shape = builder.constant("shape", np.array([0, 4, 8, -1], np.int64))
    back = builder.node("Reshape", [there, shape])
    assert kinds(load(builder.finish(builder.moved(x, back, x.shape)), tmp_path)) == ["Conv2D"]


def test_a_mover_between_an_operator_and_its_quantizer_moves_integers(tmp_path: Path) -> None:
    """Conv, Clip and DepthToSpace before the first QuantizeLinear: moving commutes with rounding, so this is exact."""
    builder = QdqBuilder(4)
    value = builder.clipped(builder.conv_float(builder.input(), 8), -0.5, 0.5)
    name = builder.node("DepthToSpace", [value.name], blocksize=2)
    model = builder.finish(builder.quantize(Floating(name, (1, 2, 16, 16), value.spread)))
    graph = load(model, tmp_path)
    assert kinds(graph) == ["Conv2D", "DepthToSpace"]
    inputs = random_inputs(graph)
    result = run_reference(graph, inputs)[graph.outputs[0]]
    expected = run_onnxruntime(model, graph, inputs)[graph.outputs[0]]
    assert np.abs(result.astype(np.int16) - expected).max() <= 1


def test_a_mover_that_changes_scale_requantizes_where_fewer_elements_pass(tmp_path: Path) -> None:
    builder = QdqBuilder(4)
    x = builder.conv(builder.input(), 4)
    growing = load(builder.finish(builder.resize(x, keep=False)), tmp_path)
    assert kinds(growing) == ["Conv2D", "Requantize", "ResizeNearest"]
    builder = QdqBuilder(4)
    x = builder.conv(builder.input(), 4)
    shrinking = load(builder.finish(builder.pool(x, "MaxPool", keep=False)), tmp_path)
    assert kinds(shrinking) == ["Conv2D", "MaxPool", "Requantize"]


def test_data_movers_may_work_on_integers(tmp_path: Path) -> None:
    builder = QdqBuilder(4)
    x = builder.conv(builder.input(), 4)
    quantize, dequantize = builder.nodes[-2], builder.nodes.pop()
    pooled = builder.node("MaxPool", [quantize.output[0]], kernel_shape=[2, 2], strides=[2, 2])
    name = builder.node("DequantizeLinear", [pooled, *dequantize.input[1:]])
    model = builder.finish(Activation(name, "", (1, 4, 4, 4), x.scale, x.zero_point))
    assert kinds(load(model, tmp_path)) == ["Conv2D", "MaxPool"]


@pytest.mark.parametrize("unsigned", [False, True])
@pytest.mark.parametrize("constant", [None, 17])
def test_a_pad_on_integers_pads_with_an_integer(constant: int | None, unsigned: bool, tmp_path: Path) -> None:
    builder = QdqBuilder(4, unsigned=unsigned)
    x = builder.conv(builder.input(), 4)
    quantize, dequantize = builder.nodes[-2], builder.nodes.pop()
    inputs = [quantize.output[0], builder.constant("pads", np.array([0, 0, 1, 0, 0, 0, 0, 1], np.int64))]
    if constant is not None:
        inputs.append(builder.constant("fill", np.array(constant, np.uint8 if unsigned else np.int8)))
    padded = builder.node("Pad", inputs)
    name = builder.node("DequantizeLinear", [padded, *dequantize.input[1:]])
    graph = load(builder.finish(Activation(name, "", (1, 4, 9, 9), x.scale, x.zero_point)), tmp_path)
    pad = graph.ops[1]
    assert isinstance(pad, ops.Pad)
    assert pad.value == (constant or 0) - (128 if unsigned else 0)


def test_average_pooling_that_counts_its_padding_pads_first(tmp_path: Path) -> None:
    builder = QdqBuilder(4)
    x = builder.conv(builder.input(), 4)
    y = builder.pool(x, "AveragePool", kernel=(3, 3), pads=(1, 1, 1, 1), count_include_pad=True)
    graph = load(builder.finish(y), tmp_path)
    pad = graph.ops[1]
    assert kinds(graph) == ["Conv2D", "Pad", "AveragePool"]
    assert isinstance(pad, ops.Pad)
    assert pad.value == x.zero_point


def test_a_bias_at_another_scale_is_requantized_and_a_float_bias_quantized(tmp_path: Path) -> None:
    for changed in ("scale", "float"):
        builder = QdqBuilder(6)
        model = builder.finish(builder.conv(builder.input(), 4))
        plain = only(load(model, tmp_path))
        values = next(t for t in model.graph.initializer if t.name.startswith("bias"))
        scales = next(t for t in model.graph.initializer if t.name.startswith("bias_scale"))
        if changed == "scale":
            values.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(values) * 4, values.name))
            scales.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(scales) / 4, scales.name))
        else:
            real = numpy_helper.to_array(values).astype(np.float64) * numpy_helper.to_array(scales)
            conv = next(n for n in model.graph.node if n.op_type == "Conv")
            conv.input[2] = "real_bias"
            model.graph.initializer.append(numpy_helper.from_array(real.astype(np.float32), "real_bias"))
        other = only(load(model, tmp_path))
        assert isinstance(plain, ops.Conv2D)
        assert isinstance(other, ops.Conv2D)
        assert np.abs(plain.filter.bias - other.filter.bias).max() <= (0 if changed == "scale" else 1)
        assert plain.filter.bias.any()


def test_metadata_names_the_network_and_its_picture_range(tmp_path: Path) -> None:
    builder = QdqBuilder(0)
    builder.metadata.update(name="hayao", picture_range="0,255")
    graph = load(builder.finish(builder.conv(builder.input(), 2)), tmp_path)
    assert (graph.name, graph.picture_range) == ("hayao", PictureRange(0.0, 255.0))
    bare = QdqBuilder(0)
    graph = load(bare.finish(bare.conv(bare.input(), 2)), tmp_path)
    assert (graph.name, graph.picture_range) == ("sketch", PictureRange(-1.0, 1.0))


@pytest.mark.parametrize("opset", [11, 13, 17, 19, 21, 25])
def test_models_of_all_supported_opsets_load(opset: int, tmp_path: Path) -> None:
    builder = QdqBuilder(0, opset=opset, ir_version=10)
    x = builder.input()
    x = builder.conv(x, 4, relu=True, per_channel=opset >= 13, bias=opset >= 13)
    x = builder.pool(builder.resize(builder.pad(x, (1, 1, 1, 1))), "MaxPool")
    graph = load(builder.finish(x, checked=opset >= 13), tmp_path)
    assert kinds(graph) == ["Conv2D", "Pad", "ResizeNearest", "MaxPool"]


def test_an_output_that_is_also_read_and_handed_out_twice_is_copied(tmp_path: Path) -> None:
    builder = QdqBuilder(0)
    x = builder.conv(builder.input(), 4)
    again = builder.quantize(builder.as_float(x), scale=x.scale, zero_point=x.zero_point)
    graph = load(builder.finish(x, again), tmp_path)
    assert kinds(graph) == ["Conv2D", "Requantize"]
    values = run_reference(graph, random_inputs(graph))
    first, second = graph.outputs
    assert np.array_equal(values[first], values[second])


@pytest.mark.skipif(not SHIPPED.exists(), reason="the shipped model is not built yet")
def test_the_shipped_model_loads() -> None:
    graph = load_and_prepare(SHIPPED)
    (name,) = graph.inputs
    assert graph.tensors[name].shape == (1, 128, 128, 3)
    assert graph.tensors[graph.outputs[0]].shape == (1, 128, 128, 3)
