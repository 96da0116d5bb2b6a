"""What to tell a person whose model does not fit: the tensor or layer, the bytes needed and had, what would help."""

from __future__ import annotations

from tinyanime.boards.schema import Board
from tinyanime.codegen.errors import DoesNotFitError
from tinyanime.codegen.memory.problem import Bank, Buffer
from tinyanime.codegen.memory.solve import Shortage
from tinyanime.codegen.schedule.plan import Schedule

_OTHER_BOARD = "or choose a board with more memory (tinyanime boards)."
_LISTED_BUFFERS = 4


def no_banks(board: Board) -> DoesNotFitError:
    """Stack and static data leave nothing of the memory that activations may use."""
    return DoesNotFitError(
        f"Board {board.name} has no memory for activations: stack and static data take all of it.",
        hint=f'Lower stack_bytes or add a region with the use "activations" in {board.source}.',
    )


def too_many_steps(board: Board, schedule: Schedule, most: int) -> DoesNotFitError:
    """The bands needed to save memory are so small that the firmware cannot count the kernel calls."""
    return DoesNotFitError(
        f"The model does not fit {board.name}: in bands small enough it takes {len(schedule.steps):,} kernel calls, "
        f"the most is {most:,}.",
        hint=f"Use a smaller picture, {_OTHER_BOARD}",
    )


def plan_does_not_fit(board: Board, banks: tuple[Bank, ...], schedule: Schedule, shortage: Shortage) -> DoesNotFitError:
    """A single buffer beyond every bank, too many bytes in one step, or banks that the buffers fill too raggedly."""
    for buffer in sorted(schedule.buffers, key=lambda b: -b.size_bytes):
        allowed = [bank for bank in banks if not buffer.banks or bank.name in buffer.banks]
        largest = max(allowed, key=lambda bank: bank.size_bytes, default=None)
        if largest is None or buffer.size_bytes > largest.size_bytes:
            return _one_buffer(board, largest, schedule, buffer)
    total = sum(bank.size_bytes for bank in banks)
    fullest = max((b.first_step for b in schedule.buffers), key=lambda step: sum(_sizes(schedule, step)))
    if sum(_sizes(schedule, fullest)) > total:
        return _one_step(board, banks, schedule, fullest)
    return _ragged(board, banks, schedule, shortage)


def _one_buffer(board: Board, bank: Bank | None, schedule: Schedule, buffer: Buffer) -> DoesNotFitError:
    room = f"the largest bank, {bank.name}, has {bank.size_bytes:,}" if bank else "none of its banks exists"
    return DoesNotFitError(
        f"The model does not fit {board.name}: {_described(schedule, buffer)} needs {buffer.size_bytes:,} bytes in "
        f"one bank and {room}.",
        hint=f"Use a smaller picture or fewer channels in this map, {_OTHER_BOARD}",
    )


def _one_step(board: Board, banks: tuple[Bank, ...], schedule: Schedule, step: int) -> DoesNotFitError:
    alive = sorted(_alive(schedule, step), key=lambda b: -b.size_bytes)
    named = [f"'{b.name}' {b.size_bytes:,}" for b in alive[:_LISTED_BUFFERS]]
    if len(alive) > _LISTED_BUFFERS:
        named.append(f"{len(alive) - _LISTED_BUFFERS} more")
    return DoesNotFitError(
        f"The model does not fit {board.name}: layer '{_layer(schedule, step)}' needs "
        f"{sum(_sizes(schedule, step)):,} bytes at once (tensors {', '.join(named)}), the board has "
        f"{sum(bank.size_bytes for bank in banks):,} ({_listed(banks)}).",
        hint="Use a smaller picture, fewer channels in these maps, or no skip connection at full resolution "
        f"(a map that is read again later stays in memory); {_OTHER_BOARD}",
    )


def _ragged(board: Board, banks: tuple[Bank, ...], schedule: Schedule, shortage: Shortage) -> DoesNotFitError:
    buffer = shortage.buffer
    step = max(
        (b.first_step for b in schedule.buffers if buffer.first_step <= b.first_step < buffer.end_step),
        key=lambda at: sum(_sizes(schedule, at)),
    )
    return DoesNotFitError(
        f"The model does not fit {board.name}: {_described(schedule, buffer)} needs {buffer.size_bytes:,} bytes in "
        f"one piece and the largest free piece beside the other tensors has {shortage.largest_gap_bytes:,}; layer "
        f"'{_layer(schedule, step)}' needs {sum(_sizes(schedule, step)):,} of {sum(b.size_bytes for b in banks):,} "
        f"bytes in all ({_listed(banks)}), but no tensor may lie across two banks.",
        hint=f"Use a slightly smaller picture or fewer channels in the largest maps, {_OTHER_BOARD}",
    )


def _described(schedule: Schedule, buffer: Buffer) -> str:
    return f"tensor '{buffer.name}' (layer '{_layer(schedule, buffer.first_step)}')"


def _layer(schedule: Schedule, step: int) -> str:
    return schedule.op_of(schedule.steps[min(step, len(schedule.steps) - 1)]).name


def _alive(schedule: Schedule, step: int) -> tuple[Buffer, ...]:
    return tuple(b for b in schedule.buffers if b.first_step <= step < b.end_step)


def _sizes(schedule: Schedule, step: int) -> tuple[int, ...]:
    return tuple(b.size_bytes for b in _alive(schedule, step))


def _listed(banks: tuple[Bank, ...]) -> str:
    return ", ".join(f"{bank.name} {bank.size_bytes:,}" for bank in banks)
