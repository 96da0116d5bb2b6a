"""The report's table of kernels, and reports of projects whose kernels were not chosen by cost."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest

from tests.support.picture_project import picture_model, tinyanime
from tests.support.report_study import report_study
from tinyanime.boards.loader import load_board
from tinyanime.codegen.bundle import load_bundle
from tinyanime.codegen.compiler import CompileOptions, compile_model
from tinyanime.codegen.kernels.family import KernelFamily
from tinyanime.host.report.page import render_page

BOARDS = {family.value: "esp32s3" if family is KernelFamily.ESP_NN else "stm32h743" for family in KernelFamily}


def kernel_rows(page: str) -> list[list[str]]:
    """Cells of the table of kernels, as text."""
    section = page[page.index("<h2>Kernels</h2>") :]
    body = section[section.index("<tbody>") : section.index("</tbody>")]
    rows = re.findall(r"<tr>(.*?)</tr>", body, flags=re.DOTALL)
    cells = (re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, flags=re.DOTALL) for row in rows)
    return [[unescape(re.sub(r"<[^>]+>", "", cell)).strip() for cell in row] for row in cells]


def kernels_of_layers(rows: list[list[str]]) -> dict[str, str]:
    """The first row of each operator has its name, and the chosen kernel."""
    return {row[0]: row[2] for row in rows if row[0]}


def test_the_page_lists_the_chosen_kernel_before_its_alternatives() -> None:
    study = report_study(KernelFamily.AUTO)
    page = render_page(study, "tinyanime report")
    rows = kernel_rows(page)
    assert sum(bool(row[0]) for row in rows) == len(study.kernels) == 4
    expected = []
    for item in study.kernels:
        for candidate in (item.chosen, *item.others):
            kernel = candidate.kernel
            first = candidate is item.chosen
            block, scratch = str(kernel.block or ""), candidate.scratch_bytes
            expected.append(
                [
                    *(item.name if first else "", str(item.rows) if first else "", kernel.function, block),
                    *(f"{candidate.cost:,}", f"{scratch:,}" if scratch else ""),
                ]
            )
    assert rows == expected
    assert len(rows) > 8


def test_chosen_kernels_stand_out() -> None:
    study = report_study(KernelFamily.AUTO)
    page = render_page(study, "tinyanime report")
    section = page[page.index("<h2>Kernels</h2>") :]
    strong = re.findall(r"<strong><code>(\w+)</code></strong>", section)
    assert strong == [item.chosen.kernel.function for item in study.kernels]


@pytest.mark.parametrize("family", BOARDS)
def test_the_report_of_a_project_has_the_kernels_it_was_compiled_with(family: str, tmp_path: Path) -> None:
    options = CompileOptions(kernels=KernelFamily(family))
    model = picture_model(tmp_path / "tiny.onnx")
    compile_model(model, load_board(BOARDS[family]), tmp_path / "p", options=options)
    done = tinyanime("report", "--project", "p", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = kernel_rows((tmp_path / "report.html").read_text(encoding="utf-8"))
    layers = load_bundle(tmp_path / "p").manifest.layers
    assert kernels_of_layers(rows) == {layer.name: layer.kernel for layer in layers if layer.macs}
    if family not in ("auto", "esp-nn"):
        assert all(row[0] for row in rows)


@pytest.mark.parametrize("family", ["cmsis-nn", "reference"])
def test_the_report_of_a_model_takes_the_family_that_is_named(family: str, tmp_path: Path) -> None:
    picture_model(tmp_path / "tiny.onnx")
    done = tinyanime("report", "tiny.onnx", "--board", "posix", "--kernels", family, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    kernels = set(kernels_of_layers(kernel_rows((tmp_path / "report.html").read_text(encoding="utf-8"))).values())
    assert kernels == {"cmsis-nn": {"arm_convolve_wrapper_s8"}, "reference": {"ta_convolve_grouped_s8"}}[family]


def test_a_project_keeps_its_kernels_whatever_is_asked_for(tmp_path: Path) -> None:
    done = tinyanime("report", "--project", "p", "--kernels", "reference", cwd=tmp_path)
    assert done.returncode == 2
    assert "A project keeps the options it was compiled with" in done.stderr
