"""Tiles and transfers: the results stay, the weights come in time and not twice, and the DMA's limits hold."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from tests.models.students import student_32_64_128
from tests.support.replay import Replay
from tests.support.rules import plain_rule
from tests.support.tiled_schedules import CHANNELS, SIDE, WEIGHT_BYTES, Tiled, small_board, strips, tiled, wide_network
from tinyanime.boards.loader import load_board
from tinyanime.boards.schema import TileDma
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Conv2D, Filter, MaxPool, Padding, ResizeNearest, Size2D
from tinyanime.codegen.ir.tensor import Quantization, Tensor
from tinyanime.codegen.kernels.plain_work import CACHED_WEIGHT_BYTES
from tinyanime.codegen.pipeline import load_and_prepare
from tinyanime.codegen.reference.interpreter import run_reference
from tinyanime.codegen.schedule.check.check import check_schedule
from tinyanime.codegen.schedule.cost import CostModel
from tinyanime.codegen.schedule.plan import Call, Command, Schedule, Span, Start, Transfer, Wait, WeightSpan
from tinyanime.codegen.schedule.strips.build import build_schedule
from tinyanime.codegen.schedule.strips.layout import Layout, StageLayout
from tinyanime.codegen.schedule.timeline import simulate
from tinyanime.codegen.schedule.transfers.dma import TransferOptions, add_transfers
from tinyanime.codegen.schedule.transfers.weight_tiles import channel_tiles

MODELS = Path(__file__).parents[4] / "codegen" / "models"

ONE_STAGE = ((0, 5, 2),)
SEVERAL_STAGES = ((0, 1, 2), (1, 3, 4), (3, 5, 2))
STAGE_PER_LAYER = ((0, 1, 4), (1, 2, 2), (2, 3, 2), (3, 4, 2), (4, 5, 2))
WHOLE_LAYERS = ((0, 1, 16), (1, 2, 16), (2, 3, 16), (3, 4, 16), (4, 5, 8))

QUARTER, HALF, WHOLE = WEIGHT_BYTES // 4, WEIGHT_BYTES // 2, WEIGHT_BYTES


def prepared(
    stages: tuple[tuple[int, int, int], ...],
    slot_bytes: int,
    tile_bytes: int = 0,
    *,
    fast_bytes: int = 24 * 1024,
    slots: int = 2,
) -> Tiled:
    options = TransferOptions(slot_bytes, slots=slots, activation_tile_bytes=tile_bytes)
    return tiled(strips(wide_network(), *stages), small_board(fast_bytes), options)


def commands(schedule: Schedule) -> list[Command]:
    return [command for step in schedule.steps for command in step.commands]


def transfers(schedule: Schedule) -> list[Transfer]:
    return [command.transfer for command in commands(schedule) if isinstance(command, Start)]


def weight_loads(schedule: Schedule) -> list[Transfer]:
    return [transfer for transfer in transfers(schedule) if isinstance(transfer.source, WeightSpan)]


def photo() -> NDArray[np.int8]:
    return np.random.default_rng(0).integers(-128, 128, (1, SIDE, SIDE, 4)).astype(np.int8)


@pytest.mark.parametrize("stages", [ONE_STAGE, SEVERAL_STAGES, STAGE_PER_LAYER, WHOLE_LAYERS])
@pytest.mark.parametrize(("slot_bytes", "tile_bytes"), [(QUARTER, 0), (HALF, 0), (WHOLE, 4096), (WHOLE, 8192)])
@pytest.mark.parametrize("early", [True, False])
def test_a_schedule_with_transfers_computes_the_reference_in_any_order(
    stages: tuple[tuple[int, int, int], ...], slot_bytes: int, tile_bytes: int, early: bool
) -> None:
    case = prepared(stages, slot_bytes, tile_bytes)
    assert transfers(case.finished)
    expected = run_reference(wide_network(), {"photo": photo()})["head"]
    assert np.array_equal(Replay(case.finished, case.plan, case.banks, early).run(photo()), expected)
    check_schedule(case.finished, case.plan, case.banks)


def test_rows_of_large_maps_are_read_and_written_through_two_tiles_each() -> None:
    case = prepared(STAGE_PER_LAYER, WHOLE, 8192)
    calls = [command for command in commands(case.after) if isinstance(command, Call)]
    reads = [view.buffer for call in calls for view in call.inputs if ".read" in view.buffer]
    writes = [call.output.buffer for call in calls if ".write" in call.output.buffer]
    assert len(set(reads)) >= 4
    assert len(set(writes)) >= 4
    for names in (reads, writes):
        for one, other in pairwise(names):
            assert one.rpartition(".")[0] != other.rpartition(".")[0] or one != other, "the DMA has no tile to work on"


def test_a_tile_in_the_place_of_a_dying_input_is_read_before_it_is_overwritten() -> None:
    graph = wide_network()
    case = prepared(STAGE_PER_LAYER, WHOLE, 8192)
    shared = {storage.buffer for storage in case.before.storage if storage.tensor != storage.buffer}
    touched = {t.target.buffer for t in transfers(case.after)} & {
        t.source.buffer for t in transfers(case.after) if isinstance(t.source, Span)
    }
    assert shared & touched, "no buffer of two maps goes through tiles in both directions"
    expected = run_reference(graph, {"photo": photo()})["head"]
    for early in (True, False):
        assert np.array_equal(Replay(case.finished, case.plan, case.banks, early).run(photo()), expected)


def halved() -> Graph:
    """photo (16x16x4) -> small (8x8x4, 32 bytes a row) -> blurred; `small` takes the place of `photo`."""
    values = np.random.default_rng(5).integers(-60, 61, (8, 3, 3, 4)).astype(np.int8)
    weights = Filter(values, np.full(8, 0.01), np.zeros(8, np.int32))
    ops = (
        MaxPool(name="small", inputs=("photo",), output="small", kernel=Size2D(2, 2), stride=Size2D(2, 2)),
        Conv2D(name="blurred", inputs=("small",), output="blurred", filter=weights, padding=Padding(1, 1, 1, 1)),
    )
    shapes = {"photo": (16, 4), "small": (8, 4), "blurred": (8, 8)}
    tensors = {n: Tensor(n, (1, side, side, c), Quantization(0.05, 0)) for n, (side, c) in shapes.items()}
    return Graph("halved", ("photo",), ("blurred",), tensors, ops)


@pytest.mark.parametrize("early", [True, False])
def test_rows_that_were_written_just_before_are_in_the_map_before_they_are_read(early: bool) -> None:
    """The first strip of `blurred` reads a row of the last strip of `small`, the call before."""
    board = small_board(1024)
    options = TransferOptions(0, activation_tile_bytes=512)
    case = tiled(strips(halved(), (0, 1, 4), (1, 2, 4), board=board), board, options)
    sources = [t.source.buffer for t in transfers(case.after) if isinstance(t.source, Span)]
    assert [".write" in name for name in sources[:3]] == [True, True, False]
    expected = run_reference(halved(), {"photo": photo()})["blurred"]
    assert np.array_equal(Replay(case.finished, case.plan, case.banks, early).run(photo()), expected)
    check_schedule(case.finished, case.plan, case.banks)


def enlarged() -> Graph:
    """photo (4x16x8, 128 bytes a row) -> blurred, of the same size -> large (8x32x8), which grows over `photo`."""
    values = np.random.default_rng(6).integers(-60, 61, (8, 3, 3, 8)).astype(np.int8)
    weights = Filter(values, np.full(8, 0.01), np.zeros(8, np.int32))
    ops = (
        Conv2D(name="blurred", inputs=("photo",), output="blurred", filter=weights, padding=Padding(1, 1, 1, 1)),
        ResizeNearest(name="large", inputs=("blurred",), output="large", factor=Size2D(2, 2)),
    )
    shapes = {"photo": (4, 16), "blurred": (4, 16), "large": (8, 32)}
    tensors = {n: Tensor(n, (1, height, width, 8), Quantization(0.05, 0)) for n, (height, width) in shapes.items()}
    return Graph("enlarged", ("photo",), ("large",), tensors, ops)


def test_a_map_that_the_first_of_several_strips_reads_whole_has_one_tile() -> None:
    """Seven of the eight rows of `large` need all of `photo`; the second strip reads nothing of it."""
    board = small_board(1024)
    case = tiled(strips(enlarged(), (0, 2, 7), board=board), board, TransferOptions(0, activation_tile_bytes=1024))
    assert len(case.after.steps) == 3
    assert [t.target.buffer for t in transfers(case.after)] == ["photo.read0.0"]
    given = np.random.default_rng(0).integers(-128, 128, (1, 4, 16, 8)).astype(np.int8)
    expected = run_reference(enlarged(), {"photo": given})["large"]
    assert np.array_equal(Replay(case.finished, case.plan, case.banks, early=True).run(given), expected)
    check_schedule(case.finished, case.plan, case.banks)


@pytest.mark.parametrize(
    ("channels", "slot_bytes", "counts"),
    [
        (128, 1152 * 128, [128]),
        (128, 1152 * 128 - 1, [64, 64]),
        (128, 1152 * 47, [40, 44, 44]),
        (96, 1152 * 40, [32, 32, 32]),
        (30, 1152 * 30, [30]),
        (30, 1152 * 16, [16, 14]),
        (3, 1152 * 3, [3]),
        (128, 1152 * 4, [4] * 32),
        (128, 1152 * 4 - 1, []),
    ],
)
def test_tiles_are_as_few_and_as_equal_as_multiples_of_four_channels_can_be(
    channels: int, slot_bytes: int, counts: list[int]
) -> None:
    values = np.zeros((channels, 3, 3, 128), np.int8)
    weights = Filter(values, np.ones(channels), np.zeros(channels, np.int32))
    op = Conv2D(name="c", inputs=("x",), output="y", filter=weights)
    ranges = channel_tiles(op.filter.out_channels, op.filter.values[0].size, slot_bytes)
    assert sorted(r.count for r in ranges) == sorted(counts)
    assert [r.begin for r in ranges] == [0, *(r.end for r in ranges)][: len(ranges)]
    assert not ranges or ranges[-1].end == channels


def test_only_convolutions_whose_weights_the_cache_cannot_keep_are_tiled() -> None:
    case = prepared(SEVERAL_STAGES, HALF)
    for call in (command for command in commands(case.after) if isinstance(command, Call)):
        op = case.after.graph.ops[call.op]
        large = isinstance(op, Conv2D) and op.filter.values.size > CACHED_WEIGHT_BYTES
        assert (call.weights is not None) == (call.channels is not None) == large
        assert bool(call.tile) == large, "two tiles of weights each"


def grouped(graph: Graph) -> Graph:
    """`graph` with two groups in `first`, whose weights stay as large."""
    first = graph.ops[1]
    assert isinstance(first, Conv2D)
    values = np.concatenate([first.filter.values[..., : CHANNELS // 2]] * 2, axis=2)[:, :5]
    weights = replace(first.filter, values=np.ascontiguousarray(np.pad(values, ((0, 0), (0, 0), (0, 1), (0, 0)))))
    changed = replace(first, filter=weights, groups=2, padding=replace(first.padding, top=2, left=3, bottom=2, right=3))
    return replace(graph, ops=(graph.ops[0], changed, *graph.ops[2:]))


def test_a_convolution_in_groups_keeps_its_weights_in_flash() -> None:
    graph = grouped(wide_network())
    first = graph.ops[1]
    assert isinstance(first, Conv2D)
    assert first.filter.values.size > CACHED_WEIGHT_BYTES
    after = add_transfers(strips(graph, *STAGE_PER_LAYER), small_board(), CostModel(), TransferOptions(HALF))
    assert {call.op for step in after.steps for call in step.calls if call.weights} == {2}


def test_a_convolution_that_writes_over_its_input_is_not_split() -> None:
    """Its second tile would read what its first has written."""
    schedule = strips(wide_network(), *STAGE_PER_LAYER)
    steps = []
    for step in schedule.steps:
        call = step.calls[0]
        if call.op == 1:
            source = call.inputs[0]
            place = replace(call.output, buffer=source.buffer, offset_bytes=source.offset_bytes)
            call = replace(call, output=place)
        steps.append(replace(step, commands=(*step.commands[:-1], call)))
    in_place = replace(schedule, steps=tuple(steps))
    after = add_transfers(in_place, small_board(), CostModel(), TransferOptions(HALF))
    assert {call.op for step in after.steps for call in step.calls if call.weights} == {2}


def test_a_tile_whose_output_fast_memory_cannot_hold_is_not_made() -> None:
    """Of a whole layer, 16 of 32 channels are 4,096 bytes."""
    schedule = strips(wide_network(), *WHOLE_LAYERS)
    assert add_transfers(schedule, small_board(4064), CostModel(), TransferOptions(HALF)) is schedule
    assert add_transfers(schedule, small_board(4096), CostModel(), TransferOptions(HALF)) is not schedule


def test_weights_that_stay_in_their_slots_are_loaded_once() -> None:
    """Two convolutions of one tile each take turns over eight strips."""
    loads = weight_loads(prepared(ONE_STAGE, WHOLE).after)
    assert [load.source for load in loads] == [WeightSpan(1, 0, WEIGHT_BYTES), WeightSpan(2, 0, WEIGHT_BYTES)]


def test_with_more_tiles_than_slots_what_is_needed_soon_is_kept() -> None:
    """Four tiles in rotation over strips: of every four uses, a third slot and a fourth save one and two loads."""
    loads = [len(weight_loads(prepared(ONE_STAGE, HALF, slots=slots).after)) for slots in (2, 3, 4)]
    calls = [command for command in commands(prepared(ONE_STAGE, HALF).after) if isinstance(command, Call)]
    assert loads[2] == 4
    assert 4 < loads[1] < loads[0] < sum(call.weights is not None for call in calls)


def test_a_load_starts_right_behind_the_last_call_that_read_its_slot() -> None:
    schedule = prepared(SEVERAL_STAGES, QUARTER).after
    last_reader: dict[str, int] = {}
    reloads = 0
    flat = commands(schedule)
    for position, command in enumerate(flat):
        if isinstance(command, Call) and command.weights:
            last_reader[command.weights.buffer] = position
        if isinstance(command, Start) and command.transfer.target.buffer in last_reader:
            between = flat[last_reader[command.transfer.target.buffer] + 1 : position]
            assert not any(isinstance(other, Call) for other in between)
            reloads += 1
    assert reloads > 8


def test_a_wait_stands_right_before_the_call_that_needs_the_weights() -> None:
    schedule = prepared(SEVERAL_STAGES, QUARTER).after
    source = {transfer.index: transfer for transfer in transfers(schedule)}
    flat = commands(schedule)
    for position, command in enumerate(flat):
        if isinstance(command, Wait):
            following = flat[position + 1]
            assert isinstance(following, Call)
            assert following.weights == source[command.transfer].target


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_no_channel_is_used_twice_at_a_time_and_all_transfers_end(channels: int) -> None:
    board = replace(small_board(24 * 1024), tile_dma=TileDma("few", channels, 65536, 0))
    case = tiled(strips(wide_network(), *STAGE_PER_LAYER), board, TransferOptions(WHOLE, activation_tile_bytes=8192))
    busy: dict[int, int] = {}
    most = 0
    for command in commands(case.after):
        if isinstance(command, Start):
            assert command.transfer.channel < channels
            assert command.transfer.channel not in busy
            busy[command.transfer.channel] = command.transfer.index
        elif isinstance(command, Wait):
            assert busy.pop(command.channel) == command.transfer
        most = max(most, len(busy))
    assert not busy
    assert most == min(channels, 3)
    check_schedule(case.finished, case.plan, case.banks)


def test_a_transfer_larger_than_the_dma_takes_is_split() -> None:
    board = replace(small_board(24 * 1024), tile_dma=TileDma("small", 4, 4096, 0))
    case = tiled(strips(wide_network(), *ONE_STAGE), board, TransferOptions(WHOLE))
    loads = weight_loads(case.after)
    assert [load.source.size_bytes for load in loads] == [4096, 4096, 1024] * 2
    assert all(load.source.size_bytes == load.target.size_bytes for load in loads)
    check_schedule(case.finished, case.plan, case.banks)


def test_slots_and_tiles_lie_in_the_fast_memory_and_maps_where_the_dma_reaches() -> None:
    case = prepared(STAGE_PER_LAYER, WHOLE, 8192)
    old = {buffer.name: buffer for buffer in case.before.buffers}
    moved = {t.target.buffer for t in transfers(case.after)} | {
        t.source.buffer for t in transfers(case.after) if isinstance(t.source, Span)
    }
    for buffer in case.after.buffers:
        assert buffer.dma == (buffer.name in moved)
        if buffer.name in moved:
            assert buffer.alignment_bytes % 32 == 0
        if buffer.name in old:
            assert buffer.banks == old[buffer.name].banks
            assert buffer.first_step <= old[buffer.name].first_step
            assert buffer.end_step >= old[buffer.name].end_step
        elif buffer.dma:
            assert buffer.banks == ("dtcm",)


def test_a_map_that_moves_through_tiles_counts_fewer_accesses_of_the_core() -> None:
    case = prepared(STAGE_PER_LAYER, WHOLE, 8192)
    before = {buffer.name: buffer.accesses_bytes for buffer in case.before.buffers}
    after = {buffer.name: buffer.accesses_bytes for buffer in case.after.buffers}
    maps = [name for name in before if after[name] < before[name]]
    assert {case.after.storage_of(name).buffer for name in ("photo", "stem", "first")} & set(maps)
    tiles = sum(size for name, size in after.items() if ".read" in name or ".write" in name)
    assert sum(before[name] - after[name] for name in maps) == tiles


def test_tiles_of_a_map_take_no_more_than_they_may() -> None:
    for limit in (2048, 4096, 8192):
        case = prepared(STAGE_PER_LAYER, WHOLE, limit)
        sizes: dict[str, int] = {}
        for buffer in case.after.buffers:
            if ".read" in buffer.name or ".write" in buffer.name:
                stem = buffer.name.rpartition(".")[0]
                sizes[stem] = sizes.get(stem, 0) + buffer.size_bytes
        assert sizes
        assert max(sizes.values()) <= limit


def test_without_anything_to_do_the_schedule_stays_as_it_is() -> None:
    schedule = strips(wide_network(), *ONE_STAGE)
    assert add_transfers(schedule, small_board(), CostModel(), TransferOptions(0)) is schedule
    assert add_transfers(schedule, small_board(), CostModel(), TransferOptions(256)) is schedule


def test_one_slot_is_refused() -> None:
    with pytest.raises(ValueError, match="1 weight slots"):
        add_transfers(strips(wide_network(), *ONE_STAGE), small_board(), CostModel(), TransferOptions(HALF, slots=1))


def test_the_same_input_gives_the_same_schedule() -> None:
    def text() -> str:
        case = prepared(STAGE_PER_LAYER, WHOLE, 8192)
        return repr([(c.op, c.inputs, c.output) if isinstance(c, Call) else c for c in commands(case.finished)])

    assert text() == text()


def test_where_the_core_copies_the_fewest_loads_count_and_no_map_has_tiles() -> None:
    board = replace(small_board(24 * 1024), tile_dma=None)
    case = tiled(strips(wide_network(), *SEVERAL_STAGES), board, TransferOptions(WHOLE, activation_tile_bytes=8192))
    assert len(weight_loads(case.after)) == len(transfers(case.after)) == 2
    assert not any(buffer.dma for buffer in case.after.buffers)
    assert case.finished is case.after
    expected = run_reference(wide_network(), {"photo": photo()})["head"]
    assert np.array_equal(Replay(case.finished, case.plan, case.banks, True).run(photo()), expected)
    check_schedule(case.finished, case.plan, case.banks)


@pytest.mark.parametrize("slot_bytes", [18 * 1024, 36 * 1024])
@pytest.mark.parametrize("network", ["shipped", "student"])
def test_transfers_of_a_whole_network_are_hidden(network: str, slot_bytes: int, tmp_path: Path) -> None:
    board = load_board("stm32h743")
    path = MODELS / "anime128" / "model.onnx"
    if network == "student":
        path = tmp_path / "student.onnx"
        onnx.save(student_32_64_128(side=64), path)
    graph = load_and_prepare(path)
    rows = graph.output_tensor(graph.ops[-1]).height // 16
    schedule = build_schedule(graph, Layout((StageLayout(0, len(graph.ops), rows),)), plain_rule(board))
    after = add_transfers(schedule, board, CostModel(), TransferOptions(slot_bytes))
    assert len(weight_loads(after)) > 16
    case = tiled(schedule, board, TransferOptions(slot_bytes))
    timeline = simulate(case.finished, board, CostModel(), case.plan)
    assert timeline.stall_fraction <= 0.02
    flash = tiled(schedule, board, TransferOptions(0))
    assert timeline.total_cycles < simulate(flash.finished, board, CostModel(), flash.plan).total_cycles
    check_schedule(case.finished, case.plan, case.banks)
