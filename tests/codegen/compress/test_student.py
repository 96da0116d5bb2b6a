"""The torch student: channel order of its data movement, its start, its folding."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from onnx import helper
from onnx.reference import ReferenceEvaluator

torch = pytest.importorskip("torch", reason="torch (tinyanime[train]) is not installed")

from tinyanime.codegen.compress.config import StudentConfig  # noqa: E402
from tinyanime.codegen.compress.folding import fold_student  # noqa: E402
from tinyanime.codegen.compress.layers import list_layers  # noqa: E402
from tinyanime.codegen.compress.onnx_graph import write_float_model  # noqa: E402
from tinyanime.codegen.compress.student import Student, depth_to_space, space_to_depth  # noqa: E402

SMALL = StudentConfig(half=8, quarter=12, residual_blocks=1, half_convolutions=2)


@pytest.mark.parametrize("operator", ["SpaceToDepth", "DepthToSpace"])
def test_data_movement_has_the_channel_order_of_the_onnx_operator(operator: str) -> None:
    values = np.arange(2 * 12 * 4 * 6, dtype=np.float32).reshape(2, 12, 4, 6)
    node = helper.make_node(operator, ["x"], ["y"], blocksize=2)
    outputs = ReferenceEvaluator(node).run(None, {"x": values})
    assert isinstance(outputs, list)
    move = space_to_depth if operator == "SpaceToDepth" else depth_to_space
    np.testing.assert_array_equal(move(torch.from_numpy(values)).numpy(), outputs[0])


def test_an_untrained_student_returns_the_photo() -> None:
    photo = torch.rand(1, 3, 16, 24) * 2 - 1
    torch.testing.assert_close(Student(SMALL).eval()(photo), photo)


def test_the_folded_onnx_graph_computes_what_the_torch_student_computes() -> None:
    torch.manual_seed(3)
    student = Student(SMALL)
    torch.nn.init.normal_(student.head.weight, std=0.05)
    student.train()
    for _ in range(5):  # gives the normalizations statistics other than 0 and 1
        student(torch.rand(4, 3, 32, 32) * 2 - 1)
    student.eval()
    photo = torch.rand(1, 3, 128, 128) * 2 - 1
    with torch.no_grad():
        expected = student(photo).clamp(-1, 1).numpy()
    model = write_float_model(list_layers(fold_student(student)), "small", "0")
    session = onnxruntime.InferenceSession(model.SerializeToString())
    output = session.run(None, {"photo": photo.numpy()})[0]
    assert np.abs(expected - photo.numpy()).max() > 0.01
    np.testing.assert_allclose(output, expected, atol=2e-5)
