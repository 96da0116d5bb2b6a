"""What to tell a person whose model does not fit: what is short where and when, the best plan, what would help."""

from __future__ import annotations

from dataclasses import dataclass

from tinyanime.boards.schema import Board
from tinyanime.codegen.errors import DoesNotFitError
from tinyanime.codegen.memory.problem import Bank, Buffer
from tinyanime.codegen.memory.solve import Shortage, lower_bound_bytes
from tinyanime.codegen.schedule.plan import Schedule

_OTHER_BOARD = "or choose a board with more memory (tinyanime boards)."
_LISTED_BUFFERS = 4


@dataclass(frozen=True, eq=False, slots=True)
class Attempt:
    """A schedule that cannot run on the board: it found no plan (`shortage`), or has too many steps (None)."""

    schedule: Schedule
    shortage: Shortage | None

    @property
    def alive_bytes(self) -> int:
        return lower_bound_bytes(self.schedule.buffers)


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


def plan_does_not_fit(board: Board, banks: tuple[Bank, ...], attempt: Attempt) -> DoesNotFitError:
    """A single buffer beyond every bank, too many bytes in one step, or banks that the buffers fill too raggedly.

    The message goes on with the best plan of the attempt at the moment where it breaks, and with what is proven.
    """
    schedule, shortage = attempt.schedule, attempt.shortage
    assert shortage is not None
    total = sum(bank.size_bytes for bank in banks)
    lonely = _beyond_every_bank(banks, schedule)
    if lonely is not None:
        step = lonely.first_step
        what = _one_buffer(banks, schedule, lonely)
        hint = f"Use a smaller picture or fewer channels in this map, {_OTHER_BOARD}"
    elif shortage.alive_bytes > total:
        step = shortage.fullest_step
        what = _one_step(banks, schedule, step)
        hint = (
            "Use a smaller picture, fewer channels in these maps, or no skip connection at full resolution "
            f"(a map that is read again later stays in memory); {_OTHER_BOARD}"
        )
    else:
        step = shortage.step
        what = _ragged(banks, schedule, shortage)
        hint = f"Use a slightly smaller picture or fewer channels in the largest maps, {_OTHER_BOARD}"
    lines = (f"The model does not fit {board.name}: {what}", _plan_at(banks, schedule, shortage, step))
    return DoesNotFitError("\n".join((*lines, _proven(shortage, total))), hint=hint)


def _beyond_every_bank(banks: tuple[Bank, ...], schedule: Schedule) -> Buffer | None:
    """The largest buffer that no bank could hold if it were empty."""
    for buffer in sorted(schedule.buffers, key=lambda b: (-b.size_bytes, b.name)):
        largest = _largest_bank(banks, buffer)
        if largest is None or buffer.size_bytes > largest.size_bytes:
            return buffer
    return None


def _largest_bank(banks: tuple[Bank, ...], buffer: Buffer) -> Bank | None:
    allowed = [b for b in banks if (not buffer.banks or b.name in buffer.banks) and (b.dma or not buffer.dma)]
    return max(allowed, key=lambda bank: bank.size_bytes, default=None)


def _one_buffer(banks: tuple[Bank, ...], schedule: Schedule, buffer: Buffer) -> str:
    bank = _largest_bank(banks, buffer)
    room = f"the largest bank, {bank.name}, has {bank.size_bytes:,}" if bank else "no bank may hold it"
    return f"{_described(schedule, buffer)} needs {buffer.size_bytes:,} bytes in one bank and {room}."


def _one_step(banks: tuple[Bank, ...], schedule: Schedule, step: int) -> str:
    alive = _alive(schedule, step)
    return (
        f"layer '{_layer(schedule, step)}' needs {_bytes(alive):,} bytes at once (tensors {_named(alive)}), the board "
        f"has {sum(bank.size_bytes for bank in banks):,} ({_listed(banks)})."
    )


