"""Generated C for boards with two cores: two threads of the PC under ThreadSanitizer, against the reference."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.models.builders import save
from tests.models.random_networks import random_network
from tests.support.every_operator import every_operator_model
from tests.support.generated_network import SANITIZERS, assert_equals_reference, build_network
from tests.support.picture_project import build
from tests.support.served_board import served
from tinyanime.boards.loader import load_board
from tinyanime.boards.schema import Board
from tinyanime.codegen.bundle import Bundle
from tinyanime.codegen.compiler import CompileOptions, compile_model
from tinyanime.codegen.kernels.family import KernelFamily
from tinyanime.codegen.kernels.kernel import own
from tinyanime.codegen.kernels.team import Division, division
from tinyanime.codegen.pipeline import load_and_prepare
from tinyanime.codegen.reference import run_reference
from tinyanime.codegen.schedule.choose import Optimize, ScheduleOptions
from tinyanime.host.emulate import process
from tinyanime.host.link.client import open_device

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")

RACES = ("-fsanitize=thread",)


def two_cores() -> Board:
    return replace(load_board("posix"), cores=2)


def network_text(bundle: Bundle) -> str:
    return (bundle.directory / "network" / "network.c").read_text()


def called_by_teams(bundle: Bundle) -> set[str]:
    """Names of the kernels of the layers that have a TEAM command."""
    text = network_text(bundle)
    layers = set(re.findall(r"^    TEAM\((\w+), ", text, re.M))
    titles = re.findall(r"by (\w+)[^*]*?\n(?: \*.*\n)*? \*/\nstatic const call (\w+)_calls", text)
    return {kernel for kernel, layer in titles if layer in layers}


@pytest.mark.parametrize("family", [KernelFamily.AUTO, KernelFamily.REFERENCE], ids=lambda family: family.value)
def test_every_operator_on_two_cores_equals_the_reference_without_a_race(tmp_path: Path, family: KernelFamily) -> None:
    model = every_operator_model(tmp_path / "every.onnx")
    bundle = compile_model(model, two_cores(), tmp_path / "p", options=CompileOptions(kernels=family))
    program = build_network(bundle, "gcc", extra=RACES, cores=2)
    assert_equals_reference(bundle, load_and_prepare(model), program, seed=3)
    divided = {division(own(kernel)) for kernel in called_by_teams(bundle)}
    if family is KernelFamily.AUTO:
        assert divided == {Division.KERNEL, Division.ROWS, Division.ELEMENTS}
    else:
        assert divided == {Division.ROWS, Division.ELEMENTS}


CHOICES = (Optimize.TIME, Optimize.RAM, Optimize.LAYERS)


@pytest.mark.parametrize("seed", range(3))
def test_a_random_network_on_two_cores_equals_the_reference_in_every_step(tmp_path: Path, seed: int) -> None:
    model = save(random_network(100 + seed, unsigned=seed % 2 == 1), tmp_path / "model.onnx")
    options = CompileOptions(schedule=ScheduleOptions(CHOICES[seed % len(CHOICES)]))
    bundle = compile_model(model, two_cores(), tmp_path / "project", options=options)
    program = build_network(bundle, "gcc", extra=RACES if seed else (SANITIZERS,), cores=2)
    assert_equals_reference(bundle, load_and_prepare(model), program, seed)


def test_nothing_of_teams_is_in_a_project_for_one_core(tmp_path: Path) -> None:
    model = every_operator_model(tmp_path / "every.onnx")
    text = network_text(compile_model(model, load_board("posix"), tmp_path / "p"))
    assert "CALL(" in text
    assert not re.search(r"TEAM|team|share|cores", text)


def test_the_comment_of_a_layer_says_how_many_calls_the_cores_share(tmp_path: Path) -> None:
    model = every_operator_model(tmp_path / "every.onnx")
    text = network_text(compile_model(model, two_cores(), tmp_path / "p"))
    shared = re.findall(r"^ \* on 2 cores together: (\d+) calls?$", text, re.M)
    assert sum(map(int, shared)) == len(re.findall(r"^    TEAM\(", text, re.M)) > 0


def test_a_process_with_two_cores_answers_with_the_references_bytes(tmp_path: Path) -> None:
    board = two_cores()
    model = every_operator_model(tmp_path / "every.onnx")
    compile_model(model, board, tmp_path / "p")
    assert "-pthread" in (tmp_path / "p" / "Makefile").read_text()
    build(tmp_path / "p")
    graph = load_and_prepare(model)
    values = np.random.default_rng(1).integers(-128, 128, graph.tensors[graph.inputs[0]].shape, np.int8)
    expected = run_reference(graph, {graph.inputs[0]: values})[graph.outputs[0]]
    elf = tmp_path / "p" / "build" / "firmware.elf"
    with served(process.serve, board, elf) as running, open_device(running.port()) as device:
        device.hello()
        for _ in range(3):
            assert device.infer(values.tobytes()).output == expected.tobytes()
