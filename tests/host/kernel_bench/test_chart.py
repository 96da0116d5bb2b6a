"""The comparison as a picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinyanime.codegen.errors import OutputError, ToolError
from tinyanime.host.kernel_bench.chart import draw_chart
from tinyanime.host.kernel_bench.figures import Figures

pytest.importorskip("matplotlib")

FIGURES = (
    Figures("resnet8", None, "cortex-m7", "ours", 12_501_632, instructions=9_000_000, modelled_cycles=6_000_000),
    Figures("resnet8", None, "cortex-m7", "cmsis-nn", 12_501_632, instructions=31_000_000, modelled_cycles=26_000_000),
    Figures("resnet8", "conv1", "cortex-m7", "ours", 442_368, instructions=500_000, modelled_cycles=400_000),
    Figures("anime128", None, "cortex-m7", "ours", 716_046_336, instructions=260_000_000, modelled_cycles=175_000_000),
    Figures("anime128", None, "cortex-m0plus", "ours", 716_046_336, instructions=1_800_000_000),
)


def test_a_chart_names_networks_engines_and_the_limit(tmp_path: Path) -> None:
    import matplotlib as mpl

    path = tmp_path / "new" / "chart.svg"
    with mpl.rc_context({"svg.fonttype": "none"}):
        draw_chart(FIGURES, "cortex-m7", path)
    text = path.read_text()
    for word in ("resnet8", "anime128", "ours", "cmsis-nn", "limit of direct convolution", "2.08", "0.48", "4.09"):
        assert word in text
    assert "best published" in text


def test_a_core_without_modelled_cycles_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="no modelled cycles on cortex-m0plus"):
        draw_chart(FIGURES, "cortex-m0plus", tmp_path / "chart.png")


@pytest.mark.parametrize("name", ["chart.xyz", "folder.svg"])
def test_a_chart_that_cannot_be_written_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.svg").mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        draw_chart(FIGURES, "cortex-m7", tmp_path / name)