def _ragged(banks: tuple[Bank, ...], schedule: Schedule, shortage: Shortage) -> str:
    total = sum(bank.size_bytes for bank in banks)
    return (
        f"{_described(schedule, shortage.buffer)} needs {shortage.buffer.size_bytes:,} bytes in one piece and the "
        f"largest free piece beside the other tensors has {shortage.largest_gap_bytes:,}; layer "
        f"'{_layer(schedule, shortage.step)}' needs {_bytes(_alive(schedule, shortage.step)):,} of {total:,} bytes in "
        f"all ({_listed(banks)}), but no tensor may lie across two banks."
    )


def _plan_at(banks: tuple[Bank, ...], schedule: Schedule, shortage: Shortage, step: int) -> str:
    """A table: what the banks hold in `step`, and what finds no room there."""
    rows = schedule.steps[step].output.rows
    alive = _alive(schedule, step)
    bank_of = {placement.buffer: placement.bank for placement in shortage.placements}
    lines = [
        f"The best plan found, in layer '{_layer(schedule, step)}', rows {rows.begin} to {rows.end - 1} (step "
        f"{step + 1:,} of {len(schedule.steps):,}):"
    ]
    width = max(len(bank.name) for bank in banks)
    for bank in banks:
        held = tuple(buffer for buffer in alive if bank_of.get(buffer.name) == bank.name)
        lines.append(f"  {bank.name:{width}}  {_bytes(held):>9,} of {bank.size_bytes:>9,}: {_named(held) or 'nothing'}")
    missing = tuple(buffer for buffer in alive if buffer.name not in bank_of)
    if missing:
        lines.append(f"  without a place: {_bytes(missing):,}: {_named(missing)}")
    if shortage.bank:
        lines.append(
            f"  It breaks in bank {shortage.bank}, layer '{_layer(schedule, shortage.step)}' (step "
            f"{shortage.step + 1:,}): '{shortage.buffer.name}' needs {shortage.needed_bytes:,} bytes, "
            f"{shortage.free_bytes:,} are free."
        )
    return "\n".join(lines)


def _proven(shortage: Shortage, total: int) -> str:
    least = f"{shortage.alive_bytes:,} bytes at once, the board has {total:,}"
    if shortage.proven:
        return f"This order of work needs at least {least}; it is proven that no placement of it exists."
    return f"This order of work needs at least {least} (proven); no placement was found in the planner's time."


def _named(buffers: tuple[Buffer, ...]) -> str:
    named = [f"'{b.name}' {b.size_bytes:,}" for b in buffers[:_LISTED_BUFFERS]]
    if len(buffers) > _LISTED_BUFFERS:
        named.append(f"{len(buffers) - _LISTED_BUFFERS} more")
    return ", ".join(named)


def _described(schedule: Schedule, buffer: Buffer) -> str:
    """The buffer by its tensor, or by all that share it."""
    tensors = [storage.tensor for storage in schedule.storage if storage.buffer == buffer.name]
    where = f"(layer '{_layer(schedule, buffer.first_step)}')"
    if len(tensors) > 1:
        names = ", ".join(f"'{name}'" for name in tensors)
        return f"the buffer that {names} share {where}"
    return f"tensor '{buffer.name}' {where}"


def _layer(schedule: Schedule, step: int) -> str:
    return schedule.op_of(schedule.steps[min(step, len(schedule.steps) - 1)]).name


def _alive(schedule: Schedule, step: int) -> tuple[Buffer, ...]:
    """The largest first."""
    alive = (b for b in schedule.buffers if b.first_step <= step < b.end_step)
    return tuple(sorted(alive, key=lambda b: (-b.size_bytes, b.name)))


def _bytes(buffers: tuple[Buffer, ...]) -> int:
    return sum(buffer.size_bytes for buffer in buffers)


def _listed(banks: tuple[Bank, ...]) -> str:
    return ", ".join(f"{bank.name} {bank.size_bytes:,}" for bank in banks)
