"""Generated C of schedules by hand and of streamed and recomputed networks, on the PC, against the reference.

The PC's DMA copies when it is waited for, not before: what is read too early is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.models.builders import QdqBuilder, save
from tests.support.assembled import assembled, hand_assembled, with_graph, with_random_weights
from tests.support.generated_network import assert_equals_reference, available_compilers, build_network
from tests.support.hand_schedules import HandMade, line_buffer, streamed, transfers, whole_layers
from tests.support.rules import plain_rule
from tinyanime.boards.loader import load_board
from tinyanime.codegen.compiler import CompileOptions, compile_model
from tinyanime.codegen.emit import network
from tinyanime.codegen.errors import DoesNotFitError
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Conv2D
from tinyanime.codegen.kernels.family import KernelFamily
from tinyanime.codegen.memory.banks import activation_banks
from tinyanime.codegen.memory.problem import MemoryPlan, MemoryProblem
from tinyanime.codegen.memory.solve import solve
from tinyanime.codegen.pipeline import load_and_prepare
from tinyanime.codegen.schedule.choose import Optimize, ScheduleOptions
from tinyanime.codegen.schedule.plan import Call, Move, Start, Wait
from tinyanime.codegen.schedule.strips.build import build_schedule
from tinyanime.codegen.schedule.strips.layout import whole_layer_layout
from tinyanime.codegen.schedule.strips.recompute import recompute_variants

COMPILERS = available_compilers()
pytestmark = pytest.mark.skipif(not COMPILERS, reason="neither gcc nor clang is installed")

SCRATCH_BYTES = 512
SCRATCH_OFFSET = 2048
"""Behind everything that the schedules by hand place in the TCM."""


def prepared(hand: HandMade) -> HandMade:
    """Weights that bite, and working memory as large as the library of the PC wants it."""
    hand = with_graph(hand, lambda graph: with_random_weights(graph, 5))
    for buffer in hand.schedule.buffers:
        if buffer.name == "columns":
            hand = hand.with_buffer(replace(buffer, size_bytes=SCRATCH_BYTES))
            hand = hand.with_spot("columns", "tcm", SCRATCH_OFFSET)
    return hand


@pytest.mark.parametrize("make", [whole_layers, line_buffer, transfers, streamed])
def test_a_schedule_by_hand_equals_the_reference(tmp_path: Path, make: Callable[[], HandMade]) -> None:
    hand = prepared(make())
    bundle = hand_assembled(hand, tmp_path / "project")
    program = build_network(bundle, COMPILERS[-1])
    for seed in range(3):
        assert_equals_reference(bundle, hand.schedule.graph, program, seed)


def without(hand: HandMade, kind: type[Wait | Move]) -> HandMade:
    """`hand` without its first command of `kind`."""
    step, position = next(
        (step.index, position)
        for step in hand.schedule.steps
        for position, command in enumerate(step.commands)
        if isinstance(command, kind)
    )
    return hand.with_command(step, position)


@pytest.mark.parametrize(("make", "kind"), [(line_buffer, Move), (transfers, Wait)])
def test_a_command_that_is_left_out_shows(
    tmp_path: Path, make: Callable[[], HandMade], kind: type[Wait | Move]
) -> None:
    hand = without(prepared(make()), kind)
    bundle = hand_assembled(hand, tmp_path / "project")
    program = build_network(bundle, COMPILERS[0], extra=())
    with pytest.raises(AssertionError, match=r"bytes differ|status"):
        assert_equals_reference(bundle, hand.schedule.graph, program, seed=1)


def test_the_commands_are_written_in_order_with_what_they_do(tmp_path: Path) -> None:
    text = (hand_assembled(prepared(transfers()), tmp_path / "p").directory / "network/network.c").read_text()
    commands = text[text.index("static const ta_command") : text.index("static const ta_step")]
    assert [line.strip() for line in commands.splitlines()[1:9]] == [
        "/* 0: conv, rows 0 to 1, stage 0, strip 1 of 2 */",
        "CLEAN(ta_arena_axi, 96), /* x */",
        "START(0, ta_arena_tcm, ta_arena_axi, 96), /* transfer 0: x to x0 */",
        "START(1, ta_arena_tcm + 320, layer_00_weights, 144), /* transfer 1: weights of conv to w0 */",
        "START(2, ta_arena_tcm + 480, layer_00_weights + 144, 144), /* transfer 2: weights of conv to w1 */",
        "WAIT(0), /* transfer 0 */",
        "WAIT(1), /* transfer 1 */",
        "CALL(layer_00, 0),",
    ]


def test_the_manifest_counts_commands_by_kind(tmp_path: Path) -> None:
    hand = prepared(transfers())
    manifest = hand_assembled(hand, tmp_path / "p").manifest
    counts = manifest.commands
    commands = [command for step in hand.schedule.steps for command in step.commands]
    assert counts.calls == sum(isinstance(command, Call) for command in commands) == 5
    assert counts.transfers == counts.waits == sum(isinstance(command, Start) for command in commands) == 6
    assert counts.transferred_bytes == 96 + 144 + 144 + 96 + 128 + 128
    assert (counts.cleans, counts.invalidates, counts.moves, counts.moved_bytes) == (2, 3, 0, 0)
    assert [step.calls for step in manifest.steps] == [2, 2, 1]
    assert [step.commands for step in manifest.steps] == [len(step.commands) for step in hand.schedule.steps]
    assert [(stage.layers, stage.strips, stage.strip_rows) for stage in manifest.stages] == [((0,), 2, 2), ((1,), 1, 4)]
    assert manifest.transfers


def small_pictures(path: Path) -> Path:
    builder = QdqBuilder(4, name="small")
    hidden = builder.conv(builder.input((1, 3, 40, 24)), 6, stride=(2, 2), relu=True)
    wide = builder.resize(builder.conv(hidden, 5, relu=True), (2, 2))
    return save(builder.finish(builder.conv(wide, 3)), path)


@pytest.mark.parametrize("board", ["posix", "stm32h743"])
def test_a_streamed_network_equals_the_reference_and_never_holds_a_whole_picture(tmp_path: Path, board: str) -> None:
    model = small_pictures(tmp_path / "model.onnx")
    options = CompileOptions(schedule=ScheduleOptions(Optimize.RAM, stream=True))
    manifest = (bundle := compile_model(model, load_board(board), tmp_path / "p", options=options)).manifest
    assert manifest.input.window_bytes > 0
    assert manifest.output.window_bytes > 0
    assert manifest.commands.receives > 1
    assert manifest.commands.sends > 1
    maps = [buffer.size_bytes for buffer in manifest.buffers if not buffer.name.endswith(".scratch")]
    assert max(maps) < manifest.input.size_bytes
    program = build_network(bundle, COMPILERS[0])
    for seed in range(2):
        assert_equals_reference(bundle, load_and_prepare(model), program, seed)


def long_skip(path: Path) -> Graph:
    """A cheap first layer that is read again at the end."""
    builder = QdqBuilder(6, name="skip")
    stem = builder.conv(builder.input((1, 2, 12, 12)), 4, kernel=(1, 1), pads=(0, 0, 0, 0))
    x = stem
    for _ in range(4):
        x = builder.conv(x, 4, relu=True)
    return load_and_prepare(save(builder.finish(builder.add(x, stem)), path))


def test_a_recomputed_layer_shares_its_weights_and_equals_the_reference(tmp_path: Path) -> None:
    graph = long_skip(tmp_path / "model.onnx")
    board = load_board("posix")
    variant = next(iter(recompute_variants(graph)))
    schedule = build_schedule(variant.graph, whole_layer_layout(variant.graph), plain_rule(board))
    schedule = replace(schedule, recomputed=variant.recomputed)
    plan = solve(MemoryProblem(schedule.buffers, activation_banks(board)))
    assert isinstance(plan, MemoryPlan)
    bundle = assembled(schedule, plan, board, tmp_path / "p")
    again = [layer for layer in bundle.manifest.layers if layer.recomputed]
    assert [layer.tensor for layer in again] == [item.tensor for item in variant.recomputed]
    weights = [op.filter for op in graph.ops if isinstance(op, Conv2D)]
    assert bundle.manifest.weights_bytes == sum(w.values.nbytes + 12 * len(w.bias) for w in weights)
    assert_equals_reference(bundle, graph, build_network(bundle, COMPILERS[-1]), seed=2)


@pytest.mark.parametrize("board", ["stm32h743", "posix"])
def test_weights_that_stream_through_fast_memory_equal_the_reference(tmp_path: Path, board: str) -> None:
    """Boards without a DMA copy instead."""
    builder = QdqBuilder(8)
    hidden = builder.conv(builder.input((1, 48, 6, 6)), 50, relu=True)
    model = save(builder.finish(builder.conv(hidden, 30)), tmp_path / "model.onnx")
    options = CompileOptions(schedule=ScheduleOptions(transfers=True), kernels=KernelFamily.CMSIS_NN)
    bundle = compile_model(model, load_board(board), tmp_path / "p", options=options)
    assert bundle.manifest.commands.transfers > 0
    assert_equals_reference(bundle, load_and_prepare(model), build_network(bundle, COMPILERS[0]), seed=4)


def test_the_arenas_end_with_a_cache_line(tmp_path: Path) -> None:
    hand = prepared(streamed())
    directory = hand_assembled(hand.with_spot("rows", "tcm", 16), tmp_path / "p").directory
    text = (directory / "network/network.c").read_text()
    assert re.findall(r"static int8_t ta_arena_(\w+)\[(\d+)\]", text) == [("tcm", "32"), ("axi", "64")]
    assert "ta_arena_axi + 32" in text[text.index(".output = {") :].splitlines()[1]


@pytest.mark.parametrize(
    ("most", "message"),
    [
        (3, r"Layer 'conv' takes 4 kernel calls, the most is 3\."),
        (12, r"A step of layer 'conv' takes 13 commands, the most is 12\."),
    ],
)
def test_more_calls_or_commands_than_the_firmware_counts_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, message: str
) -> None:
    monkeypatch.setattr(network, "MOST_CALLS", most)
    with pytest.raises(DoesNotFitError, match=message):
        hand_assembled(prepared(transfers()), tmp_path / "p")


def test_channels_without_a_tile_or_without_weights_in_ram_are_a_defect(tmp_path: Path) -> None:
    hand = prepared(transfers())
    position = next(i for i, command in enumerate(hand.schedule.steps[0].commands) if isinstance(command, Call))
    call = hand.call(0, position)
    for broken, message in ((replace(call, tile=""), "have no tile"), (replace(call, weights=None), "have no weights")):
        with pytest.raises(ValueError, match=f"channels 0 to 4 {message}"):
            hand_assembled(hand.with_command(0, position, broken), tmp_path / "p")
