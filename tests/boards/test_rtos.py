"""Boards under an operating system."""

from __future__ import annotations

import pytest

from tinyanime.boards.loader import list_boards, load_board
from tinyanime.boards.rtos import Rtos, board_under
from tinyanime.boards.schema import MemoryUse, ProjectKind
from tinyanime.codegen.errors import BoardError
from tinyanime.codegen.memory.banks import activation_banks
from tinyanime.codegen.schedule.transfers.reach import dma_reach

WITH_NUTTX = tuple(board.name for board in list_boards() if board.nuttx is not None)


@pytest.mark.parametrize("name", WITH_NUTTX)
def test_under_nuttx_a_board_has_its_code_memory_and_what_is_left_of_that_of_bss(name: str) -> None:
    bare = load_board(name)
    board = board_under(bare, Rtos.NUTTX)
    assert bare.nuttx is not None
    (bank,) = activation_banks(board)
    whole = bare.region(bare.nuttx.region)
    assert (bank.name, bank.base) == (whole.name, whole.base)
    assert bank.size_bytes <= whole.size_bytes - bare.nuttx.system_bytes
    assert board.regions(MemoryUse.CODE) == bare.regions(MemoryUse.CODE)
    assert not board.regions(MemoryUse.STACK)
    assert (board.project, board.family, board.cores) == (ProjectKind.NUTTX, "nuttx", 1)


def test_under_nuttx_nothing_is_moved_by_dma_and_no_cache_is_maintained() -> None:
    board = board_under(load_board("stm32h743"), Rtos.NUTTX)
    assert board.tile_dma is None
    (bank,) = activation_banks(board)
    assert (bank.dma, bank.cache_line_bytes) == (False, 0)
    assert not dma_reach(board).tiles


def test_a_board_without_a_system_names_those_that_have_it() -> None:
    with pytest.raises(BoardError) as caught:
        board_under(load_board("posix"), Rtos.NUTTX)
    assert caught.value.message == "Board posix has no support for nuttx."
    assert caught.value.hint == f"Use one of {', '.join(WITH_NUTTX)}, or describe it in a table [nuttx] of posix.toml."


def test_nuttx_runs_on_the_boards_that_were_tried() -> None:
    assert set(WITH_NUTTX) >= {"mps2-an500", "stm32h743"}
