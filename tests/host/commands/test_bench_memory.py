"""`tinyanime bench-memory`: networks compiled, built and run, their figures compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.picture_project import SIZE, picture_model, tinyanime
from tinyanime.boards.loader import load_board
from tinyanime.host.memory_bench.comparison import Comparison, Effort
from tinyanime.host.memory_bench.figures import LAYERS, OURS, OURS_WITHOUT_DMA, Figures
from tinyanime.host.memory_bench.networks import BenchNetwork
from tinyanime.host.memory_bench.workbench import Candidate, Workbench


def tiny(folder: Path) -> Candidate:
    model = picture_model(folder / "tiny.onnx").read_bytes()
    return Candidate(BenchNetwork("tiny", "three convolutions", lambda: model), folder)


def compare(candidate: Candidate, folder: Path, board: str, effort: Effort) -> dict[tuple[str, str | None], Figures]:
    bench = Workbench(folder, 2, lambda what, done, total: None)
    return {(f.engine, f.optimize): f for f in Comparison(bench, effort).of(candidate, load_board(board))}


def test_instructions_are_counted_beside_those_of_whole_layers_on_the_same_core(tmp_path: Path) -> None:
    figures = compare(tiny(tmp_path), tmp_path, "stm32h743", Effort())
    fast, layers = figures[OURS, "time"], figures[LAYERS, "layers"]
    assert fast.bit_exact
    assert figures[OURS, "ram"].bit_exact
    macs = SIZE * SIZE * 9 * (3 * 6 + 6 * 5 + 5 * 3)
    assert fast.instructions is not None
    assert macs < fast.instructions < 60 * macs
    assert fast.instructions_whole_layer == layers.instructions
    overhead = fast.overhead_percent
    assert overhead is not None
    assert -5 < overhead < 60
    assert layers.overhead_percent == 0
    assert layers.bit_exact
    # Three maps at least are never alive at once, whole.
    assert layers.peak_bytes is not None
    assert layers.peak_bytes >= SIZE * SIZE * 11
    ram = figures[OURS, "ram"]
    assert ram.peak_bytes is not None
    assert ram.peak_bytes <= layers.peak_bytes
    for item in (fast, ram, layers, figures[OURS_WITHOUT_DMA, "time"]):
        assert item.placed
        assert item.gap_bytes == 0
        assert item.lower_bound_bytes == item.peak_bytes
        assert sum(size for _, size in item.peak_bytes_by_bank) == item.peak_bytes
        assert item.recomputed_rows == 0
        assert item.stall_fraction is not None


def test_nothing_is_run_where_only_plans_are_asked_for(tmp_path: Path) -> None:
    figures = compare(tiny(tmp_path), tmp_path, "posix", Effort(run=False))
    assert {item.instructions for item in figures.values()} == {None}
    assert {item.bit_exact for item in figures.values()} == {None}
    assert (OURS_WITHOUT_DMA, "time") not in figures
    assert not (tmp_path / "posix" / "build").exists()


def test_a_run_that_differs_from_the_reference_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    candidate = tiny(tmp_path)
    monkeypatch.setattr(candidate, "expected", lambda photo: bytes(3 * SIZE * SIZE))
    assert compare(candidate, tmp_path, "posix", Effort())[OURS, "time"].bit_exact is False


@pytest.mark.parametrize("board", ["rp2040", pytest.param("esp32s3", marks=pytest.mark.slow)])
def test_the_shipped_model_runs_bit_exact_within_the_budget(tmp_path: Path, board: str) -> None:
    arguments = ("--network", "anime128", "--board", board)
    done = tinyanime("bench-memory", *arguments, "-o", "out", "--json", cwd=tmp_path, timeout_s=300)
    assert done.returncode == 0, done.stderr
    lines = json.loads(done.stdout)
    assert lines == json.loads((tmp_path / "out" / "memory.json").read_text())
    ours = [line for line in lines if line["engine"] == "tinyanime"]
    assert [(line["board"], line["optimize"]) for line in ours] == [(board, "time"), (board, "ram")]
    for line in ours:
        assert line["placed"], line
        assert line["bit_exact"], line
        assert line["proven"], line
        assert line["instructions"] is None
        assert sum(line["peak_bytes_by_bank"].values()) == line["peak_bytes"]
    # The fastest plan may take all that the board has; the smallest one leaves room.
    least = ours[1]["peak_bytes"]
    assert least <= min(200_000, ours[0]["peak_bytes"])
    layers = next(line for line in lines if line["engine"] == "layer by layer")
    assert not layers["placed"]
    assert layers["peak_bytes"] > 4 * least
    bakenn = next(line for line in lines if line["engine"] == "bakenn")
    assert bakenn["peak_bytes"] > 4 * least
