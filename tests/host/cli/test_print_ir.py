"""`tinyanime compile --print-ir` shows the network as it is planned, also where it does not fit."""

from __future__ import annotations

from pathlib import Path

from tests.support.picture_project import picture_model, tinyanime
from tinyanime.boards.loader import SHIPPED_BOARDS
from tinyanime.codegen.ir.text import format_graph
from tinyanime.codegen.pipeline import load_and_prepare


def test_the_graph_is_printed_in_its_text_form(tmp_path: Path) -> None:
    model = picture_model(tmp_path / "m.onnx")
    done = tinyanime("compile", model, "--board", "posix", "-o", "p", "--print-ir", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(format_graph(load_and_prepare(tmp_path / "m.onnx")))


def test_the_graph_is_printed_where_the_model_does_not_fit(tmp_path: Path) -> None:
    model = picture_model(tmp_path / "m.onnx")
    text = (SHIPPED_BOARDS / "posix.toml").read_text()
    assert text.count("stack_bytes = 65536") == 1
    tight = text.replace("base = 0x1000_0000\nsize_bytes = 0x1000_0000", "base = 0x1000_0000\nsize_bytes = 0x1_3100")
    (tmp_path / "tight.toml").write_text(tight)
    done = tinyanime("compile", model, "--board", "./tight.toml", "-o", "p", "--print-ir", cwd=tmp_path)
    assert done.returncode == 4, done.stderr
    assert done.stdout.startswith("graph ")
    assert "bytes in one bank and the largest bank, heap, has 256" in done.stderr
    assert not (tmp_path / "p").exists()
