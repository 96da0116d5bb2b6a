"""The charts as files for documents."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from PIL import Image

from tests.support.report_study import report_study
from tinyanime.codegen.errors import OutputError, ToolError
from tinyanime.host.report.pictures import write_pictures

pytest.importorskip("matplotlib")


def texts(path: Path) -> list[str]:
    return [element.text or "" for element in ElementTree.parse(path).iter() if element.tag.endswith("}text")]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    return write_pictures(report_study(), tmp_path_factory.mktemp("drawn") / "new" / "folder", "svg")


def test_the_svg_files_show_the_plan(drawn: tuple[Path, ...]) -> None:
    planned = report_study().planned
    assert [path.name for path in drawn] == ["memory.svg", "strips.svg", "course.svg"]
    memory, strips, course = (texts(path) for path in drawn)
    certificate = planned.plan.certificate
    expected = f"peak of the plan {certificate.total_peak_bytes:,}, lower bound {certificate.peak_bound_bytes:,} bytes"
    assert expected in memory
    for name, peak in planned.plan.peak_bytes:
        assert (f"high-water mark {peak:,}" in memory) == (peak > 0), name
    assert {op.name for op in planned.schedule.graph.ops} <= set(strips)
    assert {"core", "stalls", "MDMA channel 0", "whole inference"} <= set(course)


def test_the_same_plan_gives_the_same_files(tmp_path: Path, drawn: tuple[Path, ...]) -> None:
    again = write_pictures(report_study(), tmp_path, "svg")
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in drawn]


def test_the_png_files_are_pictures(tmp_path: Path) -> None:
    for path in write_pictures(report_study(), tmp_path, "png"):
        with Image.open(path) as picture:
            assert picture.format == "PNG"
            assert picture.width > 1000
            assert len(picture.convert("RGB").getcolors(1 << 24) or ()) > 20


def test_without_matplotlib_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("tinyanime.host.report.picture_")]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)

    class NoMatplotlib:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> None:
            if name.split(".")[0] == "matplotlib":
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(sys, "meta_path", [NoMatplotlib, *sys.meta_path])
    with pytest.raises(ToolError) as caught:
        write_pictures(report_study(), tmp_path, "svg")
    assert "tinyanime[report]" in caught.value.hint


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file/pictures"):
        write_pictures(report_study(), tmp_path / "file" / "pictures", "svg")
