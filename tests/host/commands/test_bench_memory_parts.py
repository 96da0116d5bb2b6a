"""What `tinyanime bench-memory` is made of: boards, networks, bakenn's arena, lines of the table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.models.builders import QdqBuilder
from tinyanime.boards.loader import list_boards, load_board
from tinyanime.host.memory_bench.bakenn_arena import NotTakenError, bakenn_arena
from tinyanime.host.memory_bench.board_file import WIDE_BANK_BYTES, board_text, wide_board
from tinyanime.host.memory_bench.comparison import bakenn_figures
from tinyanime.host.memory_bench.figures import HEADER, Figures, as_json, row
from tinyanime.host.memory_bench.networks import NETWORKS, BenchNetwork
from tinyanime.host.memory_bench.workbench import Candidate


def candidate(folder: Path, builder: QdqBuilder, *layers: int) -> Candidate:
    """Convolutions with these channels on a picture of 16 x 16 x 3."""
    x = builder.input((1, 3, 16, 16))
    for channels in layers:
        x = builder.conv(x, channels)
    model = builder.finish(x).SerializeToString()
    return Candidate(BenchNetwork("chain", "a chain", lambda: model), folder)


@pytest.mark.parametrize("board", [b.name for b in list_boards()])
def test_a_board_reads_back_from_its_text(board: str, tmp_path: Path) -> None:
    original = load_board(board)
    path = tmp_path / "again.toml"
    path.write_text(board_text(original), encoding="utf-8")
    assert load_board(str(path)) == replace(original, source=path)


def test_the_wide_board_differs_in_name_and_one_bank_only(tmp_path: Path) -> None:
    board = load_board("stm32h743")
    wide = wide_board(board, tmp_path / "wide.toml")
    assert wide.region("axi").size_bytes == WIDE_BANK_BYTES
    narrow = replace(wide.region("axi"), size_bytes=board.region("axi").size_bytes)
    memory = tuple(narrow if region.name == "axi" else region for region in wide.memory)
    assert replace(wide, name=board.name, memory=memory, source=board.source) == board


def test_the_networks_are_what_they_are_called(tmp_path: Path) -> None:
    shapes = {}
    for network in NETWORKS:
        graph = Candidate(network, tmp_path).graph
        source, result = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
        assert source.shape == result.shape
        shapes[network.name] = source.shape[1:]
    square = {"anime128": 128, "student128": 128, "student128-skip": 128, "student256": 256, "small512": 512}
    assert shapes == {name: (side, side, 3) for name, side in square.items()}


def test_bakenns_arena_of_a_chain_is_its_two_inner_maps_and_scratch(tmp_path: Path) -> None:
    arena = bakenn_arena(candidate(tmp_path, QdqBuilder(1), 8, 4, 3).graph)
    # The maps of 16 x 16 x 8 and 16 x 16 x 4 are alive together; input and output are the caller's.
    maps = 16 * 16 * (8 + 4)
    assert maps <= arena.arena_bytes <= maps + 4096
    assert arena.caller_bytes == 2 * 16 * 16 * 3
    assert arena.total_bytes == arena.arena_bytes + arena.caller_bytes


def test_rearrangements_reach_bakenn_as_convolutions_of_the_same_maps(tmp_path: Path) -> None:
    builder = QdqBuilder(2)
    x = builder.space_to_depth(builder.input((1, 3, 16, 16)))
    model = builder.finish(builder.depth_to_space(builder.conv(x, 12))).SerializeToString()
    graph = Candidate(BenchNetwork("blocks", "blocks", lambda: model), tmp_path).graph
    arena = bakenn_arena(graph)
    assert 2 * 8 * 8 * 12 <= arena.arena_bytes <= 2 * 8 * 8 * 12 + 4096


def test_what_bakenn_cannot_take_is_said_in_the_table(tmp_path: Path) -> None:
    builder = QdqBuilder(3)
    x = builder.pool(builder.conv(builder.input((1, 3, 16, 16)), 4), "MaxPool")
    model = builder.finish(x).SerializeToString()
    pooled = Candidate(BenchNetwork("pooled", "pooled", lambda: model), tmp_path)
    with pytest.raises(NotTakenError, match="MaxPool"):
        bakenn_arena(pooled.graph)
    figures = bakenn_figures(pooled, load_board("stm32h743"))
    assert figures.peak_bytes is None
    assert "MaxPool" in figures.note


def test_an_arena_beyond_the_largest_bank_does_not_count_as_placed(tmp_path: Path) -> None:
    chain = candidate(tmp_path, QdqBuilder(1), 8, 4, 3)
    board = load_board("stm32h743")
    assert bakenn_figures(chain, board).placed
    tiny = tuple(
        replace(r, size_bytes=22_528 if r.name == "dtcm" else 1024) if r.name in ("dtcm", "axi", "d2", "sram4") else r
        for r in board.memory
    )
    figures = bakenn_figures(chain, replace(board, memory=tiny))
    assert not figures.placed
    assert figures.note == "its arena is one block, the largest bank has 2,048 bytes"


def test_json_has_every_field_and_null_where_nothing_was_measured() -> None:
    empty = as_json(Figures("b", "n", None, "bakenn"))
    named = {"board", "network", "optimize", "engine"}
    figures = {"peak_bytes", "peak_bytes_by_bank", "lower_bound_bytes", "gap_bytes", "recomputed_rows"}
    figures |= {"instructions", "instructions_whole_layer", "stall_fraction"}
    assert named | figures <= set(empty)
    assert {empty[name] for name in figures} == {None}
    full = as_json(Figures("b", "n", "time", "e", 5, (("axi", 5),), instructions=103, instructions_whole_layer=100))
    assert full["peak_bytes_by_bank"] == {"axi": 5}
    assert full["overhead_percent"] == pytest.approx(3.0)


def test_a_line_of_the_table_marks_what_does_not_fit() -> None:
    line = dict(zip(HEADER, row(Figures("b", "n", "layers", "e", peak_bytes=1234)), strict=True))
    assert line["peak bytes"] == "1,234 *"
    assert line["instructions"] == "-"
    line = dict(zip(HEADER, row(Figures("b", "n", "time", "e", 1234, placed=True, bit_exact=False)), strict=True))
    assert (line["peak bytes"], line["bit-exact"]) == ("1,234", "NO")
