"""`tinyanime compile --kernels`: each family computes the reference's bytes, and says which kernels it took."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from click.testing import CliRunner

from tests.support.every_operator import every_operator_model
from tests.support.generated_network import assert_equals_reference, available_compilers, build_network
from tinyanime.codegen.bundle import Bundle, load_bundle
from tinyanime.codegen.ir.ops import Op
from tinyanime.codegen.kernels.catalogue import CATALOGUE
from tinyanime.codegen.kernels.plain import plain_kernel
from tinyanime.codegen.pipeline import load_and_prepare
from tinyanime.host.commands.compile import compile_command

COMPILERS = available_compilers()
BOARD = "stm32h743"
FAMILIES = ("auto", "cmsis-nn", "reference")
ENGINE = frozenset(kernel.function for kernel in CATALOGUE)


@dataclass(frozen=True, eq=False)
class Compiled:
    """What `compile --kernels` wrote and printed for the network with every operator."""

    model: Path
    bundle: Bundle
    output: str

    @property
    def kernels(self) -> set[str]:
        return {layer.kernel for layer in self.bundle.manifest.layers}


@cache
def _folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="tinyanime-kernels-")


@cache
def compiled(family: str, board: str) -> Compiled:
    """With -v; once per session. `default`: without the option."""
    folder = Path(_folder().name) / f"{family}-{board}"
    folder.mkdir()
    model = every_operator_model(folder / "every.onnx")
    option = () if family == "default" else ("--kernels", family)
    arguments = [str(model), "-b", board, "-o", str(folder / "p"), "-v", *option]
    result = CliRunner().invoke(compile_command, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return Compiled(model, load_bundle(folder / "p"), result.output)


@pytest.mark.skipif(not COMPILERS, reason="neither gcc nor clang is installed")
@pytest.mark.parametrize("board", [BOARD, "posix"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_network_with_every_operator_equals_the_reference(family: str, board: str) -> None:
    case = compiled(family, board)
    program = build_network(case.bundle, COMPILERS[-1])
    for seed in range(2):
        assert_equals_reference(case.bundle, load_and_prepare(case.model), program, seed)


def test_the_network_has_every_operator_that_has_a_kernel() -> None:
    graph = load_and_prepare(compiled("reference", BOARD).model)
    kinds = {type(op).__name__ for op in graph.ops}
    # A joined upsampling is made by the compiler, from two operators of the network.
    assert kinds == {kind.__name__ for kind in Op.__subclasses__() if kind.__module__.endswith("ir.ops")} - {
        "UpsampleConv2D"
    }
    assert "UpsampleConv2D" in {layer.kind for layer in compiled("auto", BOARD).bundle.manifest.layers}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_manifest_names_the_family(family: str) -> None:
    assert compiled(family, BOARD).bundle.manifest.kernel_family == family
    data = json.loads((compiled(family, BOARD).bundle.directory / "manifest.json").read_text(encoding="utf-8"))
    assert data["kernel_family"] == family


def test_auto_is_the_default() -> None:
    assert compiled("default", BOARD).bundle.manifest == compiled("auto", BOARD).bundle.manifest


def test_auto_takes_int16_kernels_where_they_are_exact() -> None:
    assert len(compiled("auto", BOARD).kernels & ENGINE) >= 3


def test_plain_cmsis_nn_is_called_wherever_it_exists() -> None:
    case = compiled("cmsis-nn", BOARD)
    graph = load_and_prepare(case.model)
    expected = {op.name: plain_kernel(graph, op).function for op in graph.ops}
    assert {layer.name: layer.kernel for layer in case.bundle.manifest.layers} == expected
    assert not case.kernels & ENGINE
    assert case.bundle.manifest.kernels.startswith("CMSIS-NN ")
    called = {name for name in case.kernels if name.startswith("arm_")}
    assert called >= {
        "arm_convolve_wrapper_s8",
        "arm_depthwise_conv_wrapper_s8",
        "arm_max_pool_s8",
        "arm_avgpool_s8",
    }


@pytest.mark.parametrize("board", [BOARD, "posix"])
def test_a_project_of_reference_kernels_has_no_cmsis_nn(board: str) -> None:
    case = compiled("reference", board)
    assert all(name.startswith("ta_") for name in case.kernels)
    assert not case.kernels & ENGINE
    assert case.bundle.manifest.kernels == "tinyanime's own"
    assert "Kernels: tinyanime's own." in case.output.splitlines()
    root = case.bundle.directory
    assert not (root / "cmsis_nn").exists()
    for path in (root / "Makefile", *(root / "network").iterdir()):
        text = path.read_text(encoding="utf-8")
        assert "arm_nn" not in text, path
        assert "cmsis_nn" not in text, path


def section(case: Compiled) -> dict[str, list[str]]:
    """Lines about kernels of `-v`, by operator."""
    lines = case.output.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("Kernels (modelled cycles per call"))
    found: dict[str, list[str]] = {}
    for line in lines[first + 1 :]:
        if not line.startswith("  "):
            break
        if not line.startswith("    "):
            name = line.split(" (")[0].strip()
            found[name] = []
        else:
            found[name].append(line.strip())
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_verbose_prints_the_kernel_of_every_layer_that_multiplies(family: str) -> None:
    case = compiled(family, BOARD)
    printed = section(case)
    layers = {layer.name: layer for layer in case.bundle.manifest.layers if layer.macs}
    assert list(printed) == list(layers)
    for name, lines in printed.items():
        assert lines[0].startswith(layers[name].kernel)
        assert lines[0].endswith("bytes of working memory  <- chosen")


def test_verbose_prints_what_the_others_cost_and_why_the_rest_cannot() -> None:
    printed = section(compiled("auto", BOARD))
    assert any(" cycles, " in line and "<- chosen" not in line for lines in printed.values() for line in lines)
    named = {line.split(",")[0].split(":")[0] for lines in printed.values() for line in lines}
    assert named >= ENGINE
    reasons = [line.split("cannot, ")[1] for lines in printed.values() for line in lines if ": cannot" in line]
    assert reasons
    assert not [reason for reason in reasons if reason.startswith(("it is no ", "it is not "))]


def test_plain_families_have_nothing_to_compare() -> None:
    for family in ("cmsis-nn", "reference"):
        assert all(len(lines) == 1 for lines in section(compiled(family, BOARD)).values())


def test_an_unknown_family_is_a_usage_error(tmp_path: Path) -> None:
    model = every_operator_model(tmp_path / "every.onnx")
    arguments = [str(model), "-b", "posix", "-o", str(tmp_path / "p"), "--kernels", "fast"]
    result = CliRunner().invoke(compile_command, arguments)
    assert result.exit_code == 2
    assert "'fast' is not one of 'auto', 'cmsis-nn', 'esp-nn', 'reference'" in result.output
    assert not (tmp_path / "p").exists()
