"""Operators nobody needs disappear with their tensors."""

from __future__ import annotations

from pathlib import Path

from tests.models.builders import QdqBuilder, save
from tinyanime.codegen.frontend import load_model
from tinyanime.codegen.ir.verify import verify_graph
from tinyanime.codegen.passes.fold_unused_ops import fold_unused_ops


def test_a_branch_without_output_disappears(tmp_path: Path) -> None:
    builder = QdqBuilder(0)
    x = builder.conv(builder.input(), 4)
    builder.conv(builder.conv(x, 2), 3)
    graph = load_model(save(builder.finish(builder.relu(x)), tmp_path / "model.onnx"))
    folded = fold_unused_ops(graph)
    verify_graph(folded)
    assert [type(op).__name__ for op in graph.ops] == ["Conv2D", "Conv2D", "Conv2D", "Requantize"]
    assert [type(op).__name__ for op in folded.ops] == ["Conv2D", "Requantize"]
    assert set(folded.tensors) == {"photo", folded.ops[0].output, folded.ops[1].output}
