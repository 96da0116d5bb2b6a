"""The tables of the kernel bench."""

from __future__ import annotations

from dataclasses import replace

from tinyanime.host.kernel_bench.baseline import Change, Count
from tinyanime.host.kernel_bench.figures import Figures
from tinyanime.host.kernel_bench.peers import PUBLISHED, published
from tinyanime.host.kernel_bench.tables import (
    CHANGE_HEADER,
    HEADER,
    LAYER_HEADER,
    change_rows,
    layer_rows,
    rows_of_core,
)

PLAIN = Figures(
    "resnet8",
    None,
    "cortex-m7",
    "cmsis-nn",
    12_501_632,
    instructions=31_000_000,
    modelled_cycles=26_000_000,
    ram_bytes=50_000,
    flash_bytes=100_000,
    kernel_code_bytes=7_000,
    output_sha256="ab" * 32,
    output_equal=True,
)
OURS = replace(PLAIN, engine="ours", instructions=10_000_000, modelled_cycles=6_500_000)


def cells(row: tuple[str, ...]) -> dict[str, str]:
    return dict(zip(HEADER, row, strict=True))


def test_ours_is_put_beside_plain_cmsis_nn_and_what_others_measured() -> None:
    rows = rows_of_core([OURS, PLAIN], "cortex-m7")
    ours = cells(rows[0])
    assert ours["instructions"] == "10,000,000"
    assert rows[0][4] == "1/3.10"
    assert rows[0][6] == "1/4.00"
    assert ours["MAC/cycle"] == "1.92"
    assert ours["output"] == "equal"
    best = rows[2]
    assert best[1] == "(X-CUBE-AI 9.0, STM32H7A3)"
    assert best[7] == "(1.09)"
    assert len(rows) == 2 + len(published("resnet8"))


def test_other_cores_have_no_published_figures_and_no_cycles() -> None:
    small = replace(OURS, core="cortex-m0plus", modelled_cycles=None)
    rows = rows_of_core([small, OURS], "cortex-m0plus")
    assert len(rows) == 1
    assert rows[0][5] == rows[0][7] == "-"


def test_an_output_that_differs_is_shouted() -> None:
    assert rows_of_core([replace(OURS, output_equal=False)], "cortex-m0plus") == []
    assert cells(rows_of_core([replace(OURS, output_equal=False)], "cortex-m7")[0])["output"] == "DIFFERS"


def test_what_an_engine_cannot_take_has_empty_cells() -> None:
    refused = Figures("ds_cnn", None, "cortex-m7", "bakenn", 2_656_768, note="no translation")
    row = cells(rows_of_core([refused], "cortex-m7")[0])
    assert row["instructions"] == row["RAM"] == row["output"] == "-"


def test_layers_are_listed_with_their_kernels() -> None:
    layer = Figures(
        "resnet8", "conv13", "cortex-m7", "ours", 1000, kernel="ta_x", instructions=500, modelled_cycles=250
    )
    row = dict(zip(LAYER_HEADER, layer_rows([OURS, layer], "cortex-m7")[0], strict=True))
    assert (row["layer"], row["kernel"], row["per MAC"], row["MAC/cycle"]) == ("conv13", "ta_x", "0.50", "4.00")


def test_a_change_names_core_network_and_layer() -> None:
    before = Count("cortex-m7", "resnet8", "conv13", 100_000)
    rows = change_rows([Change(before, replace(before, instructions=103_000))])
    assert dict(zip(CHANGE_HEADER, rows[0], strict=True)) == {
        "core": "cortex-m7",
        "network": "resnet8",
        "layer": "conv13",
        "baseline": "100,000",
        "now": "103,000",
        "change": "+3.00 %",
    }


def test_published_figures_come_best_first_with_their_source() -> None:
    cycles = [peer.cycles for peer in published("resnet8")]
    assert cycles == sorted(cycles)
    assert round(cycles[0] / 1e6, 1) == 11.4
    assert round(published("mobilenet_v1_025")[0].cycles / 1e6, 1) == 6.7
    assert all("MLPerf" in peer.source for peer in PUBLISHED)
    assert published("student_32_64_128") == ()
