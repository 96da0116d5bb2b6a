"""`tinyanime report` as a program."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.support.picture_project import assert_one_clear_error, picture_model, tinyanime
from tests.support.report_study import report_model
from tinyanime.boards.loader import load_board
from tinyanime.codegen.bundle import load_bundle
from tinyanime.codegen.compiler import CompileOptions, compile_model
from tinyanime.codegen.kernels.family import KernelFamily
from tinyanime.codegen.schedule.choose import Optimize, ScheduleOptions


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return picture_model(tmp_path_factory.mktemp("model") / "tiny.onnx")


@pytest.fixture(scope="module")
def project(model: Path) -> Path:
    folder = model.parent / "project"
    options = CompileOptions(schedule=ScheduleOptions(Optimize.RAM))
    compile_model(model, load_board("stm32h743"), folder, options=options)
    return folder


def test_the_report_of_a_model_says_what_compile_plans(tmp_path: Path, model: Path, project: Path) -> None:
    arguments = ["report", model, "--board", "stm32h743", "--optimize", "ram", "-o", "a/page.html", "--json"]
    done = tinyanime(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    certificate = load_bundle(project).manifest.certificate
    assert answer["peak_bytes"] == certificate.total_peak_bytes
    assert answer["lower_bound_bytes"] == certificate.peak_bound_bytes
    assert answer["optimize"] == "ram"
    page = (tmp_path / "a" / "page.html").read_text(encoding="utf-8")
    assert "<title>tiny on stm32h743</title>" in page
    assert f"{certificate.total_peak_bytes:,}" in page
    # The command line that made it stands in the page.
    assert "--optimize ram -o a/page.html" in page


def test_the_report_of_a_project_has_its_options_and_plan(tmp_path: Path, project: Path) -> None:
    done = tinyanime("report", "--project", project, "--png", "pictures", "--svg", "pictures", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "least memory" in done.stdout.splitlines()[2]
    assert (tmp_path / "report.html").is_file()
    names = {path.name for path in (tmp_path / "pictures").iterdir()}
    assert names == {f"{chart}.{kind}" for chart in ("memory", "strips", "course") for kind in ("svg", "png")}


@pytest.mark.parametrize(
    ("board", "optimize", "transfers", "titles"),
    [
        ("stm32h743", Optimize.RAM, True, ("least memory", "least memory, with DMA")),
        ("mps2-an500", Optimize.TIME, True, ("fast", "fast, with copies")),
        ("stm32h743", Optimize.TIME, False, ("fast, without DMA", "fast")),
    ],
)
def test_every_choice_of_transfers_is_found_in_the_project(
    tmp_path: Path, board: str, optimize: Optimize, transfers: bool, titles: tuple[str, str]
) -> None:
    schedule = ScheduleOptions(optimize, transfers=transfers)
    options = CompileOptions(schedule=schedule, kernels=KernelFamily.CMSIS_NN)
    bundle = compile_model(report_model(tmp_path / "big.onnx"), load_board(board), tmp_path / "p", options=options)
    done = tinyanime("report", "--project", tmp_path / "p", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    # The network's name is the compiled one's, not that of the project's copy of the model.
    assert lines[0].startswith(f"big on {board}: peak {bundle.manifest.certificate.total_peak_bytes:,} bytes")
    assert lines[2].startswith(f"{titles[bundle.manifest.transfers]}  ")


def test_a_project_of_another_plan_is_refused(tmp_path: Path, project: Path) -> None:
    changed = tmp_path / "project"
    shutil.copytree(project, changed)
    manifest = json.loads((changed / "manifest.json").read_text(encoding="utf-8"))
    manifest["buffers"][0]["offset_bytes"] += 32
    (changed / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert_one_clear_error(tinyanime("report", "--project", changed, cwd=tmp_path), 3, "another plan")
    assert not (tmp_path / "report.html").exists()


def test_a_project_of_another_board_is_refused(tmp_path: Path, project: Path) -> None:
    done = tinyanime("report", "--project", project, "--board", "mps2-an500", cwd=tmp_path)
    assert_one_clear_error(done, 3, "compiled for stm32h743")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("missing.onnx", "--board", "stm32h743"), "missing.onnx"),
        (("--project", "nowhere"), "nowhere"),
        (("--board", "stm32h743"), "build/stm32h743"),
        (("missing.onnx", "--board", "nosuchboard"), "nosuchboard"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    assert_one_clear_error(tinyanime("report", *arguments, cwd=tmp_path), 3, words)
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "MODEL"),
        (("model.onnx",), "--board"),
        (("model.onnx", "--project", "folder"), "either"),
        (("--project", "folder", "--no-dma"), "project keeps"),
        (("model.onnx", "--board", "stm32h743", "--optimize", "layers", "--dma"), "--dma does not go with"),
        (("model.onnx", "--board", "stm32h743", "--optimize", "speed"), "speed"),
    ],
)
def test_a_wrong_command_line_is_explained(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    done = tinyanime("report", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_network_that_does_not_fit_leaves_no_page(tmp_path: Path, model: Path) -> None:
    text = (Path(load_board("stm32h743").source)).read_text(encoding="utf-8")
    small = text.replace("size_bytes = 0x2_0000", "size_bytes = 0x5020", 1)
    for size in ("0x8_0000", "0x4_8000"):
        small = small.replace(f"size_bytes = {size}", "size_bytes = 0x40", 1)
    small = small.replace("system_bytes = 65_536", "system_bytes = 32", 1)
    head, sram4, tail = small.partition('name = "sram4"')
    small = head + sram4 + tail.replace("size_bytes = 0x1_0000", "size_bytes = 0x40", 1)
    (tmp_path / "small.toml").write_text(small.replace('"stm32h743"', '"small"', 1), encoding="utf-8")
    done = tinyanime("report", model, "--board", "small.toml", cwd=tmp_path)
    assert_one_clear_error(done, 4, "does not fit small")
    assert not (tmp_path / "report.html").exists()


def test_a_page_that_cannot_be_written_is_named(tmp_path: Path, model: Path) -> None:
    (tmp_path / "file").write_text("")
    done = tinyanime("report", model, "--board", "mps2-an500", "-o", "file/page.html", cwd=tmp_path)
    assert_one_clear_error(done, 9, "file/page.html")
