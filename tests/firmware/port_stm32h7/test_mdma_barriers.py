"""Barriers of the tile DMA and of the cache maintenance. The virtual core does everything in order: no other test
notices where one is missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import unicorn
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from tests.support.dma_probe import OK, VirtualProbe, dma_probe_image

FLASH, DTCM, AXI = 0x0810_0000, 0x2001_0000, 0x2400_0000
MDMA_C0 = 0x5200_0040
ISR, CR, TCR, TBR = MDMA_C0 + 0x00, MDMA_C0 + 0x0C, MDMA_C0 + 0x10, MDMA_C0 + 0x28
DCIMVAC, DCCMVAC = 0xE000_EF5C, 0xE000_EF68
REGISTERS = ((0x5200_0000, 0x5200_0FFF), (0xE000_E000, 0xE000_EFFF))
DSB, ISB = "dsb", "isb"
BARRIERS = {bytes.fromhex("bff34f8f"): DSB, bytes.fromhex("bff36f8f"): ISB}

Event = str | int
"""A barrier, or the address of a register that was loaded or stored."""


def function_range(image: Path, name: str) -> tuple[int, int]:
    """Addresses of the first and the last byte of a function."""
    with image.open("rb") as file:
        table = ELFFile(file).get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        (symbol,) = table.get_symbol_by_name(name) or []
        begin = int(symbol["st_value"]) & ~1
        return begin, begin + int(symbol["st_size"]) - 1


def traced(probe: VirtualProbe, function: str, action: Callable[[], object]) -> list[Event]:
    """Barriers and register accesses of `function`, in order, while `action` makes the firmware call it."""
    begin, end = function_range(dma_probe_image("stm32h743"), function)
    machine = probe.stm32h7.processor.machine
    events: list[Event] = []
    inside = False

    def step(_machine: unicorn.Uc, address: int, size: int, _data: object) -> None:
        nonlocal inside
        inside = begin <= address <= end
        code = bytes(machine.mem_read(address, size)) if inside else b""
        if code in BARRIERS:
            events.append(BARRIERS[code])

    def access(_machine: unicorn.Uc, _kind: int, address: int, _size: int, _value: int, _data: object) -> None:
        if inside:
            events.append(address)

    kinds = unicorn.UC_HOOK_MEM_READ | unicorn.UC_HOOK_MEM_WRITE
    hooks = [machine.hook_add(unicorn.UC_HOOK_CODE, step)]
    hooks += [machine.hook_add(kinds, access, begin=first, end=last) for first, last in REGISTERS]
    action()
    probe.finish()
    for hook in hooks:
        machine.hook_del(hook)
    return events


@pytest.fixture
def probe() -> VirtualProbe:
    return VirtualProbe((("dma", "late"),))


def test_stores_of_the_core_are_in_memory_before_a_channel_is_enabled(probe: VirtualProbe) -> None:
    events = traced(probe, "ta_port_dma_start", lambda: probe.start(0, DTCM, FLASH, 64))
    enable = events.index(CR)
    assert DSB in events[:enable]
    assert {TCR, TBR} <= set(events[:enable])


def test_no_load_comes_before_the_end_of_a_transfer_was_seen(probe: VirtualProbe) -> None:
    assert probe.start(0, DTCM, FLASH, 64) == OK
    events = traced(probe, "ta_port_dma_wait", lambda: probe.wait(0))
    last_poll = len(events) - 1 - events[::-1].index(ISR)
    assert DSB in events[last_poll:]


@pytest.mark.parametrize("operation", ["clean", "invalidate"])
def test_maintenance_is_between_barriers(probe: VirtualProbe, operation: str) -> None:
    register = {"clean": DCCMVAC, "invalidate": DCIMVAC}[operation]
    events = traced(probe, f"ta_port_cache_{operation}", lambda: getattr(probe, operation)(AXI, 96))
    assert events == [DSB, register, register, register, DSB, ISB]
