"""Models that cannot be compiled, given to the real program."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.support.picture_project import assert_one_clear_error, picture_model, tinyanime


def dynamic_height(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "rows"


def old_opset(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 6


def nan_scale(model: onnx.ModelProto) -> None:
    quantize = next(node for node in model.graph.node if node.op_type == "QuantizeLinear")
    scale = next(item for item in model.graph.initializer if item.name == quantize.input[1])
    scale.CopyFrom(numpy_helper.from_array(np.array(np.nan, np.float32), scale.name))


def float_weights(model: onnx.ModelProto) -> None:
    weights = np.ones((3, 3, 1, 1), np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["photo", "weights"], ["anime"], name="plain")],
        "float",
        [helper.make_tensor_value_info("photo", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("anime", TensorProto.FLOAT, [1, 3, 8, 8])],
        [numpy_helper.from_array(weights, "weights")],
    )
    model.graph.CopyFrom(graph)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [(dynamic_height, "photo"), (old_opset, "opset"), (nan_scale, "scale"), (float_weights, "is a float model")],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_the_reason_is_one_sentence_and_nothing_is_written(
    tmp_path: Path, spoil: Callable[[onnx.ModelProto], None], words: str
) -> None:
    path = picture_model(tmp_path / "m.onnx")
    model = onnx.load(path)
    spoil(model)
    onnx.save(model, path)
    done = tinyanime("compile", path, "--board", "posix", "-o", "p", cwd=tmp_path)
    assert_one_clear_error(done, 3, words)
    assert [item.name for item in tmp_path.iterdir()] == ["m.onnx"]
