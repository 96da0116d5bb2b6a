"""The same network on other picture sizes, and the largest that fits a board."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.models.builders import Activation, QdqBuilder, save
from tests.models.students import small_generator
from tests.support.graphs import generator
from tests.support.rules import no_scratch
from tinyanime.boards.loader import load_board
from tinyanime.boards.schema import Board
from tinyanime.codegen.errors import DoesNotFitError
from tinyanime.codegen.ir.graph import Graph
from tinyanime.codegen.ir.ops import Size2D
from tinyanime.codegen.passes.fuse_upsample import fuse_upsample
from tinyanime.codegen.pipeline import load_and_prepare
from tinyanime.codegen.schedule.choose import Optimize, ScheduleOptions, choose_schedule
from tinyanime.codegen.schedule.resolution import (
    largest_resolution,
    resized,
    total_stride,
    with_largest_resolution,
)

Finish = Callable[[QdqBuilder, Activation], Activation]


def graph_of(tmp_path: Path, finish: Finish, shape: tuple[int, ...] = (1, 3, 16, 16)) -> Graph:
    builder = QdqBuilder(1)
    return load_and_prepare(save(builder.finish(finish(builder, builder.input(shape))), tmp_path / "m.onnx"))


def one_bank(size_bytes: int) -> Board:
    """A board with exactly `size_bytes` for activations."""
    board = load_board("stm32h743")
    data = replace(board.region("dtcm"), uses=tuple(u for u in board.region("dtcm").uses if u.value != "activations"))
    axi = replace(board.region("axi"), size_bytes=size_bytes)
    return replace(board, memory=(board.region("flash"), data, axi))


def test_a_resized_network_has_the_shapes_of_one_that_was_built_at_that_size(tmp_path: Path) -> None:
    large = load_and_prepare(save(small_generator(side=64), tmp_path / "large.onnx"))
    small = load_and_prepare(save(small_generator(side=24), tmp_path / "small.onnx"))
    again = resized(large, 24, 24)
    assert again is not None
    assert {name: t.shape for name, t in again.tensors.items()} == {n: t.shape for n, t in small.tensors.items()}
    assert again.ops == large.ops


@pytest.mark.parametrize(
    "finish",
    [
        lambda b, x: b.gemm(b.flatten(x), 5),
        lambda b, x: b.reshape(x, (1, 12, 8, 8)),
        lambda b, x: b.global_average_pool(b.conv(x, 4)),
    ],
)
def test_a_network_that_fixes_its_size_has_no_other(tmp_path: Path, finish: Finish) -> None:
    graph = graph_of(tmp_path, finish)
    assert resized(graph, 8, 8) is None
    error = DoesNotFitError("Too large.", hint="Prune.")
    banked = with_largest_resolution(error, graph, load_board("posix"), no_scratch, ScheduleOptions())
    assert (banked.message, banked.hint) == ("Too large.", "Prune.")


def test_a_size_that_the_blocks_do_not_divide_is_refused(tmp_path: Path) -> None:
    graph = graph_of(tmp_path, lambda b, x: b.space_to_depth(x, 4))
    assert total_stride(graph) == Size2D(4, 4)
    assert resized(graph, 10, 8) is None
    assert resized(graph, 8, 12) is not None


def test_a_skip_whose_maps_would_differ_is_refused() -> None:
    # Down by four and up by two: rows of the skip only agree at multiples of four.
    graph = generator(16)
    assert total_stride(graph) == Size2D(4, 4)
    assert resized(graph, 12, 12) is not None
    assert resized(graph, 14, 14) is None


def test_a_joined_upsampling_takes_the_sizes_that_it_took_apart() -> None:
    graph = generator(16)
    joined = fuse_upsample(graph, lambda conv: True)
    assert len(joined.ops) == len(graph.ops) - 1
    assert total_stride(joined) == total_stride(graph)
    small, apart = resized(joined, 12, 12), resized(graph, 12, 12)
    assert small is not None
    assert apart is not None
    assert {name: small.tensors[name].shape for name in small.tensors} == {
        name: apart.tensors[name].shape for name in small.tensors
    }


def test_strides_count_by_side(tmp_path: Path) -> None:
    graph = graph_of(tmp_path, lambda b, x: b.resize(b.conv(x, 4, stride=(4, 2)), (2, 2)))
    assert total_stride(graph) == Size2D(4, 2)


@pytest.mark.parametrize("most_rows", [4, 8, 20, 28])
def test_the_search_finds_the_largest_size_that_fits(most_rows: int) -> None:
    tried: list[int] = []

    def fits(graph: Graph) -> bool:
        tried.append(graph.tensors["photo"].height)
        return tried[-1] <= most_rows

    assert largest_resolution(generator(32), fits) == Size2D(most_rows, most_rows)
    assert len(tried) <= 4


def test_the_search_says_that_nothing_fits() -> None:
    assert largest_resolution(generator(32), lambda graph: False) is None


def test_the_search_keeps_the_pictures_proportions(tmp_path: Path) -> None:
    graph = graph_of(tmp_path, lambda b, x: b.conv(x, 4, stride=(2, 2)), (1, 3, 24, 48))
    assert largest_resolution(graph, lambda smaller: smaller.tensors["photo"].height <= 10) == Size2D(10, 20)


@pytest.mark.parametrize(("optimize", "bank_bytes"), [(Optimize.RAM, 8192), (Optimize.LAYERS, 12_288)])
def test_the_advised_size_fits_the_board_and_the_next_does_not(optimize: Optimize, bank_bytes: int) -> None:
    graph, board, options = generator(64), one_bank(bank_bytes), ScheduleOptions(optimize)
    with pytest.raises(DoesNotFitError) as caught:
        choose_schedule(graph, board, no_scratch, options)
    advised = with_largest_resolution(caught.value, graph, board, no_scratch, options)
    assert advised.message == caught.value.message
    assert advised.hint.endswith(caught.value.hint)
    assert advised.hint.startswith("The largest picture that fits is ")
    assert "(this one is 64 x 64)" in advised.hint
    side = int(advised.hint.split()[6])
    smaller, next_one = resized(graph, side, side), resized(graph, side + 4, side + 4)
    assert smaller is not None
    assert next_one is not None
    assert choose_schedule(smaller, board, no_scratch, options).plan.certificate.total_peak_bytes <= bank_bytes
    with pytest.raises(DoesNotFitError):
        choose_schedule(next_one, board, no_scratch, options)


def test_a_board_too_small_for_any_picture_is_told_so() -> None:
    error = DoesNotFitError("Too large.", hint="Prune.")
    board = one_bank(64)
    told = with_largest_resolution(error, generator(16), board, no_scratch, ScheduleOptions(Optimize.RAM))
    assert told.hint == "No smaller picture fits either (this one is 16 x 16). Prune."
