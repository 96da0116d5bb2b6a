"""DMA: RP2040 datasheet 2.5. Memory to memory, unpaced, by the plain registers of a channel; nothing else.

When the bytes arrive is chosen as for the other virtual boards (dma_order.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from tinyanime.boards.schema import MemoryKind
from tinyanime.host.emulate.bus import BusError, Register
from tinyanime.host.emulate.dma_order import DmaOrder, DmaOrdering, DmaTiming, Piece
from tinyanime.host.emulate.memories import Memories
from tinyanime.host.emulate.rp2040.apb import ResettablePeripheral, read_only
from tinyanime.host.emulate.rp2040.chip_time import ChipTime

CHANNELS = 12
_EN, _INCR_READ, _INCR_WRITE, _BUSY = 1 << 0, 1 << 4, 1 << 5, 1 << 24
_WRITE_ERROR, _READ_ERROR, _AHB_ERROR = 1 << 29, 1 << 30, 1 << 31
_TREQ_PERMANENT = 0x3F
_CTRL_WRITABLE = 0x00FF_FFFF
_CTRL_FLAGS = _BUSY | _WRITE_ERROR | _READ_ERROR | _AHB_ERROR
_ALL = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Transfer:
    """`size` bytes from `source` to `target`."""

    source: int
    target: int
    size: int


class _Underway:
    """A transfer that has not ended; `polls_left` looks at its channel find it so."""

    def __init__(self, transfer: Transfer, pieces: tuple[Piece, ...], polls: int, core: int, begin: int) -> None:
        self.transfer = transfer
        self.pieces = list(pieces)
        self.polls_left = polls
        self.core = core
        self.begin = begin


def _channel_registers(channel: int) -> tuple[Register, ...]:
    base = 0x40 * channel
    return (
        Register(f"CH{channel}_READ_ADDR", base + 0x00, writable=_ALL),
        Register(f"CH{channel}_WRITE_ADDR", base + 0x04, writable=_ALL),
        Register(f"CH{channel}_TRANS_COUNT", base + 0x08, writable=_ALL),
        Register(f"CH{channel}_CTRL_TRIG", base + 0x0C, reset=channel << 11, writable=_CTRL_WRITABLE),
        Register(f"CH{channel}_AL1_CTRL", base + 0x10),
    )


class Dma(ResettablePeripheral):
    """All channels. `set_alarm` asks core `core` to call `deliver_due` at so many cycles."""

    name = "DMA"
    base = 0x5000_0000
    size_bytes = 0x1000
    registers: ClassVar[tuple[Register, ...]] = (
        *(register for channel in range(CHANNELS) for register in _channel_registers(channel)),
        Register("INTR", 0x400),
        Register("CHAN_ABORT", 0x444),
        Register("N_CHANNELS", 0x448, reset=CHANNELS),
    )

    def __init__(
        self, memories: Memories, order: DmaOrder, time: ChipTime, set_alarm: Callable[[int, int | None], None]
    ) -> None:
        super().__init__()
        self._memories = memories
        self._ordering = DmaOrdering(order)
        self._time = time
        self._set_alarm_of = set_alarm
        self._underway: dict[int, _Underway] = {}
        self._unawaited: dict[int, Transfer] = {}
        self._abort_polls = 0

    def readers(self) -> dict[int, Callable[[], int]]:
        own = {}
        for channel in range(CHANNELS):
            for offset in (0x0C, 0x10):
                own[self.base + 0x40 * channel + offset] = self._control_reader(channel)
        return super().readers() | own

    def writers(self) -> dict[int, Callable[[int], None]]:
        own = {}
        for channel in range(CHANNELS):
            base = self.base + 0x40 * channel
            for offset, name in ((0x00, "READ_ADDR"), (0x04, "WRITE_ADDR"), (0x08, "TRANS_COUNT")):
                own[base + offset] = self._configuration_writer(channel, name)
            own[base + 0x0C] = self._control_writer(channel, starts=True)
            own[base + 0x10] = self._control_writer(channel, starts=False)
        return super().writers() | own

    @property
    def unawaited(self) -> tuple[Transfer, ...]:
        """What was started and not seen to have ended."""
        return tuple(self._unawaited.values())

    def _control(self, channel: int) -> str:
        return f"CH{channel}_CTRL_TRIG"

    def _control_reader(self, channel: int) -> Callable[[], int]:
        def read() -> int:
            self._poll(channel)
            value = self.values[self._control(channel)]
            if not value & _BUSY:
                self._unawaited.pop(channel, None)
            return value

        return read

    def _poll(self, channel: int) -> None:
        underway = self._underway.get(channel)
        if underway is not None and self._ordering.timing is not DmaTiming.NEVER:
            underway.polls_left -= 1
            if underway.polls_left < 0:
                self._finish(channel)

    def _configuration_writer(self, channel: int, name: str) -> Callable[[int], None]:
        def write(value: int) -> None:
            if self.values[self._control(channel)] & _BUSY:
                raise BusError(f"wrote DMA_CH{channel}_{name} while the channel is busy")
            self.store(f"CH{channel}_{name}", value)

        return write

    def _control_writer(self, channel: int, *, starts: bool) -> Callable[[int], None]:
        def write(value: int) -> None:
            control = self._control(channel)
            if self.values[control] & _BUSY:
                raise BusError(f"wrote DMA_CH{channel}_CTRL while the channel is busy, which is not modelled")
            cleared = value & (_WRITE_ERROR | _READ_ERROR)
            flags = self.values[control] & _CTRL_FLAGS & ~cleared
            if not flags & (_WRITE_ERROR | _READ_ERROR):
                flags = 0
            self.values[control] = value & _CTRL_WRITABLE | flags
            if starts and value & _EN:
                self._begin(channel)

        return write

    def _begin(self, channel: int) -> None:
        if channel in self._unawaited:
            what = self._unawaited[channel]
            raise BusError(
                f"started DMA channel {channel} again without a wait for its transfer of {what.size} bytes "
                f"from 0x{what.source:08x} to 0x{what.target:08x}"
            )
        transfer = self._transfer(channel)
        control = self._control(channel)
        self.values[control] |= _BUSY
        self._unawaited[channel] = transfer
        error = self._error(transfer)
        if error:
            self.values[control] |= _AHB_ERROR | error  # The channel halts, still busy: 2.5.7.
            return
        pieces = self._ordering.pieces(transfer.size)
        underway = _Underway(transfer, pieces, self._ordering.polls(), self._time.active, self._time.cycles)
        self._underway[channel] = underway
        if self._ordering.timing is DmaTiming.EARLY:
            self._finish(channel)
            return
        for piece in self._ordering.poisoned(pieces):
            self._memories.write(transfer.target + piece.begin, self._ordering.poison(piece.end - piece.begin))
        self._set_alarms()

    def _transfer(self, channel: int) -> Transfer:
        """What the registers ask for; BusError for what is not modelled: 2.5.7."""
        control = self.values[self._control(channel)]
        source, target, count = (
            self.values[f"CH{channel}_{name}"] for name in ("READ_ADDR", "WRITE_ADDR", "TRANS_COUNT")
        )
        width = 1 << (control >> 2 & 3)
        for right, what in (
            (width <= 4, "with DATA_SIZE 3, which is reserved"),
            (
                control & _INCR_READ and control & _INCR_WRITE,
                "with an address that stands still, which is not modelled",
            ),
            (not control >> 6 & 0xF, "with a ring, which is not modelled"),
            (control >> 11 & 0xF == channel, "that chains to another channel, which is not modelled"),
            (control >> 15 & 0x3F == _TREQ_PERMANENT, "paced by a peripheral (TREQ_SEL), which is not modelled"),
            (not control >> 22 & 3, "with a byte swap or sniffing, which is not modelled"),
            (count, "with a count of 0"),
            (source % width == 0 and target % width == 0, f"with an address that is no multiple of {width}"),
        ):
            if not right:
                raise BusError(f"started a transfer of DMA channel {channel} {what}")
        return Transfer(source, target, count * width)

    def _error(self, transfer: Transfer) -> int:
        """Flag of a transfer that ends on the bus."""
        if not self._reaches(transfer.source, transfer.size):
            return _READ_ERROR
        memory = self._memories.at(transfer.target, transfer.size)
        writable = memory is None or memory.region.kind is MemoryKind.RAM
        return 0 if writable and self._reaches(transfer.target, transfer.size) else _WRITE_ERROR

    def _reaches(self, address: int, size: int) -> bool:
        if 0x4000_0000 <= address < 0xE000_0000:
            raise BusError(f"let the DMA access 0x{address:08x}: its access to peripherals is not modelled")
        if not self._memories.answers(address, size):
            return False
        if self._memories.at(address, size) is None:
            raise BusError(f"let the DMA access {size} bytes at 0x{address:08x}, across memories: not modelled")
        return True

    def _finish(self, channel: int) -> None:
        """All that has not arrived does now, and the channel is idle."""
        underway = self._underway.pop(channel)
        for piece in underway.pieces:
            self._move(underway.transfer, piece)
        self.values[self._control(channel)] &= ~_BUSY
        self.values[f"CH{channel}_READ_ADDR"] = underway.transfer.source + underway.transfer.size & _ALL
        self.values[f"CH{channel}_WRITE_ADDR"] = underway.transfer.target + underway.transfer.size & _ALL
        self.values[f"CH{channel}_TRANS_COUNT"] = 0

    def _move(self, transfer: Transfer, piece: Piece) -> None:
        data = self._memories.read(transfer.source + piece.begin, piece.end - piece.begin)
        self._memories.write(transfer.target + piece.begin, data)

    def deliver_due(self) -> None:
        """Moves the pieces whose moment has come on the core that runs."""
        core, now = self._time.active, self._time.cycles
        for channel, underway in tuple(self._underway.items()):
            if underway.core != core:
                continue
            due = [piece for piece in underway.pieces if underway.begin + piece.delay <= now]
            for piece in due:
                underway.pieces.remove(piece)
                self._move(underway.transfer, piece)
            if due and not underway.pieces:
                self._finish(channel)
        self._set_alarms()

    def _set_alarms(self) -> None:
        """A transfer follows the time of the core that has started it."""
        if self._ordering.timing is not DmaTiming.RANDOM:
            return
        core = self._time.active
        moments = [
            underway.begin + piece.delay
            for underway in self._underway.values()
            if underway.core == core
            for piece in underway.pieces
        ]
        self._set_alarm_of(core, min(moments, default=None))

    def read_chan_abort(self) -> int:
        """Reads 0 when the channels have stopped: 2.5.5.3."""
        self._abort_polls = max(0, self._abort_polls - 1)
        return self.values["CHAN_ABORT"] if self._abort_polls else 0

    def write_chan_abort(self, value: int) -> None:
        self.values["CHAN_ABORT"] = value
        self._abort_polls = 3
        for channel in range(CHANNELS):
            if value >> channel & 1:
                self._underway.pop(channel, None)
                self._unawaited.pop(channel, None)
                self.values[self._control(channel)] &= ~_BUSY

    def write_intr(self, value: int) -> None:
        raise BusError("wrote to DMA_INTR: interrupts are not modelled")

    def write_n_channels(self, value: int) -> None:
        raise read_only("DMA_N_CHANNELS")
