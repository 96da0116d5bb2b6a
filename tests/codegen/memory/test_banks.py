from __future__ import annotations

from tinyanime.boards.loader import load_board
from tinyanime.codegen.memory.banks import RESERVED_DATA_BYTES, activation_banks


def test_the_stm32h743_offers_its_real_banks_without_stack_and_static_data() -> None:
    banks = {bank.name: bank for bank in activation_banks(load_board("stm32h743"))}
    assert set(banks) == {"dtcm", "axi", "d2", "sram4"}
    assert banks["dtcm"].size_bytes == 128 * 1024 - 8192 - RESERVED_DATA_BYTES
    assert banks["axi"].size_bytes == 512 * 1024
    assert banks["d2"].size_bytes == 288 * 1024
    assert max(bank.size_bytes for bank in banks.values()) < 1024 * 1024
