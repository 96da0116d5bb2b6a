"""Committed instruction counts: what counts as worse, and how the file is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tinyanime.codegen.errors import InputError, ToolError
from tinyanime.codegen.models.networks import NETWORKS
from tinyanime.host.kernel_bench.baseline import (
    Baseline,
    Change,
    Compiler,
    Count,
    changes,
    compilers_of,
    counts_of,
    load_baseline,
    merged,
    merged_compilers,
    other_compilers,
    save_baseline,
    unknown_networks,
)
from tinyanime.host.kernel_bench.figures import Figures

COUNT = Count("cortex-m7", "resnet8", "conv13", 1_000_000)


@pytest.mark.parametrize(
    ("before", "now", "worse"),
    [
        (1_000_000, 1_020_000, False),
        (1_000_000, 1_020_001, True),
        (1_000_000, 500_000, False),
        # A handful of instructions more is no regression, however few there were.
        (100, 1_100, False),
        (0, 1_000, False),
        (100, 1_101, True),
    ],
)
def test_more_than_two_percent_is_a_regression(before: int, now: int, worse: bool) -> None:
    change = Change(replace(COUNT, instructions=before), replace(COUNT, instructions=now))
    assert change.is_regression is worse


def test_only_our_own_counts_are_compared() -> None:
    ours = Figures("resnet8", None, "cortex-m7", "ours", 12, instructions=34)
    peer = replace(ours, engine="cmsis-nn", instructions=99)
    refused = replace(ours, network="ds_cnn", instructions=None, note="does not fit")
    assert counts_of([ours, peer, refused]) == (Count("cortex-m7", "resnet8", None, 34),)


def test_counts_are_compared_by_core_network_and_layer() -> None:
    other = replace(COUNT, core="cortex-m0plus", instructions=7)
    new = replace(COUNT, layer="conv27")
    found = changes([COUNT, other], [replace(COUNT, instructions=5), new, other])
    assert [(c.before.instructions, c.now.instructions) for c in found] == [(1_000_000, 5), (7, 7)]


def test_networks_that_the_baseline_lacks_are_named() -> None:
    whole = replace(COUNT, layer=None)
    elsewhere = replace(whole, core="cortex-m0plus")
    assert unknown_networks([whole], [whole, COUNT, elsewhere]) == ("resnet8 on cortex-m0plus",)


def test_a_new_measurement_replaces_its_networks_and_keeps_the_others() -> None:
    gone = replace(COUNT, layer="old layer")
    kept = replace(COUNT, network="ds_cnn")
    new = replace(COUNT, layer=None)
    assert merged([COUNT, gone, kept], [new]) == (kept, new)


def test_a_baseline_reads_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    compilers = (Compiler("arm-", 'GCC "12"'), Compiler("riscv-", "GCC 13"))
    baseline = Baseline(compilers, (replace(COUNT, core="cortex-m0plus"), replace(COUNT, layer=None), COUNT))
    save_baseline(baseline, path)
    assert load_baseline(path) == baseline


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"compilers": [], "counts": [{"core": "x"}]}'])
def test_a_damaged_baseline_is_named_with_what_to_do(text: str, tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"baseline\.json is no baseline") as error:
        load_baseline(path)
    assert "--update-baseline" in (error.value.hint or "")


def test_a_missing_baseline_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no baseline"):
        load_baseline(tmp_path / "none.json")


def test_the_committed_baseline_has_every_network_on_the_cores_of_the_bench() -> None:
    whole = {(count.core, count.network) for count in load_baseline().counts if count.layer is None}
    assert whole >= {(core, spec.name) for core in ("cortex-m7", "cortex-m0plus", "rv32imc") for spec in NETWORKS}
    assert all(count.instructions > 0 for count in load_baseline().counts if count.layer is None)


def test_the_committed_baseline_names_a_compiler_for_each_instruction_set() -> None:
    assert [c.prefix for c in load_baseline().compilers] == ["arm-none-eabi-", "riscv64-unknown-elf-"]


def test_cores_of_one_compiler_name_it_once() -> None:
    (compiler,) = compilers_of(["cortex-m7", "cortex-m0plus", "cortex-m7"])
    assert compiler.prefix == "arm-none-eabi-"
    assert "arm-none-eabi-gcc" in compiler.version


def test_only_a_compiler_that_changed_is_mentioned() -> None:
    baseline = Baseline((Compiler("arm-", "12"), Compiler("riscv-", "13")), ())
    now = (Compiler("arm-", "12"), Compiler("riscv-", "14"), Compiler("new-", "1"))
    assert other_compilers(baseline, now) == (("13", Compiler("riscv-", "14")),)


def test_an_update_replaces_the_compilers_that_it_used() -> None:
    old = (Compiler("arm-", "12"), Compiler("riscv-", "13"))
    assert merged_compilers(old, (Compiler("arm-", "15"),)) == (Compiler("riscv-", "13"), Compiler("arm-", "15"))


def test_a_compiler_that_is_missing_is_named_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ToolError, match="riscv64-unknown-elf-gcc cannot be run") as error:
        compilers_of(["rv32imc"])
    assert "picolibc-riscv64-unknown-elf" in (error.value.hint or "")
