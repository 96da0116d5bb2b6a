"""`tinyanime bench-kernels`: what it runs, writes and prints, and the status it ends with."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tinyanime.codegen.models.networks import NETWORKS
from tinyanime.host.cli import run
from tinyanime.host.commands import bench_kernels
from tinyanime.host.kernel_bench import baseline, comparison
from tinyanime.host.kernel_bench.baseline import (
    BASELINE,
    Baseline,
    Compiler,
    Count,
    compilers_of,
    load_baseline,
    save_baseline,
)
from tinyanime.host.kernel_bench.comparison import Plan
from tinyanime.host.kernel_bench.figures import Figures

pytest.importorskip("unicorn")

WHOLE = Figures(
    "resnet8", None, "cortex-m7", "ours", 12_501_632, instructions=1_000_000, output_sha256="0", output_equal=True
)
LAYER = replace(WHOLE, layer="conv13", macs=442_368, instructions=200_000, output_sha256=None, output_equal=None)


class Bench:
    """Stands in for the measurement, and keeps what it was asked for."""

    def __init__(self) -> None:
        self.figures = [WHOLE, LAYER]
        self.plan: Plan | None = None

    def measure(self, plan: Plan, folder: Path, processes: int, progress: comparison.Progress) -> list[Figures]:
        del folder, processes
        self.plan = plan
        progress("measuring", 1, 1)
        return self.figures


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bench:
    stand_in = Bench()
    monkeypatch.setattr(comparison, "measure", stand_in.measure)
    path = tmp_path / "baseline.json"
    save_baseline(Baseline(compilers_of(["cortex-m7"]), (_count(None, 1_000_000), _count("conv13", 200_000))), path)
    monkeypatch.setattr(bench_kernels, "BASELINE", path)
    monkeypatch.setattr(bench_kernels, "load_baseline", lambda: load_baseline(path))
    monkeypatch.setattr(bench_kernels, "save_baseline", lambda new: save_baseline(new, path))
    return stand_in


def _count(layer: str | None, instructions: int) -> Count:
    return Count("cortex-m7", "resnet8", layer, instructions)


def test_the_figures_are_printed_and_written_as_json(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["bench-kernels", "-o", str(tmp_path), "--layers"]) == 0
    assert bench.plan is not None
    assert bench.plan.networks == tuple(n.name for n in NETWORKS)
    printed = capsys.readouterr().out
    for word in ("cortex-m7:", "resnet8", "1,000,000", "conv13", "modelled"):
        assert word in printed
    written = json.loads((tmp_path / "kernels.json").read_text())
    assert [item["layer"] for item in written] == [None, "conv13"]
    wanted = {"network", "layer", "core", "engine", "macs", "instructions", "modelled_cycles", "ram_bytes"}
    assert wanted | {"flash_bytes", "output_sha256"} <= set(written[0])


def test_cores_engines_and_networks_can_be_chosen(bench: Bench, tmp_path: Path) -> None:
    options = ["--network", "resnet8", "--core", "cortex-m4", "--engine", "ours", "--json", "-o", str(tmp_path)]
    assert run(["bench-kernels", *options]) == 0
    assert bench.plan == Plan(("resnet8",), (("cortex-m4", "ours"),))


def test_quick_leaves_large_networks_out(bench: Bench, tmp_path: Path) -> None:
    assert run(["bench-kernels", "--quick", "-o", str(tmp_path)]) == 0
    assert bench.plan is not None
    assert "resnet8" in bench.plan.networks
    assert not {"student_32_64_128", "anime128"} & set(bench.plan.networks)


def test_unchanged_counts_pass_the_check(bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench-kernels", "--check", "-o", str(tmp_path)]) == 0
    assert bench.plan is not None
    assert {engine for _, engine in bench.plan.runs} == {"ours"}
    assert "+0.00 %" in capsys.readouterr().out


def test_a_layer_that_grew_by_three_percent_fails_the_check_and_is_named(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.figures = [WHOLE, replace(LAYER, instructions=206_000)]
    assert run(["bench-kernels", "--check", "-o", str(tmp_path)]) == 10
    captured = capsys.readouterr()
    assert "conv13" in captured.out
    assert "+3.00 %" in captured.out
    assert "layer 'conv13' of resnet8" in captured.err
    assert "--update-baseline" in captured.err


def test_a_network_that_is_not_compiled_any_more_fails_the_check(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.figures = [replace(WHOLE, instructions=None, note="The model does not fit.")]
    assert run(["bench-kernels", "--check", "-o", str(tmp_path)]) == 10
    assert "resnet8 on cortex-m7 has no count any more: The model does not fit." in capsys.readouterr().err


def test_the_baseline_can_be_updated_and_then_passes(bench: Bench, tmp_path: Path) -> None:
    bench.figures = [replace(WHOLE, instructions=1_500_000), LAYER]
    assert run(["bench-kernels", "--check", "-o", str(tmp_path)]) == 10
    assert run(["bench-kernels", "--check", "--update-baseline", "-o", str(tmp_path)]) == 0
    assert run(["bench-kernels", "--check", "-o", str(tmp_path)]) == 0


def test_wrong_bytes_end_with_the_status_of_a_difference(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.figures = [replace(WHOLE, output_equal=False)]
    assert run(["bench-kernels", "-o", str(tmp_path)]) == 8
    captured = capsys.readouterr()
    assert "DIFFERS" in captured.out
    assert "resnet8 by ours on cortex-m7" in captured.err


def test_a_network_without_a_count_and_another_compiler_are_mentioned(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.figures = [replace(WHOLE, network="ds_cnn")]
    monkeypatch.setattr(bench_kernels, "compilers_of", lambda _cores: (Compiler("arm-none-eabi-", "another GCC"),))
    assert run(["bench-kernels", "--check", "-o", str(tmp_path)]) == 0
    notes = capsys.readouterr().err
    assert "ds_cnn on cortex-m7 is not in the baseline" in notes
    assert "another GCC" in notes


def test_a_missing_package_is_named_with_how_to_install_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("comparison", "emulation", "block_recorder"):
        monkeypatch.delitem(sys.modules, f"tinyanime.host.kernel_bench.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "unicorn", None)
    assert run(["bench-kernels", "-o", str(tmp_path)]) == 5
    captured = capsys.readouterr().err
    assert "needs the Python package unicorn" in captured
    assert "pip install" in captured


def test_the_status_of_a_regression_is_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    assert f"{baseline.RegressionError.exit_code}  slower than the baseline" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--check", "--engine", "cmsis-nn"), "leave --engine out"),
        (("--update-baseline", "--engine", "cmsis-nn"), "leave --engine out"),
        (("--network", "student_32_64_128", "--quick"), "Nothing is left to measure"),
        (("--core", "cortex-m0plus", "--engine", "bakenn"), "Nothing is left to measure"),
    ],
)
def test_options_that_contradict_each_other_are_refused_before_anything_is_measured_or_written(
    bench: Bench, options: tuple[str, ...], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = BASELINE.read_bytes()
    assert run(["bench-kernels", *options, "-o", str(tmp_path / "out")]) == 2
    assert words in capsys.readouterr().err
    assert bench.plan is None
    assert not (tmp_path / "out").exists()
    assert BASELINE.read_bytes() == before
