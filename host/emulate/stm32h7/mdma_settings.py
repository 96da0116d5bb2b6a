"""What the registers of an MDMA channel ask for: RM0433 14.5.6 to 14.5.12."""

from __future__ import annotations

from dataclasses import dataclass

from tinyanime.host.emulate.bus import BusError

LARGEST_BYTES = 65536
_UP = 2
_BLOCK = 1


@dataclass(frozen=True, slots=True)
class TransferSettings:
    """`size` bytes from `source` to `target`, in accesses of so many bytes, over the TCM port or AXI."""

    source: int
    target: int
    size: int
    source_width: int
    target_width: int
    source_tcm: bool
    target_tcm: bool


def read_settings(channel: int, tcr: int, bndtr: int, sar: int, dar: int, tbr: int) -> TransferSettings:
    """BusError for what is unpredictable on the chip or not modelled here."""
    size = bndtr & 0x1_FFFF
    if not 1 <= size <= LARGEST_BYTES:
        raise BusError(f"requested {size} bytes of MDMA channel {channel}, which moves 1 to {LARGEST_BYTES}")
    _check_modes(channel, tcr)
    source_width, target_width = 1 << (tcr >> 4 & 3), 1 << (tcr >> 6 & 3)
    for side, width, tcm, burst, step in (
        ("source", source_width, bool(tbr & 1 << 16), tcr >> 12 & 7, 1 << (tcr >> 8 & 3)),
        ("target", target_width, bool(tbr & 1 << 17), tcr >> 15 & 7, 1 << (tcr >> 10 & 3)),
    ):
        _check_side(f"{side} of MDMA channel {channel}", width, tcm, burst, step, (tcr >> 18 & 0x7F) + 1, size)
    return TransferSettings(sar, dar, size, source_width, target_width, bool(tbr & 1 << 16), bool(tbr & 1 << 17))


def _check_modes(channel: int, tcr: int) -> None:
    packed = tcr >> 25 & 1
    for right, what in (
        (tcr >> 30 & 1, "without SWRM, which is not modelled"),
        (tcr >> 28 & 3 == _BLOCK, f"with trigger mode {tcr >> 28 & 3}, where only a block (1) is modelled"),
        (tcr & 3 == _UP and tcr >> 2 & 3 == _UP, "with an address that does not go up, which is not modelled"),
        (packed or tcr >> 4 & 3 == tcr >> 6 & 3, "with padding (PKE is 0 and the sizes differ), which is not modelled"),
    ):
        if not right:
            raise BusError(f"requested a transfer of MDMA channel {channel} {what}")


def _check_side(side: str, width: int, tcm: bool, burst: int, step: int, buffer_bytes: int, size: int) -> None:
    """The unpredictable combinations of 14.5.6; the last buffer of a block may be shorter (14.3.4)."""
    shortest = size % buffer_bytes or buffer_bytes
    if step != width:
        raise BusError(f"set the {side} to a step of {step} bytes and accesses of {width}, which is not modelled")
    if buffer_bytes % width:
        raise BusError(f"set a buffer of {buffer_bytes} bytes and accesses of {width} for the {side}")
    if burst and (width << burst) > shortest:
        raise BusError(f"set bursts of {width << burst} bytes for the {side}, of which a buffer has {shortest}")
    if tcm and burst and width > 4:
        raise BusError(f"set bursts of double words for the {side}, which is a TCM")
