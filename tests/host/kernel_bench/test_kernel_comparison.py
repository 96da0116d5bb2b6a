"""Whole networks by every engine on emulated cores: equal bytes, counts that add up, layers by name."""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from tinyanime.codegen.errors import ToolError
from tinyanime.codegen.models.networks import NETWORKS, network
from tinyanime.host.kernel_bench import comparison
from tinyanime.host.kernel_bench.comparison import Plan, measure, measure_run
from tinyanime.host.kernel_bench.cores import core, widened
from tinyanime.host.kernel_bench.engines import engines_for
from tinyanime.host.kernel_bench.figures import Figures
from tinyanime.host.toolchains import compiler_of

pytestmark = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compiled kernels outlive the session: their names say what they were made from."""
    objects = Path(tempfile.gettempdir()) / "tinyanime-kernel-bench-objects"
    objects.mkdir(exist_ok=True)
    root = tmp_path_factory.mktemp("bench")
    (root / "objects").symlink_to(objects)
    return root


def whole(figures: list[Figures]) -> Figures:
    assert [f.layer for f in figures].count(None) == 1
    return figures[0]


@pytest.mark.parametrize("engine", engines_for(core("cortex-m7")))
def test_every_engine_computes_the_reference_on_the_cortex_m7(engine: str, folder: Path) -> None:
    figures = measure_run("ds_cnn", "cortex-m7", engine, folder)
    total, layers = whole(figures), figures[1:]
    assert total.output_equal
    assert total.macs == sum(layer.macs for layer in layers) == network("ds_cnn").macs
    assert total.instructions == sum(layer.instructions or 0 for layer in layers)
    assert total.stall_cycles is not None
    assert total.modelled_cycles == sum(layer.modelled_cycles or 0 for layer in layers) + total.stall_cycles
    convolutions = [layer for layer in layers if layer.macs > 10_000]
    assert len(convolutions) == 9
    for layer in convolutions:
        assert layer.kernel
        assert layer.instructions is not None
        assert layer.modelled_cycles is not None
        assert 0.2 < layer.instructions / layer.macs < 60
        # Two instructions a cycle at most, and memory that is slower than the core.
        assert layer.instructions / 2 <= layer.modelled_cycles < 4 * layer.instructions
    assert total.ram_bytes is not None
    assert total.ram_bytes >= 25 * 5 * 64
    assert total.flash_bytes is not None
    assert total.kernel_code_bytes is not None
    assert 1000 < total.kernel_code_bytes < total.flash_bytes


@pytest.mark.parametrize("small_core", ["cortex-m0plus", "rv32imc"])
def test_a_small_core_computes_the_same_bytes_with_more_instructions(small_core: str, folder: Path) -> None:
    if compiler_of(core(small_core).board()).path is None:
        pytest.skip(f"no compiler for {small_core}")
    small = whole(measure_run("ds_cnn", small_core, "cmsis-nn", folder))
    large = whole(measure_run("ds_cnn", "cortex-m7", "cmsis-nn", folder))
    assert small.output_equal
    assert small.output_sha256 == large.output_sha256
    assert small.modelled_cycles is not None
    assert small.instructions is not None
    assert small.instructions > (large.instructions or 0)
    # At most an instruction a cycle.
    assert small.instructions < small.modelled_cycles < 2 * small.instructions


def test_a_core_without_a_model_has_no_cycles(folder: Path) -> None:
    figures = whole(measure_run("ds_cnn", "cortex-m4", "cmsis-nn", folder))
    assert figures.output_equal
    assert figures.modelled_cycles is None


def test_our_kernels_need_fewer_instructions_on_rv32imc_than_the_portable_path_of_cmsis_nn(folder: Path) -> None:
    if compiler_of(core("rv32imc").board()).path is None:
        pytest.skip("no compiler for rv32imc")
    ours, plain = (whole(measure_run("resnet8", "rv32imc", name, folder)) for name in ("ours", "cmsis-nn"))
    assert ours.output_equal
    assert plain.output_equal
    assert (ours.instructions or 0) * 2 < (plain.instructions or 0)


def test_counts_are_the_same_each_time_and_without_modelled_cycles(folder: Path) -> None:
    first, second = (measure_run("ds_cnn", "cortex-m7", "bakenn", folder) for _ in range(2))
    assert first == second
    counted = measure_run("ds_cnn", "cortex-m7", "bakenn", folder, cycles=False)
    assert counted == [replace(figures, modelled_cycles=None, stall_cycles=None) for figures in first]


def test_figures_come_in_the_order_of_the_plan(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("ds_cnn", "resnet8")
    runs = (("cortex-m7", "cmsis-nn"), ("cortex-m7", "bakenn"))
    seen: list[tuple[str, int, int]] = []
    monkeypatch.setattr(comparison, "ProcessPoolExecutor", _Here)
    monkeypatch.setattr(comparison, "measure_run", lambda n, c, e, f, *, cycles: [Figures(n, None, c, e, 1)])
    figures = measure(Plan(names, runs), folder, 2, lambda *step: seen.append(step))
    assert [(f.network, f.engine) for f in figures] == [(n, e) for n in names for _, e in runs]
    assert seen[0][1:] == (0, 4)
    assert seen[-1][1:] == (4, 4)


class _Here:
    """A pool of threads: what a test replaces is replaced in processes of its own too."""

    def __new__(cls, processes: int) -> _Here:
        from concurrent.futures import ThreadPoolExecutor

        return ThreadPoolExecutor(processes)  # type: ignore[return-value]


def test_a_wider_board_keeps_its_memories_apart() -> None:
    for name in ("cortex-m7", "cortex-m0plus", "rv32imc"):
        board = widened(core(name).board())
        regions = sorted(board.memory, key=lambda region: region.base)
        assert all(a.end <= b.base for a, b in pairwise(regions))
        assert max(region.size_bytes for region in regions) == 16 * 1024 * 1024


def test_nothing_more_begins_after_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []

    def fail(name: str, *_: object, cycles: bool) -> list[Figures]:
        begun.append(name)
        time.sleep(0.02)
        raise ToolError("no compiler")

    monkeypatch.setattr(comparison, "ProcessPoolExecutor", _Here)
    monkeypatch.setattr(comparison, "measure_run", fail)
    names = tuple(spec.name for spec in NETWORKS)
    with pytest.raises(ToolError):
        measure(Plan(names, (("cortex-m7", "ours"),)), folder, 1, lambda *step: None)
    assert len(begun) < len(names)
