from __future__ import annotations

from dataclasses import replace

from tinyanime.boards.loader import load_board
from tinyanime.codegen.memory.banks import RESERVED_DATA_BYTES, activation_banks
from tinyanime.codegen.memory.problem import Reserved


def test_the_stm32h743_offers_its_real_banks_without_stack_and_static_data() -> None:
    banks = {bank.name: bank for bank in activation_banks(load_board("stm32h743"))}
    assert set(banks) == {"dtcm", "axi", "d2", "sram4"}
    assert banks["dtcm"].size_bytes == 128 * 1024 - 8192 - RESERVED_DATA_BYTES
    assert banks["dtcm"].reserved == (Reserved("link and static data", RESERVED_DATA_BYTES), Reserved("stack", 8192))
    assert banks["axi"].size_bytes == 512 * 1024
    assert banks["axi"].reserved == ()
    assert banks["d2"].size_bytes == 288 * 1024
    assert max(bank.size_bytes for bank in banks.values()) < 1024 * 1024


def test_banks_tell_where_the_dma_reaches_and_where_a_cache_lies() -> None:
    banks = {bank.name: bank for bank in activation_banks(load_board("stm32h743"))}
    assert {name: bank.dma for name, bank in banks.items()} == {"dtcm": True, "axi": True, "d2": True, "sram4": False}
    lines = {name: bank.cache_line_bytes for name, bank in banks.items()}
    assert lines == {"dtcm": 0, "axi": 32, "d2": 32, "sram4": 32}


def test_without_a_tile_dma_no_bank_is_reached() -> None:
    board = replace(load_board("stm32h743"), tile_dma=None)
    assert not any(bank.dma for bank in activation_banks(board))
