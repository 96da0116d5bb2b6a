"""Master DMA controller: RM0433 chapter 14. Memory to memory, one block, by software request; four channels.

A transfer that the chip would refuse sets the error flag as on the chip; the target is left as it is then. What the
manual calls unpredictable, and what is not modelled, ends the emulation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tinyanime.boards.schema import MemoryKind
from tinyanime.host.emulate.block_counter import BlockCounter
from tinyanime.host.emulate.bus import BusError, Peripheral, Register
from tinyanime.host.emulate.data_cache import DataCache
from tinyanime.host.emulate.dma_order import DmaOrder, DmaOrdering, DmaTiming, Piece
from tinyanime.host.emulate.memories import Memories
from tinyanime.host.emulate.stm32h7.mdma_settings import TransferSettings, read_settings

CHANNELS = 4
_TEIF, _CTCIF, _BTIF, _TCIF, _CRQA = 1 << 0, 1 << 1, 1 << 3, 1 << 4, 1 << 16
_EN, _SWRQ = 1 << 0, 1 << 16
_TED, _ASE, _BSE = 1 << 7, 1 << 10, 1 << 11
_STOP_POLLS = 3
"""Status reads after which a channel that was switched off in the middle of a transfer has stopped."""
_TCM_BASES = (0x0000_0000, 0x2000_0000)
_PERIPHERALS = (0x4000_0000, 0x6000_0000)
_CONFIGURATION = ("TCR", "BNDTR", "SAR", "DAR", "TBR")


def _channel_registers(channel: int) -> tuple[Register, ...]:
    base = 0x40 + 0x40 * channel
    return (
        Register(f"C{channel}ISR", base + 0x00),
        Register(f"C{channel}IFCR", base + 0x04),
        Register(f"C{channel}ESR", base + 0x08),
        Register(f"C{channel}CR", base + 0x0C, writable=_EN | 0xC0, ignored=_SWRQ),
        Register(f"C{channel}TCR", base + 0x10, writable=0xFFFF_FFFF),
        Register(f"C{channel}BNDTR", base + 0x14, writable=0x1_FFFF),
        Register(f"C{channel}SAR", base + 0x18, writable=0xFFFF_FFFF),
        Register(f"C{channel}DAR", base + 0x1C, writable=0xFFFF_FFFF),
        Register(f"C{channel}TBR", base + 0x28, writable=0x3_003F),
    )


@dataclass(frozen=True, slots=True)
class MdmaWiring:
    """`write` puts bytes into memory and forgets what was translated from code there; `cache` is None where nobody
    checks coherence."""

    memories: Memories
    cache: DataCache | None
    counter: BlockCounter
    write: Callable[[int, bytes], None]


class _Transfer:
    """One block on its way; `polls_left` status reads find it under way."""

    def __init__(self, settings: TransferSettings, error: int | None, pieces: tuple[Piece, ...], polls: int) -> None:
        self.settings = settings
        self.error = error
        """What MDMA_CxESR will show; None where the transfer works."""
        self.pieces = list(pieces)
        self.polls_left = polls
        self.begin = 0
        """Instructions at the request."""


class _Channel:
    """State of one channel; the registers are those of `mdma`."""

    def __init__(self, mdma: Mdma, index: int) -> None:
        self._mdma = mdma
        self.index = index
        self.transfer: _Transfer | None = None
        self.unawaited: TransferSettings | None = None
        """What was requested and not seen to have ended."""
        self.stop_polls = 0
        """Status reads until a channel that was switched off in the middle has stopped; 0: it does not have to."""

    def name(self, register: str) -> str:
        return f"C{self.index}{register}"

    def value(self, register: str) -> int:
        return self._mdma.values[self.name(register)]

    def read_isr(self) -> int:
        transfer = self.transfer
        if transfer is not None and self._mdma.ordering.timing is not DmaTiming.NEVER:
            transfer.polls_left -= 1
            if transfer.polls_left < 0:
                self._mdma.finish(self)
        if self.stop_polls:
            self.stop_polls -= 1
            if not self.stop_polls:
                self._mdma.stopped(self)
        flags = self.value("ISR")
        if flags & (_TEIF | _CTCIF):
            self._mdma.seen(self)
        return flags

    def write_isr(self, value: int) -> None:
        raise BusError(f"wrote to MDMA_{self.name('ISR')}, which is read-only")

    def read_ifcr(self) -> int:
        raise BusError(f"read MDMA_{self.name('IFCR')}, which is write-only")

    def write_ifcr(self, value: int) -> None:
        """14.5.3; CTEIF clears the error status as well: 14.5.4."""
        self._mdma.values[self.name("ISR")] &= ~(value & 0x1F)
        if value & _TEIF:
            self._mdma.values[self.name("ESR")] = 0

    def write_esr(self, value: int) -> None:
        raise BusError(f"wrote to MDMA_{self.name('ESR')}, which is read-only")

    def write_configuration(self, register: str, value: int) -> None:
        if self.value("CR") & _EN:
            raise BusError(f"wrote MDMA_{self.name(register)} while the channel is enabled, which the chip ignores")
        self._mdma.store(self.name(register), value)

    def write_cr(self, value: int) -> None:
        was_on = bool(self.value("CR") & _EN)
        if value & _EN and self.unawaited is not None:
            what = self.unawaited
            raise BusError(
                f"started MDMA channel {self.index} again without a wait for its transfer of {what.size} bytes "
                f"from 0x{what.source:08x} to 0x{what.target:08x}"
            )
        self._mdma.store(self.name("CR"), value)
        if was_on and not value & _EN:
            self._mdma.abandon(self)
        if value & _SWRQ:
            if not was_on:
                raise BusError(
                    f"requested a transfer of MDMA channel {self.index} while it is off, which has no effect"
                )
            self._mdma.begin(self)


class Mdma(Peripheral):
    """MDMA with the channels 0 to 3."""

    name = "MDMA"
    base = 0x5200_0000
    size_bytes = 0x1000
    registers = tuple(register for channel in range(CHANNELS) for register in _channel_registers(channel))

    def __init__(self, wiring: MdmaWiring, order: DmaOrder) -> None:
        super().__init__()
        self._wiring = wiring
        self.ordering = DmaOrdering(order)
        self._channels = tuple(_Channel(self, index) for index in range(CHANNELS))

    def readers(self) -> dict[int, Callable[[], int]]:
        table = super().readers()
        for channel in self._channels:
            base = self.base + 0x40 + 0x40 * channel.index
            table[base] = channel.read_isr
            table[base + 0x04] = channel.read_ifcr
        return table

    def writers(self) -> dict[int, Callable[[int], None]]:
        table = super().writers()
        for channel in self._channels:
            base = self.base + 0x40 + 0x40 * channel.index
            table[base] = channel.write_isr
            table[base + 0x04] = channel.write_ifcr
            table[base + 0x08] = channel.write_esr
            table[base + 0x0C] = channel.write_cr
            for register in self.registers:
                if register.name in {channel.name(name) for name in _CONFIGURATION}:
                    table[self.base + register.offset] = _configuration_writer(channel, register.name[2:])
        return table

    @property
    def unawaited(self) -> tuple[TransferSettings, ...]:
        """Transfers that were requested and whose end the firmware has not seen."""
        return tuple(channel.unawaited for channel in self._channels if channel.unawaited is not None)

    def begin(self, channel: _Channel) -> None:
        """The software request: the transfer is checked, its bytes move when the order says so."""
        if channel.value("ISR") & (_TEIF | _CTCIF):
            raise BusError(
                f"requested a transfer of MDMA channel {channel.index} before the flags of its last were cleared"
            )
        settings = read_settings(channel.index, *(channel.value(register) for register in _CONFIGURATION))
        error = self._error(settings)
        pieces = self.ordering.pieces(settings.size) if error is None else ()
        transfer = _Transfer(settings, error, pieces, self.ordering.polls())
        transfer.begin = self._wiring.counter.instructions
        channel.transfer = transfer
        channel.unawaited = settings
        self.values[channel.name("ISR")] |= _CRQA
        if error is None and self._wiring.cache is not None:
            self._wiring.cache.dma_reads(settings.source, settings.size)
            self._wiring.cache.dma_writes(settings.target, settings.size)
        if self.ordering.timing is DmaTiming.EARLY:
            self.finish(channel)
            return
        for piece in self.ordering.poisoned(pieces):
            self._wiring.write(settings.target + piece.begin, self.ordering.poison(piece.end - piece.begin))
        self._set_alarm()

    def finish(self, channel: _Channel) -> None:
        """All that has not arrived does now, and the channel is off: 14.3.13, 14.5.5."""
        transfer = channel.transfer
        assert transfer is not None
        for piece in transfer.pieces:
            self._move(transfer.settings, piece)
        channel.transfer = None
        flags = _CTCIF | _BTIF | _TCIF if transfer.error is None else _TEIF
        self.values[channel.name("ISR")] = self.values[channel.name("ISR")] & ~_CRQA | flags
        self.values[channel.name("ESR")] = transfer.error or 0
        self.values[channel.name("CR")] &= ~_EN

    def abandon(self, channel: _Channel) -> None:
        """The firmware has switched the channel off in the middle: what has not arrived never does. The channel stops
        some time later, and shows that by CTCIF: 14.5.2."""
        if channel.transfer is not None:
            channel.transfer = None
            channel.stop_polls = _STOP_POLLS

    def stopped(self, channel: _Channel) -> None:
        """The channel has ended the buffer it was at."""
        self.values[channel.name("ISR")] = self.values[channel.name("ISR")] & ~_CRQA | _CTCIF

    def seen(self, channel: _Channel) -> None:
        """The firmware knows that the channel's transfer has ended."""
        ended, channel.unawaited = channel.unawaited, None
        cache = self._wiring.cache
        if ended is None or cache is None:
            return
        cache.dma_ended(ended.target, ended.size)
        for other in self.unawaited:  # A line may belong to two targets.
            cache.dma_writes(other.target, other.size)

    def deliver_due(self) -> None:
        """Moves the pieces whose moment has come."""
        now = self._wiring.counter.instructions
        for channel in self._channels:
            transfer = channel.transfer
            if transfer is None:
                continue
            due = [piece for piece in transfer.pieces if transfer.begin + piece.delay <= now]
            for piece in due:
                transfer.pieces.remove(piece)
                self._move(transfer.settings, piece)
            if due and not transfer.pieces:
                self.finish(channel)
        self._set_alarm()

    def _set_alarm(self) -> None:
        if self.ordering.timing is DmaTiming.RANDOM:
            moments = [
                channel.transfer.begin + piece.delay
                for channel in self._channels
                if channel.transfer is not None
                for piece in channel.transfer.pieces
            ]
            self._wiring.counter.set_alarm(min(moments, default=None))

    def _move(self, settings: TransferSettings, piece: Piece) -> None:
        size = piece.end - piece.begin
        if self._wiring.cache is not None:
            self._wiring.cache.dma_reads(settings.source + piece.begin, size)
        self._wiring.write(
            settings.target + piece.begin, self._wiring.memories.read(settings.source + piece.begin, size)
        )

    def _error(self, settings: TransferSettings) -> int | None:
        """MDMA_CxESR of a transfer that cannot be made: 14.3.15, 14.5.4, 14.5.6."""
        ends = (
            (settings.source, settings.source_width, settings.source_tcm, False),
            (settings.target, settings.target_width, settings.target_tcm, True),
        )
        for address, width, tcm, writes in ends:
            direction = _TED if writes else 0
            if address % width:
                return direction | _ASE | address & 0x7F
            if settings.size % width:
                return direction | _BSE | (address + settings.size) & 0x7F
            if (tcm and width > 4) or not self._reaches(address, settings.size, tcm, writes):
                return direction | address & 0x7F
        return None

    def _reaches(self, address: int, size: int, tcm: bool, writes: bool) -> bool:
        if not tcm and address < _PERIPHERALS[1] and address + size > _PERIPHERALS[0]:
            raise BusError(f"let the MDMA access 0x{address:08x}: its access to peripherals is not modelled")
        memories = self._wiring.memories
        memory = memories.at(address, size)
        if memory is None or not memories.answers(address, size):
            return False
        if writes and memory.region.kind is MemoryKind.FLASH:
            return False
        return (memory.region.base in _TCM_BASES) == tcm


def _configuration_writer(channel: _Channel, register: str) -> Callable[[int], None]:
    return lambda value: channel.write_configuration(register, value)
